"""The queue of one candidate: attempts that wait for it, first come first served.

Every message to a candidate asks something about all that wait there: how many tokens they will take, and whether one
of them waits in vain by now. Here that is known without going through them, so that a request costs as much behind a
thousand others as behind ten (``benchmarks/run.py --only router``).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

from .bucket import Limits
from .messages import Refusal

if TYPE_CHECKING:
    from .part import Held, Obstacle

STALE_MAX: Final = 64
"""How many deadlines of those who have left may be kept, besides as many as there are of those who wait."""


class Queue:
    """Attempts in the order in which they came; `limits` are the candidate's."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held: OrderedDict[int, Held] = OrderedDict()  # by their places
        self._places = 0
        self._tokens: float = 0
        self._hasty: dict[int, Held] = {}
        self._deadlines: list[tuple[float, int]] = []  # a heap; some are of those who have left

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held]:
        return iter(self._held.values())

    def __contains__(self, held: Held) -> bool:
        return self._held.get(held.place) is held

    @property
    def first(self) -> Held:
        """Who is next; there must be one."""
        return next(iter(self._held.values()))

    @property
    def tokens(self) -> float:
        """What all of them together will reserve."""
        return self._tokens

    def append(self, held: Held) -> None:
        """Let one wait behind all others."""
        self._places += 1
        place = held.place = self._places
        attempt = held.attempt
        self._held[place] = held
        self._tokens += self._reservation(held)
        if not attempt.call.wait_for_cooldown:
            self._hasty[place] = held
        heappush(self._deadlines, (attempt.deadline, place))

    def popleft(self) -> Held:
        """Take out who is next."""
        held = self.first
        self.remove(held)
        return held

    def remove(self, held: Held) -> None:
        """Take out one that waits here."""
        del self._held[held.place]
        self._hasty.pop(held.place, None)
        if not self._held:
            self.clear()
            return
        self._tokens -= self._reservation(held)
        if len(self._deadlines) > 2 * len(self._held) + STALE_MAX:
            self._deadlines = [(held.attempt.deadline, place) for place, held in self._held.items()]
            heapify(self._deadlines)

    def clear(self) -> None:
        """Take out all."""
        self._held.clear()
        self._hasty.clear()
        self._deadlines.clear()
        self._tokens = 0

    def in_doubt(self, obstacle: Obstacle) -> list[Held]:
        """Return, in their order, those who may not want to wait for this any more: at the least all who do not."""
        if obstacle.refusal is Refusal.DOWN:
            return list(self)
        doubtful = self._late(obstacle.ready_at)
        if obstacle.refusal is Refusal.COOLING:
            doubtful |= self._hasty
        return [doubtful[place] for place in sorted(doubtful)]

    def _late(self, ready_at: float | None) -> dict[int, Held]:
        """Return by their places those whose deadline is no later than this."""
        late: dict[int, Held] = {}
        known: list[tuple[float, int]] = []
        while ready_at is not None and self._deadlines and self._deadlines[0][0] <= ready_at:
            deadline, place = heappop(self._deadlines)
            if place in self._held:
                late[place] = self._held[place]
                known.append((deadline, place))
        for each in known:  # they are here still: whether they leave is their actor's to say
            heappush(self._deadlines, each)
        return late

    def holds_together(self) -> bool:
        """Whether what is known of all of them is what going through them tells."""
        return math.isclose(self._tokens, sum(map(self._reservation, self)), abs_tol=1e-3)

    def _reservation(self, held: Held) -> float:
        return self._limits.reservation(held.attempt.demand.tokens)
