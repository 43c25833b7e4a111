"""Requests are read from bytes as a server reads them: wherever they are cut, one after another, and nothing else."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.actors.providers.lean.head import write_head
from understudy.simulations.request_reader import Request, RequestReader


def written(content: bytes, method: str = "POST") -> bytes:
    head = write_head(method, "https://one.test/v1/chat?x=1", {"authorization": "Bearer k"})
    return head.before(len(content)) + content


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4), st.integers(1, 50))
def test_requests_are_read_one_after_another_wherever_they_are_cut(contents: list[bytes], size: int) -> None:
    reader = RequestReader()
    for content in contents:
        data = written(content)
        read: list[Request | None] = [reader.feed(data[at : at + size]) for at in range(0, len(data), size)]
        assert read[:-1] == [None] * (len(read) - 1)
        request = read[-1]
        assert request is not None
        assert (request.target, request.content) == ("/v1/chat?x=1", content)
        assert request.headers["authorization"] == "Bearer k"
        assert request.headers["host"] == "one.test"


def test_a_request_without_a_body_has_none() -> None:
    request = RequestReader().feed(written(b"", "GET"))
    assert request is not None
    assert request.content == b""


def test_what_is_left_over_of_one_request_is_the_beginning_of_the_next() -> None:
    reader = RequestReader()
    assert reader.feed(written(b"one") + b"}") is not None
    with pytest.raises(h11.RemoteProtocolError):
        reader.feed(written(b"two"))


@pytest.mark.parametrize(
    "data",
    [
        b"POST /v1 HTTP/1.1\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nhost: a\r\ncontent-length: two\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nhost: a\r\n bad\0\r\n\r\n",
        b"hello\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(h11.RemoteProtocolError):
        RequestReader().feed(data)
