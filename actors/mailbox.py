"""Mailbox, address and one-shot reply slot: how actors hear of each other.

A mailbox is a bounded memory channel that belongs to a *part*, not to whoever performs it: it outlives the
incarnations of its actor, so that addresses stay valid across a restart and what was not yet begun is not lost.

Room is never waited for between actors. Whoever admits a request reserves the room that all its messages can take,
and `post` therefore never finds a mailbox full; if it does, the arithmetic of some bound is wrong, which is a bug
and not a condition to handle.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

from .prompter import Handler, Performance, Prompter

M = TypeVar("M")
T = TypeVar("T")

Work = Callable[[], Awaitable[None]]
"""What whoever waits for a slot may be asked to do meanwhile."""


class Mailbox(Generic[M]):
    """A bounded mailbox: `post` is synchronous and for anybody, `perform` is for the one who performs the part.

    All mailboxes of a house share its `prompter`.
    """

    def __init__(self, owner: str, room: int, prompter: Prompter | None = None) -> None:
        self.owner = owner
        self._prompter = Prompter() if prompter is None else prompter
        self._performance: Performance[M] | None = None
        self._send, self._receive = trio.open_memory_channel[M](room)

    def __len__(self) -> int:
        return self._receive.statistics().current_buffer_used

    def post(self, message: M) -> None:
        """Leave a message. An actor that waits for one handles it at once (see `prompter`).

        Raises:
            RuntimeError: if there is no room, which is a bug: room is reserved at admission.

        """
        try:
            self._send.send_nowait(message)
        except trio.WouldBlock:
            raise RuntimeError(
                f"the mailbox of {self.owner} is full ({self._send.statistics().max_buffer_size:g} messages)"
            ) from None
        performance = self._performance
        if performance is not None and performance.waits:
            self._prompter.announce(performance)

    async def perform(self, handle: Handler[M]) -> None:
        """Let `handle` have every message, one after another, and the time, until it returns ``None`` or raises.

        Otherwise it returns when it wants to be called although no message has come, in seconds on trio's clock; it is
        then called with ``None``, as it is at the beginning. A message that it was given belongs to nobody else.
        """
        assert self._performance is None, "a part has one performer at a time"
        self._performance = Performance(self._receive.receive_nowait, handle)
        try:
            await self._performance.run(self._prompter, self.__len__)
        finally:
            self._performance = None

    def crash(self, bug: BaseException) -> None:
        """Let a bug be raised where the part is performed, if it is: it came out of work that was done for it."""
        if self._performance is not None:
            self._performance.crash(bug)


class Slot(Generic[T]):
    """A place for one answer. Filled once, by whoever answers first; whoever asked waits for it.

    A later answer is of no interest to anybody and is dropped: `fill` says whether it came first. Whoever waits can be
    given work to do meanwhile, in its own task; work that is not begun is dropped for newer work, and for the answer.
    """

    __slots__ = ("_called", "_error", "_value", "_work", "filled")

    def __init__(self) -> None:
        self.filled = False
        self._value: T | None = None
        self._error: Exception | None = None
        self._work: Work | None = None
        self._called: trio.Event | None = None

    def fill(self, value: T) -> bool:
        """Answer, if nobody has answered yet."""
        if self.filled:
            return False
        self._call()
        self._value = value
        self.filled = True
        return True

    def fail(self, error: Exception) -> bool:
        """Answer with an error, which `read` will raise, if nobody has answered yet."""
        if self.filled:
            return False
        self._call()
        self._error = error
        self.filled = True
        return True

    def give_work(self, work: Work) -> None:
        """Let whoever waits do this, before it waits on. It may raise nothing but a cancellation."""
        self._call()
        self._work = work

    async def wait(self, until: float = math.inf) -> bool:
        """Wait for the answer, and do what work there is; return whether it has come before that time.

        A checkpoint in any case.
        """
        while True:
            work, self._work = self._work, None
            if self.filled:
                await trio.lowlevel.checkpoint()
            elif work is not None:
                await work()
            else:
                await self._rest(until)
            if trio.current_time() >= until:
                return False
            if self.filled:
                return True

    def read(self) -> T:
        """Return the answer that is in; raise it if it is an error."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # filled, hence a T

    async def _rest(self, until: float) -> None:
        called = self._called
        if called is None:
            called = self._called = trio.Event()
        if until == math.inf:
            await called.wait()
        else:
            with trio.CancelScope(deadline=until):
                await called.wait()

    def _call(self) -> None:
        called, self._called = self._called, None
        if called is not None:
            called.set()
