"""Mailbox, address and one-shot reply slot: how actors hear of each other.

A mailbox is a bounded memory channel that belongs to a *part*, not to whoever performs it: it outlives the
incarnations of its actor, so that addresses stay valid across a restart and what was not yet begun is not lost.

Room is never waited for between actors. Whoever admits a request reserves the room that all its messages can take,
and `post` therefore never finds a mailbox full; if it does, the arithmetic of some bound is wrong, which is a bug
and not a condition to handle.
"""

from __future__ import annotations

import math
from typing import Final, Generic, TypeVar

import trio

M = TypeVar("M")
T = TypeVar("T")


MAX_IN_A_ROW: Final = 16
"""How many messages an actor may take without giving way to others."""


class Mailbox(Generic[M]):
    """A bounded mailbox: `post` is synchronous and for anybody, `receive` is for the one who performs the part."""

    def __init__(self, owner: str, room: int) -> None:
        self.owner = owner
        self._left = 0
        self._in_a_row = 0
        self._send, self._receive = trio.open_memory_channel[M](room)

    def __len__(self) -> int:
        return self._left

    def post(self, message: M) -> None:
        """Leave a message.

        Raises:
            RuntimeError: if there is no room, which is a bug: room is reserved at admission.

        """
        try:
            self._send.send_nowait(message)
            self._left += 1
        except trio.WouldBlock:
            raise RuntimeError(
                f"the mailbox of {self.owner} is full ({self._send.statistics().max_buffer_size:g} messages)"
            ) from None

    async def receive(self, until: float = math.inf) -> M | None:
        """Wait for the next message, or until the time `until`; then return ``None``.

        There must be no checkpoint between the return and the message having been recorded: a message that was
        received belongs to nobody else. Those that wait are taken one after another without a checkpoint, up to
        `MAX_IN_A_ROW`: under load that saves a third of a request's whole price (``benchmarks/run.py --only router``).
        """
        if self._left and self._in_a_row < MAX_IN_A_ROW:
            self._left -= 1
            self._in_a_row += 1
            return self._receive.receive_nowait()
        self._in_a_row = 0
        message = None
        if until == math.inf:
            message = await self._receive.receive()
        else:
            with trio.CancelScope(deadline=until):
                message = await self._receive.receive()
        self._left -= message is not None
        return message

    def drain(self) -> list[M]:
        """Take out all that is in it, in order."""
        messages: list[M] = []
        while True:
            try:
                messages.append(self._receive.receive_nowait())
                self._left -= 1
            except trio.WouldBlock:
                return messages


class Slot(Generic[T]):
    """A place for one answer. Filled once, by whoever answers first; whoever asked waits for it.

    A later answer is of no interest to anybody and is dropped: `fill` says whether it came first.
    """

    __slots__ = ("_error", "_event", "_value")

    def __init__(self) -> None:
        self._event = trio.Event()
        self._value: T | None = None
        self._error: Exception | None = None

    @property
    def filled(self) -> bool:
        """Whether an answer is in."""
        return self._event.is_set()

    def fill(self, value: T) -> bool:
        """Answer, if nobody has answered yet."""
        if self._event.is_set():
            return False
        self._value = value
        self._event.set()
        return True

    def fail(self, error: Exception) -> bool:
        """Answer with an error, which `wait` will raise, if nobody has answered yet."""
        if self._event.is_set():
            return False
        self._error = error
        self._event.set()
        return True

    async def wait(self) -> T:
        """Wait for the answer; raise it if it is an error."""
        await self._event.wait()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # filled, hence a T
