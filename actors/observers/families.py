"""The families of metrics in a registry, and one router's series in them.

Families are made once a registry, whichever routers are counted in it; each router's series bear its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ..identity import ModelKey

SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640)
"""The buckets of durations: language models take their time."""

CANDIDATE: Final = ("router", "key", "provider", "model")
"""The labels of whatever is about one candidate."""


class Families:
    """The metrics of one registry, whichever routers they are of."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def make(kind: Callable[..., Any], name: str, help: str, *labels: str, **more: Any) -> Any:  # noqa: A002
            return kind(f"understudy_{name}", help, labels, registry=registry, **more)

        def histogram(name: str, help: str, *labels: str) -> Any:  # noqa: A002
            return make(Histogram, name, help, *labels, buckets=SECONDS)

        self.names: set[str] = set()
        """Of the routers that are counted now."""
        self.requests = make(Counter, "requests", "Requests that ended, by how", "router", "route", "outcome")
        self.request_duration = histogram("request_duration_seconds", "How long requests took", "router", "route")
        self.request_first = histogram(
            "request_first_content_seconds", "When streams had their first content", "router", "route"
        )
        self.under_way = make(Gauge, "requests_in_flight", "Requests under way", "router")
        self.attempts = make(
            Counter, "attempts", "Attempts that ended, by how and why", *CANDIDATE, "outcome", "reason"
        )
        self.attempt_duration = histogram("attempt_duration_seconds", "How long attempts took", *CANDIDATE)
        self.attempt_first = histogram(
            "attempt_first_content_seconds", "When streams had their first content, from their attempt on", *CANDIDATE
        )
        self.in_flight = make(Gauge, "attempts_in_flight", "Attempts under way", *CANDIDATE)
        self.queued = make(Gauge, "attempts_queued", "Attempts that wait in line", *CANDIDATE)
        self.tokens = make(Counter, "tokens", "Tokens used; unsplit: input and output together", *CANDIDATE, "type")
        self.refusals = make(Counter, "refusals", "Refusals, by why", *CANDIDATE, "reason")
        self.fallbacks = make(
            Counter, "fallbacks", "How often the next candidate was asked, because of this one", *CANDIDATE, "reason"
        )
        self.cooldowns = make(Counter, "cooldowns", "Cooldowns that began, by why", *CANDIDATE, "reason")
        self.cooling = make(Gauge, "cooling", "Whether the candidate cools (1)", *CANDIDATE)
        self.down = make(Gauge, "down", "Whether the candidate is down (1)", *CANDIDATE)
        self.crashes = make(Counter, "crashes", "Bugs that actors and workers met", "router", "actor")


_known: WeakKeyDictionary[CollectorRegistry, Families] = WeakKeyDictionary()


class Series:
    """One router's series. To look one up in the client itself has its price, so that they are kept here."""

    def __init__(self, registry: CollectorRegistry, name: str) -> None:
        self.families = _known.get(registry) or _known.setdefault(registry, Families(registry))
        if name in self.families.names:
            raise ValueError(
                f"a router is counted as {name!r} in this registry already; give this one a name of its own:"
                " count_requests(router, name=…)"
            )
        self.families.names.add(name)
        self._name = name
        self._kept: dict[tuple[Any, ...], Any] = {}

    def of_key(self, metric: Any, key: ModelKey, *labels: str) -> Any:
        """Return a candidate's series."""
        series = self._kept.get((metric, key, labels))
        if series is None:
            series = metric.labels(self._name, key.name, key.provider, key.model, *labels)
            self._kept[metric, key, labels] = series
        return series

    def of_router(self, metric: Any, *labels: str) -> Any:
        """Return the router's own series."""
        series = self._kept.get((metric, labels))
        if series is None:
            series = self._kept[metric, labels] = metric.labels(self._name, *labels)
        return series

    def close(self, keys: Iterable[ModelKey]) -> None:
        """Remove the gauges, which are true only of a router that runs, and give the name back."""
        families = self.families
        for key in keys:
            for gauge in (families.in_flight, families.queued, families.cooling, families.down):
                gauge.remove(self._name, key.name, key.provider, key.model)
        families.under_way.remove(self._name)
        families.names.discard(self._name)
