"""OpenTelemetry: a span for each request, and below it one for each attempt, by the GenAI semantic conventions.

A request's span is a child of the span in which the caller made it. It is of kind INTERNAL, because nothing leaves the
process by it: it covers the request with all its candidates. What is no attempt stands in it as an event: refusals,
fallbacks, waiting in line. An attempt's span is of kind CLIENT and begins when the attempt is admitted. Tokens stand on
it alone, so that nobody who sums them up counts them twice.

The attempt is performed within its span: what instruments httpx, or a transport of the user's, finds it as the current
one. (`admitted` is told in the context in which the attempt will be performed; see `trace.py`.)

The trace's times are moments on the runtime's clock. They are mapped to the wall clock once, when the observer is made,
so that their order and their distances are the trace's; a wall clock that is set later does not move them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import trio
from attrs import define
from opentelemetry import context as contexts
from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from ..trace import Fact
from .conventions import NOBODY, Attributes, identity, operation_of
from .observer import Observer, Turn, falls_back, number

if TYPE_CHECKING:
    from ..handle import Router


@define(eq=False)
class Request:
    """One request under way. `turn`: the last that ended without an answer; `attempt`: the one that is on its way."""

    span: Span
    context: Context
    operation: str
    stream: bool
    entered_at: float
    turn: Turn | None = None
    attempt: Span | None = None
    admitted_at: float = 0.0
    opened: bool = False
    ended_at: float | None = None


class Spans(Observer):
    """Makes spans of facts. The SDK's own processor takes them from there; nothing here waits for it."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self._tracer = tracer
        self._epoch_ns = time.time_ns() - round(trio.current_time() * 1e9)
        self._requests: dict[int, Request] = {}

    def listen_to(self, router: Router) -> None:
        """Trace the requests that come from now on."""
        router.listen(self, kinds=self.kinds, door=self)

    @property
    def at_rest(self) -> bool:
        """Whether it keeps nothing of any request."""
        return not self._requests

    def end(self) -> None:
        """End what was still under way when the router closed."""
        now = trio.current_time()
        for request in list(self._requests):
            self._close(request, now, "router_closed")

    # At the door

    def entered(self, request: int, at: float, route: str, *, endpoint: str, stream: bool) -> None:
        """Begin a request's span, below the current one of whoever makes it."""
        operation = operation_of(endpoint)
        around = contexts.get_current()
        attributes: Attributes = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": NOBODY,
            "gen_ai.request.model": route,
            "understudy.request": request,
        }
        if stream:
            attributes["gen_ai.request.stream"] = True
        span = self._tracer.start_span(
            f"{operation} {route}", around, attributes=attributes, start_time=self._ns(at), record_exception=False
        )
        self._requests[request] = Request(span, otel.set_span_in_context(span, around), operation, stream, at)

    def closed(self, request: int, at: float) -> None:
        """End a request's span. One whose end no fact has told was that over which the router crashed."""
        self._close(request, at, "router_crashed")

    def _close(self, request_id: int, at: float, why: str) -> None:
        request = self._requests.pop(request_id, None)
        if request is None:
            return
        if request.attempt is not None:
            self._end_attempt(request, at, "abandoned")
        if request.ended_at is None:
            _fail(request.span, why)
            request.ended_at = at
        request.span.end(self._ns(request.ended_at))

    # Requests

    def on_requested(self, fact: Fact) -> None:
        """Note how many candidates there are."""
        request = self._of(fact)
        if request is not None:
            request.span.set_attribute("understudy.candidates", int(number(fact.details["candidates"])))

    def on_skipped(self, fact: Fact) -> None:
        """Note a candidate that cannot take the request."""
        self._note(fact, "understudy.skipped", {"understudy.detail": str(fact.details["detail"])})

    def on_refused(self, fact: Fact) -> None:
        """Note a refusal."""
        attributes: Attributes = {"understudy.reason": str(fact.details["reason"])}
        ready_at = fact.details.get("ready_at")
        if ready_at is not None:
            attributes["understudy.ready_in"] = number(ready_at) - fact.at
        self._note(fact, "understudy.refused", attributes)
        self._remember(fact)

    def on_dispatched(self, fact: Fact) -> None:
        """Note a fallback."""
        request = self._of(fact)
        if request is None or request.turn is None:
            return
        if falls_back(fact):
            before = {"understudy.from": request.turn.key.name, "understudy.reason": request.turn.reason}
            self._note(fact, "understudy.fallback", {**before})
        request.turn = None

    def on_queued(self, fact: Fact) -> None:
        """Note that it waits in line."""
        self._note(fact, "understudy.queued", {})

    def on_restarted_stream(self, fact: Fact) -> None:
        """Note that a stream begins anew."""
        self._note(fact, "understudy.restarted_stream", {})

    def on_delivered(self, fact: Fact) -> None:
        """Note who has answered."""
        request = self._of(fact)
        assert fact.key is not None, "somebody has answered"
        if request is not None:
            answered = {**identity(fact.key), "gen_ai.response.model": fact.key.model}
            request.span.set_attributes({**answered, "understudy.attempts": int(number(fact.details["attempts"]))})
            request.ended_at = fact.at

    def on_gave_up(self, fact: Fact) -> None:
        """Note why there is no answer."""
        request = self._of(fact)
        if request is not None:
            request.span.set_attribute("understudy.attempts", int(number(fact.details["attempts"])))
            _fail(request.span, str(fact.details["reason"]))
            request.ended_at = fact.at

    def on_left(self, fact: Fact) -> None:
        """Note that the caller has left, which is no error, or that its deadline has passed, which is one."""
        request = self._of(fact)
        if request is not None:
            reason = str(fact.details["reason"])
            if reason == "deadline":
                _fail(request.span, reason)
            request.span.set_attribute("understudy.left", True)
            request.ended_at = fact.at

    # Attempts

    def on_admitted(self, fact: Fact) -> None:
        """Begin an attempt's span, and make it the current one of whatever performs the attempt."""
        request = self._of(fact)
        assert fact.key is not None, "an attempt's fact names its candidate"
        if request is None:
            return
        attributes: Attributes = {
            **identity(fact.key),
            "gen_ai.operation.name": request.operation,
            "gen_ai.request.model": fact.key.model,
            "understudy.attempt": fact.attempt or 0,
            "understudy.generation": int(number(fact.details["generation"])),
            "understudy.probe": bool(fact.details["probe"]),
        }
        if request.stream:
            attributes["gen_ai.request.stream"] = True
        span = self._tracer.start_span(
            f"{request.operation} {fact.key.model}",
            request.context,
            SpanKind.CLIENT,
            attributes,
            start_time=self._ns(fact.at),
            record_exception=False,
        )
        request.attempt, request.admitted_at = span, fact.at
        # Never detached: this context is the attempt's alone, and goes with it.
        contexts.attach(otel.set_span_in_context(span))

    def on_sent(self, fact: Fact) -> None:
        """Note that it went out later than it was admitted."""
        request = self._of(fact)
        if request is not None and request.attempt is not None:
            request.attempt.add_event("understudy.sent", timestamp=self._ns(fact.at))

    def on_opened(self, fact: Fact) -> None:
        """Note how long the first content took: the attempt's, and the request's."""
        request = self._of(fact)
        if request is None or request.attempt is None:
            return
        name = "gen_ai.response.time_to_first_chunk"
        request.attempt.set_attribute(name, fact.at - request.admitted_at)
        if not request.opened:
            request.opened = True
            request.span.set_attribute(name, fact.at - request.entered_at)

    def on_served(self, fact: Fact) -> None:
        """End an attempt well."""
        request = self._of(fact)
        if request is None or request.attempt is None:
            return
        attributes: Attributes = {"understudy.tokens": number(fact.details["tokens"])}
        usage = fact.usage
        if usage is not None and usage.prompt_tokens is not None:
            attributes["gen_ai.usage.input_tokens"] = usage.prompt_tokens
        if usage is not None and usage.completion_tokens is not None:
            attributes["gen_ai.usage.output_tokens"] = usage.completion_tokens
        request.attempt.set_attributes(attributes)
        self._end_attempt(request, fact.at, "served")

    def on_failed(self, fact: Fact) -> None:
        """End an attempt with its failure."""
        request = self._of(fact)
        self._remember(fact)
        if request is None or request.attempt is None:
            return
        details = fact.details
        attributes: Attributes = {"understudy.scope": str(details["scope"])}
        if details["status"] is not None:
            attributes["http.response.status_code"] = int(number(details["status"]))
        if details["stated"] is not None:
            attributes["understudy.retry_after"] = number(details["stated"])
        request.attempt.set_attributes(attributes)
        _fail(request.attempt, str(details["reason"]))
        self._end_attempt(request, fact.at, "failed")

    def on_abandoned(self, fact: Fact) -> None:
        """End an attempt of which nothing was learnt."""
        request = self._of(fact)
        if request is not None and request.attempt is not None:
            self._end_attempt(request, fact.at, "abandoned")

    def on_lost(self, fact: Fact) -> None:
        """End an attempt whose actor crashed; one that had ended before, or never begun, is lost to its request."""
        request = self._of(fact)
        self._remember(fact)
        if request is not None and request.attempt is not None:
            _fail(request.attempt, "actor_crashed")
            self._end_attempt(request, fact.at, "lost")
        self._note(fact, "understudy.lost", {})

    # Small things

    def _of(self, fact: Fact) -> Request | None:
        """Return the request that a fact is about, unless it was under way before anybody listened."""
        return None if fact.request is None else self._requests.get(fact.request)

    def _remember(self, fact: Fact) -> None:
        request = self._of(fact)
        if request is not None:
            request.turn = Turn.of(fact)

    def _note(self, fact: Fact, name: str, attributes: Attributes) -> None:
        request = self._of(fact)
        if request is not None:
            key: Attributes = {} if fact.key is None else {"understudy.model_key": fact.key.name}
            request.span.add_event(name, {**key, **attributes}, self._ns(fact.at))

    def _end_attempt(self, request: Request, at: float, outcome: str) -> None:
        assert request.attempt is not None, "only what has begun can end"
        span, request.attempt = request.attempt, None
        span.set_attribute("understudy.outcome", outcome)
        span.end(self._ns(at))
        if request.ended_at is not None:
            request.ended_at = max(request.ended_at, at)  # it covers what was still done for it

    def _ns(self, at: float) -> int:
        return self._epoch_ns + round(at * 1e9)


def _fail(span: Span, error: str) -> None:
    span.set_attribute("error.type", error)
    span.set_status(Status(StatusCode.ERROR, error))
