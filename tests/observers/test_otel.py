"""Spans: one a request, one an attempt, below the caller's own; named and labelled as the conventions have it."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest
import trio
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from understudy import Call, Fact, Kind, ModelKey, UnderstudyError, observe, open_router
from understudy.actors.observers.conventions import NOBODY, OPERATIONS, PROVIDERS
from understudy.actors.observers.otel import Spans

from ..actors.virtual import HELLO, Deal, Provider, Received, config, entry, fail, run, words
from .watching import Kept, attributes, kept

TWO = config(entry("a", fallbacks=["b"]), entry("b", model="gemini/flash", dialect="openai"))


def by_name(spans: Kept) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.ended}


def test_a_fallback_is_three_spans_and_an_event() -> None:
    spans, provider = kept()
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    answer = {"choices": [{"message": {"role": "assistant", "content": "Hi"}}], "usage": usage}
    current: list[str] = []

    def script(received: Received) -> Deal:
        span = otel.get_current_span()
        assert isinstance(span, ReadableSpan)
        current.append(span.name)
        return fail(429, retry_after=20) if received.host == "a.example" else Deal(body=answer)

    async def play() -> None:
        async with open_router(TWO, transport=Provider(script)) as router:
            observe.trace_requests(router, provider)
            with provider.get_tracer("mine").start_as_current_span("mine") as mine:
                await router.chat("a", HELLO)
                assert otel.get_current_span() is mine

    run(play)
    assert current == ["chat a-model", "chat flash"], "what is sent is sent within the attempt's span"
    named = by_name(spans)
    mine, request, first, second = (named[name] for name in ("mine", "chat a", "chat a-model", "chat flash"))
    assert [span.kind for span in (request, first, second)] == [SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.CLIENT]
    assert [span.parent for span in (request, first, second)] == [mine.context, request.context, request.context]
    assert attributes(request) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "a",
        "gen_ai.response.model": "flash",
        "understudy.request": 1,
        "understudy.candidates": 2,
        "understudy.attempts": 2,
        "understudy.model_key": "b",
        "understudy.credential": "literal:2",
    }
    assert attributes(first) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "maker",
        "gen_ai.request.model": "a-model",
        "understudy.attempt": 1,
        "understudy.model_key": "a",
        "understudy.credential": "literal:1",
        "understudy.generation": 0,
        "understudy.probe": False,
        "understudy.outcome": "failed",
        "understudy.scope": "model",
        "understudy.retry_after": 20.0,
        "http.response.status_code": 429,
        "error.type": "rate_limit",
    }
    assert {name: value for name, value in attributes(second).items() if "usage" in name or "tokens" in name} == {
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 5,
        "understudy.tokens": 12.0,
    }
    assert [(event.name, dict(event.attributes or {})) for event in request.events] == [
        (
            "understudy.fallback",
            {"understudy.model_key": "b", "understudy.from": "a", "understudy.reason": "rate_limit"},
        )
    ]
    assert [span.status.status_code for span in (request, first, second)] == [
        StatusCode.UNSET,
        StatusCode.ERROR,
        StatusCode.UNSET,
    ]


def test_a_streams_span_ends_with_the_stream_and_says_when_its_first_content_came() -> None:
    spans, provider = kept()

    async def play() -> None:
        async with open_router(TWO, transport=Provider(lambda _: words("x", "y", "z"))) as router:
            observe.trace_requests(router, provider)
            async with router.stream("a", HELLO) as reader:
                assert spans.ended == []
                async for _ in reader:
                    pass

    run(play)
    for span in spans.ended:
        told = attributes(span)
        assert told["gen_ai.request.stream"] is True
        assert told["gen_ai.response.time_to_first_chunk"] == pytest.approx(0.3)
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.end_time - span.start_time == pytest.approx(0.6e9)


@pytest.mark.parametrize(
    ("how", "error", "leaves"),
    [("leaves", None, True), ("deadline", "deadline", True), ("closed", "router_closed", False)],
)
@pytest.mark.parametrize("seed", range(4))
def test_a_request_that_is_not_answered_says_why_and_ends_all_its_spans(
    how: str, error: str | None, leaves: bool, seed: int
) -> None:
    spans, provider = kept()

    async def ask(router: Any) -> None:
        try:
            with trio.move_on_after(1 if how == "leaves" else 1e6):
                await router.chat("a", HELLO, timeout=2 if how == "deadline" else 1e6)
        except UnderstudyError:
            pass

    async def play() -> None:
        slow, patient = Provider(lambda _: Deal(1e5)), {**TWO, "shutdown_timeout": 3}
        async with trio.open_nursery() as nursery, open_router(patient, transport=slow) as router:
            observe.trace_requests(router, provider)
            nursery.start_soon(ask, router)
            await trio.sleep(0.5 if how == "closed" else 5)

    run(play, seed=seed)
    assert len(spans.begun) == len(spans.ended) == 2
    attempt, request = spans.ended
    told = attributes(request)
    assert attributes(attempt)["understudy.outcome"] == "abandoned"
    assert "error.type" not in attributes(attempt)
    assert told["gen_ai.provider.name"] == NOBODY
    # Whoever is sent away by a router that closes leaves: which of the two is told first, the schedule decides.
    if not (how == "closed" and told.get("understudy.left")):
        assert told.get("error.type") == error
        assert told.get("understudy.left", False) is leaves
    lasted = {"leaves": 1, "deadline": 2, "closed": 3.5}[how]
    assert request.start_time is not None
    assert request.end_time is not None
    assert (request.end_time - request.start_time) / 1e9 == pytest.approx(lasted)


@pytest.mark.parametrize("seed", range(4))
def test_a_router_that_is_cancelled_leaves_no_span_open(seed: int) -> None:
    spans, provider = kept()

    async def play() -> None:
        with trio.move_on_after(2):
            async with open_router(TWO, transport=Provider(lambda _: Deal(100))) as router:
                observe.trace_requests(router, provider)
                async with trio.open_nursery() as nursery:
                    for _ in range(5):
                        nursery.start_soon(router.chat, "a", HELLO)

    run(play, seed=seed)
    assert len(spans.begun) == len(spans.ended) == 10


def test_a_request_that_was_under_way_before_is_not_traced_and_does_no_harm() -> None:
    spans, provider = kept()

    async def play() -> None:
        async with open_router(TWO, transport=Provider()) as router:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(router.chat, "a", HELLO)
                await trio.sleep(0.05)
                observe.trace_requests(router, provider)
            await router.chat("a", HELLO)

    run(play)
    assert [attributes(span).get("understudy.request") for span in spans.ended] == [None, 2]


def test_a_request_covers_what_was_still_done_for_it_after_its_caller_had_left() -> None:
    spans, provider = kept()
    key = ModelKey("a", "maker", "a-model")

    async def play() -> None:
        observer = Spans(provider.get_tracer("tests"))
        observer.entered(1, 0.0, "a", endpoint="/chat/completions", stream=False)
        details = {"generation": 0, "probe": 0, "tokens": 1.0}
        observer(Fact(1.0, Kind.ADMITTED, 1, 1, key, details))
        observer(Fact(2.0, Kind.LEFT, 1, details={"reason": "left"}))
        observer(Fact(5.0, Kind.ABANDONED, 1, 1, key, {"sent": 1}))  # its actor had crashed, and is back only now
        observer.closed(1, 6.0)
        assert observer.at_rest
        assert [span.end_time for span in spans.ended] == [observer._ns(5.0)] * 2

    run(play)


def test_moments_are_those_of_the_wall_clock() -> None:
    spans, provider = kept()
    bounds: list[int] = []

    async def play() -> None:
        async with open_router(TWO, transport=Provider()) as router:
            await trio.sleep(1000)
            bounds.append(time.time_ns())
            observe.trace_requests(router, provider)
            bounds.append(time.time_ns())
            await trio.sleep(50)
            await router.chat("a", HELLO)

    run(play)
    for span in spans.ended:
        assert span.start_time is not None
        assert bounds[0] <= span.start_time - 50e9 <= bounds[1] + 1000  # times are rounded to what a float can tell


def test_no_span_knows_a_secret_a_prompt_or_a_reply() -> None:
    spans, provider = kept()

    async def play() -> None:
        def script(received: Received) -> Deal:
            return fail(401, kind=f"bad key {received.secret}") if received.host == "a.example" else Deal()

        async with open_router(TWO, transport=Provider(script)) as router:
            observe.trace_requests(router, provider)
            await router.chat("a", [{"role": "user", "content": "Tell nobody"}])

    run(play)
    text = "".join(span.to_json() for span in spans.ended)
    assert len(spans.ended) == 3
    for word in ("secret-of", "Tell nobody", "Hi"):
        assert word not in text


@pytest.mark.parametrize(
    ("endpoint", "operation"),
    [("/chat/completions", "chat"), ("/embeddings", "embeddings"), ("/images/edits", "edits")],
)
def test_an_operation_is_called_what_its_endpoint_does(endpoint: str, operation: str) -> None:
    spans, provider = kept()

    async def play() -> None:
        async with open_router(TWO, transport=Provider()) as router:
            observe.trace_requests(router, provider)
            await router.request(Call("a", {"input": "x"}, endpoint))

    run(play)
    assert [span.name for span in spans.ended] == [f"{operation} a-model", f"{operation} a"]
    assert {attributes(span)["gen_ai.operation.name"] for span in spans.ended} == {operation}


def test_words_are_those_of_the_conventions() -> None:
    # As they stand in the conventions' registry, which no library that is stable holds.
    providers = "aws.bedrock azure.ai.openai gcp.gemini gcp.vertex_ai mistral_ai x_ai"
    assert set(OPERATIONS.values()) == {"chat", "text_completion", "embeddings"}
    assert set(PROVIDERS.values()) == set(providers.split())
    assert set(PROVIDERS) & {"anthropic", "cohere", "deepseek", "groq", "openai", "perplexity"} == set()


def test_without_an_sdk_nothing_happens_and_nothing_breaks() -> None:
    program = """
import trio, understudy
from tests.actors.virtual import HELLO, Provider, config, entry, run
async def play():
    async with understudy.open_router(config(entry("a")), transport=Provider()) as router:
        understudy.observe.trace_requests(router)
        print((await router.chat("a", HELLO)).text, router._house.trace.hears_requests)
run(play)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("Hi True\n", "")
