"""The SDKs on asyncio: a `RouterTransport` behind the portal, for clients of either HTTP package."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import groq
import httpx
import httpx2
import openai
import pytest
from google import genai
from google.genai import types
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

import understudy
from understudy import RouterTransport
from understudy.portal import AsyncioRouter

from .common import EXHAUSTED, HELLO, SDKS_OWN, told
from .test_genai import written

pytestmark = SDKS_OWN

CONFIG: dict[str, Any] = {
    "model_list": [
        {"model_name": "first", "model": "openai/m-1", "api_base": "http://one.example/v1", "fallbacks": ["second"]},
        {"model_name": "second", "model": "openai/m-2", "api_base": "http://two.example/v1"},
        {"model_name": "gemini", "model": "gemini/g", "api_base": "http://four.example/v1beta", "api_key": "secret"},
        {"model_name": "claude", "model": "anthropic/c", "api_base": "http://three.example/v1", "api_key": "secret"},
    ]
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "c",
    "content": [{"type": "text", "text": "Hello."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}


def answer(request: httpx.Request) -> httpx.Response:
    """Play all providers: the first is exhausted, two speak dialects of their own."""
    body = json.loads(request.content)
    if request.url.host == "three.example":
        return httpx.Response(200, json=MESSAGE)
    if request.url.host == "four.example":
        return httpx.Response(200, json=written("Hello.")[0])
    if request.url.host == "one.example" or "all" in str(body["messages"]):
        return httpx.Response(429, json=EXHAUSTED)
    if not body.get("stream"):
        message = {"role": "assistant", "content": "Hello."}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return httpx.Response(200, json={"id": "1", "object": "chat.completion", "model": "m-2", "choices": choices})
    deltas: list[dict[str, Any]] = [{"delta": {"content": text}, "finish_reason": None} for text in ("Hel", "lo.")]
    deltas.append({"delta": {}, "finish_reason": "stop"})
    events = [f"data: {json.dumps({'id': '1', 'choices': [{'index': 0, **delta}]})}\n\n" for delta in deltas]
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, text="".join(events) + "data: [DONE]\n\n")


@contextmanager
def counted() -> Iterator[tuple[httpx.MockTransport, list[str]]]:
    asked: list[str] = []

    def note(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return answer(request)

    yield httpx.MockTransport(note), asked


def on_asyncio(scene: Callable[[AsyncioRouter, list[str]], Awaitable[None]]) -> None:
    async def main() -> None:
        with counted() as (providers, asked):
            async with asyncio.timeout(20), understudy.portal.open_router(CONFIG, transport=providers) as router:
                await scene(router, asked)

    asyncio.run(main())


@pytest.mark.parametrize("package", [httpx, httpx2])
def test_openais_sdk_has_failover_on_asyncio(package: Any) -> None:
    async def scene(router: AsyncioRouter, asked: list[str]) -> None:
        http = package.AsyncClient(transport=router.transport(RouterTransport))
        async with openai.AsyncOpenAI(api_key="unused", http_client=http) as client:
            raw = await client.chat.completions.with_raw_response.create(model="first", messages=HELLO)
            assert told(raw.headers) == ("second", "first=failed:rate_limit, second=served")
            assert raw.parse().choices[0].message.content == "Hello."
            stream = await client.chat.completions.create(model="first", messages=HELLO, stream=True)
            assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "Hello."
            before = len(asked)
            with pytest.raises(openai.RateLimitError, match="no candidate could serve"):
                await client.chat.completions.create(model="second", messages=[{"role": "user", "content": "all"}])
            assert asked[before:] == ["two.example"]

    on_asyncio(scene)


@pytest.mark.parametrize("streaming", [False, True])
def test_langchain_has_failover_on_asyncio(streaming: bool) -> None:
    async def scene(router: AsyncioRouter, asked: list[str]) -> None:
        transport: Any = router.transport(RouterTransport)
        http = httpx2.AsyncClient(transport=transport)
        model = ChatOpenAI(model="first", api_key=SecretStr("unused"), http_async_client=http)
        if streaming:
            text = "".join([str(chunk.content) async for chunk in model.astream("Hi")])
        else:
            text = str((await model.ainvoke("Hi")).content)
        assert text == "Hello."
        assert asked == ["one.example", "two.example"]

    on_asyncio(scene)


def test_anthropics_sdk_works_on_asyncio() -> None:
    async def scene(router: AsyncioRouter, _: list[str]) -> None:
        transport: Any = router.transport(RouterTransport)
        async with anthropic.AsyncAnthropic(
            api_key="unused", http_client=httpx2.AsyncClient(transport=transport)
        ) as client:
            message = await client.messages.create(model="claude", max_tokens=10, messages=HELLO)
            assert message.content == [anthropic.types.TextBlock(type="text", text="Hello.")]

    on_asyncio(scene)


def test_groqs_and_googles_sdks_work_on_asyncio() -> None:
    async def scene(router: AsyncioRouter, _: list[str]) -> None:
        transport = router.transport(RouterTransport)
        async with groq.AsyncGroq(api_key="unused", http_client=httpx.AsyncClient(transport=transport)) as client:
            answer = await client.chat.completions.create(model="first", messages=HELLO)
            assert answer.choices[0].message.content == "Hello."
        options = types.HttpOptions(async_client_args={"transport": router.transport(RouterTransport)})
        async with genai.Client(api_key="unused", http_options=options).aio as google:
            said = await google.models.generate_content(model="gemini", contents="Hi")
            assert said.text == "Hello."

    on_asyncio(scene)
