"""Whatever a provider answers, an SDK makes the same of it through a router as without one."""

from __future__ import annotations

import json
from typing import Any

import httpx
import httpx2
import openai
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

import understudy
from understudy import RouterTransport

from .common import HELLO, SDKS_OWN

pytestmark = SDKS_OWN

CONFIG = {"model_list": [{"model_name": "first", "model": "openai/m-1", "api_base": "http://provider.example/v1"}]}

texts = st.text(max_size=20)
numbers = st.integers(0, 10**6)
numerals = st.floats(-100, 0)
extras = st.fixed_dictionaries(
    {},
    optional={
        "system_fingerprint": st.none() | texts,
        "x_house": st.none() | texts | st.lists(texts | numbers | numerals, max_size=2),
    },
)
functions = st.fixed_dictionaries({"name": st.text(min_size=1, max_size=8), "arguments": texts})
tool_calls = st.fixed_dictionaries({"id": texts, "type": st.just("function"), "function": functions})
finishes = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])
logprobs = st.none() | st.fixed_dictionaries(
    {
        "content": st.lists(
            st.fixed_dictionaries(
                {
                    "token": texts,
                    "logprob": numerals,
                    "bytes": st.none() | st.lists(st.integers(0, 255), max_size=3),
                    "top_logprobs": st.just([]),
                }
            ),
            max_size=2,
        )
    }
)
usages = st.builds(
    lambda asked, answered: {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        "prompt_tokens_details": {"cached_tokens": asked // 2},
    },
    numbers,
    numbers,
)
messages = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.none() | texts},
    optional={
        "tool_calls": st.lists(tool_calls, min_size=1, max_size=2),
        "refusal": st.none() | texts,
        "reasoning_content": texts,
    },
)


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    """A chat completion as some provider might write it."""
    choices = [
        {"index": i, "message": draw(messages), "finish_reason": draw(finishes), "logprobs": draw(logprobs)}
        for i in range(draw(st.integers(1, 3)))
    ]
    head: dict[str, Any] = {
        "id": draw(texts),
        "object": "chat.completion",
        "created": draw(numbers),
        "model": draw(texts),
    }
    body: dict[str, Any] = {**head, "choices": choices, **draw(extras)}
    return {**body, "usage": draw(usages)} if draw(st.booleans()) else body


deltas = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": st.none() | texts,
        "refusal": st.none() | texts,
        "reasoning_content": texts,
        "tool_calls": st.lists(
            st.fixed_dictionaries(
                {"index": st.integers(0, 2)},
                optional={"id": texts, "type": st.just("function"), "function": functions},
            ),
            max_size=2,
        ),
    },
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[int, list[dict[str, Any]]]:
    """How many choices were asked for, and the chunks of a complete stream with that many."""
    wanted = draw(st.integers(1, 2))
    head: dict[str, Any] = {
        "id": draw(texts),
        "object": "chat.completion.chunk",
        "created": draw(numbers),
        "model": draw(texts),
    }
    said = draw(st.lists(st.tuples(st.integers(0, wanted - 1), deltas), max_size=8))
    choices: list[list[dict[str, Any]]] = [[{"index": i, "delta": delta, "finish_reason": None}] for i, delta in said]
    choices += [[{"index": i, "delta": {}, "finish_reason": draw(finishes)}] for i in range(wanted)]
    chunks: list[dict[str, Any]] = [{**head, "choices": choice, **draw(extras)} for choice in choices]
    if draw(st.booleans()):
        chunks.append({**head, "choices": [], "usage": draw(usages)})
    return wanted, chunks


def both(provider: httpx.MockTransport, asked: dict[str, Any]) -> tuple[Any, Any]:
    """Ask a provider with the SDK, straight and through a router; return what each has made of the answer."""

    async def main() -> tuple[Any, Any]:
        straight: Any = httpx.AsyncClient(transport=provider)
        async with understudy.open_router(CONFIG, transport=provider) as router:
            routed = httpx2.AsyncClient(transport=RouterTransport.of(httpx2, router))
            results = []
            for http in (straight, routed):
                async with openai.AsyncOpenAI(
                    api_key="unused", base_url="http://provider.example/v1", http_client=http, max_retries=0
                ) as client:
                    client._platform = "Unknown"
                    answer = await client.chat.completions.create(model="first", messages=HELLO, **asked)
                    results.append([chunk async for chunk in answer] if asked.get("stream") else answer)
        return results[0], results[1]

    return trio.run(main)


@settings(max_examples=60, deadline=None)
@given(completions())
def test_an_answer_is_the_same_through_a_router(body: dict[str, Any]) -> None:
    provider = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    straight, routed = both(provider, {})
    assert routed == straight
    assert routed.to_dict(mode="json") == straight.to_dict(mode="json")


@settings(max_examples=60, deadline=None)
@given(streams(), st.integers(1, 64))
def test_a_stream_is_the_same_through_a_router(stream: tuple[int, list[dict[str, Any]]], size: int) -> None:
    wanted, chunks = stream
    events = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode() for chunk in chunks]
    body = b"".join(events) + b"data: [DONE]\n\n"

    class Pieces(httpx.AsyncByteStream):
        """The stream in pieces that have nothing to do with its events."""

        def __init__(self) -> None:
            self._left = iter([body[i : i + size] for i in range(0, len(body), size)])

        def __aiter__(self) -> Pieces:
            return self

        async def __anext__(self) -> bytes:
            piece = next(self._left, None)
            if piece is None:
                raise StopAsyncIteration
            return piece

    provider = httpx.MockTransport(
        lambda _: httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Pieces())
    )
    straight, routed = both(provider, {"stream": True, "n": wanted})
    assert routed == straight
