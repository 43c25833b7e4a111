"""The Gemini dialect as a pure thing: what it writes, what it makes of answers, and how it adds streams up."""

from __future__ import annotations

import base64
import doctest
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import pytest
from google.genai import types
from hypothesis import example, given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.wire.conversations import (
    OBJECTS,
    TEXTS,
    Told,
    canonical,
    conversations,
    images,
    passes_the_door,
    told,
    tools_of,
)
from understudy import Call, Chunk, Failure, ModelKey, Reason, Reply
from understudy.actors.messages import Answer, FormPart
from understudy.actors.providers import gemini_answer, gemini_contents, gemini_native, gemini_request
from understudy.actors.providers.dialect import Untranslatable
from understudy.actors.providers.dialects import unspoken
from understudy.actors.providers.endpoint import Endpoint, Secret
from understudy.actors.providers.gemini import GeminiDialect
from understudy.actors.providers.sse import SSEParser

KEY = ModelKey("a", "gemini", "gemini-3-flash-preview", "literal:1")
OLDER = ModelKey("b", "gemini", "gemini-2.5-flash", "literal:1")
ENDPOINT = Endpoint("https://host/v1beta", Secret("open-sesame"))
HI = [{"role": "user", "content": "Hi"}]
CALL = Call("a", {"messages": HI})
NATIVE = "/models/other:generateContent"
DIALECT = GeminiDialect()

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1500) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def request(body: Mapping[str, Any], key: ModelKey = KEY) -> Any:
    """Return what is sent for a chat completion; Google's own client must know every word of it."""
    written = json.loads(DIALECT.outgoing(ENDPOINT, key, Call("a", {"messages": HI, **body})).content)
    check_words(written)
    return written


def check_words(written: Mapping[str, Any]) -> None:
    for content in (*written["contents"], *filter(None, [written.get("systemInstruction")])):
        types.Content.model_validate(content)
    for tool in written.get("tools", ()):
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(written.get("toolConfig", {}))
    types.GenerationConfig.model_validate(written.get("generationConfig", {}))
    assert written.keys() <= {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}


def config(**params: Any) -> Any:
    return request(params).get("generationConfig", {})


def unsaid(**body: Any) -> str:
    """Return why a chat completion cannot be said."""
    with pytest.raises(Untranslatable) as info:
        DIALECT.check(Call("a", {"messages": HI, **body}))
    return str(info.value)


def reread(request: Mapping[str, Any]) -> list[Told]:
    """Say what there is in a request of Gemini's, as `told` does; it must be such as Google's reference asks for."""
    rules = request.get("systemInstruction", {"parts": []})["parts"]
    things: list[Told] = [("rule", part["text"]) for part in rules]
    names: dict[str, str] = {}
    open_calls = 0
    for content in request["contents"]:
        assert content["role"] in ("user", "model")
        assert content["parts"]
        results = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
        assert len(results) == open_calls, "all calls are answered at once, and right after they were made"
        assert not results or len(results) == len(content["parts"])
        open_calls = 0
        for part in content["parts"]:
            match part:
                case {"text": text}:
                    things += [(content["role"], text)]
                case {"inlineData": {"mimeType": mime, "data": data}}:
                    things.append(("image", mime, data))
                case {"functionCall": {"id": call_id, "name": name, "args": args}}:
                    assert content["role"] == "model"
                    assert isinstance(args, dict)
                    names[call_id] = name
                    open_calls += 1
                    things.append(("call", call_id, name, canonical(args)))
                case {"functionResponse": {"id": call_id, "name": name, "response": {"result": result}}}:
                    assert content["role"] == "user"
                    assert name == names[call_id]
                    things.append(("result", call_id, *([result] if isinstance(result, str) else result)))
                case _:
                    pytest.fail(f"no such part: {part}")
    assert not open_calls
    return [thing for thing in things if thing[0] == "result" or thing[1]]


# ---- requests


@given(conversations())
def test_a_conversation_keeps_its_ids_its_order_and_its_content(messages: list[dict[str, Any]]) -> None:
    body = {"messages": messages, "tools": tools_of(messages)}
    for key in (KEY, OLDER):
        assert reread(request(body, key)) == told(messages)


@given(conversations())
def test_where_a_model_wants_signatures_every_round_of_calls_has_one(messages: list[dict[str, Any]]) -> None:
    for key, wanted in ((KEY, True), (OLDER, False)):
        for content in request({"messages": messages}, key)["contents"]:
            calls = [part for part in content["parts"] if "functionCall" in part]
            signed = ["thoughtSignature" in part for part in calls]
            assert signed == [wanted and i == 0 for i in range(len(calls))]


