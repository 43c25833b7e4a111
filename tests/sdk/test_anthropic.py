"""The `anthropic` SDK over a `RouterTransport`: native messages, streams, tools, and errors of its own."""

from __future__ import annotations

import gc
import json
from typing import Any, Final

import anthropic
import httpx2
import pytest
import trio

import understudy
from tests.loopback import Events, Silent, Status
from tests.wire.cast import TEXT, Cast, Fields
from tests.wire.cast import perform as perform_scene
from understudy import Router, RouterTransport

from .common import ATTEMPTS, HELLO, SDKS_OWN, read_into, told

pytestmark = SDKS_OWN

FIRST: Final[Fields] = {"model": "anthropic/m-1"}
SECOND: Final[Fields] = {"model": "anthropic/m-2"}
OVERLOADED: Final = Status(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
FAULT: Final = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: too large"}}
BAD_KEY: Final = Status(
    401, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}
)
LIMITED: Final = Status(429, {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down."}})
HEAD: Final[dict[str, Any]] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m-1",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
MESSAGE: Final = {**HEAD, "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn"}
EVENTS: Final[list[dict[str, Any]]] = [
    {"type": "message_start", "message": HEAD},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    *(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        for text in ("Hello ", "from ", "the loopback.")
    ),
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "t_1", "name": "w", "input": {}},
    },
    *(
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": text}}
        for text in ('{"city": ', '"Rome"}')
    ),
    {"type": "content_block_stop", "index": 1},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 9},
    },
    {"type": "message_stop"},
]


def events(count: int | None = None) -> Events:
    return Events([f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in EVENTS[:count]])


def perform(scene: Any, *entries: Fields, **options: Any) -> None:
    perform_scene(scene, *(entries or (FIRST, SECOND)), **options)


def sdk(router: Router, **options: Any) -> anthropic.AsyncAnthropic:
    http = httpx2.AsyncClient(transport=RouterTransport.of(httpx2, router))
    return anthropic.AsyncAnthropic(api_key="unused", http_client=http, **options)


ASK: Final[dict[str, Any]] = {"model": "first", "max_tokens": 100, "messages": HELLO}


def test_a_message_is_typed_after_a_fallback_and_no_retry_is_the_sdks() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            raw = await client.messages.with_raw_response.create(**ASK)
            message = await raw.parse()
        assert isinstance(message, anthropic.types.Message)
        assert message.content == [anthropic.types.TextBlock(type="text", text=TEXT)]
        assert told(raw.headers) == ("second", "first=failed:overloaded, second=served")
        (first,), (second,) = it.first.requests, it.second.requests
        assert first.path == "/v1/messages"
        assert second.body == {"max_tokens": 100, "messages": HELLO, "model": "m-2"}
        assert "unused" not in str(second.headers)

    perform(scene, scripts=[[OVERLOADED], [Status(200, MESSAGE)]])


def test_the_beta_of_the_caller_reaches_the_provider() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            await client.beta.messages.create(**ASK, betas=["interleaved-thinking-2025-05-14"])
        seen = it.first.requests[0]
        assert seen.headers["anthropic-beta"] == "interleaved-thinking-2025-05-14"
        assert seen.headers["anthropic-version"] == sdk(it.router).default_headers["anthropic-version"]
        assert "beta" not in seen.body

    perform(scene, scripts=[[Status(200, MESSAGE)]])


def test_the_streaming_helper_adds_up_text_and_tools_after_a_fallback() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client, client.messages.stream(**ASK) as stream:
            assert told(stream.response.headers) == ("second", "first=failed:rate_limit, second=served")
            text = "".join([text async for text in stream.text_stream])
            final = await stream.get_final_message()
        assert text == TEXT
        assert final.content[1] == anthropic.types.ToolUseBlock(
            type="tool_use", id="t_1", name="w", input={"city": "Rome"}
        )
        assert (final.stop_reason, final.usage.output_tokens) == ("tool_use", 9)
        assert it.second.requests[0].body["stream"] is True

    perform(scene, scripts=[[LIMITED], [events()]])


def test_a_plain_stream_has_the_providers_events() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            stream = await client.messages.create(**ASK, stream=True)
            kinds = [event.type async for event in stream]
        assert kinds == [event["type"] for event in EVENTS if event["type"] != "ping"]

    perform(scene, scripts=[[events()]])


def test_tokens_are_counted() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            counted = await client.messages.count_tokens(model="first", messages=HELLO)
        assert counted.input_tokens == 14
        assert it.first.requests[0].body["model"] == "m-1"

    perform(scene, scripts=[[Status(200, {"input_tokens": 14})]])


