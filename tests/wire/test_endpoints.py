"""Every endpoint goes through the router: forms, bytes, plain text, embeddings, events, other providers' addresses."""

from __future__ import annotations

import email.parser
import email.policy
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

import understudy
from tests.loopback import Events, LoopbackProvider, Status
from tests.loopback.exchange import Seen
from tests.wire.cast import KEYS, MESSAGES, Cast, fell_back, perform, reasons
from understudy import AllCandidatesFailed, Call, FormPart, Outcome, Reason, Refusal, RequestRejected
from understudy.actors.providers.outgoing import write_form

SOUND = bytes(range(256)) * 4
FILE = FormPart("file", SOUND, 'a "b".wav', "audio/wav")


def parts_of(content_type: str, body: bytes) -> list[tuple[str, str | None, str, bytes]]:
    """Read a form as the standard library reads a message."""
    head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    found = []
    for part in message.iter_parts():
        disposition = part["content-disposition"].params
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        kind = part["content-type"]
        found.append((disposition["name"], disposition.get("filename"), str(kind or ""), payload))
    return found


def seen_form(seen: Seen) -> list[tuple[str, str | None, str, bytes]]:
    assert isinstance(seen.body, bytes)
    return parts_of(seen.headers["content-type"], seen.body)


def sse(*events: object) -> list[bytes]:
    return [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events if isinstance(e, dict)]


def test_a_form_is_sent_anew_to_each_candidate_with_its_own_model_and_the_same_bytes() -> None:
    async def scene(it: Cast) -> None:
        call = Call("first", {"language": "en"}, endpoint="/audio/transcriptions", form=(FILE,))
        reply = await it.router.request(call)
        assert (reply.text, reply.body) == ("Hello", {"text": "Hello"})
        assert reasons(reply.attempts) == fell_back(Reason.SERVER_ERROR)
        for provider, model in ((it.first, b"m-1"), (it.second, b"m-2")):
            (seen,) = provider.requests
            assert seen.path == "/v1/audio/transcriptions"
            language, named, file = seen_form(seen)
            assert (language[0], language[3]) == ("language", b"en")
            assert (named[0], named[3]) == ("model", model)
            assert (file[0], file[1], file[2], file[3]) == ("file", "a %22b%22.wav", "audio/wav", SOUND)

    perform(scene, scripts=[[Status(500)], [Status(200, {"text": "Hello"})]])


def test_an_answer_that_is_no_json_comes_as_its_bytes() -> None:
    async def scene(it: Cast) -> None:
        reply = await it.router.request(Call("first", {"input": "Hi", "voice": "v"}, endpoint="/audio/speech"))
        assert (reply.content, reply.content_type, reply.body) == (SOUND, "application/octet-stream", {})
        assert reply.usage == understudy.Usage()
        text = await it.router.request(Call("first", {}, endpoint="/audio/transcriptions", form=(FILE,)))
        assert (text.content, text.content_type) == (b"just text", "text/plain")

    perform(scene, {}, scripts=[[Status(200, SOUND), Status(200, "just text")]])


def test_a_page_of_html_is_no_answer_of_any_endpoint() -> None:
    async def scene(it: Cast) -> None:
        reply = await it.router.request(Call("first", {"input": "Hi"}, endpoint="/audio/speech"))
        assert reply.content == SOUND
        assert reasons(reply.attempts) == fell_back(Reason.SERVER_ERROR)

    perform(scene, scripts=[[Status(200, "<html>Welcome</html>")], [Status(200, SOUND)]])


def test_models_are_asked_for_without_a_body() -> None:
    async def scene(it: Cast) -> None:
        reply = await it.router.request(Call("first", endpoint="/models", method="GET"))
        assert reply.body == {"object": "list", "data": []}
        (seen,) = it.first.requests
        assert (seen.method, seen.path, seen.body) == ("GET", "/v1/models", b"")
        assert "content-type" not in seen.headers

    perform(scene, {}, scripts=[[Status(200, {"object": "list", "data": []})]])


