"""One deterministic run: virtual clock, scheduling by script or seed, and a watchdog.

trio shuffles the order in which tasks run, on purpose, and offers two private names to switch that off for tests. They
are touched here and nowhere else; they are looked for before a run and restored after it.

What is performed must keep to the rules that make a run repeatable: no threads, no sockets, no wall clock, no
module-level randomness, no iteration over sets of strings. Randomness is drawn from `stream`.
"""

from __future__ import annotations

import gc
import math
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Any, Final, TypeVar

import trio
from attrs import frozen
from trio._core import _run as trio_internals

T = TypeVar("T")

HOOKS: Final = ("_ALLOW_DETERMINISTIC_SCHEDULING", "_r")

TURNS_MAX: Final = 200_000
"""How often tasks may run without time passing; more is a loop that waits for nothing."""

OBJECTS_AT_A_TIME: Final = 200_000
"""After how many new objects the garbage collector looks around, while a run goes on."""

TASKS_SHOWN: Final = 40
"""How many tasks are named where a run hangs."""


class StageError(Exception):
    """The run could not be performed, or did not come to an end."""


def stream(seed: int, component: str) -> random.Random:
    """Return the random stream of one component: what it draws depends on nobody else's draws."""
    return random.Random(f"{seed}/{component}")


@frozen
class Schedule:
    """Which of the tasks that are ready at the same time runs first.

    A `script` decides the first *contested* moments, one number for each moment at which several tasks are ready: the
    number says how far the line of them, in the order of their creation, is rotated; 0 leaves it as it is. So a script
    shrinks to zeros, and a shorter one is the same with zeros added. After the script, or without one, tasks are
    shuffled by the `seed`; with no seed either, they run in the order of their creation.
    """

    seed: int | None = 0
    script: tuple[int, ...] = ()


class _Director:
    """Stands in for trio's random generator: puts the tasks that are ready into the order of the schedule."""

    def __init__(self, schedule: Schedule, clock: VirtualClock) -> None:
        self._script = iter(schedule.script)
        self._random = None if schedule.seed is None else stream(schedule.seed, "schedule")
        self._clock = clock

    def shuffle(self, tasks: list[Any]) -> None:
        """Order the tasks; trio takes them from the end."""
        self._clock.turn()
        if len(tasks) < 2:
            return
        turn = next(self._script, None)
        if turn is None and self._random is not None:
            self._random.shuffle(tasks)
            return
        turn = (turn or 0) % len(tasks)
        tasks[:] = tasks[turn:] + tasks[:turn]
        tasks.reverse()

    def random(self) -> float:
        """Serve whatever else trio may want to draw, the same each time."""
        return 0.0

    def uniform(self, low: float, _: float) -> float:
        """Serve whatever else trio may want to draw, the same each time."""
        return low


