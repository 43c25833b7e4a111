"""Trace facts for whoever wants to listen: an async iterator with a bounded memory.

A listener that falls behind loses the oldest facts and can see how many (`missed`); it never slows the actors down.
A listener that is simply dropped is forgotten with its last reference.
"""

from __future__ import annotations

import weakref
from collections import deque
from types import TracebackType
from typing import Final

import trio

from .trace import Fact, Trace

FACTS_KEPT: Final = 10_000
"""How many facts wait for a slow listener."""


class Events:
    """Everything that happens from now on.

    Iterate over it with ``async for``; it ends when the router closes, or when it is closed itself. It is an async
    context manager, too, for those who stop listening earlier.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._facts: deque[Fact] = deque(maxlen=FACTS_KEPT)
        self._news = trio.Event()
        self._is_closed = trace.ended
        self.missed = 0
        # Forgotten at once when it is dropped, not only with the next fact.
        myself = weakref.ref(self, lambda _: trace.remove(sink))

        def sink(fact: Fact | None) -> None:
            events = myself()
            if events is None:
                trace.remove(sink)
            else:
                events._hear(fact)

        self._sink = sink
        if not self._is_closed:
            trace.add(sink)

    def _hear(self, fact: Fact | None) -> None:
        if fact is None:
            self._is_closed = True
        else:
            self.missed += len(self._facts) == FACTS_KEPT
            self._facts.append(fact)
        self._news.set()

    def close(self) -> None:
        """Stop listening; what has been heard already can still be read."""
        self._trace.remove(self._sink)
        self._is_closed = True
        self._news.set()

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Fact:
        await trio.lowlevel.checkpoint()
        while not self._facts:
            if self._is_closed:
                raise StopAsyncIteration
            if self._news.is_set():
                self._news = trio.Event()
            await self._news.wait()
        return self._facts.popleft()

    async def __aenter__(self) -> Events:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()