def test_a_signature_comes_back_where_it_was() -> None:
    def call(call_id: str, signature: str | None) -> dict[str, Any]:
        extra = {} if signature is None else {"extra_content": {"google": {"thought_signature": signature}}}
        return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": ""}, **extra}

    messages = [
        *HI,
        {
            "role": "assistant",
            "content": "Well",
            "extra_content": {"google": {"thought_signature": "dGV4dA=="}},
            "tool_calls": [call("1", None), call("2", "Y2FsbA==")],
        },
        {"role": "tool", "tool_call_id": "2", "content": "b"},
        {"role": "tool", "tool_call_id": "1", "content": "a"},
    ]
    assert request({"messages": messages})["contents"][1]["parts"] == [
        {"text": "Well", "thoughtSignature": "dGV4dA=="},
        {"functionCall": {"id": "1", "name": "f", "args": {}}},
        {"functionCall": {"id": "2", "name": "f", "args": {}}, "thoughtSignature": "Y2FsbA=="},
    ]


def test_an_answer_in_several_messages_is_one_content() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    messages = [*HI, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b", "tool_calls": calls},
                {"role": "tool", "tool_call_id": "1", "content": "c"}, *HI]  # fmt: skip
    contents = request({"messages": messages})["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user", "user"]
    assert len(contents[1]["parts"]) == 3


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"max_tokens": 9}, {"maxOutputTokens": 9}),
        ({"max_tokens": 9, "max_completion_tokens": 8}, {"maxOutputTokens": 8}),
        ({"temperature": 0, "top_p": 0.5}, {"temperature": 0, "topP": 0.5}),
        ({"stop": "x"}, {"stopSequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stopSequences": ["x", "y"]}),
        ({"n": 1, "stop": [], "presence_penalty": 0, "frequency_penalty": 0.0, "logprobs": False}, {}),
        ({"n": 3, "seed": -7}, {"candidateCount": 3, "seed": -7}),
        ({"presence_penalty": 0.5, "frequency_penalty": -0.5}, {"presencePenalty": 0.5, "frequencyPenalty": -0.5}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {
                "name": "x", "description": "An x.", "strict": True, "schema": {"type": "object"}}}},
            {"responseMimeType": "application/json",
             "responseJsonSchema": {"type": "object", "description": "An x."}},
        ),
        ({"reasoning_effort": "low"}, {"thinkingConfig": {"thinkingLevel": "low"}}),
        ({"modalities": ["text", "image"]}, {"responseModalities": ["TEXT", "IMAGE"]}),
        ({"modalities": ["text"], "logit_bias": {}, "top_logprobs": 0, "verbosity": "medium"}, {}),
        ({"user": "me", "store": True, "metadata": {"a": "b"}, "service_tier": "flex", "prompt_cache_key": "k",
          "safety_identifier": "s", "stream_options": {"include_usage": True}, "parallel_tool_calls": True}, {}),
        ({"temperature": None, "tools": None, "tool_choice": None, "logit_bias": None, "whatever": None}, {}),
    ],
)  # fmt: skip
def test_parameters_are_translated(params: dict[str, Any], expected: dict[str, Any]) -> None:
    assert config(**params) == expected


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("gemini-2.5-flash", "minimal", {"thinkingBudget": 1_024}),
        ("models/gemini-2.5-pro", "high", {"thinkingBudget": 24_576}),
        ("gemini-3-flash-preview", "minimal", {"thinkingLevel": "minimal"}),
        ("gemini-3.1-pro-preview", "minimal", {"thinkingLevel": "low"}),
        ("gemini-3.1-pro-preview", "high", {"thinkingLevel": "high"}),
    ],
)
def test_how_hard_to_think_is_said_as_each_model_has_it(model: str, effort: str, expected: dict[str, Any]) -> None:
    written = request({"reasoning_effort": effort}, ModelKey("a", "gemini", model, "x"))
    assert written["generationConfig"] == {"thinkingConfig": expected}


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"logprobs": True}, "logprobs"),
        ({"n": 9}, "n"),
        ({"n": True}, "n"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"reasoning_effort": "none"}, "reasoning_effort"),
        ({"seed": 2**31}, "seed"),
        ({"stop": ["x"] * 6}, "stop"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"whatever": 1}, "whatever"),
        ({"verbosity": "low"}, "verbosity"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0]"),
        ({"tools": [{"type": "function", "function": {"name": "1st"}}]}, "tools[0]"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}, "function.parameters"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [*HI, 5]}, "messages[1]"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [*HI, {"role": "system", "content": "x"}]}, "messages[1]"),
        ({"messages": [{"role": "user", "content": "x", "name": "Ada"}]}, "name"),
        ({"messages": [*HI, {"role": "tool", "content": "x"}]}, "messages[1].tool_call_id"),
        ({"messages": [*HI, {"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages[1].tool_call_id"),
        ({"messages": [{"role": "user", "content": [{"type": "video_url"}]}]}, "messages[0].content[0]"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_named(params: dict[str, Any], word: str) -> None:
    assert word in unsaid(**params)


def called(*calls: dict[str, Any]) -> list[dict[str, Any]]:
    return [*HI, {"role": "assistant", "content": None, "tool_calls": list(calls)}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [('{"a": 1}', True), ("", True), ("[1]", False), ("{", False), ("null", False), ('{"a": NaN}', False),
     ('{"a": 1e999}', False), ('{"a":' * 200 + "1" + "}" * 200, False), ('{"a":' * 80 + "1" + "}" * 80, True)],
)  # fmt: skip
def test_arguments_are_a_json_object(arguments: str, said: bool) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    messages = [*called(call), {"role": "tool", "tool_call_id": "1", "content": "x"}]
    if said:
        written = request({"messages": messages})["contents"][1]["parts"][0]["functionCall"]["args"]
        assert written == json.loads(arguments or "{}")
    else:
        assert "messages[1].tool_calls[0].function.arguments" in unsaid(messages=messages)


def test_a_call_without_its_result_cannot_be_said() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert unsaid(messages=called(call)) == "the tool call `messages[1].tool_calls[0]` has no result"
    assert unsaid(messages=[*called(call), *HI]).endswith("has no result before `messages[2]`")
    assert "messages[1].tool_calls[1].id" in unsaid(messages=called(call, call))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/jpg;base64,QQ==", "detail": "high"}},
         {"inlineData": {"mimeType": "image/jpeg", "data": "QQ=="}}),
        ({"type": "image_url", "image_url": {"url": "https://host/a.PNG?x=1"}},
         {"fileData": {"mimeType": "image/png", "fileUri": "https://host/a.PNG?x=1"}}),
        ({"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}},
         {"inlineData": {"mimeType": "audio/mp3", "data": "QQ=="}}),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,QQ==", "filename": "a.pdf"}},
         {"inlineData": {"mimeType": "application/pdf", "data": "QQ=="}}),
        ({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}, {"text": "x"}),
        ({"type": "image_url", "image_url": {"url": "data:image/gif;base64,QQ=="}}, None),
        ({"type": "image_url", "image_url": {"url": "data:image/png,QQ"}}, None),
        ({"type": "image_url", "image_url": {"url": "http://host/a.png"}}, None),
        ({"type": "image_url", "image_url": {"url": "https://host/a"}}, None),
        ({"type": "image_url", "image_url": {"url": "https://[/a.png"}}, None),
        ({"type": "image_url", "image_url": "https://host/a.png"}, None),
        ({"type": "input_audio", "input_audio": {"data": "QQ==", "format": "midi"}}, None),
        ({"type": "file", "file": {"file_id": "file-1"}}, None),
        ({"type": "file", "file": {"file_data": "data:application/zip;base64,QQ=="}}, None),
    ],
)  # fmt: skip
def test_files_travel_with_their_bytes(part: dict[str, Any], expected: dict[str, Any] | None) -> None:
    messages = [{"role": "user", "content": [part]}]
    if expected is None:
        assert "messages[0].content[0]" in unsaid(messages=messages)
    else:
        assert request({"messages": messages})["contents"][0]["parts"] == [expected]


F = {"type": "function", "function": {"name": "f", "description": "Does it.", "parameters": {"type": "object"}}}
G = {"type": "function", "function": {"name": "g", "strict": True}}
NAMED = [{"type": "function", "function": {"name": "f"}}]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ("auto", None),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (NAMED[0], {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": NAMED}},
         {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": NAMED}},
         {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    ],
)  # fmt: skip
def test_tools_are_declared_and_chosen(choice: object, expected: dict[str, Any] | None) -> None:
    written = request({"tools": [F, G], "tool_choice": choice})
    declared = [{"name": "f", "description": "Does it.", "parametersJsonSchema": {"type": "object"}}, {"name": "g"}]
    assert written["tools"] == [{"functionDeclarations": declared}]
    assert written.get("toolConfig") == (None if expected is None else {"functionCallingConfig": expected})


def test_a_request_goes_to_its_model_with_its_key() -> None:
    outgoing = DIALECT.outgoing(ENDPOINT, KEY, CALL)
    assert outgoing.url == "https://host/v1beta/models/gemini-3-flash-preview:generateContent"
    assert outgoing.headers["x-goog-api-key"] == "open-sesame"
    assert "authorization" not in outgoing.headers
    assert "open-sesame" not in repr(outgoing)
    streamed = DIALECT.outgoing(Endpoint("https://host", headers={"X-Y": "z"}), KEY, Call("a", CALL.body, stream=True))
    assert streamed.url == "https://host/models/gemini-3-flash-preview:streamGenerateContent?alt=sse"
    assert "x-goog-api-key" not in streamed.headers
    assert streamed.headers["x-y"] == "z"
    assert streamed.headers["accept"] == "text/event-stream"


PARAMS = ["messages", "tools", "tool_choice", "response_format", "stop", "n", "seed", "temperature", "modalities",
          "max_tokens", "reasoning_effort", "logit_bias", "user", "stream"]  # fmt: skip
WORDS = st.sampled_from(["user", "assistant", "tool", "system", "text", "image_url", "function", "1", "f", "{}",
                         "data:image/png;base64,QQ==", "file", "input_audio", "refusal", "json_schema"])  # fmt: skip
FIELDS = ["role", "content", "type", "text", "image_url", "url", "tool_calls", "id", "function", "name", "arguments",
          "tool_call_id", "extra_content", "google", "thought_signature", "images", "file", "file_data", "refusal",
          "input_audio", "data", "format", "json_schema", "schema", "parameters", "allowed_tools", "mode"]  # fmt: skip
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats(allow_nan=False) | WORDS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(PARAMS) | TEXTS, ODD, max_size=4), st.booleans(), conversations(), st.data())
def test_what_the_check_lets_pass_is_written_and_nothing_crashes(
    odd: dict[str, Any], whole: bool, messages: list[dict[str, Any]], data: st.DataObject
) -> None:
    body = {"messages": messages, **odd} if whole else odd
    if whole and data.draw(st.booleans()):
        spoilt = data.draw(st.sampled_from(messages))
        spoilt[data.draw(st.sampled_from(FIELDS))] = data.draw(ODD)
    call = Call("a", body)
    why = unspoken(call, ["gemini"])
    for key in (KEY, OLDER):
        with pytest.raises(Untranslatable) if why else nullcontext():
            check_words(json.loads(DIALECT.outgoing(ENDPOINT, key, call).content))


@pytest.mark.parametrize("name", [*PARAMS, "verbosity", "modalities"])
def test_nothing_is_too_deep_to_be_checked(name: str) -> None:
    for begin, end in (("[", "]"), ('{"type":', "}")):
        value = json.loads(begin * 800 + "1" + end * 800)
        call = Call("a", {"messages": HI, name: value})
        if not unspoken(call, ["gemini"]):
            assert DIALECT.outgoing(ENDPOINT, KEY, call).content


@pytest.mark.parametrize(
    "call",
    [
        Call("a", endpoint="/embeddings"),
        Call("a", endpoint="/messages"),
        Call("a", CALL.body, form=(FormPart("a", b"b"),)),
        Call("a", CALL.body, method="GET"),
        Call("a", endpoint="/models/x:generateContent?key=secret"),
        Call("a", endpoint="/models/x:a/../../b:c"),
        Call("a", endpoint="/models/x:generateContent", method="GET"),
    ],
)
def test_other_calls_cannot_be_said(call: Call) -> None:
    with pytest.raises(Untranslatable):
        DIALECT.check(call)


# ---- native requests


@pytest.mark.parametrize(
    ("method", "stream", "path"),
    [
        ("generateContent", False, ":generateContent"),
        ("generateContent", True, ":streamGenerateContent?alt=sse"),
        ("streamGenerateContent", False, ":generateContent"),
        ("streamGenerateContent?alt=sse", True, ":streamGenerateContent?alt=sse"),
        ("countTokens", False, ":countTokens"),
        ("embedContent", False, ":embedContent"),
        ("batchEmbedContents", False, ":batchEmbedContents"),
    ],
)
def test_a_native_call_is_passed_through_but_for_the_model(method: str, stream: bool, path: str) -> None:
    body = {
        "contents": [{"parts": [{"text": "Hi"}]}],
        "model": "models/other",
        "generateContentRequest": {"model": "models/other", "x": 1},
        "requests": [{"model": "models/other", "content": {}}, {"content": {}}],
    }
    call = Call("a", body, endpoint=f"/models/other:{method}", stream=stream, headers={"X-Goog-Api-Client": "me"})
    outgoing = DIALECT.outgoing(ENDPOINT, KEY, call)
    assert outgoing.url == f"https://host/v1beta/models/gemini-3-flash-preview{path}"
    assert json.loads(outgoing.content) == json.loads(
        json.dumps(body).replace("models/other", "models/gemini-3-flash-preview")
    )
    assert outgoing.headers["x-goog-api-client"] == "me"


@given(st.dictionaries(TEXTS, JSONS).filter(passes_the_door))
def test_a_native_body_is_written_as_it_is(body: dict[str, Any]) -> None:
    outgoing = DIALECT.outgoing(ENDPOINT, KEY, Call("a", body, endpoint=NATIVE))
    assert json.loads(outgoing.content) == body


# ---- whole answers, and streams of the same


Parts = list[dict[str, Any]]
SIGNATURES = st.binary(min_size=1, max_size=6).map(lambda signature: base64.b64encode(signature).decode())


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an answer of Gemini's as it comes in one piece."""
    candidates = []
    for index in range(draw(st.integers(1, 2))):
        parts: Parts = []
        if draw(st.booleans()):
            parts.append({"text": draw(TEXTS), "thought": True})
        if draw(st.booleans()):
            parts.append({"text": draw(TEXTS)})
        for _ in range(draw(st.integers(0, 2))):
            call: dict[str, Any] = {"name": draw(st.sampled_from(["f", "g"])), "args": draw(OBJECTS)}
            if draw(st.booleans()):
                call["id"] = draw(st.sampled_from(["id-1", "id-2", "id-3"]))
            signed = {"thoughtSignature": draw(SIGNATURES)} if draw(st.booleans()) else {}
            parts.append({"functionCall": call, **signed})
        for _ in range(draw(st.integers(0, 2))):
            image = draw(st.sampled_from(["QQ==", "Qg=="]))
            parts.append({"inlineData": {"mimeType": "image/png", "data": image}})
        if draw(st.booleans()):
            parts.append({"text": "", "thoughtSignature": draw(SIGNATURES)})
        finish = draw(st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "IMAGE_SAFETY", "SPII"]))
        content = {"content": {"role": "model", "parts": parts}} if parts else {}
        candidates.append({**content, "finishReason": finish, "index": index})
    answer: dict[str, Any] = {"candidates": candidates, "modelVersion": "gemini-3"}
    if draw(st.booleans()):
        answer["responseId"] = "r-1"
    if draw(st.booleans()):
        answer["usageMetadata"] = {
            "promptTokenCount": draw(st.integers(1, 9)),
            "candidatesTokenCount": draw(st.integers(0, 9)),
            "thoughtsTokenCount": draw(st.integers(0, 9)),
        }
    return answer