class VirtualClock(trio.abc.Clock):
    """A clock that moves only when nobody has anything to do, and then at once to the next deadline.

    That is right as long as nothing outside the run can wake a task: there are no threads and no sockets on a stage.
    `jumps` are moments at which the clock leaps ahead by so many seconds, as a machine's does that was asleep. Where
    nothing happens before `longest`, or time stands still, `on_stuck` is told; it must see to it that the run ends.

    Whoever sleeps on a stage (`sleep`, `sleep_until`) is woken by the clock itself. trio's own sleeps work here as
    well, but each is a cancel scope that expires, and a run consists of little else than sleeping.
    """

    def __init__(self, longest: float, jumps: Sequence[tuple[float, float]] = ()) -> None:
        self.now = 0.0
        self.on_stuck: Callable[[str], None] = lambda _: None
        self._longest = longest
        self._jumps = sorted(jumps)
        self._turns = 0
        self._alarms: list[tuple[float, int]] = []
        self._asleep: dict[int, trio.lowlevel.Task] = {}
        self._alarms_set = 0

    def start_clock(self) -> None:
        """Begin at 0."""

    def current_time(self) -> float:
        """Return the virtual time."""
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Move to the deadline: trio asks this only when no task can run."""
        self._turns = 0
        deadline = min(deadline, self._next_alarm())
        if deadline > self._longest:
            self.on_stuck(f"the run did not come to its end within {self._longest:g} virtual seconds")
            return 0.0
        if self._jumps and self._jumps[0][0] <= deadline:
            at, by = self._jumps.pop(0)
            self.now = float(max(self.now, at + by))  # one that falls into another's sleep ends where it would have
        else:
            self.now = float(max(self.now, deadline))
        self._wake()
        return 0.0

    async def sleep_until(self, time: float) -> None:
        """Wake at a time; a deadline at the same instant comes first."""
        if time <= self.now:
            await trio.lowlevel.checkpoint()
            return
        self._alarms_set += 1
        number = self._alarms_set
        self._asleep[number] = trio.lowlevel.current_task()
        heappush(self._alarms, (time, number))

        def wake_early(_: object) -> trio.lowlevel.Abort:
            del self._asleep[number]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(wake_early)
        await trio.lowlevel.checkpoint_if_cancelled()

    def _next_alarm(self) -> float:
        """Return when the next one wakes who is still asleep."""
        while self._alarms and self._alarms[0][1] not in self._asleep:
            heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else math.inf

    def _wake(self) -> None:
        """Wake all whose time has come."""
        while self._alarms and self._alarms[0][0] <= self.now:
            _, number = heappop(self._alarms)
            if number in self._asleep:
                trio.lowlevel.reschedule(self._asleep.pop(number))

    def turn(self) -> None:
        """Count a turn of the tasks that are ready; too many without time passing are a loop."""
        self._turns += 1
        if self._turns == TURNS_MAX:
            self.on_stuck(f"time stands still at {self.now:g} s: tasks run on and on, and wait for nothing")


def sleep_until(time: float) -> Awaitable[None]:
    """Sleep on a stage until a virtual time; where that has passed, this is a mere checkpoint."""
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, VirtualClock), "only on a stage"
    return clock.sleep_until(time)


def sleep(seconds: float) -> Awaitable[None]:
    """Sleep on a stage for so many virtual seconds."""
    return sleep_until(trio.current_time() + seconds)


def perform(
    play: Callable[[], Awaitable[T]],
    *,
    seed: int = 0,
    schedule: Schedule | None = None,
    longest: float,
    jumps: Sequence[tuple[float, float]] = (),
    describe: Callable[[], str] = lambda: "",
) -> T:
    """Run `play` from virtual time 0 and return what it returns; at most `longest` virtual seconds.

    `schedule` is by default that of the `seed`. `jumps` are pairs of a time and of how many seconds then pass at once.
    `describe` tells what is known of a run that hangs.

    Raises:
        StageError: if time has run out with the play not at its end, if time stands still, or if this trio lacks what
            the stage needs.

    """
    clock = VirtualClock(longest, jumps)
    hung = ""

    async def watched() -> T:
        with trio.CancelScope() as scope:
            main = trio.lowlevel.current_task()

            def give_up(why: str) -> None:
                nonlocal hung
                hung = "\n".join(filter(None, (why, _who_waits(main), describe())))
                scope.cancel()

            clock.on_stuck = give_up
            return await play()
        raise StageError(hung)

    with _in_place(_Director(schedule or Schedule(seed), clock)), _seldom_collected():
        return trio.run(watched, clock=clock)


def _who_waits(task: trio.lowlevel.Task) -> str:
    """Name the tasks that are left."""
    names: list[str] = []
    below = [task]
    while below:
        for nursery in below.pop().child_nurseries:
            children = sorted(nursery.child_tasks, key=lambda child: child.name)
            names += [child.name for child in children]
            below += children
    more = f" and {len(names) - TASKS_SHOWN} more" if len(names) > TASKS_SHOWN else ""
    return f"still there are: {', '.join(names[:TASKS_SHOWN])}{more}" if names else ""


def check_trio() -> None:
    """Raise a `StageError` if this trio lacks what makes a run deterministic."""
    missing = [name for name in HOOKS if not hasattr(trio_internals, name)]
    if missing:
        raise StageError(
            f"trio {trio.__version__} has no {' and no '.join(missing)}: a run cannot be made deterministic with it;"
            " install a version of trio that this package was tested with"
        )


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Let the garbage collector look around less often.

    What a run records stays until its end, and to look through all of it at every seven hundredth new object takes a
    tenth of the time of a rehearsal (`benchmarks/simulation.py`).
    """
    before = gc.get_threshold()
    if 0 < before[0] < OBJECTS_AT_A_TIME:
        gc.set_threshold(OBJECTS_AT_A_TIME, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def _in_place(director: _Director) -> Iterator[None]:
    """Let trio ask the director, and give trio back as it was."""
    check_trio()
    before = [getattr(trio_internals, name) for name in HOOKS]
    for name, value in zip(HOOKS, (True, director), strict=True):
        setattr(trio_internals, name, value)
    try:
        yield
    finally:
        for name, value in zip(HOOKS, before, strict=True):
            setattr(trio_internals, name, value)
