"""A hatch: where one caller outside hears what trio's thread has to say about one errand.

Words come in order, then the end. The trio side appends to a deque and rings; the caller's side takes from it. Each
operation on the deque is atomic, what is said is there before the bell rings, and whoever waits looks before it waits:
so no lock is needed, and no word is missed. How one is woken is the only thing that differs between an asyncio task
and a thread: that is `ring`, which is called in trio's thread, and must not wait.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from enum import Enum
from typing import Any


class Nothing(Enum):
    """What is taken where there is no word: there is none yet, or there will be no more."""

    YET = "yet"
    MORE = "more"


class Hatch(ABC):
    """Words in order, then the end: a value or an exception."""

    def __init__(self) -> None:
        self.words: deque[Any] = deque()
        self.ended = False
        self._value: Any = None
        self._error: BaseException | None = None

    # In trio's thread

    @abstractmethod
    def ring(self) -> None:
        """Wake whoever waits here, from another thread."""

    def say(self, word: object) -> None:
        """Leave a word."""
        self.words.append(word)
        self.ring()

    def end(self, value: object = None, error: BaseException | None = None) -> None:
        """Say that this is all, and how it ended. What ends it first counts."""
        if self.ended:
            return
        self._value, self._error = value, error
        self.ended = True
        self.ring()

    # Outside

    @property
    def has_news(self) -> bool:
        """Whether there is a word to take, or no more to come."""
        return bool(self.words) or self.ended

    def take(self) -> Any:
        """Take the next word, or learn that there is `Nothing`."""
        ended = self.ended  # looked at first: no word is said after the end
        try:
            return self.words.popleft()
        except IndexError:
            return Nothing.MORE if ended else Nothing.YET

    def result(self) -> Any:
        """Return the value at the end, or raise its exception. An exception is raised once, for one caller."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error, self  # it refers to this frame, which must not refer to it
        return self._value