@st.composite
def streamed(draw: st.DrawFn, answer: Mapping[str, Any]) -> list[bytes]:
    """Cut an answer into the events of a stream, the last of which says why the last candidate finished."""
    waiting: dict[int, list[dict[str, Any]]] = {}
    for candidate in answer["candidates"]:
        pieces: Parts = []
        for part in candidate.get("content", {"parts": []})["parts"]:
            at = draw(st.integers(0, len(part.get("text", ""))))
            if at:
                pieces += [{**part, "text": part["text"][:at]}, {**part, "text": part["text"][at:]}]
            else:
                pieces.append(part)
        events: list[dict[str, Any]] = [{"content": {"role": "model", "parts": [piece]}} for piece in pieces]
        end = {"finishReason": candidate["finishReason"]}
        ends_with_the_last: bool = draw(st.booleans())
        if events and ends_with_the_last:
            events[-1].update(end)
        else:
            events.append(end)
        waiting[candidate["index"]] = events
    rest = {name: value for name, value in answer.items() if name != "candidates"}
    stream = []
    while any(waiting.values()):
        index = draw(st.sampled_from([index for index, events in waiting.items() if events]))
        data = json.dumps({"candidates": [{**waiting[index].pop(0), "index": index}], **rest})
        stream.append(f"data: {data}".encode() + draw(st.sampled_from([b"\n\n", b"\r\n\r\n"])))
    return stream