@pytest.mark.parametrize("mixed", [False, True])
def test_embeddings_come_from_the_model_that_was_asked_for_unless_the_config_says_otherwise(mixed: bool) -> None:
    async def scene(it: Cast) -> None:
        call = Call("first", {"input": ["Hi"]}, endpoint="/embeddings")
        reply = await it.router.request(call)
        told = reasons(reply.attempts)
        if mixed:
            assert told == fell_back(Reason.SERVER_ERROR)
        else:
            assert told == [
                ("second", Outcome.REFUSED, Refusal.UNFIT),
                ("first", Outcome.FAILED, Reason.SERVER_ERROR),
                ("third", Outcome.SERVED, None),
            ]
            assert "mix_embeddings" in reply.attempts[0].detail

    ok = Status(200, {"object": "list", "data": []})
    twin = {"model": "openai/m-1"}
    perform(scene, {}, {}, twin, scripts=[[Status(500)], [ok], [ok]], mix_embeddings=mixed)


CREATED = {"type": "response.created", "response": {"id": "r", "status": "in_progress"}}
HELLO = {"type": "response.output_text.delta", "delta": "Hel"}
LO = {"type": "response.output_text.delta", "delta": "lo"}
WHOLE = {"id": "r", "status": "completed", "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}}
COMPLETED = {"type": "response.completed", "response": WHOLE}
FAILED = {"type": "response.failed", "response": {"id": "r", "error": {"code": "server_error", "message": "gone"}}}


async def read(it: Cast, call: Call) -> tuple[str, list[object], understudy.Reply]:
    async with it.router.open(call) as stream:
        chunks = [chunk async for chunk in stream]
    return "".join(chunk.text for chunk in chunks), [chunk.body for chunk in chunks], stream.reply


def test_responses_are_streamed_event_by_event_and_end_where_they_say_so() -> None:
    async def scene(it: Cast) -> None:
        text, bodies, reply = await read(it, Call("first", {"input": "Hi"}, endpoint="/responses", stream=True))
        assert (text, bodies) == ("Hello", [CREATED, HELLO, LO, COMPLETED])
        assert reply.body == WHOLE
        assert it.first.requests[0].body["model"] == "m-1"

    perform(scene, {}, scripts=[[Events(sse(CREATED, HELLO, LO, COMPLETED))]])


@pytest.mark.parametrize("events", [[CREATED, FAILED], [CREATED], [FAILED]])
def test_a_response_that_fails_before_its_first_content_falls_back(events: Sequence[object]) -> None:
    async def scene(it: Cast) -> None:
        text, _, reply = await read(it, Call("first", {"input": "Hi"}, endpoint="/responses", stream=True))
        assert text == "Hello"
        assert [name for name, _, _ in reasons(reply.attempts)] == ["first", "second"]

    perform(scene, scripts=[[Events(sse(*events))], [Events(sse(CREATED, HELLO, LO, COMPLETED))]])


@pytest.mark.parametrize("last", [FAILED, HELLO])
def test_a_response_that_breaks_after_its_first_content_is_an_interruption(last: object) -> None:
    async def scene(it: Cast) -> None:
        async def attempt() -> None:
            await read(it, Call("first", {"input": "Hi"}, endpoint="/responses", stream=True))

        error = await it.fails(understudy.StreamInterrupted, attempt)
        assert error.text.startswith("Hel")

    perform(scene, scripts=[[Events(sse(CREATED, HELLO, last))], [Events(sse(COMPLETED))]])


def test_completions_are_whole_when_every_choice_has_its_finish_reason() -> None:
    def event(text: str, reason: str | None = None) -> bytes:
        choice = {"index": 0, "text": text, "finish_reason": reason}
        return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()

    async def scene(it: Cast) -> None:
        text, _, reply = await read(it, Call("first", {"prompt": "Hi"}, endpoint="/completions", stream=True))
        assert text == "Hello"
        assert reply.body["choices"] == [{"index": 0, "text": "Hello", "finish_reason": "stop"}]
        assert reasons(reply.attempts) == [("first", Outcome.SERVED, None)]

    perform(scene, {}, scripts=[[Events([event("Hel"), event("lo"), event("", "stop")])]])


def test_a_request_in_a_dialect_that_no_candidate_speaks_is_sent_to_nobody() -> None:
    async def scene(it: Cast) -> None:
        async def attempt() -> None:
            await it.router.request(Call("first", {"messages": MESSAGES}, endpoint="/messages"))

        error = await it.fails(AllCandidatesFailed, attempt)
        assert reasons(error.attempts) == [(name, Outcome.REFUSED, Refusal.UNFIT) for name in ("first", "second")]
        assert "anthropic" in error.attempts[0].detail
        assert it.first.requests == it.second.requests == []

    perform(scene)


def test_the_callers_headers_go_along_and_none_of_them_is_a_credential() -> None:
    async def scene(it: Cast) -> None:
        await it.router.request(Call("first", {"messages": MESSAGES}, headers={"OpenAI-Beta": "x=v1"}))
        assert it.first.requests[0].headers["openai-beta"] == "x=v1"
        assert it.first.requests[0].key == KEYS[0]
        for name in ("Authorization", "x-api-key", "API-KEY", "x-goog-api-key", "cookie", "host", "a b", ""):
            call = Call("first", {"messages": MESSAGES}, headers={name: "v"})
            with pytest.raises(RequestRejected, match="headers"):
                await it.router.request(call)
        with pytest.raises(RequestRejected, match="printable"):
            await it.router.request(Call("first", {"messages": MESSAGES}, headers={"x": "a\r\nhost: b"}))
        assert len(it.first.requests) == 1

    perform(scene, {})


def test_a_request_at_fault_brings_the_providers_own_words_without_the_key() -> None:
    said = {"error": {"message": f"no such field; you sent {KEYS[0]}", "code": "invalid_value", "param": "x"}}

    async def scene(it: Cast) -> None:
        async def attempt() -> None:
            await it.router.chat("first", MESSAGES)

        error = await it.fails(RequestRejected, attempt)
        told = json.loads(error.failure.body)
        assert told["error"]["param"] == "x"
        assert KEYS[0] not in error.failure.body.decode()
        assert "body" not in repr(error.failure)

    perform(scene, scripts=[[Status(400, said)]])


AZURE = {"model": "azure/my deployment"}


@pytest.mark.parametrize(
    ("endpoint", "suffix", "path"),
    [
        ("/chat/completions", "", "/v1/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21"),
        ("/embeddings", "/openai", "/v1/openai/deployments/my%20deployment/embeddings?api-version=2024-10-21"),
        ("/responses", "", "/v1/openai/responses?api-version=2024-10-21"),
        ("/chat/completions", "/openai/v1", "/v1/openai/v1/chat/completions"),
    ],
)
def test_azure_is_asked_below_the_deployment_with_its_own_header(endpoint: str, suffix: str, path: str) -> None:
    async def scene(it: Cast) -> None:
        await it.router.request(Call("first", {"messages": MESSAGES, "input": "Hi"}, endpoint=endpoint))
        (seen,) = it.first.requests
        assert seen.path == path
        assert seen.headers["api-key"] == KEYS[0]
        assert "authorization" not in seen.headers

    def move(providers: Sequence[LoopbackProvider]) -> None:
        entry["api_base"] = providers[0].base_url + suffix

    entry = dict(AZURE)
    perform(scene, entry, before=move, scripts=[[Status(200, {"choices": [{"message": {}}], "data": []})]])


@given(st.lists(st.tuples(st.from_regex(r"[a-z_\[\]]{1,8}", fullmatch=True), st.binary(max_size=60)), max_size=5))
def test_a_form_is_read_as_it_was_written(fields: list[tuple[str, bytes]]) -> None:
    body, kind = write_form(FormPart(name, content, f"{name}.bin", "application/x") for name, content in fields)
    if fields:
        assert [(name, content) for name, _, _, content in parts_of(kind, body)] == fields
    assert write_form(FormPart(name, content, f"{name}.bin", "application/x") for name, content in fields)[0] == body
