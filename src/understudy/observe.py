"""What a router does, where people look: in the log, as OpenTelemetry spans, as Prometheus metrics.

::

    async with understudy.open_router("models.yaml") as router:
        understudy.observe.trace_requests(router)  # pip install "understudy[otel]"
        understudy.observe.count_requests(router)  # pip install "understudy[metrics]"
"""

from .actors.observers import count_requests, log_requests, trace_requests

__all__ = ["count_requests", "log_requests", "trace_requests"]
