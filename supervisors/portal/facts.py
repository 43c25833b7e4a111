"""Trace facts for whoever listens outside, with the same bounded memory as `understudy.Events`.

Facts go from the trace straight to the hatch, without a task between that hears them first: a listener outside slows
the actors down no more than one inside, and one that falls behind loses the oldest.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import Any

import trio

from ...actors.errors import RouterClosed
from ...actors.events import FACTS_KEPT
from ...actors.handle import Router
from ...actors.trace import Fact
from .errand import Errand
from .hatch import Hatch, Nothing
from .thread import Portal


class FactsRead:
    """Everything that happens from now on, as it arrives at a hatch outside."""

    def __init__(self, portal: Portal, hatch: Hatch) -> None:
        hatch.words = deque(maxlen=FACTS_KEPT)
        self._portal = portal
        self._hatch = hatch
        self._taken = 0
        self._is_closed = False
        self._ear = _Ear(hatch)
        self._errand = Errand(self._ear.stay, hatch, at_once=self._ear.listen)
        portal.send(self._errand)

    @property
    def missed(self) -> int:
        """How many facts were lost because this listener fell behind; the oldest go first."""
        return max(0, self._ear.heard - self._taken - len(self._hatch.words))

    def close(self) -> None:
        """Stop listening; what has been heard already can still be read."""
        if not self._is_closed:
            self._is_closed = True
            self._portal.cancel(self._errand)

    def __del__(self) -> None:
        self.close()

    def _take(self) -> Any:
        """Take the next fact, or learn that there is `Nothing`."""
        fact = self._hatch.take()
        if isinstance(fact, Fact):
            self._taken += 1
        elif fact is Nothing.MORE and not self._is_closed:
            with contextlib.suppress(RouterClosed):  # nothing will happen any more: that is no failure
                self._hatch.result()
        return fact


class _Ear:
    """What listens in trio's thread. It does not know who reads, so that a reader can be dropped."""

    def __init__(self, hatch: Hatch) -> None:
        self._hatch = hatch
        self.heard = 0

    def listen(self, router: Router) -> None:
        """Begin, before anything else is done for the caller."""
        self._is_over = trio.Event()
        router.listen(self._hear)

    async def stay(self, _: Errand, router: Router) -> None:
        """Go on until the trace ends, or the reader is gone."""
        try:
            await self._is_over.wait()
        finally:
            router.unlisten(self._hear)

    def _hear(self, fact: Fact | None) -> None:
        if fact is None:
            self._is_over.set()
        else:
            self.heard += 1
            self._hatch.say(fact)
