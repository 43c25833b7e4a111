"""What a supervisor tells: the reports it makes while it runs, and the errors it ends with.

Reports are for traces and logs. They say what has happened, in the order in which it happened, each with the
supervisor's and the child's name and the time on trio's clock. Nobody's decision depends on them.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


class Ending(StrEnum):
    """How one life of a child ended."""

    NORMAL = "normal"
    CRASHED = "crashed"
    STOPPED = "stopped"
    """Its supervisor had asked it to end, or cancelled it."""
    NEVER_STARTED = "never started"
    """It ended, in whatever way, before it was ready."""


@frozen
class Report:
    """What all reports have in common: who tells it, about whom, and when."""

    supervisor: str
    child: str
    at: float


@frozen
class ChildStarted(Report):
    """The child is ready."""


@frozen
class ChildEnded(Report):
    """The child has ended. `error` is what it, or its `stop`, raised: a stopped child may have one too."""

    how: Ending
    error: Exception | None = None


@frozen
class ChildRestarting(Report):
    """The child's end calls for a restart in `delay` seconds, or once the siblings have ended."""

    delay: float


@frozen
class ChildLingers(Report):
    """The child was cancelled and has still not ended: its siblings are stopped without waiting for it."""


@frozen
class GaveUp(Report):
    """The child's failure was one too many: the supervisor stops all the children and ends."""

    count: int
    period: float


def nobody(report: Report) -> None:
    """Tell nobody."""


class ChildStartFailed(Exception):
    """A child could not be started when its supervisor started; ``__cause__`` says why.

    Those that had been started before it have been stopped again.
    """

    def __init__(self, supervisor: str, child: str) -> None:
        super().__init__(supervisor, child)
        self.supervisor = supervisor
        self.child = child

    def __str__(self) -> str:
        return f"supervisor {self.supervisor!r} could not start its child {self.child!r}"


class IntensityExceeded(Exception):
    """Restarts did not cure a failure; ``__cause__`` is the last one, if it was a crash.

    `count` is the number of restarts that the period of `period` seconds would have seen with the one that
    was not made. All the children have been stopped.
    """

    def __init__(self, supervisor: str, child: str, count: int, period: float) -> None:
        super().__init__(supervisor, child, count, period)
        self.supervisor = supervisor
        self.child = child
        self.count = count
        self.period = period

    def __str__(self) -> str:
        return (
            f"supervisor {self.supervisor!r} gave up: the end of {self.child!r} called for restart number "
            f"{self.count} within {self.period:g} s"
        )
