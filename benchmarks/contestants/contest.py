"""What all contestants have in common: how they are told what to do, how they are timed, and what they tell.

A contestant is a program that reads one JSON object a line, a `Slice`, performs it, and prints one JSON object: how many
requests it made, and the CPU seconds that they took. It lives through all rounds, so that what it imports and compiles
is paid before the first. Each slice begins with a new client or router, and with two requests of every caller that are
not measured. Nothing but the standard library is needed here; each contestant brings the rest along.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import pstats
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from measuring import Core, Stretch, pin

MESSAGES: Final = [
    {"role": "system", "content": "You are brief."},
    {"role": "user", "content": "Hello, who are you?"},
]
KEY: Final = "sk-nobody"
WARM_UPS: Final = 2
EXPECTED: Final = {False: "Hi there", True: "word " * 200}
"""What the upstream answers, plain and streamed."""

Ask = Callable[[], Awaitable[str]]
"""Makes one request, and returns the text of its answer."""


@dataclass(frozen=True)
class Slice:
    """One measurement: so many callers, each asking one request after another for so many CPU seconds in all.

    With `failing`, the first provider that each request goes to refuses, so that it fails over once.
    """

    origin: str
    callers: int
    stream: bool
    failing: bool
    seconds: float

    @property
    def bases(self) -> list[str]:
        """The base URLs of the candidates, in order."""
        return [f"{self.origin}/{name}/v1" for name in (("bad", "good") if self.failing else ("good", "spare"))]


Session = Callable[[Slice], AbstractAsyncContextManager[Ask]]


class Callers:
    """All callers of one slice, who stop when its time is up. Each makes one request at least."""

    def __init__(self, ask: Ask, piece: Slice, core: Core) -> None:
        self._ask = ask
        self._piece = piece
        self._core = core
        self.requests = 0
        self.until = 0.0

    async def warm_up(self) -> None:
        """Make a few requests."""
        for _ in range(WARM_UPS):
            await self._once()

    async def keep_asking(self) -> None:
        """Ask until it is time."""
        while True:
            await self._once()
            self.requests += 1
            if time.process_time() > self.until:
                return

    async def _once(self) -> None:
        text = await self._ask()
        if text != EXPECTED[self._piece.stream]:
            raise AssertionError(f"this is not what the provider said: {text[:80]!r}")

    async def perform(self, everybody: Callable[[Callable[[], Awaitable[None]], int], Awaitable[None]]) -> Stretch:
        """Warm up, and measure."""
        await everybody(self.warm_up, self._piece.callers)
        with self._core.measured() as stretch:
            self.until = stretch.began + self._piece.seconds
            await everybody(self.keep_asking, self._piece.callers)
        return stretch


def on_trio(session: Session, piece: Slice, core: Core) -> tuple[int, Stretch]:
    """Perform a slice on trio."""
    import trio

    async def everybody(does: Callable[[], Awaitable[None]], count: int) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(does)

    async def main() -> tuple[int, Stretch]:
        async with session(piece) as ask:
            callers = Callers(ask, piece, core)
            stretch = await callers.perform(everybody)
            return callers.requests, stretch

    return trio.run(main)


def on_asyncio(session: Session, piece: Slice, core: Core) -> tuple[int, Stretch]:
    """Perform a slice on asyncio."""

    async def everybody(does: Callable[[], Awaitable[None]], count: int) -> None:
        await asyncio.gather(*(does() for _ in range(count)))

    async def main() -> tuple[int, Stretch]:
        async with session(piece) as ask:
            callers = Callers(ask, piece, core)
            stretch = await callers.perform(everybody)
            return callers.requests, stretch

    return asyncio.run(main())


Perform = Callable[[Session, Slice, Core], tuple[int, Stretch]]


def serve(session: Session, perform: Perform) -> None:
    """Perform every slice that is asked for on standard input. What goes wrong is told, and ends that slice only."""
    pin(0)
    core = Core()
    replies = sys.stdout
    sys.stdout = sys.stderr  # what a library prints is no reply
    for line in sys.stdin:
        order = json.loads(line)
        profiled = order.pop("profile", False)
        told: dict[str, object]
        try:
            told = _performed(session, perform, Slice(**order), core, profiled=profiled)
        except BaseException as exc:
            if not isinstance(exc, Exception | BaseExceptionGroup):
                raise
            traceback.print_exc()
            told = {"error": _innermost(exc)}
        print(json.dumps(told), file=replies, flush=True)


def _performed(session: Session, perform: Perform, piece: Slice, core: Core, *, profiled: bool) -> dict[str, object]:
    profiler = cProfile.Profile()
    if profiled:
        profiler.enable()
    requests, stretch = perform(session, piece, core)
    profiler.disable()
    if profiled:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(60)
    return {"requests": requests, "seconds": stretch.seconds, "loop": stretch.loop, "loops": stretch.loops}


def _innermost(exc: BaseException) -> str:
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return f"{type(exc).__name__}: {exc}"[:300]
