"""How each class of callers fared: how many of its requests ended in which way, and how long they took."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import frozen

from .fates import SERVED, Fate, Request

PERCENTS: Final = (50.0, 95.0, 99.0, 100.0)
"""The percentiles that are told of times; the last is the longest."""


@frozen
class Times:
    """How long something took: by percentile (see `PERCENTS`), in seconds; empty if it never happened."""

    by_percent: Mapping[float, float]

    @classmethod
    def of(cls, times: Sequence[float]) -> Times:
        """Return the percentiles of some times."""
        ordered = sorted(times)
        count = len(ordered)
        places = {percent: max(0, math.ceil(round(percent / 100 * count, 9)) - 1) for percent in PERCENTS}
        return cls({percent: ordered[place] for percent, place in places.items()} if ordered else {})


@frozen
class Group:
    """How one class of callers fared: how many of them by fate and by error, and how long they waited."""

    name: str
    fates: Mapping[Fate, int]
    errors: Mapping[str, int]
    latency: Times
    first_content: Times

    @property
    def made(self) -> int:
        """How many requests they made."""
        return sum(self.fates.values())

    @property
    def served(self) -> int:
        """How many of them were served."""
        return sum(self.fates[fate] for fate in SERVED)

    @classmethod
    def of(cls, name: str, requests: Sequence[Request]) -> Group:
        """Return how these requests fared."""
        fates = Counter(request.fate for request in requests)
        errors = Counter(request.error for request in requests if request.error is not None)
        served = [request for request in requests if request.served]
        return cls(
            name,
            {fate: fates[fate] for fate in Fate},
            dict(sorted(errors.items())),
            Times.of([request.ended_at - request.at for request in served]),
            Times.of([r.first_content_at - r.at for r in served if r.first_content_at is not None]),
        )


def groups(requests: Sequence[Request]) -> Iterator[Group]:
    """Return how each class of callers fared, in the order in which they first came."""
    by_name: dict[str, list[Request]] = {}
    for request in requests:
        by_name.setdefault(request.group, []).append(request)
    for name, theirs in by_name.items():
        yield Group.of(name, theirs)