def read(call: Call, stream: bytes, pieces: Sequence[int] = ()) -> tuple[Any, list[Chunk], list[Failure]]:
    """Feed a stream in pieces."""
    reader, parser = DIALECT.reader(call, {}), SSEParser()
    chunks, failures = [], []
    places = sorted(min(place, len(stream)) for place in pieces)
    for a, b in zip([0, *places], [*places, len(stream)], strict=True):
        for event in parser.feed(stream[a:b]):
            outcome = reader.feed(event)
            if isinstance(outcome, Chunk):
                chunks.append(outcome)
            elif outcome is not None:
                failures.append(outcome)
    return reader, chunks, failures


def whole(call: Call, answer: object) -> Answer:
    outcome = DIALECT.answer(call, {}, json.dumps(answer).encode())
    assert isinstance(outcome, Answer), outcome
    return outcome


@given(st.data(), answers(), st.lists(st.integers(0, 999), max_size=4))
def test_an_answer_is_the_same_whole_and_streamed(data: st.DataObject, answer: Any, cuts: list[int]) -> None:
    call = Call("a", {"messages": HI, "n": len(answer["candidates"])}, stream=True)
    expected = whole(call, answer)
    events = data.draw(streamed(answer))
    reader, chunks, failures = read(call, b"".join(events), cuts)
    assert not failures
    assert reader.complete
    assert not read(call, b"".join(events[:-1]))[0].complete
    assert reader.answer().body == expected.body
    if "usageMetadata" in answer:
        assert reader.answer().tokens == expected.tokens == sum(answer["usageMetadata"].values())
        assert [("usage" in chunk.body) for chunk in chunks] == [chunk is chunks[-1] for chunk in chunks]
    assert "".join(chunk.text for chunk in chunks) == Reply(expected.body, KEY, ()).text
    ChatCompletion.model_validate(expected.body)
    for chunk in [*chunks, DIALECT.chunks_of(expected)]:
        ChatCompletionChunk.model_validate(chunk.body)


