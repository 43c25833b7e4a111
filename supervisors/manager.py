"""One run of a supervisor: the manager, who does everything, one thing after another.

It takes the endings of children from a queue, in the order in which they happened, and acts. A child that
fails while the manager is busy with another one's restart waits in the queue; if it is stopped before its
turn comes, its ending is void, as it is part of that restart.

::

                      ┌─ watcher (feels the cancellation of run() from outside)
    run() ── nursery ─┤
                      └─ shield ── crew: a nursery ─┬─ manager ◀── queue of endings ─────┐
                                                    ├─ child "a", in a scope of its own ─┤
                                                    └─ child "b", in a scope of its own ─┘

The shield is there for the order: without it a cancellation of ``run()`` would reach all the children at
once. So the watcher feels it instead, and the manager stops the children one at a time, in bounded time.

This is the inside of `supervisor`, made anew for every run; what it promises is said there.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from typing import TYPE_CHECKING, Final

import trio
from attrs import define, field, frozen

from .child import Incarnation
from .intensity import Backoff, Intensity, Streak
from .reports import (
    ChildEnded,
    ChildLingers,
    ChildRestarting,
    ChildStarted,
    ChildStartFailed,
    Ending,
    GaveUp,
    IntensityExceeded,
    Report,
)
from .spec import ChildSpec, Strategy, comes_back, is_restarted, touched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LINGER_MAX: Final = 5.0
"""Seconds that a cancelled child is waited for before the next one is stopped."""

CANCELLED_GRACE: Final = 3.0
"""Seconds that all the children together have for ending by themselves, when ``run()`` is cancelled."""

# A supervisor that is itself cancelled by one above it should have ended before that one calls it lingering.
assert CANCELLED_GRACE < LINGER_MAX


@frozen
class Plan:
    """What a supervisor was made with: all that a run needs to know."""

    name: str
    children: tuple[ChildSpec, ...]
    strategy: Strategy
    max_restarts: int
    period: float
    backoff: Backoff
    cancelled_grace: float
    report: Callable[[Report], None]


@define(eq=False)
class Manager:
    """Who is on stage, what has happened, and what is due."""

    plan: Plan
    intensity: Intensity = field(init=False)
    streaks: list[Streak] = field(init=False)
    on_stage: list[Incarnation | None] = field(init=False)
    """The current incarnation of each child. One that lingers keeps its place until it has ended."""
    endings: deque[Incarnation] = field(factory=deque, init=False)
    """Who ended by itself and has not been dealt with, in that order: at most one for each child."""
    due: dict[int, float] = field(factory=dict, init=False)
    """Which child's restart (and its group's) begins when."""
    leaving: bool = field(default=False, init=False)
    grace_ends_at: float = field(default=math.inf, init=False)
    verdict: Exception | None = field(default=None, init=False)
    changed: trio.Event = field(factory=trio.Event, init=False)
    crew: trio.Nursery = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.intensity = Intensity(self.plan.max_restarts, self.plan.period)
        self.streaks = [Streak(self.plan.backoff) for _ in self.plan.children]
        self.on_stage = [None for _ in self.plan.children]

    # ---- the frame

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Do everything, from the first start to the last stop."""
        finished = False
        async with trio.open_nursery() as outside:
            outside.start_soon(self._watch)
            with trio.CancelScope(shield=True):
                async with trio.open_nursery() as self.crew:
                    await self._manage(task_status)
                    finished = True
            outside.cancel_scope.cancel()
        if not finished:
            # A nursery ends in silence when a Cancelled comes that nobody sent: a child kept an old one,
            # and raised it.
            raise RuntimeError(f"a child of supervisor {self.plan.name!r} raised trio.Cancelled out of its context")
        if self.verdict is not None:
            raise self.verdict

    async def _watch(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.grace_ends_at = trio.current_time() + self.plan.cancelled_grace
            self.leave()

    async def _manage(self, task_status: trio.TaskStatus[None]) -> None:
        everybody = range(len(self.plan.children))
        if await self._open(everybody):
            task_status.started()
        while not self.leaving:
            await self._until(lambda: self.leaving or bool(self.endings), min(self.due.values(), default=math.inf))
            if not self.leaving:
                await self._take_the_next()
        await self._stop_all(everybody)

    async def _open(self, everybody: Iterable[int]) -> bool:
        """Start all the children for the first time; return whether all of them are ready."""
        for index in everybody:
            if not await self._start(index):
                self._refuse(index)
                return False
        return True

    def leave(self) -> None:
        """Ask the manager to stop all the children and end."""
        self.leaving = True
        self.changed.set()

    # ---- what happens

    async def _take_the_next(self) -> None:
        """Do what is due, or else take one ending.

        What is due goes first: so a restart without a wait follows the ending that called for it, as in OTP.
        """
        index = min(self.due, key=lambda index: (self.due[index], index), default=None)
        if index is not None and self.due[index] <= trio.current_time():
            del self.due[index]
            await self._restart(index)
        elif self.endings:
            await self._take(self.endings.popleft())

    async def _take(self, ended: Incarnation) -> None:
        """Decide by policy whether this ending calls for a restart."""
        assert self.on_stage[ended.index] is ended, "an ending that is void has left the queue"
        self.on_stage[ended.index] = None
        failed_to_start = ended.ending is Ending.NEVER_STARTED
        if failed_to_start or is_restarted(ended.spec.restart, crashed=ended.ending is Ending.CRASHED):
            await self._fail(ended)

    async def _fail(self, ended: Incarnation) -> None:
        """Count a restart: one too many, and it is over; or else clear the stage and say when it is due."""
        now = trio.current_time()
        if not self.intensity.record(now):
            self._give_up(ended, now)
            return
        delay = self.streaks[ended.index].next(now)
        self._tell(ChildRestarting(self.plan.name, ended.spec.name, now, delay))
        group = touched(self.plan.strategy, ended.index, len(self.plan.children))
        await self._stop_all(group)
        for index in group:
            self.due.pop(index, None)  # a restart within the group that was still waiting is part of this one
        self.due[ended.index] = now + delay

    async def _restart(self, index: int) -> None:
        """Start a child and its group, until one of them fails: its ending is in the queue by then."""
        for member in touched(self.plan.strategy, index, len(self.plan.children)):
            if comes_back(self.plan.children[member].restart) and not await self._start(member):
                return

    def _refuse(self, index: int) -> None:
        """Note that a child failed at the first start, unless its supervisor called the start off."""
        failed = self.on_stage[index]
        if failed is None or not failed.ended:
            return
        self.verdict = ChildStartFailed(self.plan.name, failed.spec.name)
        self.verdict.__cause__ = failed.error
        self.leave()

    def _give_up(self, ended: Incarnation, now: float) -> None:
        count, period = self.plan.max_restarts + 1, self.plan.period
        self._tell(GaveUp(self.plan.name, ended.spec.name, now, count, period))
        self.verdict = IntensityExceeded(self.plan.name, ended.spec.name, count, period)
        self.verdict.__cause__ = ended.error
        self.leave()

    # ---- one child

    async def _start(self, index: int) -> bool:
        """Start a child, and return whether it got ready. A start takes the time it takes, as in OTP."""
        before = self.on_stage[index]
        if before is not None:  # it lingers: there are never two of one child
            assert before.is_being_stopped, "whoever is started was stopped before"
            await self._until(lambda: before.ended or self.leaving)
        if self.leaving:
            return False
        starting = Incarnation(self.plan.children[index], index, self._on_change)
        self.on_stage[index] = starting
        self.crew.start_soon(starting.live, name=f"{self.plan.name}/{starting.spec.name}")
        await self._until(lambda: starting.ready or starting.ended or self.leaving)
        return starting.ready

    async def _stop_all(self, indexes: Sequence[int]) -> None:
        for index in reversed(indexes):
            incarnation = self.on_stage[index]
            if incarnation is not None:
                await self._stop(incarnation)

    async def _stop(self, child: Incarnation) -> None:
        """Terminate a child: ask it, cancel it, go on without it, each in bounded time."""
        if child.is_being_stopped and not child.ended:
            return  # it lingers, and was waited for before
        if not child.ended and child.ask_to_end():
            asked_until = trio.current_time() + child.spec.shutdown
            await self._until(lambda: child.ended, lambda: min(asked_until, self.grace_ends_at))
        if not child.ended:
            child.cancel()
            await self._until(lambda: child.ended, trio.current_time() + LINGER_MAX)
        if child.ended:
            self.on_stage[child.index] = None
            if child in self.endings:  # it ended before it could be stopped: that is part of the same restart
                self.endings.remove(child)
        else:
            self._tell(ChildLingers(self.plan.name, child.spec.name, trio.current_time()))

    def _on_change(self, child: Incarnation) -> None:
        """Hear from a child's task that it is ready, or has ended."""
        now = trio.current_time()
        if child.ending is None:
            self._tell(ChildStarted(self.plan.name, child.spec.name, now))
        else:
            self._tell(ChildEnded(self.plan.name, child.spec.name, now, child.ending, child.error))
            if child.ending is not Ending.STOPPED:
                self.endings.append(child)
        self.changed.set()

    # ---- waiting and telling

    async def _until(self, condition: Callable[[], bool], deadline: float | Callable[[], float] = math.inf) -> None:
        """Wait until a change makes the condition true, or the deadline (a change may move it) has come."""
        while not condition():
            limit = deadline() if callable(deadline) else deadline
            if trio.current_time() >= limit:
                return
            self.changed = trio.Event()
            if limit == math.inf:  # a scope for each of a thousand managers is dear: see the benchmark `startup`
                await self.changed.wait()
            else:
                with trio.CancelScope(deadline=limit):
                    await self.changed.wait()

    def _tell(self, report: Report) -> None:
        # Who listens is no part of the play: a listener that fails must not bring the stage down.
        with contextlib.suppress(Exception):
            self.plan.report(report)
