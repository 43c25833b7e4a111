"""Over real sockets, Anthropic behind OpenAI and before it: who takes over in the middle of a conversation, and how."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.loopback import CutStream, Events, Status
from understudy import (
    Call,
    Outcome,
    Reason,
    Refusal,
    Reply,
    RequestRejected,
    Restarted,
    StreamInterrupted,
    Usage,
)

from .anthropic_talk import broken_rules, said_to_anthropic, said_to_openai, sse
from .cast import KEYS, TEXT, Cast, fell_back, perform, reasons

CLAUDE = {"model": "anthropic/claude-x"}
CALL = {"id": "call_7", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How is the weather?"},
    {"role": "assistant", "content": "I look.", "tool_calls": [CALL, {**CALL, "id": "call_8"}]},
    {"role": "tool", "tool_call_id": "call_8", "content": "rain"},
    {"role": "tool", "tool_call_id": "call_7", "content": "sun"},
    {"role": "user", "content": "Which of the two?"},
]
USAGE = {"input_tokens": 20, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 9}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [
        {"type": "text", "text": "Once more."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": USAGE,
}
START = {**MESSAGE, "content": [], "stop_reason": None, "usage": {**USAGE, "output_tokens": 1}}
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": START},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Once "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "more."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {**MESSAGE["content"][1], "input": {}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"city"'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ': "Oslo"}'}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def stream(events: Sequence[dict[str, Any]] = EVENTS) -> Events:
    return Events([sse(event) for event in events])


def is_the_message(reply: Reply) -> None:
    assert (reply.text, reply.finish_reason) == ("Once more.", "tool_calls")
    (call,) = reply.tool_calls
    assert (call["id"], call["function"]["name"]) == ("toolu_1", "weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}
    assert reply.usage == Usage(27, 9, 36)


def is_the_talk(it: Cast) -> None:
    """Check what each of the two was asked."""
    (one,), (two,) = it.first.requests, it.second.requests
    assert one.body["messages"] == TALK
    assert (two.path, two.key, two.model) == ("/v1/messages", KEYS[1], "claude-x")
    assert two.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in two.headers
    assert said_to_anthropic(two.body) == said_to_openai(TALK)
    assert broken_rules(two.body) == []
    assert [tool["name"] for tool in two.body["tools"]] == ["weather"]


def test_claude_takes_over_in_the_middle_of_a_conversation_with_tools() -> None:
    async def scene(it: Cast) -> None:
        reply = await it.router.chat("first", TALK, tools=TOOLS)
        assert reasons(reply.attempts) == fell_back(Reason.SERVER_ERROR)
        is_the_message(reply)
        is_the_talk(it)

    perform(scene, {}, CLAUDE, scripts=[[Status(500)], [Status(200, MESSAGE)]])


def test_claude_takes_over_in_a_stream_as_well() -> None:
    async def scene(it: Cast) -> None:
        async with it.router.stream("first", TALK, tools=TOOLS) as reading:
            chunks = [chunk async for chunk in reading]
        assert reasons(reading.attempts) == fell_back(Reason.SERVER_ERROR)
        assert [chunk.text for chunk in chunks if chunk.text] == ["Once ", "more."]
        assert all(chunk.body["object"] == "chat.completion.chunk" for chunk in chunks)
        is_the_message(reading.reply)
        is_the_talk(it)

    perform(scene, {}, CLAUDE, scripts=[[Status(500)], [stream()]])


def test_a_conversation_comes_back_from_claude_with_its_ids() -> None:
    async def scene(it: Cast) -> None:
        reply = await it.router.chat("first", TALK, tools=TOOLS)
        answered = reply.body["choices"][0]["message"]
        result = {"role": "tool", "tool_call_id": reply.tool_calls[0]["id"], "content": "fog"}
        await it.router.chat("first", [*TALK, answered, result], tools=TOOLS)
        assert it.second.requests[0].body["messages"][-2:] == [answered, result]

    perform(scene, CLAUDE, {}, scripts=[[Status(200, MESSAGE), Status(529, OVERLOADED)]])


def test_what_claude_has_no_word_for_makes_it_skipped_and_that_is_said() -> None:
    async def scene(it: Cast) -> None:
        reply = await it.chat(logit_bias={"5": 1})
        assert reply.text == TEXT
        assert reasons(reply.attempts) == [
            ("first", Outcome.REFUSED, Refusal.UNFIT),
            ("second", Outcome.SERVED, None),
        ]
        assert "it has no `logit_bias`" in str(reply.attempts[0])
        assert it.first.requests == []

    perform(scene, CLAUDE, {})


def test_a_stream_that_breaks_off_is_taken_over_from_the_beginning() -> None:
    async def scene(it: Cast) -> None:
        async with it.router.stream("first", TALK, on_interrupt="restart") as reading:
            chunks = [chunk async for chunk in reading]
        at = next(i for i, chunk in enumerate(chunks) if isinstance(chunk, Restarted))
        assert "".join(chunk.text for chunk in chunks[:at]) == "Hello "
        is_the_message(reading.reply)

    perform(scene, {}, CLAUDE, scripts=[[CutStream(2)], [stream()]])


@pytest.mark.parametrize(
    ("events", "reason"), [(EVENTS[:3], Reason.NETWORK), ([*EVENTS[:3], OVERLOADED], Reason.OVERLOADED)]
)
def test_a_stream_that_fails_before_its_first_content_falls_back(events: list[dict[str, Any]], reason: Reason) -> None:
    async def scene(it: Cast) -> None:
        reply, _ = await it.read()
        assert reply.text == TEXT
        assert reasons(reply.attempts) == fell_back(reason)

    perform(scene, CLAUDE, {}, scripts=[[stream(events)]])


@pytest.mark.parametrize(
    ("events", "reason"), [(EVENTS[:5], Reason.NETWORK), ([*EVENTS[:5], OVERLOADED], Reason.OVERLOADED)]
)
def test_a_stream_that_fails_later_is_an_interruption(events: list[dict[str, Any]], reason: Reason) -> None:
    async def scene(it: Cast) -> None:
        error = await it.fails(StreamInterrupted, it.read)
        assert (error.text, error.failure.reason) == ("Once more.", reason)

    perform(scene, CLAUDE, {}, scripts=[[stream(events)]])


@pytest.mark.parametrize("events", [EVENTS, EVENTS[:-1]])
def test_a_stream_that_has_said_why_it_stopped_is_complete(events: list[dict[str, Any]]) -> None:
    async def scene(it: Cast) -> None:
        reply, _ = await it.read()
        is_the_message(reply)

    perform(scene, CLAUDE, {}, scripts=[[stream(events)]])


def test_a_provider_that_does_not_stream_makes_a_stream_of_one_chunk() -> None:
    async def scene(it: Cast) -> None:
        reply, chunks = await it.read()
        assert [chunk.text for chunk in chunks] == ["Once more."]
        is_the_message(reply)

    perform(scene, CLAUDE, {}, scripts=[[Status(200, MESSAGE)]])


NATIVE: dict[str, Any] = {"max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}], "top_k": 3}


def test_a_native_call_goes_to_claude_alone_and_comes_back_as_it_was_written() -> None:
    async def scene(it: Cast) -> None:
        call = Call("first", NATIVE, endpoint="/messages", headers={"anthropic-beta": "b-1"})
        reply = await it.router.request(call)
        assert reply.body == MESSAGE
        assert [record.reason for record in reply.attempts] == [Refusal.UNFIT, None]
        (seen,) = it.second.requests
        assert seen.body == {**NATIVE, "model": "claude-x"}
        assert seen.headers["anthropic-beta"] == "b-1"
        counted = await it.router.request(Call("first", NATIVE, endpoint="/messages/count_tokens"))
        assert counted.body == {"input_tokens": 14}
        assert it.second.requests[1].path == "/v1/messages/count_tokens"

    perform(scene, {}, CLAUDE, scripts=[[], [Status(200, MESSAGE), Status(200, {"input_tokens": 14})]])


@pytest.mark.parametrize(
    ("status", "kind", "words", "reason"),
    [
        (401, "authentication_error", "invalid x-api-key", Reason.AUTH),
        (404, "not_found_error", "model: claude-x", Reason.MODEL_NOT_FOUND),
        (429, "rate_limit_error", "Number of requests has exceeded your rate limit", Reason.RATE_LIMIT),
        (529, "overloaded_error", "Overloaded", Reason.OVERLOADED),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API", Reason.BILLING),
    ],
)
def test_anthropics_errors_are_known(status: int, kind: str, words: str, reason: Reason) -> None:
    async def scene(it: Cast) -> None:
        assert reasons((await it.chat()).attempts) == fell_back(reason)

    perform(scene, CLAUDE, {}, scripts=[[Status(status, {"type": "error", "error": {"type": kind, "message": words}})]])


def test_a_request_that_claude_finds_at_fault_is_told_in_its_own_words() -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "messages.0: bad"}}

    async def scene(it: Cast) -> None:
        rejected = await it.fails(RequestRejected, it.chat)
        assert json.loads(rejected.failure.body) == error
        assert it.second.requests == []

    perform(scene, CLAUDE, {}, scripts=[[Status(400, error)]])


def test_what_anthropic_says_is_left_is_believed() -> None:
    left = {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2099-01-01T00:00:00Z"}

    async def scene(it: Cast) -> None:
        await it.chat()
        reply = await it.chat()
        assert reasons(reply.attempts) == [
            ("first", Outcome.REFUSED, Refusal.SATURATED),
            ("second", Outcome.SERVED, None),
        ]

    perform(scene, {**CLAUDE, "rpm": 60}, {}, scripts=[[Status(200, MESSAGE, left)]])
