"""What observers cost: CPU time of a request that is served, through the router alone, while each of them listens.

    python benchmarks/observers.py                  the table, in about half a minute
    python benchmarks/observers.py --write FOLDER   as observers.json and observers.md, too

The provider is a line that answers at once (`instant`). In every round each observer listens to a router of its own for
as many requests; medians are told, scaled to the quickest speed of the core (`measuring`).
"""

from __future__ import annotations

import argparse
import logging
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import trio
from instant import MESSAGES, config, router
from measuring import Core, Stretch, pin
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry
from tables import write_results

from understudy import Router, observe

NOBODY: Final = "nobody"
LOGGER: Final = logging.getLogger("benchmark")


class Nowhere(SpanExporter):
    """Exports nothing."""

    def export(self, _: Sequence[ReadableSpan], /) -> SpanExportResult:
        """Say that it has."""
        return SpanExportResult.SUCCESS


@contextmanager
def nobody(_: Router) -> Iterator[None]:
    yield


@contextmanager
def log(it: Router, level: int) -> Iterator[None]:
    LOGGER.setLevel(level)
    LOGGER.handlers[:] = [logging.NullHandler()]
    LOGGER.propagate = False
    observe.log_requests(it, LOGGER)
    yield


@contextmanager
def metrics(it: Router) -> Iterator[None]:
    observe.count_requests(it, CollectorRegistry())
    yield


@contextmanager
def spans_without_sdk(it: Router) -> Iterator[None]:
    observe.trace_requests(it)
    yield


@contextmanager
def spans(it: Router) -> Iterator[None]:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    observe.trace_requests(it, provider)
    try:
        yield
    finally:
        provider.shutdown()


@contextmanager
def all_of_them(it: Router) -> Iterator[None]:
    with log(it, logging.INFO), metrics(it), spans(it):
        yield


OBSERVERS: Final[dict[str, Callable[[Router], AbstractContextManager[None]]]] = {
    NOBODY: nobody,
    "the log at WARNING": partial(log, level=logging.WARNING),
    "the log at INFO": partial(log, level=logging.INFO),
    "Prometheus": metrics,
    "OpenTelemetry, with no SDK set up": spans_without_sdk,
    "OpenTelemetry, the SDK's batch processor and an exporter that does nothing": spans,
    "the last of the log, Prometheus, and the last of OpenTelemetry": all_of_them,
}


async def listened_to(observer: Callable[[Router], AbstractContextManager[None]], requests: int, core: Core) -> Stretch:
    """Make so many requests while somebody listens."""
    async with router(config(["good"])) as it:
        with observer(it):
            for _ in range(requests // 10):
                await it.chat("m", MESSAGES)
            with core.measured() as stretch:
                for _ in range(requests):
                    await it.chat("m", MESSAGES)
    return stretch


def main() -> None:
    args = arguments()
    pin(0)
    core = Core()
    took: dict[str, list[Stretch]] = {name: [] for name in OBSERVERS}
    for _ in range(args.rounds):
        for name, observer in OBSERVERS.items():
            took[name].append(trio.run(listened_to, observer, args.requests, core))
    figures = {
        name: statistics.median(stretch.scaled / args.requests * 1e6 for stretch in stretches)
        for name, stretches in took.items()
    }
    told = table(figures)
    print(told)
    if args.write is not None:
        write_results(args.write, "observers", figures, told)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What observers cost.")
    parser.add_argument("--requests", type=int, default=2_000, help="how many each hears of in a round (2000)")
    parser.add_argument("--rounds", type=int, default=9, help="how often each listens (9)")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="where observers.json and observers.md go")
    return parser.parse_args()


def table(figures: Mapping[str, float]) -> str:
    rows = ["| who listens | a request | ratio |", "|---|---:|---:|"]
    base = figures[NOBODY]
    return "\n".join([*rows, *(f"| {name} | {value:.0f} µs | {value / base:.2f} |" for name, value in figures.items())])


if __name__ == "__main__":
    main()
