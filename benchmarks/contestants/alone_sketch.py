"""The limit of a router alone: three actors on trio that hand a request on, and know of nothing else.

Each is a task at a memory channel. The caller posts to the router and waits for an event; the router posts to the first
candidate; that one writes the JSON, has its answer at once, reads it, and posts to the router, which sets the event or
asks the second. There is no health, no limit, no deadline and no cancellation.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import contest
import trio
from upstream import OVERLOADED, WHOLE

Inbox = trio.MemorySendChannel[Any]


@dataclass(slots=True)
class Request:
    """A request on its way: whom it is to ask still, and what has come of it."""

    messages: list[dict[str, str]]
    ahead: list[Inbox]
    done: trio.Event = field(default_factory=trio.Event)
    answer: Any = None


async def candidate(name: str, inbox: trio.MemoryReceiveChannel[Any], router: Inbox, *, fails: bool) -> None:
    """Answer every request, or fail it."""
    async for request in inbox:
        written = json.dumps({"model": name, "messages": request.messages}).encode()
        assert written
        request.answer = None if fails else json.loads(WHOLE)
        if fails:
            json.loads(OVERLOADED)
        await router.send(request)


async def route(inbox: trio.MemoryReceiveChannel[Any]) -> None:
    """Ask one candidate after another."""
    async for request in inbox:
        if request.answer is not None:
            request.done.set()
        else:
            await request.ahead.pop(0).send(request)


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Keep the three actors running."""
    to_router, at_router = trio.open_memory_channel[Any](100)
    inboxes = [trio.open_memory_channel[Any](100) for _ in range(2)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(route, at_router)
        for number, (_, inbox) in enumerate(inboxes):
            fails = piece.failing and number == 0
            nursery.start_soon(partial(candidate, f"m{number}", inbox, to_router, fails=fails))

        async def ask() -> str:
            request = Request(contest.MESSAGES, [inbox for inbox, _ in inboxes])
            await to_router.send(request)
            await request.done.wait()
            return str(request.answer["choices"][0]["message"]["content"])

        yield ask
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    contest.serve(session, contest.on_trio)
