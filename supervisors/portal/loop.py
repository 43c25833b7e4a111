"""The caller's side for asyncio: hatches at which tasks of one loop wait, and errands that they send.

A task that is cancelled while it waits for its errand cancels that, waits until it has ended, and only then goes on
with its cancellation; another cancellation that comes meanwhile is not lost, and does not cut the wait short. So what
a scope (`asyncio.timeout`, a `TaskGroup`) has ended has truly ended. The wait is bounded by `LINGER_MAX_S`: what does
not end within it ends behind the caller's back, in the portal's nursery.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakSet

from .errand import CLOSED, TWICE, Errand
from .hatch import Hatch, Nothing
from .thread import LINGER_MAX_S, Portal


class Bell:
    """One loop, as trio's thread reaches it: one wake-up for all hatches that have news."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.on_lost: Callable[[], None] = lambda: None
        self._rung: deque[LoopHatch] = deque()
        self._is_due = False

    def ring(self, hatch: LoopHatch) -> None:
        """Have a hatch's waiters woken. Called in trio's thread."""
        self._rung.append(hatch)
        if self._is_due:
            return
        self._is_due = True
        try:
            self.loop.call_soon_threadsafe(self._wake_all)
        except RuntimeError:  # the loop is closed: nobody will ever hear anything again
            self.on_lost()

    def _wake_all(self) -> None:
        self._is_due = False
        for _ in range(len(self._rung)):
            self._rung.popleft().wake()


class LoopHatch(Hatch):
    """A hatch at which tasks of one asyncio loop wait."""

    def __init__(self, bell: Bell) -> None:
        super().__init__()
        self._bell = bell
        # Weak, so that trio's thread does not keep a task alive that is thrown away together with its loop.
        self._waiters: WeakSet[asyncio.Future[None]] = WeakSet()

    def ring(self) -> None:  # noqa: D102  # as said there
        self._bell.ring(self)

    def wake(self) -> None:
        """Wake all who wait. Called in the loop's thread."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self) -> None:
        """Wait until there is a word, or no more to come."""
        while not self.has_news:
            await self._doze()

    async def wait_ended(self, longest: float | None = None, on_cancel: Callable[[], None] = lambda: None) -> None:
        """Wait for the end, whoever cancels; a cancellation that came meanwhile is raised afterwards.

        `on_cancel` is called for each. After `longest` seconds the wait is over anyway.
        """
        cancelled: asyncio.CancelledError | None = None
        is_late = False

        def late() -> None:
            nonlocal is_late
            is_late = True
            self.wake()

        timer = None if longest is None or self.ended else self._bell.loop.call_later(longest, late)
        try:
            while not self.ended and not is_late:
                try:
                    await self._doze()
                except asyncio.CancelledError as exc:
                    cancelled = exc
                    on_cancel()
            if cancelled is not None:
                raise cancelled
        finally:
            del cancelled
            if timer is not None:
                timer.cancel()

    async def _doze(self) -> None:
        waiter = self._bell.loop.create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)


class LoopErrand:
    """An errand that an asyncio task has sent, and hears of word by word."""

    def __init__(self, portal: Portal, bell: Bell, act: Callable[[Errand, Any], Awaitable[Any]]) -> None:
        self._portal = portal
        self.hatch = LoopHatch(bell)
        self.errand = Errand(act, self.hatch)
        self._is_sent = False
        self._is_left = False

    async def call(self) -> Any:
        """Send it and wait for its end; leave it when cancelled."""
        self._send()
        try:
            await self.hatch.wait()
        except BaseException as exc:
            await self.leave(exc)
            raise
        return self.hatch.result()

    async def open(self) -> Any:
        """Send it and wait for its first word, or for the exception with which it ends before; leave it then."""
        self._send()
        try:
            return await self.next()
        except BaseException as exc:
            await self.leave(exc)
            raise

    async def next(self) -> Any:
        """Wait for the next word.

        Raises:
            StopAsyncIteration: there are no more; the hatch's `result` has the value at the end.

        """
        while True:
            await self.hatch.wait()
            if self._is_left:
                raise RuntimeError(CLOSED)
            word = self.errand.take(self._portal)
            if word is Nothing.MORE:
                self.hatch.result()
                raise StopAsyncIteration
            if word is not Nothing.YET:
                return word

    def _send(self) -> None:
        if self._is_sent:
            raise RuntimeError(TWICE)
        self._is_sent = True
        self._portal.send(self.errand)

    async def leave(self, because: BaseException | None = None) -> None:
        """Cancel it and wait until it has ended, also when this is cancelled."""
        self.drop()
        # A coroutine that is thrown away must not wait, and nobody waits in a loop that is no more.
        if self._is_sent and not self.hatch.ended and not isinstance(because, GeneratorExit):
            await self.hatch.wait_ended(LINGER_MAX_S)

    def drop(self) -> None:
        """Cancel it without waiting."""
        self._is_left = True
        if self._is_sent and not self.hatch.ended:
            self._portal.cancel(self.errand)