@given(answers())
def test_what_the_answer_says_is_said_in_openais_shape(answer: dict[str, Any]) -> None:
    body = whole(CALL, answer).body
    for candidate, choice in zip(answer["candidates"], body["choices"], strict=True):
        parts = candidate.get("content", {"parts": []})["parts"]
        message = choice["message"]
        texts = [(part["text"], part.get("thought", False)) for part in parts if "text" in part]
        assert message.get("reasoning_content", "") == "".join(text for text, thought in texts if thought)
        assert (message["content"] or "") == "".join(text for text, thought in texts if not thought)
        made = [part for part in parts if "functionCall" in part]
        calls = message.get("tool_calls", [])
        assert [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls] == [
            (part["functionCall"]["name"], part["functionCall"]["args"]) for part in made
        ]
        signatures = [call.get("extra_content", {}).get("google", {}).get("thought_signature") for call in calls]
        assert signatures == [part.get("thoughtSignature") for part in made]
        assert len({call["id"] for call in calls}) == len(calls)
        for call, part in zip(calls, made, strict=True):
            own = part["functionCall"].get("id")
            assert call["id"] == own or call["id"].startswith("call_")
        finishes = {"STOP": "tool_calls" if made else "stop", "MAX_TOKENS": "length"}
        assert choice["finish_reason"] == finishes.get(candidate["finishReason"], "content_filter")
    assert body["created"] == 0


