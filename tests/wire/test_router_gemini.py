"""Gemini behind a whole router over real sockets: a chain from OpenAI to Gemini, plain, streamed and native."""

from __future__ import annotations

from typing import Any

import pytest

from tests.loopback import Answer, Behaviour, Status
from tests.loopback.gemini import GeminiAnswer
from understudy import Call, Outcome, Reason, Refusal, RequestRejected, StreamInterrupted

from .cast import KEYS, MESSAGES, Cast, fell_back, perform, reasons
from .conversations import told
from .test_gemini_dialect import reread

MODEL = "gemini-3-flash-preview"
GEMINI = {"model": f"gemini/{MODEL}"}
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("weather", "time")]
CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is it like there?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"at": "Ulm"}'}},
            {"id": "call_b", "type": "function", "function": {"name": "time", "arguments": "{}"}},
        ],
    },
    {"role": "tool", "tool_call_id": "call_b", "content": "noon"},
    {"role": "tool", "tool_call_id": "call_a", "content": '{"sky": "grey"}'},
]
CALLING = GeminiAnswer("Let me see.", "Hm", [("weather", {"at": "Bonn"}, "c2lnbmVk"), ("time", {}, None)])


@pytest.mark.parametrize("stream", [False, True])
def test_gemini_takes_over_in_the_middle_of_a_conversation_with_tools(stream: bool) -> None:
    async def ask(it: Cast, messages: list[dict[str, Any]]) -> Any:
        if not stream:
            return await it.router.chat("first", messages, tools=TOOLS)
        async with it.router.stream("first", messages, tools=TOOLS) as reading:
            texts = [chunk.text async for chunk in reading]
        assert "".join(texts) == reading.reply.text
        assert len(texts) > 3
        return reading.reply

    async def scene(it: Cast) -> None:
        reply = await ask(it, CONVERSATION)
        assert reasons(reply.attempts) == fell_back(Reason.SERVER_ERROR)
        (seen,) = it.second.requests
        assert seen.path == f"/v1/models/{MODEL}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")
        assert seen.key == KEYS[1]
        assert "authorization" not in seen.headers
        assert reread(seen.body) == told(CONVERSATION)
        assert reply.text == "Let me see."
        assert reply.body["choices"][0]["message"]["reasoning_content"] == "Hm"
        assert reply.body["model"] == MODEL
        assert reply.finish_reason == "tool_calls"
        assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (7, 5, 12)
        assert [call["function"] for call in reply.tool_calls] == [
            {"name": "weather", "arguments": '{"at":"Bonn"}'},
            {"name": "time", "arguments": "{}"},
        ]

        message = reply.body["choices"][0]["message"]
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "fine"} for call in reply.tool_calls]
        later = await ask(it, [*CONVERSATION, message, *results])
        assert later.text == "It is fine, I hear."
        again = it.second.requests[1].body
        assert reread(again) == told([*CONVERSATION, message, *results])
        calls = [part for part in again["contents"][3]["parts"] if "functionCall" in part]
        assert [part.get("thoughtSignature") for part in calls] == ["c2lnbmVk", None]

    perform(scene, {}, GEMINI, scripts=[[Status(500)], [CALLING, GeminiAnswer("It is fine, I hear.")]])


QUOTA = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Requests per minute exceeded."}}
OVERLOADED = {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (Status(429, QUOTA), Reason.RATE_LIMIT),
        (GeminiAnswer(events=0), Reason.NETWORK),
        (GeminiAnswer("One", error=OVERLOADED), Reason.OVERLOADED),
        (GeminiAnswer("One", finish="MALFORMED_FUNCTION_CALL"), Reason.SERVER_ERROR),
    ],
)
def test_a_stream_of_geminis_that_fails_before_its_first_content_falls_back(
    behaviour: Behaviour, reason: Reason
) -> None:
    async def scene(it: Cast) -> None:
        reply, _ = await it.read()
        assert reasons(reply.attempts) == fell_back(reason)

    perform(scene, GEMINI, {}, scripts=[[behaviour]])


@pytest.mark.parametrize("behaviour", [GeminiAnswer(events=2), GeminiAnswer(error=OVERLOADED)])
def test_a_stream_of_geminis_that_breaks_off_is_no_answer(behaviour: Behaviour) -> None:
    async def scene(it: Cast) -> None:
        failure = await it.fails(StreamInterrupted, it.read)
        assert "Hello from".startswith(failure.text)
        assert failure.text

    perform(scene, GEMINI, {}, scripts=[[behaviour]])


def test_what_gemini_cannot_be_told_makes_it_be_skipped_and_says_why() -> None:
    async def scene(it: Cast) -> None:
        reply = await it.chat(logit_bias={"1": 2})
        assert reasons(reply.attempts) == [
            ("first", Outcome.REFUSED, Refusal.UNFIT),
            ("second", Outcome.SERVED, None),
        ]
        assert "it has no `logit_bias`" in reply.attempts[0].detail
        assert not it.first.requests
        assert "logit_bias" in it.router.explain("first", messages=MESSAGES, logit_bias={"1": 2})[0].detail

    perform(scene, GEMINI, {})


def test_a_prompt_that_gemini_blocks_is_the_requests_own_fault() -> None:
    async def scene(it: Cast) -> None:
        error = await it.fails(RequestRejected, it.chat)
        assert error.failure.reason is Reason.CONTENT_FILTER
        assert not it.second.requests
        assert it.status().state == "healthy"

    perform(scene, GEMINI, {}, scripts=[[Status(200, {"promptFeedback": {"blockReason": "SAFETY"}})]])


def test_a_native_call_goes_from_gemini_to_gemini_and_past_all_others() -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}

    async def scene(it: Cast) -> None:
        reply = await it.router.request(Call("first", body, endpoint="/models/first:generateContent"))
        it.hear(reply, reply.attempts)
        assert reasons(reply.attempts) == [
            ("second", Outcome.REFUSED, Refusal.UNFIT),
            ("first", Outcome.FAILED, Reason.RATE_LIMIT),
            ("third", Outcome.SERVED, None),
        ]
        assert [provider.requests[0].path for provider in (it.providers[0], it.providers[2])] == [
            f"/v1/models/{MODEL}:generateContent",
            "/v1/models/gemini-2.5-flash:generateContent",
        ]
        assert it.providers[2].requests[0].body == body
        text = "".join(part["text"] for part in reply.body["candidates"][0]["content"]["parts"])
        assert text == "Hello from Gemini."

    third = {"model": "gemini/gemini-2.5-flash"}
    perform(scene, GEMINI, {}, third, scripts=[[Status(429, QUOTA)], [], [GeminiAnswer()]])


def test_where_gemini_speaks_as_openai_does_it_is_spoken_to_so() -> None:
    async def scene(it: Cast) -> None:
        await it.chat(logit_bias={"1": 2})
        assert it.first.requests[0].path == "/v1/chat/completions"

    perform(scene, {**GEMINI, "dialect": "openai"}, scripts=[[Answer()]])
