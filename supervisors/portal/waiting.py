"""The caller's side for threads: hatches at which a thread waits, and errands that it sends.

The bell is a plain lock, used as a flag that one can wait for: it is the one thing that Python can wait for and whose
every operation is atomic, also for a thread that ``Ctrl-C`` interrupts in the middle.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from .errand import CLOSED, TWICE, Errand
from .hatch import Hatch, Nothing
from .thread import LINGER_MAX_S, Portal

NAP_S: Final = 0.25 if sys.platform == "win32" else -1
"""How long a thread waits at a stretch: for ever, except where ``Ctrl-C`` is noticed between two waits only."""

Act = Callable[[Errand, Any], Awaitable[Any]]


class ThreadHatch(Hatch):
    """A hatch at which threads wait."""

    def __init__(self) -> None:
        super().__init__()
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:  # noqa: D102  # as said there
        with contextlib.suppress(RuntimeError):  # it has rung already, and nobody has heard it
            self._silence.release()

    def wait(self) -> None:
        """Wait until there is a word, or no more to come."""
        self._wait(lambda: self.has_news)

    def wait_ended(self, longest: float | None = None) -> None:
        """Wait for the end, but not longer than `longest` seconds."""
        self._wait(lambda: self.ended, longest)

    def _wait(self, is_over: Callable[[], bool], longest: float | None = None) -> None:
        until = None if longest is None else time.monotonic() + longest
        while not is_over():
            left = NAP_S if until is None else until - time.monotonic()
            if until is not None and left <= 0:
                return
            self._silence.acquire(timeout=left)
            if is_over():
                self.ring()  # another thread may wait here for the same


class ThreadErrand:
    """An errand that a thread has sent, and hears of word by word."""

    def __init__(self, portal: Portal, act: Act) -> None:
        if portal.is_here:
            raise RuntimeError(
                "this is the router's own thread, which cannot wait for itself: a listener must not call the router"
            )
        self._portal = portal
        self.hatch = ThreadHatch()
        self.errand = Errand(act, self.hatch)
        self._is_sent = False
        self._is_left = False

    def call(self) -> Any:
        """Send it and wait for its end; leave it when interrupted."""
        try:
            self._send()
            self.hatch.wait()
        except BaseException:
            self.leave()
            raise
        return self.hatch.result()

    def open(self) -> Any:
        """Send it and wait for its first word, or for the exception with which it ends before; leave it then."""
        try:
            self._send()
            return self.next()
        except BaseException:
            self.leave()
            raise

    def next(self) -> Any:
        """Wait for the next word.

        Raises:
            StopIteration: there are no more; the hatch's `result` has the value at the end.

        """
        while True:
            self.hatch.wait()
            if self._is_left:
                raise RuntimeError(CLOSED)
            word = self.errand.take(self._portal)
            if word is Nothing.MORE:
                self.hatch.result()
                raise StopIteration
            if word is not Nothing.YET:  # else another thread was faster
                return word

    def _send(self) -> None:
        if self._is_sent:
            raise RuntimeError(TWICE)
        self._is_sent = True
        self._portal.send(self.errand)

    def leave(self) -> None:
        """Cancel it and wait until it has ended."""
        self.drop()
        if self._is_sent:
            self.hatch.wait_ended(LINGER_MAX_S)

    def drop(self) -> None:
        """Cancel it without waiting."""
        self._is_left = True
        if self._is_sent and not self.hatch.ended:
            self._portal.cancel(self.errand)


def ask(portal: Portal, question: Callable[[Any], Any]) -> Any:
    """Have `question` answered in trio's thread, of the resident, and wait for it in this thread: for a moment only."""

    async def act(_: Errand, resident: Any) -> Any:
        return question(resident)

    return ThreadErrand(portal, act).call()
