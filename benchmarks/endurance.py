"""What remains of many requests: objects, tasks and memory, sampled on the way. A child of `run.py`.

    python benchmarks/endurance.py 100000                       through the router alone
    python benchmarks/endurance.py 10000 http://127.0.0.1:…     over real HTTP, to an `upstream.py`

Sixteen callers take turns: a plain request, one that fails over, a stream, a stream that is left at its first chunk.
It prints a JSON list: requests so far, objects that the garbage collector knows, living tasks, resident bytes.
"""

from __future__ import annotations

import gc
import json
import sys
from contextlib import AbstractAsyncContextManager
from typing import Final

import trio
from instant import MESSAGES, config, router
from measuring import pin, resident

import understudy

CALLERS: Final = 16
SAMPLES: Final = 11


async def turn(it: understudy.Router, number: int) -> None:
    """Make one request."""
    match number % 4:
        case 0:
            await it.chat("good", MESSAGES)
        case 1:
            await it.chat("m", MESSAGES)
        case 2:
            async with it.stream("m", MESSAGES) as chunks:
                async for _ in chunks:
                    pass
        case _:
            async with it.stream("m", MESSAGES) as chunks:
                async for _ in chunks:
                    break


async def endure(requests: int, origin: str | None) -> list[tuple[int, int, int, int]]:
    """Make so many requests, and sample at equal distances; the first sample is where all has warmed up."""
    conf = config(["bad", "good"])
    opening: AbstractAsyncContextManager[understudy.Router] = router(conf)
    if origin is not None:
        for entry in conf["model_list"]:
            entry["api_base"] = entry["api_base"].replace("http://nowhere.example", origin)
        opening = understudy.open_router(conf)
    samples = []
    async with opening as it:
        for sample in range(SAMPLES):
            numbers = iter(range(requests // SAMPLES))

            async def ask(numbers: object = numbers) -> None:
                for number in numbers:  # type: ignore[attr-defined]
                    await turn(it, number)

            async with trio.open_nursery() as nursery:
                for _ in range(CALLERS):
                    nursery.start_soon(ask)
            await trio.sleep(0.01)  # whoever was left is seen out
            gc.collect()
            tasks = trio.lowlevel.current_statistics().tasks_living
            samples.append(((sample + 1) * (requests // SAMPLES), len(gc.get_objects()), tasks, resident()))
    return samples


if __name__ == "__main__":
    pin(0)
    print(json.dumps(trio.run(endure, int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)))
