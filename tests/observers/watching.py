"""Rehearsals that are watched: observers listen to the router of a whole run, and what they saw can be looked at."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import patch

import trio
from attrs import define, field
from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from prometheus_client import CollectorRegistry

from understudy.actors.handle import Router
from understudy.actors.observers.log import LogLines
from understudy.actors.observers.metrics import Counts
from understudy.actors.observers.otel import Spans
from understudy.actors.part import State
from understudy.simulations import rehearsal
from understudy.simulations.exchange import Exchange
from understudy.simulations.rehearsal import rehearse
from understudy.simulations.run import Run
from understudy.simulations.scenario import Scenario
from understudy.supervisors.runtime import opened

CANDIDATE = ("key", "provider", "model")


@define(eq=False)
class Kept(SpanProcessor):
    """Keeps every span that began, and every one that ended."""

    begun: list[Span] = field(factory=list)
    ended: list[ReadableSpan] = field(factory=list)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.begun.append(span)

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)

    def of_kind(self, kind: otel.SpanKind) -> list[ReadableSpan]:
        """Those of one kind that are the router's."""
        return [span for span in self.ended if span.kind is kind and "understudy.request" in attributes(span)] + [
            span for span in self.ended if span.kind is kind and "understudy.attempt" in attributes(span)
        ]


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def kept() -> tuple[Kept, TracerProvider]:
    """A provider whose spans are kept, and they."""
    processor, provider = Kept(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return processor, provider


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def texts(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@contextmanager
def listening_logger(level: int, name: str = "tests.observed") -> Iterator[tuple[logging.Logger, Lines]]:
    logger, lines = logging.getLogger(name), Lines()
    before = logger.level, logger.propagate
    logger.addHandler(lines)
    logger.setLevel(level)
    logger.propagate = False
    try:
        yield logger, lines
    finally:
        logger.removeHandler(lines)
        logger.setLevel(before[0])
        logger.propagate = before[1]


@define(eq=False)
class Watch:
    """All that was seen of one run. `sent` are the spans within which a provider was reached, and for which model."""

    run: Run
    spans: Spans
    counts: Counts
    lines: list[logging.LogRecord]
    kept: Kept
    registry: CollectorRegistry
    callers: dict[int, otel.SpanContext]
    sent: list[tuple[otel.Span, str]]
    let_in: int
    looks: int


@define(eq=False)
class _Watching:
    looking: bool
    router: Router | None = None
    spans: Spans | None = None
    counts: Counts | None = None
    lines: LogLines | None = None
    registry: CollectorRegistry = field(factory=CollectorRegistry)
    callers: dict[int, otel.SpanContext] = field(factory=dict)
    sent: list[tuple[otel.Span, str]] = field(factory=list)
    looks: int = 0

    def attach(self, router: Router, tracer: otel.Tracer, lines: LogLines) -> None:
        self.router, self.lines = router, lines
        self.spans, self.counts = Spans(tracer), Counts(self.registry, "it")
        for observer in (self.spans, self.counts, lines):
            observer.listen_to(router)

    async def look(self, router: Router) -> None:
        """Look at the gauges again and again, at moments at which nothing else happens, and compare."""
        while True:
            await trio.sleep(1.2345678)
            if router._house.trace.ended:
                return  # the router has been given up, and with it whatever its gauges showed
            self.looks += 1
            for status in router.snapshot():
                labels = {
                    "router": "it",
                    **{name: getattr(status, "name" if name == "key" else name) for name in CANDIDATE},
                }
                part = router._house.parts[status.name]
                seen = {
                    name: self.registry.get_sample_value(f"understudy_{name}", labels)
                    for name in ("attempts_in_flight", "attempts_queued", "cooling", "down")
                }
                assert seen == {
                    "attempts_in_flight": status.in_flight,
                    "attempts_queued": len(part.queue),
                    "cooling": status.cooldown_remaining > 0,
                    "down": status.state is State.DOWN,
                }, (trio.current_time(), status)
            assert self.registry.get_sample_value("understudy_requests_in_flight", {"router": "it"}) == len(
                router._pending
            )
            assert self.spans is not None
            assert self.counts is not None
            assert self.lines is not None
            assert set(self.lines._turns) <= set(router._pending)
            assert set(self.spans._requests) == set(self.counts._requests) == set(router._pending)


def watched(scenario: Scenario, *, level: int = logging.INFO, looking: bool = True) -> Watch:
    """Rehearse a scenario with all observers listening, and a span around every caller's request.

    `looking`: with a task besides that compares the gauges with the router's own snapshots.
    """
    kept_spans, provider = kept()
    tracer = provider.get_tracer("tests")
    watching = _Watching(looking)

    with listening_logger(level) as (logger, lines), _patched(watching, tracer, LogLines(logger)):
        run = rehearse(scenario)
    assert watching.router is not None
    assert watching.spans is not None
    assert watching.counts is not None
    return Watch(
        run,
        watching.spans,
        watching.counts,
        lines.records,
        kept_spans,
        watching.registry,
        watching.callers,
        watching.sent,
        watching.router.requests,
        watching.looks,
    )


@contextmanager
def _patched(watching: _Watching, tracer: otel.Tracer, lines: LogLines) -> Iterator[None]:
    ask, arrive = rehearsal._Play._ask, Exchange.arrive

    @asynccontextmanager
    async def opened_and_watched(stage: Any) -> AsyncIterator[Router]:
        async with opened(stage) as router, trio.open_nursery() as nursery:
            watching.attach(router, tracer, lines)
            if watching.looking:
                nursery.start_soon(watching.look, router)
            yield router
            nursery.cancel_scope.cancel()

    async def ask_within(play: Any, router: Router, number: int, *more: Any) -> bool:
        with tracer.start_as_current_span("a caller") as span:
            watching.callers[router.requests + 1] = span.get_span_context()
            return await ask(play, router, number, *more)

    def arrive_within(exchange: Exchange) -> None:
        watching.sent.append((otel.get_current_span(), exchange.model))
        arrive(exchange)

    places: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
        (rehearsal, "opened", opened_and_watched),
        (rehearsal._Play, "_ask", ask_within),
        (Exchange, "arrive", arrive_within),
    )
    with patch.object(*places[0]), patch.object(*places[1]), patch.object(*places[2]):
        yield
