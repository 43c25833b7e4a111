"""The `groq` SDK over a `RouterTransport`: OpenAI's dialect, and errors of its own."""

from __future__ import annotations

from typing import Any

import groq
import httpx
import pytest
import trio
from groq.types.chat import ChatCompletion

import understudy
from tests.loopback import CutStream, Silent, StallStream, Status
from tests.wire.cast import TEXT, Cast, perform
from understudy import Router, RouterTransport

from .common import EXHAUSTED, FAULT, HELLO, SDKS_OWN, told

pytestmark = SDKS_OWN


def sdk(router: Router, **options: Any) -> groq.AsyncGroq:
    return groq.AsyncGroq(api_key="unused", http_client=httpx.AsyncClient(transport=RouterTransport(router)), **options)


def test_an_answer_is_typed_after_a_fallback() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            raw = await client.chat.completions.with_raw_response.create(model="first", messages=HELLO)
            completion = await raw.parse()
        assert isinstance(completion, ChatCompletion)
        assert completion.choices[0].message.content == TEXT
        assert told(raw.headers) == ("second", "first=failed:server_error, second=served")
        assert it.first.requests[0].path == "/v1/chat/completions"

    perform(scene, scripts=[[Status(500)]])


def test_a_stream_comes_chunk_by_chunk() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            stream = await client.chat.completions.create(model="first", messages=HELLO, stream=True)
            texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(texts) == TEXT

    perform(scene, scripts=[[Status(500)]])


@pytest.mark.parametrize("stream", [False, True])
def test_when_all_have_failed_the_sdk_says_so_after_one_call_each(stream: bool) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            with pytest.raises(groq.RateLimitError, match="no candidate could serve 'first'"):
                await client.chat.completions.create(model="first", messages=HELLO, stream=stream)
        assert (len(it.first.requests), len(it.second.requests)) == (1, 1)

    perform(scene, scripts=[[Status(429, EXHAUSTED)], [Status(429, EXHAUSTED)]])


def test_a_fault_of_the_request_comes_back_in_the_providers_own_words() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            with pytest.raises(groq.BadRequestError) as info:
                await client.chat.completions.create(model="first", messages=HELLO)
        assert info.value.body == FAULT
        assert not it.second.requests

    perform(scene, scripts=[[Status(400, FAULT)]])


def test_a_stream_that_breaks_is_an_error_of_the_sdks() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            stream = await client.chat.completions.create(model="first", messages=HELLO, stream=True)
            with pytest.raises(groq.APIError, match="broke after 11 characters"):
                async for _ in stream:
                    pass

    perform(scene, scripts=[[CutStream(3)]])


def test_a_cancelled_call_and_a_stream_left_early_close_the_providers_connection() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            with trio.move_on_after(0.1) as scope:
                await client.chat.completions.create(model="first", messages=HELLO)
            assert scope.cancelled_caught
            await it.first.wait_closed()
            async with await client.chat.completions.create(model="first", messages=HELLO, stream=True) as stream:
                async for _ in stream:
                    break
            await it.first.wait_closed()
        assert it.status().state is understudy.State.HEALTHY

    perform(scene, scripts=[[Silent(), StallStream(3)]])


def test_a_form_is_carried() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            said = await client.audio.transcriptions.create(model="first", file=("a.wav", b"RIFF"))
        assert said.text == "Good morning."
        assert it.first.requests[0].path == "/v1/audio/transcriptions"

    perform(scene, scripts=[[Status(200, {"text": "Good morning."})]])
