"""Many requests over real sockets, against providers that fail in every way they know: nothing is left over."""

from __future__ import annotations

import gc
import random
from pathlib import Path

import trio

from tests.loopback import (
    Answer,
    Behaviour,
    CloseEarly,
    CutStream,
    ErrorEvent,
    ErrorIn200,
    Garbage,
    MalformedEvent,
    NoDone,
    Reset,
    Status,
    WrongLength,
)
from understudy import UnderstudyError

from .cast import MESSAGES, Cast, perform

REQUESTS = 360
AT_ONCE = 12
WAYS_TO_FAIL: tuple[Behaviour, ...] = (
    Status(429, '{"error": {"message": "slow down"}}', {"retry-after": "0"}),
    Status(500, "{}"),
    ErrorIn200({"error": {"message": "overloaded"}}),
    Garbage(b"\x00\x01 not HTTP\r\n\r\n"),
    Reset(after="request"),
    CloseEarly(after="headers"),
    CutStream(3),
    ErrorEvent(2, {"error": {"message": "overloaded"}}),
    MalformedEvent(3),
    WrongLength(),
    NoDone(),
)


def open_files() -> int:
    """How many files and sockets this process holds; 0 where the system does not tell."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def test_hundreds_of_requests_through_failing_providers_leave_nothing_behind() -> None:
    chance = random.Random(1)
    counts = {"served": 0, "failed": 0, "left": 0}

    async def ask(it: Cast) -> None:
        for provider in it.providers:
            provider.script(*(chance.choice(WAYS_TO_FAIL) for _ in range(chance.randrange(2))))
        try:
            with trio.move_on_after(0.001 if chance.random() < 0.1 else 10) as patience:
                if chance.random() < 0.5:
                    await it.chat(timeout=9, wait_for_cooldown=True)
                else:
                    await it.read(timeout=9, wait_for_cooldown=True)
                counts["served"] += 1
            counts["left"] += patience.cancelled_caught
        except UnderstudyError:
            counts["failed"] += 1

    async def scene(it: Cast) -> None:
        await it.router.chat("first", MESSAGES)
        gc.collect()
        tasks, files = trio.lowlevel.current_statistics().tasks_living, open_files()
        for provider in it.providers:
            provider.always(Answer())
        for _ in range(REQUESTS // AT_ONCE):
            async with trio.open_nursery() as callers:
                for _ in range(AT_ONCE):
                    callers.start_soon(ask, it)
            for name in ("first", "second"):
                await it.router.reset(name)
        await it.until_idle()
        kept_alive = sum(provider.open_connections for provider in it.providers)
        assert kept_alive <= 2 * 8
        # Both ends of a connection are in this process, and the provider has a task or two for each.
        assert open_files() <= files + 2 * kept_alive
        assert trio.lowlevel.current_statistics().tasks_living <= tasks + 3 * kept_alive

    cool_briefly = {reason: {"base": 0.01, "cap": 0.02} for reason in ("rate_limit", "server_error", "network")}
    cool_briefly |= {"overloaded": {"base": 0.01, "cap": 0.02}, "timeout": {"base": 0.01, "cap": 0.02}}
    perform(scene, policy=cool_briefly)
    assert sum(counts.values()) == REQUESTS
    assert counts["served"] > REQUESTS / 3, counts
    assert counts["failed"], counts
    assert counts["left"], counts
