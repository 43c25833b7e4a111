"""What all contestants have in common: how they are told what to do, how they are timed, and what they tell.

A contestant is a program that reads one JSON object a line, a `Slice`, performs it, and prints one JSON object: how
many requests it made, and the CPU seconds that they took. It lives through all rounds, so that what it imports and
compiles is paid before the first. Each slice begins with a new client or router. What is measured begins after a
request or two of every caller, and ends while all of them are still asking: connections are open, and none is idle
because its caller has left. Nothing but the standard library is needed here; each contestant brings the rest along.
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
from functools import cache
from typing import Final

from measuring import Core, Stretch, pin

MESSAGES: Final = [
    {"role": "system", "content": "You are brief."},
    {"role": "user", "content": "Hello, who are you?"},
]
KEY: Final = "sk-nobody"
WARM_UPS: Final = {False: 2, True: 1}
EXPECTED: Final = {False: "Hi there", True: "".join(f"word{number} " for number in range(200))}
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
    """All callers of one slice. Measured are the requests that end between its warm-up and its end."""

    def __init__(self, ask: Ask, piece: Slice, core: Core) -> None:
        self._ask = ask
        self._piece = piece
        self._clock = core.measured()
        self._warm_ups = WARM_UPS[piece.stream] * piece.callers
        self._stretch: Stretch | None = None
        self._over = False
        self.requests = 0

    @property
    def stretch(self) -> Stretch:
        """What was measured, once all callers have left."""
        assert self._stretch is not None
        return self._stretch

    async def keep_asking(self) -> None:
        """Ask until the slice is over."""
        while not self._over:
            text = await self._ask()
            if text != EXPECTED[self._piece.stream]:
                raise AssertionError(f"this is not what the provider said: {text[:80]!r}")
            if not self._over:
                self._count()

    def _count(self) -> None:
        if self._stretch is None:
            self._warm_ups -= 1
            if self._warm_ups <= 0:
                self._stretch = self._clock.__enter__()
            return
        self.requests += 1
        time_is_up = time.process_time() > self._stretch.began + self._piece.seconds
        # In lockstep many requests end at once: only whole turns of everybody say what one costs.
        if time_is_up and self.requests % self._piece.callers == 0:
            self._clock.__exit__(None, None, None)
            self._over = True


def on_trio(session: Session, piece: Slice, core: Core) -> Callers:
    """Perform a slice on trio."""
    import trio

    async def main() -> Callers:
        async with session(piece) as ask:
            callers = Callers(ask, piece, core)
            async with trio.open_nursery() as nursery:
                for _ in range(piece.callers):
                    nursery.start_soon(callers.keep_asking)
        return callers

    return trio.run(main)


@cache
def loop() -> asyncio.Runner:
    """Return the one loop of this process: some peers keep connections of theirs for longer than a slice."""
    return asyncio.Runner()


def on_asyncio(session: Session, piece: Slice, core: Core) -> Callers:
    """Perform a slice on asyncio."""

    async def main() -> Callers:
        async with session(piece) as ask:
            callers = Callers(ask, piece, core)
            async with asyncio.TaskGroup() as group:
                for _ in range(piece.callers):
                    group.create_task(callers.keep_asking())
        return callers

    return loop().run(main())


Perform = Callable[[Session, Slice, Core], Callers]


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
    callers = perform(session, piece, core)
    profiler.disable()
    if profiled:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(60)
    return {"count": callers.requests, "seconds": callers.stretch.seconds, "loops": callers.stretch.loops}


def _innermost(exc: BaseException) -> str:
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return f"{type(exc).__name__}: {exc}"[:300]
