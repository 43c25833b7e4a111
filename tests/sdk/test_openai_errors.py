"""What goes wrong, as the `openai` SDK tells it: its own exceptions, and one call for one failure."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import openai
import pytest

import understudy
from tests.loopback import CloseEarly, CutStream, Silent, StallStream, Status
from tests.wire.cast import Cast, perform

from .common import ATTEMPTS, EXHAUSTED, FAULT, HELLO, SDKS_OWN, Sdk, read_into

pytestmark = SDKS_OWN

BAD_KEY = Status(401, {"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}})
NO_MODEL = Status(404, {"error": {"message": "The model does not exist.", "code": "model_not_found"}})
LIMITED = Status(429, EXHAUSTED, headers={"retry-after": "20"})


@pytest.mark.parametrize(
    ("first", "second", "kind", "status"),
    [
        (LIMITED, LIMITED, openai.RateLimitError, 429),
        (BAD_KEY, BAD_KEY, openai.AuthenticationError, 401),
        (NO_MODEL, NO_MODEL, openai.NotFoundError, 404),
        (Status(500), Status(503), openai.InternalServerError, 503),
        (LIMITED, BAD_KEY, openai.InternalServerError, 503),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_when_all_have_failed_the_sdk_says_what_they_agree_on_after_one_call_each(
    first: Status, second: Status, kind: type[openai.APIStatusError], status: int, stream: bool, sdk: Sdk
) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            with pytest.raises(kind) as info:
                await client.chat.completions.create(model="first", messages=HELLO, stream=stream)
        error = info.value
        assert error.status_code == status
        assert "no candidate could serve 'first'" in error.message
        assert error.code == "no_candidate_could_serve"
        assert error.response.headers[ATTEMPTS].count("failed") == 2
        assert (len(it.first.requests), len(it.second.requests)) == (1, 1)
        it.hear(error, error.body)

    perform(scene, scripts=[[first], [second]])


def test_all_limited_says_when_trying_again_makes_sense(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            with pytest.raises(openai.RateLimitError) as info:
                await client.chat.completions.create(model="first", messages=HELLO)
            assert info.value.response.headers["retry-after"] == "20"
            with pytest.raises(openai.RateLimitError) as info:  # now they cool, and nothing is sent
                await client.chat.completions.create(model="first", messages=HELLO)
            assert info.value.response.headers["retry-after"] == "20"
        assert info.value.response.headers[ATTEMPTS] == "first=refused:cooling, second=refused:cooling"
        assert len(it.first.requests) == 1

    perform(scene, scripts=[[LIMITED], [LIMITED]])


def test_a_fault_of_the_request_comes_back_in_the_providers_own_words(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            with pytest.raises(openai.UnprocessableEntityError) as info:
                await client.chat.completions.create(model="first", messages=HELLO)
        assert info.value.body == FAULT["error"]
        assert (info.value.param, info.value.code) == ("messages[0].role", "invalid_value")
        assert (len(it.first.requests), len(it.second.requests)) == (1, 0)

    perform(scene, scripts=[[Status(422, FAULT)]])


def test_a_fault_told_in_another_dialect_comes_back_in_the_callers(sdk: Sdk) -> None:
    foreign = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: required"}}

    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            with pytest.raises(openai.BadRequestError, match="max_tokens: required") as info:
                await client.chat.completions.create(model="first", messages=HELLO)
        assert info.value.type == "invalid_request_error"

    perform(scene, scripts=[[Status(400, foreign)]])


def test_an_unknown_model_is_not_found_and_a_near_name_is_suggested(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            with pytest.raises(openai.NotFoundError, match="did you mean 'first'") as info:
                await client.chat.completions.create(model="frist", messages=HELLO)
        assert info.value.code == "model_not_found"
        assert not it.first.requests

    perform(scene)


@pytest.mark.parametrize("behaviour", [CutStream(3), CloseEarly(3), StallStream(3)])
def test_a_stream_that_breaks_is_never_a_shorter_answer(behaviour: Any, sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        chunks: list[Any] = []
        async with sdk(it.router) as client:
            stream = await client.chat.completions.create(model="first", messages=HELLO, stream=True)
            with pytest.raises(openai.APIConnectionError) as info:
                await read_into(stream, chunks)
        assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "Hello ", "from "]
        assert "broke after 11 characters" in str(info.value.__cause__)
        assert not it.second.requests

    perform(scene, {"idle_timeout": 0.2}, {}, scripts=[[behaviour]])


def test_a_slow_stream_ends_by_the_clients_own_timeout_and_harms_nobody(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router, timeout=0.2, max_retries=0) as client:
            stream = await client.chat.completions.create(model="first", messages=HELLO, stream=True)
            with pytest.raises(openai.APITimeoutError) as info:
                async for _ in stream:
                    pass
            assert "within the client's read timeout (0.2 s)" in str(info.value.__cause__)
            with pytest.raises(openai.APITimeoutError):
                await client.chat.completions.create(model="first", messages=HELLO, stream=True)
            with pytest.raises(openai.APITimeoutError):
                await client.chat.completions.create(model="first", messages=HELLO)
        await it.first.wait_closed()
        assert it.status().state is understudy.State.HEALTHY
        assert not it.second.requests

    perform(scene, scripts=[[StallStream(3), Silent(), Silent()]])


def test_too_many_at_once_are_told_so(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            held = await client.chat.completions.create(model="first", messages=HELLO, stream=True)
            with pytest.raises(openai.RateLimitError, match="max_pending"):
                await client.chat.completions.create(model="first", messages=HELLO)
            await held.close()
        assert len(it.first.requests) == 1

    perform(scene, scripts=[[StallStream(3)]], max_pending=1)


def test_on_asyncio_it_says_what_to_use_instead(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        client = sdk(it.router, max_retries=0)

        async def main() -> None:
            await client.chat.completions.create(model="first", messages=HELLO)

        raised: list[BaseException] = []

        def on_asyncio() -> None:
            try:
                asyncio.run(main())
            except RuntimeError as exc:
                raised.append(exc)

        thread = threading.Thread(target=on_asyncio)
        thread.start()
        thread.join(5)
        assert "understudy.portal" in str(raised[0])

    perform(scene)