@given(answers(), images())
def test_an_answer_can_be_part_of_the_next_request(answer: dict[str, Any], image: dict[str, Any]) -> None:
    body = whole(CALL, answer).body
    message = body["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "x"} for call in message.get("tool_calls", ())]
    messages = [*HI, message, *results, {"role": "user", "content": [image]}]
    written = request({"messages": messages})["contents"]
    parts = written[1]["parts"]
    had = answer["candidates"][0].get("content", {"parts": []})["parts"]
    calls = [part for part in parts if "functionCall" in part]
    before = [part for part in had if "functionCall" in part]
    assert [part["functionCall"]["args"] for part in calls] == [part["functionCall"]["args"] for part in before]
    if any("thoughtSignature" in part for part in before):
        assert [part.get("thoughtSignature") for part in calls] == [part.get("thoughtSignature") for part in before]
    assert [p["inlineData"] for p in parts if "inlineData" in p] == [p["inlineData"] for p in had if "inlineData" in p]
    assert len(written) == (4 if results else 3)


def test_ids_that_gemini_does_not_give_differ_from_turn_to_turn() -> None:
    answer = {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f"}}] * 2}, "finishReason": "STOP"}]}
    first = Reply(whole(CALL, answer).body, KEY, ())
    again = Reply(whole(CALL, answer).body, KEY, ())
    later = Reply(whole(Call("a", {"messages": HI * 2}), answer).body, KEY, ())
    other = Reply(whole(CALL, {**answer, "responseId": "r"}).body, KEY, ())
    assert first.body == again.body
    ids = [call["id"] for reply in (first, later, other) for call in reply.tool_calls]
    assert len(set(ids)) == 6
    assert all(len(each) <= 40 and each.replace("_", "").isalnum() for each in ids)


@pytest.mark.parametrize(
    ("answer", "reason", "word"),
    [
        ({"promptFeedback": {"blockReason": "SAFETY"}}, Reason.CONTENT_FILTER, "SAFETY"),
        ({"candidates": [], "promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": "No."}},
         Reason.CONTENT_FILTER, "No."),
        ({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Slow down"}}, Reason.RATE_LIMIT, "Slow"),
        ({"error": {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}},
         Reason.OVERLOADED, "overloaded"),
        ([], Reason.SERVER_ERROR, "JSON"),
        ({}, Reason.SERVER_ERROR, "no candidates"),
        ({"candidates": []}, Reason.SERVER_ERROR, "no candidates"),
        ({"candidates": [5]}, Reason.SERVER_ERROR, "candidate"),
        ({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Bad call"}]},
         Reason.SERVER_ERROR, "Bad call"),
        ({"candidates": [{"finishReason": "OTHER"}]}, Reason.SERVER_ERROR, "OTHER"),
        ({"candidates": [{"content": {"parts": [{"executableCode": {"code": "1"}}]}}]},
         Reason.SERVER_ERROR, "executableCode"),
        ({"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "audio/wav", "data": "QQ=="}}]}}]},
         Reason.SERVER_ERROR, "audio/wav"),
        ({"candidates": [{"content": {"parts": [{"functionCall": {"args": {}}}]}}]}, Reason.SERVER_ERROR, "naming"),
    ],
)  # fmt: skip
def test_a_200_is_not_believed_blindly(answer: object, reason: Reason, word: str) -> None:
    outcome = DIALECT.answer(CALL, {}, json.dumps(answer).encode())
    assert isinstance(outcome, Failure)
    assert outcome.reason is reason
    assert outcome.retriable is (reason is not Reason.CONTENT_FILTER)
    assert word in outcome.message
    _, _, failures = read(CALL, f"data: {json.dumps(answer)}\n\n".encode())
    assert [failure.reason for failure in failures] == ([] if "no candidates" in word else [reason])


@given(JSONS)
def test_any_answer_is_read_or_is_a_failure(data: object) -> None:
    for endpoint in ("/chat/completions", NATIVE, "/models/other:countTokens"):
        outcome = DIALECT.answer(Call("a", endpoint=endpoint), {}, json.dumps(data).encode())
        if isinstance(outcome, Failure):
            assert outcome.reason is not Reason.UNKNOWN
        else:
            assert isinstance(DIALECT.chunks_of(outcome), Chunk)


@given(st.binary(max_size=40))
@example(b"[" * 100_000)
@example(b"9" * 10_000)
def test_any_bytes_are_an_answer_or_a_failure(body: bytes) -> None:
    for call in (CALL, Call("a", endpoint=NATIVE)):
        assert isinstance(DIALECT.answer(call, {}, body), Answer | Failure)


ODD_PARTS = st.fixed_dictionaries({}, optional={
    "text": JSONS, "thought": JSONS, "thoughtSignature": JSONS, "inlineData": JSONS,
    "functionCall": JSONS | st.fixed_dictionaries({}, optional={"name": JSONS, "args": JSONS, "id": JSONS}),
})  # fmt: skip
ODD_CANDIDATES = st.fixed_dictionaries({}, optional={
    "content": JSONS | st.fixed_dictionaries({"parts": JSONS | st.lists(ODD_PARTS | JSONS, max_size=3)}),
    "finishReason": JSONS | st.sampled_from(["STOP", "SAFETY", "OTHER"]), "finishMessage": JSONS, "index": JSONS,
})  # fmt: skip
ODD_ANSWERS = st.fixed_dictionaries({}, optional={
    "candidates": JSONS | st.lists(ODD_CANDIDATES | JSONS, max_size=3), "error": JSONS, "responseId": JSONS,
    "promptFeedback": JSONS | st.fixed_dictionaries({"blockReason": JSONS}), "modelVersion": JSONS,
    "usageMetadata": JSONS | st.dictionaries(
        st.sampled_from(["promptTokenCount", "totalTokenCount", "thoughtsTokenCount"]), JSONS),
})  # fmt: skip


@given(
    st.lists(ODD_ANSWERS | JSONS | st.sampled_from(["{", "[DONE]"]), max_size=6),
    st.dictionaries(st.sampled_from(["n", "messages", "generationConfig"]), JSONS),
    st.sampled_from(["/chat/completions", NATIVE]),
)
def test_whatever_comes_the_reader_keeps_its_promises(events: list[Any], body: dict[str, Any], endpoint: str) -> None:
    call = Call("a", body, endpoint=endpoint, stream=True)
    stream = b"".join(f"data: {json.dumps(each)}\n\n".encode() for each in events)
    reader, chunks, failures = read(call, stream)
    text = "".join(chunk.text for chunk in chunks)
    assert not text or reader.started
    assert all(failure.reason is not Reason.UNKNOWN for failure in failures)
    answer = reader.answer()
    json.dumps(answer.body)
    assert isinstance(DIALECT.chunks_of(answer), Chunk)
    if endpoint != NATIVE and not failures:
        assert Reply(answer.body, KEY, ()).text == text


def test_a_stream_starts_with_its_first_content() -> None:
    def event(*parts: Any, **more: Any) -> bytes:
        return f"data: {json.dumps({'candidates': [{'content': {'parts': list(parts)}, **more}]})}\n\n".encode()

    for call in (CALL, Call("a", endpoint=NATIVE, stream=True)):
        reader, _, _ = read(call, event() + event({"text": ""}) + event({"text": "", "thoughtSignature": "abcd"}))
        assert not reader.started
        for part in ({"text": "x"}, {"text": "x", "thought": True}, {"functionCall": {"name": "f"}}):
            reader, _, _ = read(call, event(part))
            assert reader.started
            assert not reader.complete
        reader, _, _ = read(call, event({"text": "x"}) + event(finishReason="STOP"))
        assert reader.complete
        assert reader.answer().tokens


def test_an_answer_is_dated_by_its_provider() -> None:
    body = json.dumps({"candidates": [{"finishReason": "STOP"}]}).encode()
    for date, created in (("Tue, 14 Nov 2023 22:13:20 GMT", 1_700_000_000), ("yesterday", 0)):
        outcome = DIALECT.answer(CALL, {"date": date}, body)
        assert isinstance(outcome, Answer)
        assert outcome.body["created"] == created


# ---- native answers


@given(st.data(), answers(), st.lists(st.integers(0, 999), max_size=4))
def test_a_native_answer_is_the_same_whole_and_streamed(data: st.DataObject, answer: Any, cuts: list[int]) -> None:
    wanted = {"generationConfig": {"candidateCount": len(answer["candidates"])}}
    call = Call("a", wanted, endpoint=NATIVE, stream=True)
    assert whole(call, answer).body == answer
    stream = data.draw(streamed(answer))
    reader, chunks, failures = read(call, b"".join(stream), cuts)
    assert not failures
    assert reader.complete
    assert not read(call, b"".join(stream[:-1]))[0].complete
    events = [json.loads(event.removeprefix(b"data: ")) for event in stream]
    assert [chunk.body for chunk in chunks] == events
    assert said(reader.answer().body) == said(answer)
    for body in (answer, reader.answer().body, *events):
        types.GenerateContentResponse.model_validate(body)


def said(answer: Any) -> Any:
    """Return a native answer with its texts put together; where a text ends and a signature stands is kept."""
    candidates = []
    for candidate in answer["candidates"]:
        parts: Parts = []
        for part in candidate.get("content", {"parts": []})["parts"]:
            if parts and "text" in part and "text" in parts[-1] and part.get("thought") == parts[-1].get("thought"):
                parts[-1] = {**parts[-1], **part, "text": parts[-1]["text"] + part["text"]}
            else:
                parts.append(dict(part))
        candidates.append({**candidate, "content": parts})
    return {**answer, "candidates": candidates}


def test_a_native_caller_sees_a_blocked_prompt_as_it_came() -> None:
    call = Call("a", endpoint=NATIVE, stream=True)
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}}
    assert whole(call, blocked).body == blocked
    reader, chunks, failures = read(call, f"data: {json.dumps(blocked)}\n\n".encode())
    assert not failures
    assert reader.complete
    assert [chunk.body for chunk in chunks] == [blocked] == [reader.answer().body]


def test_a_native_answer_without_candidates_is_none() -> None:
    outcome = DIALECT.answer(Call("a", endpoint=NATIVE), {}, b"{}")
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.SERVER_ERROR
    counted = DIALECT.answer(Call("a", endpoint="/models/x:countTokens"), {}, b'{"totalTokens": 3}')
    assert isinstance(counted, Answer)
    assert counted.body == {"totalTokens": 3}


@pytest.mark.parametrize("module", [gemini_answer, gemini_contents, gemini_native, gemini_request])
def test_the_examples_are_true(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed
