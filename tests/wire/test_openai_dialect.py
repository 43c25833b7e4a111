"""The OpenAI dialect as a pure thing: what it writes, what it makes of answers, and how it adds streams up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.wire.conversations import passes_the_door
from understudy import Call, Chunk, Failure, ModelKey, Reason, Reply
from understudy.actors.messages import Answer
from understudy.actors.providers.endpoint import Endpoint, Secret
from understudy.actors.providers.openai import OpenAIDialect
from understudy.actors.providers.sse import SSEEvent

KEY = ModelKey("a", "openai", "m-1", "literal:1")
ENDPOINT = Endpoint("http://host/v1", Secret("open-sesame"))
CALL = Call("a", {"messages": [{"role": "user", "content": "x" * 40}]}, stream=True)
DIALECT = OpenAIDialect()

TEXTS = st.text(max_size=8)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1500) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def event(data: object, kind: str = "message") -> SSEEvent:
    return SSEEvent(kind, data if isinstance(data, str) else json.dumps(data))


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **choice: Any) -> SSEEvent:
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason, **choice}]})


def read(*events: SSEEvent, call: Call = CALL) -> tuple[Reply, list[Chunk], Any]:
    """Read a stream that has no fault; return what it amounts to, its chunks, and the reader."""
    reader = DIALECT.reader(call, {})
    chunks = []
    for each in events:
        read = reader.feed(each)
        assert not isinstance(read, Failure)
        if read is not None:
            chunks.append(read)
    return Reply(reader.answer().body, KEY, ()), chunks, reader


def cuts(text: str) -> st.SearchStrategy[list[str]]:
    """Cut a text into pieces, some of them empty."""
    places = st.lists(st.integers(0, len(text)), max_size=6).map(sorted)
    return places.map(lambda at: [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)])


# ---- requests


@given(st.dictionaries(TEXTS | st.sampled_from(["model", "stream"]), JSONS).filter(passes_the_door), st.booleans())
@example({"model": "other", "stream": True, "stream_options": {"include_usage": True}}, False)
def test_a_body_is_written_as_it_is_but_for_the_model_and_the_stream(body: dict[str, Any], stream: bool) -> None:
    outgoing = DIALECT.outgoing(ENDPOINT, KEY, Call("a", body, stream=stream))
    pairs: list[tuple[str, Any]] = json.JSONDecoder(object_pairs_hook=list).decode(outgoing.content.decode())
    assert len({name for name, _ in pairs}) == len(pairs)
    written = json.loads(outgoing.content)
    assert written == outgoing.body
    assert written.pop("model") == "m-1"
    assert bool(written.pop("stream", False)) is stream
    assert written == {name: value for name, value in body.items() if name not in {"model", "stream"}}


def test_an_entry_without_a_key_sends_none() -> None:
    outgoing = DIALECT.outgoing(Endpoint("http://host/v1"), KEY, Call("a"))
    assert "authorization" not in outgoing.headers
    assert outgoing.url == "http://host/v1/chat/completions"


def test_a_request_does_not_show_its_key() -> None:
    outgoing = DIALECT.outgoing(ENDPOINT, KEY, Call("a"))
    assert outgoing.headers["authorization"] == "Bearer open-sesame"
    assert "open-sesame" not in repr(outgoing)


@given(st.text())
def test_no_endpoint_changes_the_host(path: str) -> None:
    outgoing = DIALECT.outgoing(Endpoint("https://host"), KEY, Call("a", endpoint=path))
    assert outgoing.url.startswith("https://host/")
    assert not outgoing.url.startswith("https://host//")


# ---- whole answers


@given(JSONS)
def test_any_answer_is_read_or_is_a_failure(data: object) -> None:
    for endpoint in ("/chat/completions", "/embeddings"):
        call = Call("a", endpoint=endpoint)
        outcome = DIALECT.answer(call, {}, json.dumps(data).encode())
        if isinstance(outcome, Answer):
            assert outcome.body == data
        else:
            assert outcome.reason is not Reason.UNKNOWN


@given(st.binary(max_size=40))
@example(b"[" * 100_000)
@example(b"9" * 10_000)
@example(b'\xff\xfe{\x00"\x00')
def test_any_bytes_are_an_answer_or_a_failure(body: bytes) -> None:
    assert isinstance(DIALECT.answer(Call("a"), {}, body), Answer | Failure)


@given(st.dictionaries(TEXTS, JSONS), st.text(), st.lists(JSONS, max_size=2))
def test_a_whole_answer_makes_one_chunk_with_its_text(more: dict[str, Any], text: str, odd: list[Any]) -> None:
    message = {"role": "assistant", "content": text, "odd": odd}
    body = {**more, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "error": None}
    for name in ("object", "type"):
        body.pop(name, None)
    answer = DIALECT.answer(Call("a"), {}, json.dumps(body).encode())
    assert isinstance(answer, Answer)
    made = DIALECT.chunks_of(answer)
    assert made.text == text == Reply(answer.body, KEY, ()).text
    assert made.body["choices"][0]["delta"] == message


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"total_tokens": 12}, 12.0),
        ({"prompt_tokens": 7, "completion_tokens": 5}, 12.0),
        ({"prompt_tokens": 7}, None),
        ({"total_tokens": True}, None),
        ({"total_tokens": -1}, None),
        ({"total_tokens": 10**400}, None),
        ({"total_tokens": "12"}, None),
        ([], None),
        (None, None),
    ],
)
def test_usage_is_believed_if_it_makes_sense(usage: object, tokens: float | None) -> None:
    body = {"choices": [{"message": {"content": "Hi"}}], "usage": usage}
    answer = DIALECT.answer(Call("a"), {}, json.dumps(body).encode())
    assert isinstance(answer, Answer)
    assert answer.tokens == tokens


# ---- streams


@given(st.data(), st.text(max_size=60))
def test_a_text_is_the_same_however_it_is_cut(data: st.DataObject, text: str) -> None:
    pieces = data.draw(cuts(text))
    whole, chunks, reader = read(*(chunk({"content": piece}) for piece in pieces), chunk({}, "stop"), event("[DONE]"))
    assert whole.text == text == "".join(each.text for each in chunks)
    assert whole.finish_reason == "stop"
    assert reader.started is bool(text)
    assert reader.complete
    assert reader.closed


@given(
    st.data(),
    st.lists(st.tuples(st.text(min_size=1, max_size=9), st.text(max_size=20), st.text(max_size=20)), max_size=4),
)
def test_tool_calls_are_the_same_however_they_are_cut(data: st.DataObject, calls: list[tuple[str, str, str]]) -> None:
    events = [chunk({"role": "assistant"})]
    streams = []
    for index, (call_id, name, arguments) in enumerate(calls):
        head = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
        rest = [{"index": index, "function": {"arguments": piece}} for piece in data.draw(cuts(arguments))]
        streams.append([head, *rest])
    while any(streams):  # several calls may be written at the same time
        stream = data.draw(st.sampled_from([stream for stream in streams if stream]))
        events.append(chunk({"tool_calls": [stream.pop(0)]}))
    whole, _, _ = read(*events, chunk({}, "tool_calls"))
    assert whole.tool_calls == tuple(
        {"type": "function", "id": call_id, "function": {"name": name, "arguments": arguments}}
        for call_id, name, arguments in calls
    )


def test_tool_calls_without_an_index_are_told_apart_by_their_ids() -> None:
    def call(call_id: str | None, arguments: str) -> SSEEvent:
        named = {} if call_id is None else {"id": call_id}
        return chunk({"tool_calls": [{**named, "function": {"arguments": arguments}}]})

    whole, _, _ = read(call("a", "{"), call(None, "}"), call("b", "["), call("b", "]"))
    assert [(each["id"], each["function"]["arguments"]) for each in whole.tool_calls] == [("a", "{}"), ("b", "[]")]


def test_other_texts_of_a_delta_are_added_up_too() -> None:
    whole, chunks, reader = read(
        chunk({"role": "assistant", "content": None, "reasoning_content": "Well"}),
        chunk({"role": "assistant", "reasoning_content": ", now"}),
        chunk({"role": "assistant", "content": "Yes", "reasoning_content": None}),
        chunk({"annotations": [1]}),
        chunk({"annotations": [2]}, "stop"),
    )
    assert whole.body["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Yes",
        "reasoning_content": "Well, now",
        "annotations": [2],
    }
    assert [each.text for each in chunks] == ["", "", "Yes", "", ""]
    assert reader.started


def test_content_in_parts_is_kept() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
    whole, chunks, _ = read(
        chunk({"content": [thought]}),
        chunk({"content": [{"type": "text", "text": "Y"}]}),
        chunk({"content": "es"}, "stop"),
    )
    assert whole.body["choices"][0]["message"]["content"] == [thought, {"type": "text", "text": "Yes"}]
    assert whole.text == "Yes" == "".join(each.text for each in chunks)


@given(st.lists(st.text(max_size=3) | st.lists(st.text(max_size=3) | JSONS, max_size=3), max_size=5))
@example(["a", ["b", {"text": "c", "x": 1}], "d"])
def test_content_in_odd_parts_reads_the_same_in_pieces_and_as_a_whole(contents: list[Any]) -> None:
    whole, chunks, _ = read(*(chunk({"content": content}) for content in contents), chunk({}, "stop"))
    assert whole.text == "".join(each.text for each in chunks)
    assert DIALECT.chunks_of(Answer(whole.body)).text == whole.text


@pytest.mark.parametrize("index", [None, -1, 10_000, "0", 0.5])
def test_a_choice_that_does_not_say_properly_which_it_is_is_the_first(index: object) -> None:
    whole, chunks, _ = read(chunk({"content": "a"}, index=index), chunk({"content": "b"}, "stop", index=0))
    assert whole.text == "ab" == "".join(each.text for each in chunks)


def test_a_role_an_empty_text_and_usage_are_no_content() -> None:
    _, _, reader = read(
        chunk({"role": "assistant"}),
        chunk({"content": ""}),
        chunk({"content": None, "tool_calls": None, "refusal": None}),
        event({"choices": [], "usage": {"total_tokens": 1}}),
        event(""),
        event({"type": "ping"}, "ping"),
    )
    assert not reader.started
    assert not reader.complete


def test_a_stream_without_usage_counts_its_prompt_as_well() -> None:
    _, _, reader = read(chunk({"content": "y" * 400}, "stop"))
    tokens = reader.answer().tokens
    assert tokens is not None
    assert 110 <= tokens <= 120  # 40 characters and 400, four to a token, and a few for the message
    _, _, reader = read(chunk({"content": "y"}, "stop"), event({"choices": [], "usage": {"total_tokens": 3}}))
    assert reader.answer().tokens == 3


def test_a_stream_of_nothing_is_no_answer() -> None:
    reader = DIALECT.reader(CALL, {})
    failure = reader.feed(event("[DONE]"))
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.SERVER_ERROR
    assert not reader.complete


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"error": {"message": "Rate limit reached"}}, Reason.RATE_LIMIT),
        ({"error": "something"}, Reason.SERVER_ERROR),
        ({"error": {"message": "weird"}, "choices": []}, Reason.SERVER_ERROR),
        ({"object": "error", "message": "gone", "code": None}, Reason.SERVER_ERROR),
        ({"base_resp": {"status_code": 1008, "status_msg": ""}, "choices": None}, Reason.BILLING),
        ("[]", Reason.SERVER_ERROR),
        ("null", Reason.SERVER_ERROR),
        ("{", Reason.SERVER_ERROR),
    ],
)
def test_an_event_may_be_an_error(data: object, reason: Reason) -> None:
    failure = DIALECT.reader(CALL, {}).feed(event(data))
    assert isinstance(failure, Failure)
    assert failure.reason is reason


DELTAS = st.dictionaries(
    st.sampled_from(["content", "role", "tool_calls", "refusal", "x"]),
    JSONS
    | st.lists(
        st.fixed_dictionaries({}, optional={"index": JSONS, "id": JSONS, "function": JSONS | st.dictionaries(
            st.sampled_from(["name", "arguments"]), JSONS)}),
        max_size=3,
    ),
)  # fmt: skip
CHOICES = st.fixed_dictionaries({}, optional={"index": JSONS, "delta": DELTAS | JSONS, "finish_reason": JSONS})
CHUNKS = st.fixed_dictionaries({}, optional={"choices": st.lists(CHOICES | JSONS, max_size=3) | JSONS, "usage": JSONS,
                                             "error": st.none() | JSONS, "id": JSONS, "object": JSONS})  # fmt: skip
EVENTS = st.builds(event, CHUNKS | JSONS | st.just("[DONE]") | TEXTS, st.sampled_from(["message", "error", "ping"]))


@given(st.lists(EVENTS, max_size=8), st.dictionaries(st.sampled_from(["n", "messages"]), JSONS))
def test_whatever_comes_the_reader_keeps_its_promises(events: list[SSEEvent], request: dict[str, Any]) -> None:
    reader = DIALECT.reader(Call("a", request, stream=True), {})
    text = ""
    started = False
    for each in events:
        outcome = reader.feed(each)
        assert reader.started >= started
        started = reader.started
        if isinstance(outcome, Failure) or reader.closed:
            break
        if outcome is not None:
            text += outcome.text
        assert not text or started
    assert reader.complete >= reader.closed
    answer = reader.answer()
    json.dumps(answer.body)
    assert Reply(answer.body, KEY, ()).text == text
    assert isinstance(DIALECT.chunks_of(answer), Chunk)
