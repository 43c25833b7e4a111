"""The `openai` SDK over a `RouterTransport`: code that uses it has failover, and is told errors in its own words."""

from __future__ import annotations

import gc
import json
from typing import Any

import openai
import pytest
import trio
import trio.testing
from openai.lib.streaming.chat import ContentDeltaEvent
from openai.types.chat import ChatCompletion, ChatCompletionMessageFunctionToolCall
from pydantic import BaseModel

import understudy
from tests.loopback import Answer, Silent, StallStream, Status, loopback_provider
from tests.wire.cast import MESSAGES, TEXT, Cast, perform

from .common import EXHAUSTED, HELLO, SDKS_OWN, Sdk, read_into, told

pytestmark = SDKS_OWN

WEATHER: Any = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


# ---- answers


def test_an_answer_is_typed_and_says_who_served(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            raw = await client.chat.completions.with_raw_response.create(model="first", messages=HELLO)
            completion = raw.parse()
        assert isinstance(completion, ChatCompletion)
        assert completion.choices[0].message.content == TEXT
        assert completion.usage is not None
        assert completion.usage.total_tokens == 12
        assert told(raw.headers) == ("first", "first=served")
        (seen,) = it.first.requests
        assert seen.body == {"messages": MESSAGES, "model": "m-1"}
        assert "unused" not in str(seen.headers)

    perform(scene)


def test_where_the_first_fails_the_second_answers_and_no_retry_is_the_sdks(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            raw = await client.chat.completions.with_raw_response.create(model="first", messages=HELLO)
        assert raw.parse().model == "m-2"
        assert told(raw.headers) == ("second", "first=failed:rate_limit, second=served")
        assert (len(it.first.requests), len(it.second.requests)) == (1, 1)

    perform(scene, scripts=[[Status(429, EXHAUSTED)]])


def test_tools_and_parsed_answers_are_the_sdks_own_objects(sdk: Sdk) -> None:
    class Place(BaseModel):
        city: str

    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            asked = await client.chat.completions.create(model="first", messages=HELLO, tools=WEATHER)
            (call,) = asked.choices[0].message.tool_calls or []
            assert isinstance(call, ChatCompletionMessageFunctionToolCall)
            assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Rome"}')
            parsed = await client.chat.completions.parse(model="first", messages=HELLO, response_format=Place)
            assert parsed.choices[0].message.parsed == Place(city="Rome")
        assert it.first.requests[0].body["tools"] == WEATHER

    perform(scene, scripts=[[Answer("", tool_calls=[("weather", '{"city": "Rome"}')]), Answer('{"city": "Rome"}')]])


# ---- streams


def test_a_stream_comes_chunk_by_chunk_from_whoever_serves(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            stream = await client.chat.completions.create(
                model="first", messages=HELLO, stream=True, stream_options={"include_usage": True}
            )
            assert told(stream.response.headers) == ("second", "first=failed:server_error, second=served")
            chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
        assert {chunk.model for chunk in chunks} == {"m-2"}
        assert chunks[-1].usage is not None
        assert (len(it.first.requests), len(it.second.requests)) == (1, 1)

    perform(scene, scripts=[[Status(500)]])


def test_the_streaming_helper_adds_up_text_and_tools(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            async with client.chat.completions.stream(model="first", messages=HELLO, tools=WEATHER) as stream:
                texts = [event.delta async for event in stream if isinstance(event, ContentDeltaEvent)]
            final = await stream.get_final_completion()
        assert "".join(texts) == "Let me see."
        (call,) = final.choices[0].message.tool_calls or []
        assert call.function.arguments == '{"city": "Rome"}'

    perform(scene, scripts=[[Answer("Let me see.", tool_calls=[("weather", '{"city": "Rome"}')])]])


def test_a_raw_stream_ends_with_done(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with (
            sdk(it.router) as client,
            client.chat.completions.with_streaming_response.create(
                model="first", messages=HELLO, stream=True
            ) as response,
        ):
            lines = [line async for line in response.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        assert all(json.loads(line.removeprefix("data: "))["object"] for line in lines[:-1])

    perform(scene)


def test_who_leaves_a_stream_early_closes_the_providers_connection_at_once(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            async with await client.chat.completions.create(model="first", messages=HELLO, stream=True) as stream:
                async for _ in stream:
                    break
            await it.first.wait_closed()
            await it.until_idle()
        assert it.status().state is understudy.State.HEALTHY

    perform(scene, scripts=[[StallStream(3)]])


def test_a_stream_that_is_dropped_without_being_closed_lets_go_of_its_provider(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        client = sdk(it.router)
        response = await client.chat.completions.with_raw_response.create(model="first", messages=HELLO, stream=True)
        assert it.status().in_flight == 1
        del response
        gc.collect()  # httpx's response and its stream hold each other
        await it.first.wait_closed()
        await it.until_idle()

    perform(scene, scripts=[[StallStream(3)]])


def test_the_end_of_the_router_ends_a_stream_that_is_still_held(sdk: Sdk) -> None:
    async def main() -> None:
        async with loopback_provider() as provider:
            provider.always(StallStream(3))
            entry = {"model_name": "first", "model": "openai/m", "api_base": provider.base_url}
            async with understudy.open_router({"model_list": [entry], "shutdown_timeout": 0.01}) as router:
                client = sdk(router, max_retries=0)
                stream = await client.chat.completions.create(model="first", messages=HELLO, stream=True)
            await provider.wait_closed()
            with pytest.raises(openai.APIConnectionError) as info:
                async for _ in stream:
                    pass
            assert "the router is closed" in str(info.value.__cause__)
            with pytest.raises(openai.APIConnectionError, match="Connection error") as info:
                await client.chat.completions.create(model="first", messages=HELLO)
            assert "the router is closed" in str(info.value.__cause__)

    trio.run(main)


def test_a_call_that_is_cancelled_closes_the_providers_connection_and_harms_nobody(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        client = sdk(it.router)
        with trio.move_on_after(0.1) as scope:
            await client.chat.completions.create(model="first", messages=HELLO)
        assert scope.cancelled_caught
        await it.first.wait_closed()
        assert it.status().state is understudy.State.HEALTHY
        assert len(it.first.requests) == 1

    perform(scene, scripts=[[Silent()]])


def test_a_reader_that_is_cancelled_closes_the_providers_connection_and_harms_nobody(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        chunks: list[Any] = []
        async with sdk(it.router) as client:
            stream = await client.chat.completions.create(model="first", messages=HELLO, stream=True)
            with trio.move_on_after(0.1) as scope:
                await read_into(stream, chunks)
            assert scope.cancelled_caught
            assert len(chunks) == 3
            await it.first.wait_closed()
        assert it.status().state is understudy.State.HEALTHY

    perform(scene, scripts=[[StallStream(3)]])


def test_a_stream_that_is_closed_while_it_is_read_ends_for_its_reader(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        chunks: list[Any] = []
        async with sdk(it.router) as client, trio.open_nursery() as nursery:
            stream = await client.chat.completions.create(model="first", messages=HELLO, stream=True)

            async def read() -> None:
                with pytest.raises(openai.APIConnectionError):
                    await read_into(stream, chunks)

            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked(0.05)
            await stream.close()
        await it.first.wait_closed()

    perform(scene, scripts=[[StallStream(3)]])


def test_what_chunks_say_of_their_type_names_no_event(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with (
            sdk(it.router) as client,
            client.chat.completions.with_streaming_response.create(
                model="first", messages=HELLO, stream=True
            ) as response,
        ):
            assert not [line async for line in response.iter_lines() if line.startswith("event:")]

    perform(scene, scripts=[[Answer(extra={"type": "chunk"})]])
