"""The router alone, its provider an instant line: requests, refusals, bodies, streams, an HTTP client over it.

A child of `run.py`.

It reads one JSON object a line, the name of a case and for how many CPU seconds to perform it, and prints what that
took. One caller asks one request after another.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Final

import foreign
import httpx
import trio
from instant import JSON, MESSAGES, SSE, SULKING, Bodies, Held, LateLine, StuckLine, config, router, usual
from measuring import Core, Stretch, pin, resident
from trio.testing import wait_all_tasks_blocked
from upstream import COMPLETION, EVENTS, WORDS

from understudy import Call, RouterTransport

MANY: Final = (10, 100, 1000)
FULL: Final = (10, 100)
AT_ONCE: Final = (128, 1000)
PLACES: Final = 64
SIZES: Final = {"1 KB": 1_000, "50 KB": 50_000, "1 MB": 1_000_000}
TRANSLATED: Final = {"conversation with Anthropic": "anthropic", "conversation with Gemini": "gemini"}
KINDS: Final = ("conversation", *TRANSLATED, "image", "embeddings")

Told = tuple[int, Stretch]
"""How many requests, or chunks, took how long."""


async def repeat(does: Callable[[], Awaitable[int]], seconds: float, core: Core) -> Told:
    """Do it again and again; it returns how much it did."""
    await does()
    await does()
    done = 0
    with core.measured() as stretch:
        while True:
            done += await does()
            if time.process_time() - stretch.began > seconds:
                break
    return done, stretch


async def requests(
    conf: dict[str, Any],
    attempts: int,
    core: Core,
    seconds: float,
    *,
    stream: bool = False,
    bodies: Bodies = usual,
) -> Told:
    """Ask for "m", which must take so many attempts and refusals."""
    async with router(conf, bodies) as it:

        async def chat() -> int:
            reply = await it.chat("m", MESSAGES)
            assert len(reply.attempts) == attempts or not asked, reply.attempts
            return 1

        async def read() -> int:
            async with it.stream("m", MESSAGES) as chunks:
                texts = [chunk.text async for chunk in chunks]
            assert len(texts) >= WORDS
            return len(texts)

        asked = 0
        await (read if stream else chat)()
        asked = 1
        return await repeat(read if stream else chat, seconds, core)


async def idle_keys(count: int, core: Core, seconds: float) -> Told:
    """Ask one of many model keys."""
    conf = config([f"good-{number}" for number in range(count)], route=["good-0"])
    return await requests(conf, 1, core, seconds)


async def at_once(count: int, core: Core, seconds: float, *, places: int = 0) -> Told:
    """Let so many callers ask one request after another, whose answers come late and in no order.

    With `places` that many are let in at a time, and all others wait for them.
    """
    conf = config(["good"])
    conf["model_list"][0] |= {"max_parallel": places, "max_queued": 0}
    warm, over = trio.Event(), trio.Event()
    done, began = 0, 0.0

    async def keep_asking() -> None:
        nonlocal done
        while not over.is_set():
            await it.chat("m", MESSAGES)
            done += 1
            if done == count:
                warm.set()
            if began and time.process_time() - began > seconds:
                over.set()

    async with router(conf, line=LateLine) as it, trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(keep_asking)
        await warm.wait()
        with core.measured() as stretch:
            before, began = done, stretch.began
            await over.wait()
            return done - before, stretch


def last_of(count: int) -> list[str]:
    """Return the names of so many candidates, of whom only the last one answers."""
    return [*(f"bad-{number}" for number in range(count - 1)), "good"]


async def refusals(count: int, core: Core, seconds: float) -> Told:
    """Ask the last of many candidates, after all the others have declined because they cool.

    The more there are, the longer: how often the garbage collector goes through all of it is to be no matter of luck.
    """
    names = last_of(count)
    return await requests(config(names, policy=SULKING), count, core, seconds * (1 + count / 250))


async def full(count: int, core: Core, seconds: float) -> Told:
    """Ask the last of many candidates, after all the others have declined because all their places are taken."""
    names = last_of(count)
    conf = config(names)
    for entry in conf["model_list"]:
        entry["max_parallel"] = 1

    async def chat() -> int:
        reply = await it.chat("m", MESSAGES)
        assert len(reply.attempts) == count, reply.attempts
        return 1

    async with router(conf, line=StuckLine) as it, trio.open_nursery() as nursery:
        for name in names[:-1]:
            nursery.start_soon(it.chat, name, MESSAGES)
        await wait_all_tasks_blocked()
        told = await repeat(chat, seconds, core)
        nursery.cancel_scope.cancel()
    return told


def conversation(size: int, *, image: bool) -> list[dict[str, Any]]:
    """Return messages of so many bytes: many turns, or one picture."""
    if image:
        url = "data:image/png;base64," + "iVBORw0KGgo" * (size // 11)
        return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    turn = "It is a truth universally acknowledged, that a router must not be felt. «Naturellement», she said.\n" * 2
    return [{"role": ("user", "assistant")[i % 2], "content": turn} for i in range(size // len(turn) | 1)]


def embeddings(size: int) -> bytes:
    """Return an answer of so many bytes: vectors of 64 numbers."""
    vector = [number / 3e3 - 0.01 for number in range(64)]
    rows = [{"object": "embedding", "index": i, "embedding": vector} for i in range(max(1, size // 1_400))]
    return json.dumps({"object": "list", "data": rows, "usage": {"prompt_tokens": 3, "total_tokens": 3}}).encode()


def exchange(size: int, kind: str) -> tuple[str, dict[str, Any], bytes]:
    """Return an endpoint, a request to it and its answer. Of embeddings only the answer is so long."""
    if kind == "embeddings":
        return "/embeddings", {"input": "It is a truth universally acknowledged"}, embeddings(size)
    messages = conversation(size, image=kind == "image")
    text = json.dumps(messages)
    if kind in TRANSLATED:
        answer = foreign.ANSWERS[TRANSLATED[kind]](text)
    else:
        choice = {**COMPLETION["choices"][0], "message": {"role": "assistant", "content": text}}  # type: ignore[index]
        answer = {**COMPLETION, "choices": [choice]}
    return "/chat/completions", {"messages": messages}, json.dumps(answer).encode()


async def body(size: int, core: Core, seconds: float, *, kind: str, bare: bool) -> Told:
    """Send and get back bodies of so many bytes; or only write and read their JSON."""
    endpoint, request, answer = exchange(size, kind)

    async def only_json() -> int:
        written = json.dumps({**request, "model": "m"}, separators=(",", ":")).encode()
        json.loads(answer)
        return min(1, len(written))

    if bare:
        return await repeat(only_json, seconds, core)
    conf = config(["good"], provider=TRANSLATED.get(kind, "openai"))
    async with router(conf, lambda _: Held((answer,))) as it:

        async def ask() -> int:
            await it.request(Call("m", request, endpoint=endpoint))
            return 1

        return await repeat(ask, seconds, core)


async def streamed_by(provider: str, core: Core, seconds: float) -> Told:
    """Read streams that have to be translated."""
    conf = config(["good"], provider=provider)
    return await requests(conf, 1, core, seconds, stream=True, bodies=lambda _: Held(foreign.STREAMS[provider]))


async def joined_stream(core: Core, seconds: float) -> Told:
    """Read streams all of whose events come in one piece."""
    whole = b"".join(EVENTS)
    async with router(config(["good"]), lambda _: Held((whole,))) as it:

        async def read() -> int:
            async with it.stream("m", MESSAGES) as chunks:
                return sum([1 async for _ in chunks])

        return await repeat(read, seconds, core)


async def carried(size: int, core: Core, seconds: float, *, kind: str, mock: bool) -> Told:
    """Let an HTTP client send and get back bodies of so many bytes through the router, or through a mock transport."""
    endpoint, request, answer = exchange(size, kind)
    said = {**request, "model": "m"}
    over = httpx.MockTransport(lambda _: httpx.Response(200, headers=JSON, content=answer))
    async with (
        router(config(["good"]), lambda _: Held((answer,))) as it,
        httpx.AsyncClient(transport=over if mock else RouterTransport(it)) as client,
    ):

        async def ask() -> int:
            response = await client.post(f"http://nowhere.example/v1{endpoint}", json=said)
            assert response.json()["usage"]
            return 1

        return await repeat(ask, seconds, core)


async def carried_stream(core: Core, seconds: float, *, mock: bool) -> Told:
    """Let an HTTP client read streams through the router, or through a mock transport."""
    said = {"model": "m", "messages": MESSAGES, "stream": True}

    async def pieces() -> AsyncIterator[bytes]:
        for event in EVENTS:
            yield event

    over = httpx.MockTransport(lambda _: httpx.Response(200, headers=SSE, content=pieces()))
    async with (
        router(config(["good"])) as it,
        httpx.AsyncClient(transport=over if mock else RouterTransport(it)) as client,
    ):

        async def read() -> int:
            async with client.stream("POST", "http://nowhere.example/v1/chat/completions", json=said) as response:
                lines = [line async for line in response.aiter_lines() if line.startswith("data: {")]
            assert all(json.loads(line[6:])["choices"] for line in lines)
            return len(lines)

        return await repeat(read, seconds, core)


Case = Callable[[Core, float], Awaitable[Told]]

REQUESTS: Final[dict[str, Case]] = {
    "healthy": partial(requests, config(["good"]), 1),
    "one fallback": partial(requests, config(["bad", "good"]), 2),
    "one fallback, no two errors alike": partial(requests, config(["odd", "good"]), 2),
    **{f"{count} at once, answered late": partial(at_once, count) for count in AT_ONCE},
    **{f"{count} at once, {PLACES} let in": partial(at_once, count, places=PLACES) for count in AT_ONCE},
    **{f"one of {count} keys": partial(idle_keys, count) for count in MANY},
    **{f"{count - 1} refusals": partial(refusals, count) for count in MANY},
    **{f"{count - 1} refusals by those who are full": partial(full, count) for count in FULL},
}
BODIES: Final[dict[str, Case]] = {
    f"{name}, {kind}, {who}": partial(body, size, kind=kind, bare=who == "JSON alone")
    for name, size in SIZES.items()
    for kind in KINDS
    for who in ("JSON alone", "router")
}
STREAMS: Final[dict[str, Case]] = {
    "a piece each": partial(requests, config(["good"]), 1, stream=True),
    "all in one piece": joined_stream,
    **{f"a piece each, translated from {name.title()}'s": partial(streamed_by, name) for name in foreign.STREAMS},
}
CARRIED_KINDS: Final = ("conversation", "embeddings")
CARRIED: Final[dict[str, Case]] = {
    **{
        f"{name}, {kind}, {over}": partial(carried, size, kind=kind, mock=over == "mock")
        for name, size in SIZES.items()
        for kind in CARRIED_KINDS
        for over in ("mock", "the router")
    },
    **{f"a chunk, {over}": partial(carried_stream, mock=over == "mock") for over in ("mock", "the router")},
}
CASES: Final = REQUESTS | BODIES | STREAMS | CARRIED


class Counted(Held):
    """A body that knows how many of its pieces were taken, and when the first content was."""

    def __init__(self, chunks: int) -> None:
        super().__init__([])
        self._chunks = chunks
        self.taken = 0
        self.first_at = 0.0

    async def piece(self) -> bytes | None:
        """Return the next piece."""
        self.taken += 1
        if self.taken == 1:
            return EVENTS[0]
        if self.taken == 2:
            self.first_at = time.perf_counter()
            return EVENTS[1]
        if self.taken == 3:
            await trio.sleep(0.01)  # whoever holds the first back until there is more is found out
        if self.taken <= self._chunks:
            return EVENTS[1]
        return next(iter(EVENTS[self.taken - self._chunks - 3 :]), None) if self.taken <= self._chunks + 2 else None


async def slow_reader(chunks: int) -> dict[str, object]:
    """Read a long stream slowly: how far the worker is ahead of it, what the memory does, how late the first is."""
    body = Counted(chunks)
    ahead, read, first, memory = 0, 0, 0.0, []
    async with router(config(["good"]), lambda _: body) as it, it.stream("m", MESSAGES) as stream:
        async for chunk in stream:
            if not first and chunk.text:
                first = time.perf_counter() - body.first_at
            read += 1
            if read % max(1, chunks // 10) == 0:
                memory.append(resident())
            for _ in range(3):
                await trio.lowlevel.checkpoint()
            ahead = max(ahead, body.taken - read)
    return {"chunks": read, "ahead": ahead, "first": first, "memory": memory}


def main() -> None:
    pin(0)
    core = Core()
    for line in sys.stdin:
        order = json.loads(line)
        if order["case"] == "slow reader":
            told = trio.run(slow_reader, order["chunks"])
        else:
            count, stretch = trio.run(CASES[order["case"]], core, order["seconds"])
            told = {"count": count, "seconds": stretch.seconds, "loops": stretch.loops}
        print(json.dumps(told), flush=True)


def profile(case: str, seconds: float) -> None:
    """Print the functions that one case spends the most time in."""
    profiler = cProfile.Profile()
    profiler.enable()
    count, _ = trio.run(CASES[case], Core(), seconds)
    profiler.disable()
    print(f"{case}: {count:,} done, under the profiler\n")
    pstats.Stats(profiler).sort_stats("tottime").print_stats(60)


if __name__ == "__main__":
    main()
