"""The Anthropic dialect as a pure thing: what becomes of requests, of answers, and of streams, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from understudy import Call, Chunk, Failure, ModelKey, Reason, Reply, Usage
from understudy.actors.messages import Answer
from understudy.actors.providers.anthropic import AnthropicDialect
from understudy.actors.providers.dialect import StreamReader, Untranslatable
from understudy.actors.providers.dialects import unspoken
from understudy.actors.providers.endpoint import Endpoint, Secret
from understudy.actors.providers.sse import SSEEvent, SSEParser

from .anthropic_talk import (
    JSONS,
    STOPS,
    answers,
    broken_rules,
    conversations,
    parameters,
    said_to_anthropic,
    said_to_openai,
    spoilt,
    sse,
    written,
)

KEY = ModelKey("a", "anthropic", "claude-x", "literal:1")
ENDPOINT = Endpoint("https://host/v1", Secret("open-sesame"))
DIALECT = AnthropicDialect()
HI = [{"role": "user", "content": "Hi"}]
CHAT = Call("a", {"messages": HI}, stream=True)
NATIVE = Call("a", {"messages": HI, "max_tokens": 9}, endpoint="/messages", stream=True)
DATE = {"date": "Fri, 31 Dec 1999 23:59:59 GMT"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://host/a.png"}}


def request_of(call: Call) -> dict[str, Any]:
    """Return the body that is sent."""
    return dict(json.loads(DIALECT.outgoing(ENDPOINT, KEY, call).content))


def translated(**body: Any) -> dict[str, Any]:
    return request_of(Call("a", {"messages": HI, **body}))


def refused(**body: Any) -> str:
    """Return why a request cannot be translated."""
    with pytest.raises(Untranslatable) as caught:
        DIALECT.check(Call("a", {"messages": HI, **body}))
    return str(caught.value)


def call(id_: str = "c1", **function: Any) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": "f", "arguments": "{}", **function}}


def calling(*calls: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": list(calls), **more}


def result(id_: str = "c1", content: Any = "done") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def event(data: object, kind: str = "message") -> SSEEvent:
    return SSEEvent(kind, data if isinstance(data, str) else json.dumps(data))


def read(reader: StreamReader, events: Sequence[SSEEvent]) -> list[Chunk]:
    """Feed a stream that has no fault to a reader; return its chunks."""
    chunks = []
    for each in events:
        outcome = reader.feed(each)
        assert not isinstance(outcome, Failure), outcome
        if outcome is not None:
            chunks.append(outcome)
    return chunks


def parsed(body: Mapping[str, Any]) -> Any:
    """Return a completion with the arguments of its calls read: how they are spaced does not matter."""
    body = json.loads(json.dumps(body))
    for choice in body["choices"]:
        for each in choice["message"].get("tool_calls", ()):
            each["function"]["arguments"] = json.loads(each["function"]["arguments"])
    return body


# ---- requests


@settings(max_examples=60, deadline=None)
@given(conversations())
def test_who_said_what_under_which_id_and_in_which_order_is_kept(messages: list[dict[str, Any]]) -> None:
    request = translated(messages=messages)
    assert said_to_anthropic(request) == said_to_openai(messages)
    assert broken_rules(request) == []


@given(parameters())
def test_parameters_are_kept(body: dict[str, Any]) -> None:
    request = translated(**body)
    limits = [body[name] for name in ("max_completion_tokens", "max_tokens") if name in body]
    assert request["max_tokens"] == min(limits, default=4096)
    assert request.get("temperature", 1) == body.get("temperature", 1)
    assert request.get("top_p", 1) == body.get("top_p", 1)
    stop = body.get("stop", [])
    assert request.get("stop_sequences", []) == ([stop] if isinstance(stop, str) else stop)
    assert request.get("metadata", {}).get("user_id") == body.get("user")
    assert request.get("output_config", {}).get("effort") == body.get("reasoning_effort")
    functions = [tool["function"] for tool in body.get("tools", ())]
    assert [(tool["name"], tool.get("description")) for tool in request.get("tools", ())] == [
        (function["name"], function.get("description")) for function in functions
    ]
    assert all(tool["input_schema"]["type"] == "object" for tool in request.get("tools", ()))


@given(spoilt() | st.dictionaries(st.sampled_from(["messages", "tools", "stop", "n", "x"]), JSONS))
@example({"messages": [calling(call(arguments="[" * 100_000)), result()]})
@example({"messages": [calling(call(arguments='{"a":' * 500 + "1" + "}" * 500)), result()]})
@example({"messages": [calling(call(arguments='{"a": NaN}')), result()]})
@example({"messages": [calling(call(arguments='{"a": ' + "9" * 10_000 + "}")), result()]})
def test_whatever_is_asked_it_is_refused_with_a_reason_or_written_in_full(body: dict[str, Any]) -> None:
    asked = Call("a", body)
    said = unspoken(asked, ["anthropic"])
    if said:
        with pytest.raises(Untranslatable, match=re.escape(said["anthropic"])):
            DIALECT.outgoing(ENDPOINT, KEY, asked)
        return
    request = request_of(asked)
    assert broken_rules(request) == []
    assert said_to_anthropic(request) == said_to_openai([_without_blanks(message) for message in body["messages"]])


def _without_blanks(message: dict[str, Any]) -> dict[str, Any]:
    """Return what a message says besides blanks; refusals are what an assistant said, too."""
    content = message.get("content")
    if isinstance(content, list):
        content = [part for part in content if part.get("text") is None or part["text"].strip()]
    elif isinstance(content, str) and not content.strip():
        content = ""
    calls = [
        {**call, "function": {**call["function"], "arguments": call["function"]["arguments"] or "{}"}}
        for call in message.get("tool_calls") or ()
    ]
    return {**message, "content": content, "tool_calls": calls}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"logit_bias": {"5": 1}}, "it has no `logit_bias`"),
        ({"n": 2}, "it has no `n`"),
        ({"n": True}, "it has no `n`"),
        ({"logprobs": True}, "it has no `logprobs`"),
        ({"seed": 5}, "it has no `seed`"),
        ({"frequency_penalty": 0.5}, "it has no `frequency_penalty`"),
        ({"functions": [{"name": "f"}]}, "it has no `functions`"),
        ({"never_heard_of": 1}, "it has no `never_heard_of`"),
        ({"temperature": 1.5}, "`temperature` from 0 to 1"),
        ({"max_tokens": 0}, "`max_tokens` is not a whole number above 0"),
        ({"stop": [" "]}, "`stop`"),
        ({"user": 5}, "`user` is no text"),
        ({"reasoning_effort": "minimal"}, "`reasoning_effort` of low"),
        ({"response_format": {"type": "json_object"}}, "no `response_format` but `json_schema`"),
        ({"parallel_tool_calls": 0}, "`parallel_tool_calls` is true or false"),
        ({"tool_choice": "required"}, "there are no `tools`"),
        ({"tools": [{"type": "custom"}]}, "no tools but functions (tools[0])"),
        ({"tools": [{"type": "function", "function": {"name": "a.b"}}]}, "`tools[0].function.name`"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"anyOf": []}}}]},
            "no `tools[0].function.parameters` but those of an object",
        ),
        ({"messages": "Hi"}, "`messages` is not a list"),
        ({"messages": []}, "wants a message"),
        ({"messages": [{"role": "system", "content": "Be brief."}]}, "besides its instructions"),
        ({"messages": [*HI, {"role": "system", "content": "x"}]}, "in the middle of a conversation (messages[1])"),
        ({"messages": [{"role": "critic", "content": "x"}]}, "`messages[0].role`"),
        ({"messages": [{"role": "user", "content": 5}]}, "`messages[0].content` is not a list"),
        ({"messages": [{"role": "user", "content": "x", "name": "Bob"}]}, "it has no `name` (messages[0])"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "`messages[0].content[0]` (input_audio)",
        ),
        ({"messages": [{"role": "assistant", "content": [IMAGE]}]}, "`messages[0].content[0]` (image_url)"),
        ({"messages": [calling(call("a:0")), result("a:0")]}, "`messages[0].tool_calls[0].id`"),
        ({"messages": [calling(call(arguments="[]")), result()]}, "is not a JSON object"),
        ({"messages": [calling(call(arguments="{")), result()]}, "is not JSON"),
        ({"messages": [calling(call()), *HI]}, "one is missing before messages[1]"),
        ({"messages": [*HI, calling(call())]}, "one is missing before the end"),
        ({"messages": [calling(call()), result(), calling(call()), result()]}, "has been there before"),
        ({"messages": [*HI, result()]}, "no tool call right before it"),
        ({"messages": [calling(call()), result("c2")]}, "no tool call right before it"),
        ({"messages": [*HI, {"role": "assistant", "content": "Well, "}]}, "ends in blanks"),
    ],
)
def test_what_has_no_counterpart_is_said(body: dict[str, Any], words: str) -> None:
    assert words in refused(**body)


@pytest.mark.parametrize("url", ["http://host/a.png", "data:image/png,AAAA", "data:image/tiff;base64,AAAA", "", "x"])
def test_an_image_that_anthropic_does_not_take_is_not_sent(url: str) -> None:
    image = {"type": "image_url", "image_url": {"url": url}}
    assert "messages[0].content[0]" in refused(messages=[{"role": "user", "content": [image]}])


def test_what_says_nothing_is_left_out() -> None:
    empty = {
        "frequency_penalty": 0.0, "logit_bias": {}, "logprobs": False, "n": 1, "parallel_tool_calls": True,
        "seed": None, "response_format": {"type": "text"}, "stop": [], "store": True, "metadata": {"a": "b"},
        "service_tier": "auto",
        "temperature": 1.0, "tools": [], "tool_choice": "auto", "verbosity": "medium", "prompt_cache_key": "k",
    }  # fmt: skip
    assert translated(**empty) == translated()
    said: dict[str, Any] = {
        "refusal": None,
        "annotations": [],
        "audio": None,
        "reasoning_content": "Hm",
        "tool_calls": [],
    }
    messages = [{"role": "user", "content": ""}, *HI, {"role": "assistant", "content": "Yes", **said}, *HI]
    request = translated(messages=messages)
    assert [(turn["role"], turn["content"]) for turn in request["messages"]] == [
        ("user", [{"type": "text", "text": "Hi"}]),
        ("assistant", [{"type": "text", "text": "Yes"}]),
        ("user", [{"type": "text", "text": "Hi"}]),
    ]


def test_results_of_tools_are_one_turn_in_the_order_in_which_they_came() -> None:
    request = translated(
        messages=[*HI, calling(call("a"), call("b"), content="I look."), result("b"), result("a"), *HI]
    )
    assert [turn["role"] for turn in request["messages"]] == ["user", "assistant", "user", "user"]
    assert [block["tool_use_id"] for block in request["messages"][2]["content"]] == ["b", "a"]
    assert [block["type"] for block in request["messages"][1]["content"]] == ["text", "tool_use", "tool_use"]


TOOLS = [{"type": "function", "function": {"name": "f"}}]


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("auto", True, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ({"type": "function", "function": {"name": "f"}}, True, {"type": "tool", "name": "f"}),
    ],
)
def test_the_choice_of_tools_is_translated(choice: Any, parallel: bool | None, written: Any) -> None:
    assert translated(tools=TOOLS, tool_choice=choice, parallel_tool_calls=parallel).get("tool_choice") == written


def test_a_schema_for_the_answer_goes_into_the_output_config() -> None:
    schema = {"type": "object", "properties": {"type": {"type": "string"}}, "additionalProperties": False}
    told = {"name": "thing", "strict": True, "schema": schema, "description": "A thing."}
    request = translated(response_format={"type": "json_schema", "json_schema": told}, reasoning_effort="low")
    assert request["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": {**schema, "description": "A thing."}},
    }


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        ({"type": "object"}, False),
        ({"type": "object", "additionalProperties": True}, False),
        ({"type": ["object", "null"]}, False),
        ({"$defs": {"a": {"type": "object"}}, "$ref": "#/$defs/a"}, False),
        ({"type": "array", "items": {"anyOf": [{"type": "object"}]}}, False),
        ({"enum": [{"type": "object"}]}, True),
        ({"type": "array", "items": {"type": "string"}}, True),
    ],
)
def test_a_schema_that_anthropic_is_known_to_refuse_is_not_sent(schema: dict[str, Any], closed: bool) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    if closed:
        assert translated(response_format=form)["output_config"]["format"]["schema"] == schema
    else:
        assert "additionalProperties" in refused(response_format=form)


def test_strict_tools_stay_strict() -> None:
    closed = {"type": "object", "properties": {}, "additionalProperties": False}
    function = {"name": "f", "strict": True, "parameters": closed}
    (tool,) = translated(tools=[{"type": "function", "function": function}])["tools"]
    assert tool == {"name": "f", "strict": True, "input_schema": closed}
    open_ = {**function, "parameters": {"type": "object"}}
    assert "additionalProperties" in refused(tools=[{"type": "function", "function": open_}])


# ---- where requests go


@pytest.mark.parametrize("base", ["https://host/v1", "https://host"])
def test_a_translated_request_goes_to_messages_with_the_key_in_its_own_header(base: str) -> None:
    asked = Call("a", {"messages": HI}, headers={"openai-beta": "x"}, stream=True)
    outgoing = DIALECT.outgoing(Endpoint(base, Secret("open-sesame"), {"X-Org": "one"}), KEY, asked)
    assert outgoing.url == "https://host/v1/messages"
    assert {name: outgoing.headers[name] for name in ("x-api-key", "anthropic-version", "x-org")} == {
        "x-api-key": "open-sesame",
        "anthropic-version": "2023-06-01",
        "x-org": "one",
    }
    assert "openai-beta" not in outgoing.headers
    assert "authorization" not in outgoing.headers
    assert (outgoing.body["model"], outgoing.body["stream"]) == ("claude-x", True)
    assert "open-sesame" not in repr(outgoing)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=5), JSONS), st.booleans())
def test_a_native_body_is_written_as_it_is_but_for_the_model_and_the_stream(body: dict[str, Any], stream: bool) -> None:
    headers = {"Anthropic-Version": "2099-01-01", "anthropic-beta": "b-1,b-2"}
    outgoing = DIALECT.outgoing(ENDPOINT, KEY, Call("a", body, endpoint="/messages", stream=stream, headers=headers))
    request = json.loads(outgoing.content)
    assert request.pop("model") == "claude-x"
    assert bool(request.pop("stream", False)) is stream
    assert request == {name: value for name, value in body.items() if name not in {"model", "stream"}}
    assert (outgoing.headers["anthropic-version"], outgoing.headers["anthropic-beta"]) == ("2099-01-01", "b-1,b-2")


def test_only_messages_and_their_count_name_the_model_in_their_body() -> None:
    for endpoint, named in (("/messages", True), ("/messages/count_tokens", True), ("/messages/batches", False)):
        outgoing = DIALECT.outgoing(Endpoint("https://host/v1"), KEY, Call("a", endpoint=endpoint))
        assert ("model" in outgoing.body) is named
        assert outgoing.url == f"https://host/v1{endpoint}"
        assert "x-api-key" not in outgoing.headers


@pytest.mark.parametrize("endpoint", ["/embeddings", "/responses", "/models/gemini-x:generateContent"])
def test_other_endpoints_cannot_be_said(endpoint: str) -> None:
    with pytest.raises(Untranslatable, match="it has no /"):
        DIALECT.check(Call("a", endpoint=endpoint))


# ---- whole answers


@given(answers())
def test_a_message_becomes_a_completion(message: dict[str, Any]) -> None:
    answer = DIALECT.answer(Call("a"), DATE, json.dumps(message).encode())
    assert isinstance(answer, Answer)
    ChatCompletion.model_validate(answer.body, strict=True)
    reply = Reply(answer.body, KEY, ())
    blocks = message["content"]
    assert reply.text == "".join(block.get("text", "") for block in blocks)
    assert [
        (each["id"], each["function"]["name"], json.loads(each["function"]["arguments"])) for each in reply.tool_calls
    ] == [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    thoughts = "".join(block.get("thinking", "") for block in blocks)
    assert answer.body["choices"][0]["message"].get("reasoning_content", "") == thoughts
    assert reply.finish_reason == STOPS[message["stop_reason"]]
    used = message["usage"]
    asked = sum(used.get(f"{name}input_tokens") or 0 for name in ("", "cache_read_", "cache_creation_"))
    assert reply.usage == Usage(asked, used["output_tokens"], asked + used["output_tokens"])
    assert answer.body["usage"]["prompt_tokens_details"]["cached_tokens"] == (used.get("cache_read_input_tokens") or 0)
    assert answer.tokens == asked + used["output_tokens"]
    assert answer.body["created"] == 946684799
    made = DIALECT.chunks_of(answer)
    ChatCompletionChunk.model_validate(made.body, strict=True)
    assert made.text == reply.text


def test_a_refusal_says_why() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "No."}
    message = {"content": [], "stop_reason": "refusal", "stop_details": details}
    answer = DIALECT.answer(Call("a"), {}, json.dumps(message).encode())
    assert isinstance(answer, Answer)
    (choice,) = answer.body["choices"]
    assert choice == {
        "index": 0,
        "message": {"role": "assistant", "content": "", "refusal": "No."},
        "finish_reason": "content_filter",
    }


ODD_BLOCKS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "thinking", "tool_use", "image", "server_tool_use"]) | JSONS},
    optional={"text": JSONS, "thinking": JSONS, "id": JSONS, "name": JSONS, "input": JSONS},
)
ODD_ANSWERS = JSONS | st.fixed_dictionaries(
    {},
    optional={
        "id": JSONS,
        "model": JSONS,
        "content": JSONS | st.lists(ODD_BLOCKS | JSONS, max_size=3),
        "stop_reason": JSONS,
        "stop_details": JSONS,
        "usage": JSONS | st.dictionaries(st.sampled_from(["input_tokens", "output_tokens"]), JSONS),
        "type": JSONS,
        "error": JSONS,
    },
)


@settings(max_examples=60, deadline=None)
@given(ODD_ANSWERS)
@example({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
def test_any_answer_is_read_or_is_a_failure(data: object) -> None:
    for endpoint in ("/chat/completions", "/messages", "/messages/count_tokens"):
        outcome = DIALECT.answer(Call("a", endpoint=endpoint), {}, json.dumps(data).encode())
        if isinstance(outcome, Failure):
            assert outcome.reason is not Reason.UNKNOWN
        elif endpoint == "/chat/completions":
            ChatCompletion.model_validate(outcome.body, strict=True)
        else:
            assert outcome.body == data
        if isinstance(outcome, Answer):
            assert isinstance(DIALECT.chunks_of(outcome), Chunk)


@given(st.binary(max_size=40))
@example(b"[" * 100_000)
@example(
    b'{"content": [{"type": "tool_use", "id": "a", "name": "b", "input": '
    + b'{"a":' * 5000
    + b"1"
    + b"}" * 5000
    + b"}]}"
)
def test_any_bytes_are_an_answer_or_a_failure(body: bytes) -> None:
    for endpoint in ("/chat/completions", "/messages"):
        assert isinstance(DIALECT.answer(Call("a", endpoint=endpoint), {}, body), Answer | Failure)


@settings(max_examples=60, deadline=None)
@given(answers())
def test_a_native_answer_comes_back_as_it_was_written(message: dict[str, Any]) -> None:
    answer = DIALECT.answer(NATIVE, {}, json.dumps(message).encode())
    assert isinstance(answer, Answer)
    assert answer.body == message
    Message.model_validate(answer.body, strict=True)
    assert DIALECT.chunks_of(answer).text == "".join(block.get("text", "") for block in message["content"])


def test_counting_tokens_uses_none() -> None:
    answer = DIALECT.answer(Call("a", endpoint="/messages/count_tokens"), {}, b'{"input_tokens": 14}')
    assert answer == Answer({"input_tokens": 14}, 0.0)


# ---- streams


@st.composite
def streams(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]], list[SSEEvent]]:
    """Return a message, the events that it is streamed as, and what the parser makes of them, cut anywhere."""
    message = draw(answers())
    events = draw(written(message))
    body = b"".join(sse(each) for each in events)
    at = [0, *sorted(draw(st.lists(st.integers(0, len(body)), max_size=4))), len(body)]
    parser = SSEParser()
    fed = [each for a, b in pairwise(at) for each in parser.feed(body[a:b])]
    return message, events, [*fed, *parser.close()]


@settings(max_examples=60, deadline=None)
@given(streams())
def test_a_streamed_message_is_the_same_completion_as_a_whole_one(
    stream: tuple[dict[str, Any], list[dict[str, Any]], list[SSEEvent]],
) -> None:
    message, _, events = stream
    reader = DIALECT.reader(CHAT, DATE)
    chunks = read(reader, events)
    whole = DIALECT.answer(CHAT, DATE, json.dumps(message).encode())
    assert isinstance(whole, Answer)
    streamed = reader.answer()
    assert parsed(streamed.body) == parsed(whole.body)
    assert streamed.tokens == whole.tokens
    ChatCompletion.model_validate(streamed.body, strict=True)
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.body, strict=True)
    assert "".join(chunk.text for chunk in chunks) == Reply(whole.body, KEY, ()).text
    assert chunks[0].body["choices"][0]["delta"] == {"role": "assistant"}
    assert [chunk.body["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].body["choices"][0]["finish_reason"] == STOPS[message["stop_reason"]]
    assert chunks[-1].body["usage"] == whole.body["usage"]
    assert reader.complete
    assert reader.closed


@settings(max_examples=60, deadline=None)
@given(streams())
def test_native_events_are_handed_on_as_they_are_and_add_up_to_the_message(
    stream: tuple[dict[str, Any], list[dict[str, Any]], list[SSEEvent]],
) -> None:
    message, events, fed = stream
    reader = DIALECT.reader(NATIVE, {})
    chunks = read(reader, fed)
    assert [chunk.body for chunk in chunks] == events
    answer = reader.answer()
    assert answer.body == message
    Message.model_validate(answer.body, strict=True)
    assert "".join(chunk.text for chunk in chunks) == "".join(block.get("text", "") for block in message["content"])
    assert answer.tokens is not None
    assert reader.closed


@settings(max_examples=60, deadline=None)
@given(streams(), st.data())
def test_a_stream_begins_with_its_first_content_and_is_complete_when_it_has_said_why_it_stopped(
    stream: tuple[dict[str, Any], list[dict[str, Any]], list[SSEEvent]], data: st.DataObject
) -> None:
    _, events, fed = stream
    cut = data.draw(st.integers(0, len(fed)))
    content = any(
        each.get("content_block", {}).get("type") == "tool_use"
        or each.get("delta", {}).get("text")
        or each.get("delta", {}).get("thinking")
        for each in events[:cut]
    )
    for asked in (CHAT, NATIVE):
        reader = DIALECT.reader(asked, {})
        read(reader, fed[:cut])
        assert reader.complete is any(each["type"] == "message_delta" for each in events[:cut])
        assert reader.closed is any(each["type"] == "message_stop" for each in events[:cut])
        if asked is CHAT or not any("redacted" in str(each.get("content_block")) for each in events[:cut]):
            assert reader.started is bool(content)


START = {
    "type": "message_start",
    "message": {"id": "m", "model": "x", "usage": {"input_tokens": 1, "output_tokens": 1}},
}
TOOL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}


def test_a_tool_input_that_stands_in_its_block_from_the_beginning_is_read() -> None:
    block = {**TOOL, "input": {"a": 1}}
    events = [
        START,
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_stop"},
    ]
    reader = DIALECT.reader(CHAT, {})
    read(reader, [event(each) for each in events])
    reply = Reply(reader.answer().body, KEY, ())
    assert reply.tool_calls[0]["function"] == {"name": "f", "arguments": '{"a":1}'}
    assert reply.finish_reason == "tool_calls"
    native = DIALECT.reader(NATIVE, {})
    read(native, [event(each) for each in events])
    assert native.answer().body["content"] == [block]


def test_calls_that_all_claim_the_same_place_are_told_apart() -> None:
    events: list[dict[str, Any]] = [START]
    for id_ in "abc":
        events += [
            {"type": "content_block_start", "index": 0, "content_block": {**TOOL, "id": id_}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
            {"type": "content_block_stop", "index": 0},
        ]
    reader = DIALECT.reader(CHAT, {})
    read(reader, [event(each) for each in events])
    calls = Reply(reader.answer().body, KEY, ()).tool_calls
    assert [(each["id"], each["function"]["arguments"]) for each in calls] == [("a", "{}"), ("b", "{}"), ("c", "{}")]


def test_arguments_that_are_cut_short_are_handed_on_as_far_as_they_came() -> None:
    events = [
        START,
        {"type": "content_block_start", "index": 0, "content_block": TOOL},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a": '}},
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 9}},
    ]
    reader = DIALECT.reader(CHAT, {})
    read(reader, [event(each) for each in events])
    reply = Reply(reader.answer().body, KEY, ())
    assert reply.tool_calls[0]["function"]["arguments"] == '{"a": '
    assert (reply.finish_reason, reply.usage) == ("length", Usage(1, 9, 10))
    assert reader.complete
    assert not reader.closed


def test_a_stream_that_broke_counts_its_prompt_and_what_was_written() -> None:
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "y" * 400}}
    for asked in (CHAT, NATIVE):
        reader = DIALECT.reader(asked, {})
        read(reader, [event(START), event(text)])
        tokens = reader.answer().tokens
        assert tokens is not None
        assert 100 <= tokens <= 110


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, Reason.OVERLOADED),
        ({"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}, Reason.RATE_LIMIT),
        ({"type": "error", "error": {"type": "api_error", "message": "Oops"}}, Reason.SERVER_ERROR),
        ({"type": "message_stop"}, Reason.SERVER_ERROR),
        ("[]", Reason.SERVER_ERROR),
        ("{", Reason.SERVER_ERROR),
    ],
)
def test_an_event_may_be_an_error(data: object, reason: Reason) -> None:
    for asked in (CHAT, NATIVE):
        failure = DIALECT.reader(asked, {}).feed(event(data))
        assert isinstance(failure, Failure)
        assert failure.reason is reason


@pytest.mark.parametrize(
    "data",
    [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "name": "f"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}},
        {"type": "content_block_delta", "index": 3, "delta": {"type": "input_json_delta", "partial_json": "{"}},
    ],
)
def test_events_that_make_no_sense_are_the_providers_fault(data: object) -> None:
    failure = DIALECT.reader(CHAT, {}).feed(event(data))
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.SERVER_ERROR


KINDS = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "ping"]
DELTAS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text_delta", "thinking_delta", "input_json_delta", "signature_delta"]) | JSONS},
    optional={"text": JSONS, "thinking": JSONS, "partial_json": JSONS, "stop_reason": JSONS, "stop_details": JSONS},
)
ODD_EVENTS = st.builds(
    event,
    JSONS
    | st.fixed_dictionaries(
        {"type": st.sampled_from([*KINDS, "message_stop"]) | JSONS},
        optional={
            "index": st.integers(0, 2) | JSONS,
            "message": ODD_ANSWERS,
            "content_block": ODD_BLOCKS | JSONS,
            "delta": DELTAS | JSONS,
            "usage": JSONS,
        },
    ),
    st.sampled_from(["message", "ping", "message_start", "content_block_delta"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ODD_EVENTS, max_size=8), st.dictionaries(st.sampled_from(["n", "messages"]), JSONS))
def test_whatever_comes_the_readers_keep_their_promises(events: list[SSEEvent], request: dict[str, Any]) -> None:
    for endpoint in ("/chat/completions", "/messages"):
        reader = DIALECT.reader(Call("a", request, endpoint=endpoint, stream=True), {})
        text = ""
        started = False
        for each in events:
            outcome = reader.feed(each)
            assert reader.started >= started
            started = reader.started
            if isinstance(outcome, Failure) or reader.closed:
                break
            text += "" if outcome is None else outcome.text
            assert not text or started
        assert reader.complete >= reader.closed
        answer = reader.answer()
        json.dumps(answer.body)
        assert isinstance(DIALECT.chunks_of(answer), Chunk)