@pytest.mark.parametrize(
    ("behaviour", "kind", "status"),
    [
        (LIMITED, anthropic.RateLimitError, 429),
        (BAD_KEY, anthropic.AuthenticationError, 401),
        (OVERLOADED, anthropic.InternalServerError, 503),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_when_all_have_failed_the_sdk_says_so_after_one_call_each(
    behaviour: Status, kind: type[anthropic.APIStatusError], status: int, stream: bool
) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            with pytest.raises(kind, match="no candidate could serve 'first'") as info:
                await client.messages.create(**ASK, stream=stream)
        assert info.value.status_code == status
        assert info.value.response.headers[ATTEMPTS].count("failed") == 2
        assert (len(it.first.requests), len(it.second.requests)) == (1, 1)

    perform(scene, scripts=[[behaviour], [behaviour]])


def test_a_fault_of_the_request_comes_back_in_the_providers_own_words() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            with pytest.raises(anthropic.BadRequestError) as info:
                await client.messages.create(**ASK)
        assert info.value.body == FAULT
        assert (len(it.first.requests), len(it.second.requests)) == (1, 0)

    perform(scene, scripts=[[Status(400, FAULT)]])


def test_a_candidate_that_does_not_speak_messages_is_skipped_and_named() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            raw = await client.messages.with_raw_response.create(**ASK)
            assert told(raw.headers) == ("second", "first=refused:unfit, third=refused:unfit, second=served")
            with pytest.raises(anthropic.BadRequestError, match="does not speak anthropic's /messages"):
                await client.messages.create(**{**ASK, "model": "third"})
        assert not it.first.requests

    perform(scene, {"model": "openai/m-1"}, SECOND, {"model": "openai/m-3"}, scripts=[[], [Status(200, MESSAGE)]])


def test_a_stream_that_breaks_is_an_error_of_the_sdks() -> None:
    async def scene(it: Cast) -> None:
        texts: list[str] = []

        async def read() -> None:
            async with sdk(it.router) as client, client.messages.stream(**ASK) as stream:
                await read_into(stream.text_stream, texts)

        with pytest.raises(anthropic.APIStatusError, match="broke after 11 characters"):
            await read()
        assert texts == ["Hello ", "from "]
        assert not it.second.requests

    perform(scene, scripts=[[events(5)]])


def test_who_leaves_or_drops_a_stream_closes_the_providers_connection() -> None:
    hold = Stalled()

    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            async with client.messages.stream(**ASK) as stream:
                async for _ in stream:
                    break
            await it.first.wait_closed()
            dropped = await client.messages.create(**ASK, stream=True)
            assert it.status().in_flight == 1
            del dropped
            gc.collect()
            await it.first.wait_closed()
        assert it.status().state is understudy.State.HEALTHY

    perform(scene, scripts=[[hold, hold]])


class Stalled(Events):
    """A stream of messages that falls silent."""

    def __init__(self) -> None:
        super().__init__(events(5).blocks)

    async def play(self, exchange: Any) -> None:
        await self.answer.begin_stream(exchange)
        await exchange.events(self.blocks)
        await trio.sleep_forever()


def test_a_call_that_is_cancelled_closes_the_providers_connection_and_harms_nobody() -> None:
    async def scene(it: Cast) -> None:
        with trio.move_on_after(0.1) as scope:
            await sdk(it.router).messages.create(**ASK)
        assert scope.cancelled_caught
        await it.first.wait_closed()
        assert it.status().state is understudy.State.HEALTHY

    perform(scene, scripts=[[Silent()]])


def test_the_clients_own_timeout_is_the_sdks_timeout_error() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router, timeout=0.1, max_retries=0) as client:
            for stream in (False, True):
                with pytest.raises(anthropic.APITimeoutError):
                    await client.messages.create(**ASK, stream=stream)
        assert it.status().state is understudy.State.HEALTHY

    perform(scene, scripts=[[Silent(), Silent()]])


def test_the_routes_are_the_sdks_list_of_models() -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            assert [model.id async for model in client.models.list()] == ["first", "second"]
            assert (await client.models.retrieve("second")).display_name == "second"
            with pytest.raises(anthropic.NotFoundError, match="did you mean 'first'"):
                await client.messages.create(**{**ASK, "model": "frist"})
            with pytest.raises(anthropic.BadRequestError, match="without a model"):
                await client.messages.batches.create(requests=[])

    perform(scene)
