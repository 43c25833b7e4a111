"""Observers: the trace's facts where people look for them, in the log, as OpenTelemetry spans, as Prometheus metrics.

Each is a listener of the same facts (`understudy.actors.trace`), and none is on the path of a request: what an observer
does with a fact waits for nothing, and one that raises is told no more. What an observer keeps of a request it forgets
when the request ends.

What is public is in `understudy.observe`. An observer's library is imported when it is asked for, and not before.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .log import LogLines

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry

    from ..handle import Router

__all__ = ["count_requests", "log_requests", "trace_requests"]

LOGGER = logging.getLogger("understudy")


def log_requests(router: Router, logger: logging.Logger = LOGGER) -> None:
    """Write a line to `logger` for each fallback, cooldown and request that is given up.

    `open_router` has done so for the logger ``understudy``, as far as its level let lines pass then. Call this once
    the level has become lower, or for a logger of your own. It ends with the router.
    """
    LogLines(logger).listen_to(router)


def trace_requests(router: Router, tracer_provider: TracerProvider | None = None) -> None:
    """Make an OpenTelemetry span of each request, and below it one of each attempt. It ends with the router.

    Without a `tracer_provider` the global one is used.

    Raises:
        ImportError: the extra ``otel`` is not installed.

    """
    try:
        from opentelemetry.trace import get_tracer

        from .otel import Spans
    except ImportError as exc:
        raise _missing("OpenTelemetry", "otel", exc) from exc
    Spans(get_tracer("understudy", tracer_provider=tracer_provider)).listen_to(router)


def count_requests(router: Router, registry: CollectorRegistry | None = None, *, name: str = "default") -> None:
    """Count in Prometheus metrics what the router does. It ends with the router; what was counted stays.

    Without a `registry` the client's global one is used. `name` is the value of the label ``router``: routers that
    share a registry have different ones.

    Raises:
        ImportError: the extra ``metrics`` is not installed.
        ValueError: a router of this name is counted in the registry already.

    """
    try:
        from prometheus_client import REGISTRY

        from .metrics import Counts
    except ImportError as exc:
        raise _missing("the Prometheus client", "metrics", exc) from exc
    Counts(REGISTRY if registry is None else registry, name).listen_to(router)


def _missing(what: str, extra: str, exc: ImportError) -> ImportError:
    return ImportError(f"{what} is not installed: pip install 'understudy[{extra}]'", name=exc.name)
