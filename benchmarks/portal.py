"""What the portal costs: CPU time per request through the trio router alone, from asyncio, and from threads.

    python benchmarks/portal.py                  the table, in about half a minute
    python benchmarks/portal.py --write FOLDER   as portal.json and portal.md, too

One request is a `chat` over a transport that answers at once, so that nothing but the router and the portal is
measured; as many callers as the table says ask one after another. CPU time is that of the whole process, both threads.
Each round performs every case once, and the medians of all rounds are told, so that whatever else the machine does
disturbs all of them alike. The last column compares with the trio router at as many callers. Nothing is sent anywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import platform
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import httpx
import trio
from attrs import frozen
from tables import write_results

import understudy
from understudy import portal

CONFIG: Final = {"model_list": [{"model_name": "a", "model": "openai/m", "api_base": "http://a.example/v1"}]}
MESSAGES: Final = [{"role": "user", "content": "Hello"}]
ANSWER: Final = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
CHUNKS: Final = 100
STREAM: Final = (
    "".join(
        f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': 'word '}}]})}\n\n" for _ in range(CHUNKS)
    )
    + 'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
)
CALLERS: Final = (1, 16, 128)


async def provider(request: httpx.Request) -> httpx.Response:
    if b'"stream":true' in request.content.replace(b" ", b""):
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=STREAM)
    return httpx.Response(200, json=ANSWER)


TRANSPORT: Final = httpx.MockTransport(provider)


def from_trio(callers: int, requests: int, stream: bool) -> float:
    async def ask(router: understudy.Router) -> None:
        for _ in range(requests // callers):
            if stream:
                async with router.stream("a", MESSAGES) as chunks:
                    async for _ in chunks:
                        pass
            else:
                await router.chat("a", MESSAGES)

    async def main() -> float:
        async with understudy.open_router(CONFIG, transport=TRANSPORT) as router:
            await router.chat("a", MESSAGES)
            began = time.process_time()
            async with trio.open_nursery() as nursery:
                for _ in range(callers):
                    nursery.start_soon(ask, router)
            return time.process_time() - began

    return trio.run(main)


def from_asyncio(callers: int, requests: int, stream: bool) -> float:
    async def ask(router: portal.AsyncioRouter) -> None:
        for _ in range(requests // callers):
            if stream:
                async with router.stream("a", MESSAGES) as chunks:
                    async for _ in chunks:
                        pass
            else:
                await router.chat("a", MESSAGES)

    async def main() -> float:
        async with portal.open_router(CONFIG, transport=TRANSPORT) as router:
            await router.chat("a", MESSAGES)
            began = time.process_time()
            async with asyncio.TaskGroup() as group:
                for _ in range(callers):
                    group.create_task(ask(router))
            return time.process_time() - began

    return asyncio.run(main())


def from_threads(callers: int, requests: int, stream: bool) -> float:
    def ask(router: portal.BlockingRouter) -> None:
        for _ in range(requests // callers):
            if stream:
                with router.stream("a", MESSAGES) as chunks:
                    for _ in chunks:
                        pass
            else:
                router.chat("a", MESSAGES)

    with portal.open_blocking(CONFIG, transport=TRANSPORT) as router:
        router.chat("a", MESSAGES)
        threads = [threading.Thread(target=ask, args=(router,)) for _ in range(callers)]
        began = time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.process_time() - began


WAYS: Final[dict[str, Callable[[int, int, bool], float]]] = {
    "trio": from_trio,
    "asyncio": from_asyncio,
    "threads": from_threads,
}


@frozen
class Figure:
    """What one case took in each round, in microseconds a request (or a chunk)."""

    way: str
    callers: int
    stream: bool
    values: Sequence[float]

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.values)


def main() -> None:
    args = arguments()
    figures = measure(args.requests, args.rounds)
    told = f"{machine()}\n\n{table(figures)}"
    print(told)
    if args.write is not None:
        write(args.write, told, figures)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What the portal costs.")
    parser.add_argument("--requests", type=int, default=1280, help="how many each case makes (1280)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each case is performed (5)")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="where portal.json and portal.md go")
    return parser.parse_args()


def measure(requests: int, rounds: int) -> list[Figure]:
    """Perform every case in every round."""
    cases = list(itertools.product((False, True), CALLERS, WAYS))
    took: dict[tuple[bool, int, str], list[float]] = {case: [] for case in cases}
    for _ in range(rounds):
        for stream, callers, way in cases:
            count = max(callers, requests // 10 if stream else requests)
            count -= count % callers
            seconds = WAYS[way](callers, count, stream)
            took[stream, callers, way].append(seconds / (count * CHUNKS if stream else count) * 1e6)
    return [Figure(way, callers, stream, took[stream, callers, way]) for stream, callers, way in cases]


def table(figures: Sequence[Figure]) -> str:
    alone = {(figure.stream, figure.callers): figure.value for figure in figures if figure.way == "trio"}
    rows = ["| what | callers | from | µs of CPU | range | more | times |", "|---|---:|---|---:|---|---:|---:|"]
    for figure in figures:
        base = alone[figure.stream, figure.callers]
        rows.append(
            f"| {'a chunk of a stream' if figure.stream else 'a request'} | {figure.callers} | {figure.way}"
            f" | {figure.value:.0f} | {min(figure.values):.0f} to {max(figure.values):.0f}"
            f" | {figure.value - base:+.0f} | {figure.value / base:.2f} |"
        )
    return "\n".join(rows)


def machine() -> str:
    return (
        f"Python {platform.python_version()}, trio {trio.__version__}, httpx {httpx.__version__},"
        f" {platform.system()} on {platform.machine()}, CPU time of all threads"
    )


def write(folder: Path, told: str, figures: Sequence[Figure]) -> None:
    rows = [
        {
            "way": figure.way,
            "callers": figure.callers,
            "stream": figure.stream,
            "median": figure.value,
            "values": list(figure.values),
        }
        for figure in figures
    ]
    write_results(folder, "portal", {"machine": machine(), "figures": rows}, told)


if __name__ == "__main__":
    main()
