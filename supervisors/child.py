"""One life of one child: a task that starts, gets ready and ends, and tells its supervisor of both.

A crash ends here. Whatever `Exception` (or group of them) leaves the child's function becomes a value that
the supervisor reads; its siblings in the nursery notice nothing. What is no `Exception` passes through: a
``KeyboardInterrupt`` or a ``SystemExit`` is meant for the whole program.

Nothing here decides. Whether the child comes back, and who goes down with it, is the supervisor's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from attrs import define, field

from .reports import Ending

if TYPE_CHECKING:
    from collections.abc import Callable

    from .spec import ChildSpec


@define(eq=False)
class Incarnation:
    """One life of a child. It is also the ``task_status`` that the child's function is given.

    ::

        starting ──started()──▶ ready ──▶ NORMAL | CRASHED
            │                     │
            │                     └─ask_to_end()/cancel()─▶ STOPPED
            ├─cancel()──▶ STOPPED
            └──────────▶ NEVER_STARTED
    """

    spec: ChildSpec
    index: int
    _on_change: Callable[[Incarnation], None]
    ready: bool = field(default=False, init=False)
    is_being_stopped: bool = field(default=False, init=False)
    ending: Ending | None = field(default=None, init=False)
    error: Exception | None = field(default=None, init=False)
    _scope: trio.CancelScope = field(factory=trio.CancelScope, init=False, repr=False)

    @property
    def ended(self) -> bool:
        """Whether this life is over."""
        return self.ending is not None

    async def live(self) -> None:
        """Run the child's function to its end. Never raises an `Exception`."""
        # The scope is inside: where the child raises its own errors together with the cancellation, the
        # scope takes the cancellation out of the group, and what remains is a crash like any other.
        try:
            with self._scope:
                await self.spec.start(task_status=self)
        except Exception as error:
            self.error = error
        self._end()

    def started(self, value: None = None) -> None:  # noqa: ARG002 - the protocol of trio.TaskStatus
        """Say that the child is ready: the supervisor goes on to the next one."""
        if self.ready:
            raise RuntimeError(f"child {self.spec.name!r} called task_status.started() twice")
        if self.ended:
            raise RuntimeError(f"child {self.spec.name!r} called task_status.started() after its end")
        self.ready = True
        self._on_change(self)

    def ask_to_end(self) -> bool:
        """Ask the child to end by itself; return whether it was there to be asked."""
        self.is_being_stopped = True
        if not self.ready or self.spec.stop is None or self.spec.shutdown == 0:
            return False
        try:
            self.spec.stop()
        except Exception as error:  # a child that cannot be asked is cancelled, like one that has no `stop`
            self.error = error
            return False
        return True

    def cancel(self) -> None:
        """End the child by cancelling it."""
        self.is_being_stopped = True
        self._scope.cancel()

    def _end(self) -> None:
        if self.is_being_stopped:
            self.ending = Ending.STOPPED
        elif not self.ready:
            self.ending = Ending.NEVER_STARTED
            self.error = self.error or RuntimeError(
                f"child {self.spec.name!r} returned before it called task_status.started()"
            )
        elif self.error is not None:
            self.ending = Ending.CRASHED
        else:
            self.ending = Ending.NORMAL
        self._on_change(self)
