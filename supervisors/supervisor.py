"""A supervisor: starts its children in order, restarts those that fail, stops them in reverse order.

It is the ``supervisor`` of Erlang/OTP on trio, and what a failure means is decided in four places that
never mix: *policy* (does this end call for a restart?) and *strategy* (whom does it touch?) are tables in
`spec`; *intensity* (is it one too many, how long is the wait?) is in `intensity`; *termination* is
the `manager`'s, which is the one task that does everything, in the order in which it happened.

What it differs in from OTP:

- Repeated restarts are spaced out (`Backoff`). The siblings that go down with a child go down at once and
  wait with it; a restart counts when it is decided, not after the wait.
- A restart that fails is an ending in the queue like others: it counts, and waits, and is tried again.
- To give up is a crash, `IntensityExceeded`, also in the eyes of a supervisor above (OTP's *shutdown* is a
  normal end to a transient supervisor's parent).
- Nothing can be killed in trio. A child that shields itself from its cancellation is reported
  (`ChildLingers`) after `LINGER_MAX` seconds and its siblings are stopped, but ``run()`` cannot end before
  it does, nor is another incarnation of it started before then: there are never two of one child.

This is not for tasks that come and go in numbers, such as one for each request: the children are known when
the supervisor is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .intensity import Backoff, Intensity
from .manager import CANCELLED_GRACE, LINGER_MAX, Manager, Plan
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
    nobody,
)
from .spec import ChildSpec, Restart, Start, Stop, Strategy, declared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "CANCELLED_GRACE",
    "LINGER_MAX",
    "Backoff",
    "ChildEnded",
    "ChildLingers",
    "ChildRestarting",
    "ChildSpec",
    "ChildStartFailed",
    "ChildStarted",
    "Ending",
    "GaveUp",
    "Intensity",
    "IntensityExceeded",
    "Report",
    "Restart",
    "Start",
    "Stop",
    "Strategy",
    "Supervisor",
    "nobody",
]


class Supervisor:
    """Keeps its children running, and ends when it cannot.

    `max_restarts` and `period` are the intensity; each ``run()`` begins with a clean record. The `backoff`
    that comes with it fits it; one of your own whose waits the period cannot hold means that it never gives
    up.

    Supervisors nest: ``ChildSpec("inner", inner.run, stop=inner.shut_down, shutdown=math.inf)``.

    >>> async def clock(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    ...     task_status.started()
    ...     await trio.sleep_forever()
    >>> async def main() -> None:
    ...     supervisor = Supervisor("root", [ChildSpec("clock", clock)])
    ...     async with trio.open_nursery() as nursery:
    ...         await nursery.start(supervisor.run)
    ...         supervisor.shut_down()
    >>> trio.run(main)
    """

    def __init__(
        self,
        name: str,
        children: Sequence[ChildSpec],
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        max_restarts: int = 3,
        period: float = 5.0,
        backoff: Backoff | None = None,
        cancelled_grace: float = CANCELLED_GRACE,
        report: Callable[[Report], None] = nobody,
    ) -> None:
        Intensity(max_restarts, period)  # what cannot be counted is refused here, not in the middle of a run
        if not cancelled_grace >= 0:
            raise ValueError(f"cancelled_grace is a number of seconds, 0 or more, not {cancelled_grace!r}")
        self._plan = Plan(
            name=name,
            children=declared(children),
            strategy=Strategy(strategy),
            max_restarts=max_restarts,
            period=period,
            backoff=Backoff.within(max_restarts, period) if backoff is None else backoff,
            cancelled_grace=cancelled_grace,
            report=report,
        )
        self._manager: Manager | None = None
        self._is_called_off = False

    @property
    def name(self) -> str:
        """What reports and errors call it."""
        return self._plan.name

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start the children, keep them running until `shut_down`, stop them, return.

        ``task_status.started()`` is called when all the children are ready. Raises `ChildStartFailed` if
        one of them fails before that, and `IntensityExceeded` when there are too many restarts; in both
        cases after all the children have been stopped. When cancelled it stops them too, last one first,
        before it raises ``trio.Cancelled``, which wins over either error: at most `cancelled_grace` seconds
        for them all to end by themselves, at most `LINGER_MAX` for each to react to its own cancellation.

        It may be run again once it has ended, but not twice at a time.
        """
        if self._manager is not None:
            raise RuntimeError(f"supervisor {self.name!r} is running already")
        self._manager = Manager(self._plan)
        try:
            await trio.lowlevel.checkpoint()  # whoever is cancelled already starts nothing
            if self._is_called_off:
                self._manager.leave()
            await self._manager.run(task_status)
        finally:
            self._manager = None
            self._is_called_off = False

    def shut_down(self) -> None:
        """Ask it to stop its children and return; before ``run()`` it holds for the run that comes.

        While the children are still being started, ``run()`` stops those there are and returns without
        having called ``task_status.started()``.
        """
        self._is_called_off = True
        if self._manager is not None:
            self._manager.leave()
