"""What an SDK's request says: its path, its form, its errors' shapes. No SDK and no router is needed."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy import (
    AllCandidatesFailed,
    AttemptRecord,
    Chunk,
    Failure,
    FormPart,
    ModelKey,
    Outcome,
    Reason,
    Refusal,
    Reply,
    RequestRejected,
    Scope,
)
from understudy.actors.providers.outgoing import write_form
from understudy.actors.providers.sse import SSEParser
from understudy.actors.transport import forms, places
from understudy.actors.transport.answering import whole, write_event
from understudy.actors.transport.forms import BadForm, read_form
from understudy.actors.transport.places import Place
from understudy.actors.transport.telling import tell

KEY = ModelKey("first", "openai", "m-1", None)

names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="%"), min_size=1, max_size=12)
contents = st.binary(max_size=60) | st.sampled_from([b"", b"\r\n", b"--", b"\r\n\r\n--x--\r\n"])
kinds = st.sampled_from(["audio/wav", "text/plain; charset=utf-8", "application/octet-stream"])
files = st.builds(FormPart, names, contents, names, kinds)
fields = st.builds(FormPart, names, contents)


@given(st.lists(files | fields, min_size=1, max_size=5))
def test_a_form_is_read_as_it_was_written(parts: list[FormPart]) -> None:
    body, kind = write_form(parts)
    assert read_form(kind, body) == tuple(parts)


any_names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
any_files = st.builds(FormPart, any_names, contents, any_names, kinds)


@given(st.dictionaries(any_names, st.lists(st.text(max_size=10))), st.lists(any_files, min_size=1, max_size=3))
def test_a_form_of_httpx_is_written_again_byte_by_byte(data: dict[str, list[str]], parts: list[FormPart]) -> None:
    sent = [(part.name, (part.filename, part.content, part.content_type)) for part in parts]
    request = httpx.Request("POST", "http://h/", data=data, files=sent)
    kind = request.headers["content-type"]
    body, written_kind = write_form(read_form(kind, request.read()))
    ours, theirs = (text.partition("boundary=")[2].encode() for text in (written_kind, kind))
    assert body.replace(ours, theirs) == request.read()


def test_a_form_may_have_no_parts() -> None:
    assert read_form("multipart/form-data; boundary=x", b"--x--") == ()


@given(
    st.binary(max_size=200).filter(lambda body: b"--x--" not in b"--x" + body),
    st.sampled_from(["multipart/form-data; boundary=x", "multipart/form-data", ""]),
)
def test_what_is_no_form_is_told_so(body: bytes, kind: str) -> None:
    with pytest.raises(BadForm, match="form"):
        read_form(kind, b"--x" + body)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ('Content-Disposition: form-data; name="a"\r\nX-Part: 1', "header that cannot be passed on: 'X-Part'"),
        ('Content-Disposition: form-data; name="a"; size="3"', "disposition that cannot be passed on: 'size'"),
        ("Content-Disposition: attachment", "disposition that cannot be read"),
        ("Content-Type: text/plain", "no name"),
    ],
)
def test_what_would_be_lost_of_a_form_is_refused(head: str, said: str) -> None:
    with pytest.raises(BadForm, match=said):
        read_form("multipart/form-data; boundary=x", f"--x\r\n{head}\r\n\r\n1\r\n--x--".encode())


@pytest.mark.parametrize(
    ("path", "endpoint", "model"),
    [
        ("/v1/chat/completions", "/chat/completions", None),
        ("/openai/v1/chat/completions", "/chat/completions", None),
        ("/api/paas/v4/chat/completions", "/chat/completions", None),
        ("/v1beta/openai/chat/completions", "/chat/completions", None),
        ("/chat/completions", "/chat/completions", None),
        ("/inference/chat/completions", "/chat/completions", None),
        ("/", "/", None),
        ("/openai/deployments/gpt%2F4o/audio/speech", "/audio/speech", "gpt/4o"),
        ("/openai/responses", "/responses", None),
        ("/v1/messages/count_tokens", "/messages/count_tokens", None),
        ("/v1beta/models/a%2Fb:embedContent", "/models/a%2Fb:embedContent", "a/b"),
        (
            "/v1beta1/projects/p/locations/l/publishers/google/models/g:generateContent",
            "/models/g:generateContent",
            "g",
        ),
        ("/v1/models/v1", "/models/v1", None),
        ("/v1/audio/v2/x", "/audio/v2/x", None),
    ],
)
def test_a_path_names_its_endpoint(path: str, endpoint: str, model: str | None) -> None:
    assert Place.of(path) == Place(endpoint, model)


def test_httpx2_is_not_brought_along() -> None:
    program = "import sys, understudy; assert not {'httpx2', 'openai', 'anthropic'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("module", [forms, places])
def test_the_examples_in_the_docstrings_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


# What only some take for the end of a line, and half of a surrogate pair, besides everything else.
texts = st.text(st.characters() | st.sampled_from("\u2028\u2029\x85\x0c\ud800"), max_size=8)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=5), values, max_size=4),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
    st.booleans(),
    st.sampled_from([None, 0, 3]),
    st.sampled_from(["", " ", "\n\n"]),
)
def test_a_body_is_handed_on_as_the_provider_wrote_it(
    body: dict[str, Any], encoding: str, in_ascii: bool, indent: int | None, before: str
) -> None:
    raw = (before + json.dumps(body, ensure_ascii=in_ascii, indent=indent)).encode(encoding, "surrogatepass")
    reply = Reply(json.loads(raw), KEY, (), raw=raw)
    _, written = whole(reply)
    assert json.loads(written.decode("utf-8", "surrogatepass")) == body
    if encoding == "utf-8" and not before:
        assert written == raw
    _, made_up = whole(Reply(body, KEY, ()))
    assert json.loads(made_up.decode()) == body


@given(
    st.dictionaries(st.text(max_size=5), values, max_size=4),
    st.sampled_from(["message_start", "ping", "two\nlines", 3, None]),
    texts,
    st.booleans(),
    st.sampled_from([None, 0, 3]),
)
def test_an_event_is_handed_on_as_the_provider_wrote_it(
    fields: dict[str, Any], kind: object, said: str, in_ascii: bool, indent: int | None
) -> None:
    body = {**fields, "type": kind, "delta": said}
    raw = json.dumps(body, ensure_ascii=in_ascii, indent=indent).encode("utf-8", "replace").decode()
    body = json.loads(raw)
    for chunk in (Chunk("", body, raw=raw), Chunk("", body)):
        written = write_event(chunk, "anthropic", "/messages")
        (event,) = SSEParser().feed(written)
        assert json.loads(event.data) == body
        assert event.event == (kind if isinstance(kind, str) and "\n" not in kind else "message")
        # There are readers to whom much ends a line that the standard does not know as an end.
        assert len(written.decode().splitlines()) == written.count(b"\n")
        if chunk.raw is not None and len(raw.splitlines()) == 1:
            assert event.data == raw


def turn(reason: Reason | Refusal) -> AttemptRecord:
    outcome = Outcome.REFUSED if isinstance(reason, Refusal) else Outcome.FAILED
    return AttemptRecord(KEY, outcome, reason, "", 0.0, 0.0)


LIMITS = (Reason.RATE_LIMIT, Reason.QUOTA, Refusal.COOLING, Refusal.SATURATED, Refusal.BUSY, Refusal.PROBING)


@given(st.lists(st.sampled_from([*Reason, *Refusal]), min_size=1, max_size=4), st.none() | st.floats(0, 1000))
def test_a_status_is_what_all_attempts_agree_on(reasons: list[Reason | Refusal], wait: float | None) -> None:
    told = tell(AllCandidatesFailed("m", [turn(reason) for reason in reasons], wait), "openai")
    able = [reason for reason in reasons if reason is not Refusal.UNFIT]
    expected = {400: not able, 429: all(reason in LIMITS for reason in able), 401: set(able) == {Reason.AUTH}}
    expected |= {404: set(able) == {Reason.MODEL_NOT_FOUND}, 504: set(able) == {Reason.TIMEOUT}}
    assert told.status == next((status for status, holds in expected.items() if holds), 503)
    assert told.headers["x-should-retry"] == "false"
    assert ("retry-after" in told.headers) is (wait is not None)
    assert wait is None or int(told.headers["retry-after"]) >= wait


@pytest.mark.parametrize(
    ("body", "speaks"),
    [
        (b'{"error": {"message": "no", "type": "invalid_request_error"}}', "openai"),
        (b'{"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}', "anthropic"),
        (b'{"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}', "gemini"),
        (b'{"detail": "no"}', "openai"),
        (b"<html>no</html>", ""),
        (b"", ""),
    ],
)
@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
def test_a_providers_own_words_are_handed_on_in_its_own_dialect_only(body: bytes, speaks: str, dialect: str) -> None:
    failure = Failure(Reason.FORMAT, Scope.REQUEST, 422, None, "no", body)
    told = tell(RequestRejected(failure, KEY), dialect)
    if dialect == speaks:
        assert (told.status, told.body) == (422, body)
    else:
        assert told.status == 400
        assert b"the request was rejected by first" in told.body
