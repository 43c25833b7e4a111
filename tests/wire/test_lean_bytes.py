"""Whatever bytes come back, wherever they are cut: the lean line ends well, or as httpx would."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import httpcore
import httpx
import pytest
import trio
import trio.lowlevel
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.wire.lean_world import (
    CUTS,
    ENDS,
    GOOD,
    ODD,
    SOUND,
    Part,
    Told,
    answers,
    ask,
    asking,
    busy,
    cut,
    idle,
    lean,
    play,
    tell,
)
from understudy.actors.providers.body import BadBody
from understudy.actors.providers.dialect import Outgoing
from understudy.actors.providers.endpoint import Endpoint
from understudy.actors.providers.lean import reader
from understudy.actors.providers.lean.head import write_head
from understudy.actors.providers.lean.line import LeanLine, dial_to, is_common, is_proxied
from understudy.actors.providers.lean.reader import H11Reader
from understudy.actors.providers.line import NetworkLine

pytestmark = pytest.mark.usefixtures("either_reader")

REFUSED = "RemoteProtocolError"
"""What is no answer: httptools is stricter than h11 about some of it, and h11 about some."""


@given(answers(), CUTS, ENDS)
@settings(max_examples=300, deadline=None)
def test_whatever_comes_an_exchange_ends_and_leaves_nothing_open(data: bytes, cuts: list[int], end: str) -> None:
    async def scene() -> None:
        answers = [cut(data, cuts), [GOOD]] if end == "keeps" else [cut(data, cuts)]
        async with lean(Part(answers, end, once_idle=True), Part([[GOOD]])) as (line, origin):
            with trio.move_on_after(10):  # one who says nothing more is waited for
                await tell(lambda: line.send(asking(), lambda: None))
            assert busy(line) == 0
            assert origin.open == idle(line)
            await trio.sleep(0.001)
            assert await ask(line, 1) == b"hi"

    play(scene)


@given(answers(), CUTS, ENDS)
@settings(max_examples=300, deadline=None)
def test_a_body_that_is_here_is_read_without_waiting(data: bytes, cuts: list[int], end: str) -> None:
    async def scene() -> None:
        async with lean(Part([cut(data, cuts)], end, once_idle=True)) as (line, _):
            with suppress(httpx.HTTPError, BadBody), trio.move_on_after(10):
                answer = await line.send(asking(), lambda: None)
                async with answer.body as body:
                    while not body.is_here and await body.piece() is not None:
                        pass
                    with trio.CancelScope() as scope:
                        scope.cancel()
                        with suppress(BadBody):
                            await body.read(10**6)
                    assert not scope.cancelled_caught

    play(scene)


@pytest.mark.parametrize("data", [GOOD, *SOUND[3:9]])
def test_a_body_that_came_with_its_head_is_here(data: bytes) -> None:
    async def scene() -> None:
        async with lean(Part([[data]])) as (line, _):
            answer = await line.send(asking(), lambda: None)
            async with answer.body as body:
                assert body.is_here

    play(scene)


# ---- the same bytes to httpx, over the same pipe


class PipeBackend(httpcore.AsyncNetworkBackend):
    """What httpcore connects with: an origin in memory."""

    def __init__(self, dial: Callable[[], Awaitable[trio.abc.Stream]]) -> None:
        self.dial = dial

    async def connect_tcp(self, *args: object, **options: object) -> httpcore.AsyncNetworkStream:
        return PipeNetwork(await self.dial())


class PipeNetwork(httpcore.AsyncNetworkStream):
    """A pipe as httpcore sees it; errors are told as its own backend for trio tells them."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return bytes(await self.stream.receive_some(max_bytes))
        except trio.BrokenResourceError as exc:
            raise httpcore.ReadError(str(exc)) from exc

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            await self.stream.send_all(buffer)
        except trio.BrokenResourceError as exc:
            raise httpcore.WriteError(str(exc)) from exc

    async def aclose(self) -> None:
        await self.stream.aclose()


@asynccontextmanager
async def through_httpx(dial: Callable[[], Awaitable[trio.abc.Stream]]) -> AsyncIterator[NetworkLine]:
    """The line that goes through httpx, over that pipe."""
    line = NetworkLine(Endpoint("http://origin.test/v1"), lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    line._client._transport._pool._network_backend = PipeBackend(dial)  # type: ignore[attr-defined]
    yield line
    await line.aclose()


async def both(pieces: Sequence[bytes], end: str) -> tuple[Told, Told]:
    part = Part([pieces], end, once_idle=True)
    async with lean(part) as (line, origin):
        ours = await tell(lambda: line.send(asking(), lambda: None))
        async with through_httpx(origin.dial) as other:
            theirs = await tell(lambda: other.send(asking(), lambda: None))
    return ours, theirs


def assert_same(ours: Told, theirs: Told, *, may_refuse: bool) -> None:
    """With h11 everything is the same; httptools may refuse, and tells of the framing as it was written."""
    if reader.new_reader is H11Reader:
        assert ours == theirs
    elif not (may_refuse and REFUSED in (ours.error, theirs.error)):
        framed = tuple((k, v.lower() if k == "transfer-encoding" else v) for k, v in ours.headers)
        assert evolve(ours, headers=framed) == theirs


@given(answers(), CUTS, st.sampled_from(["closes", "breaks"]))
@example(SOUND[6], [60, 61, 62], "closes")
@example(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno size", [], "breaks")
@settings(max_examples=300, deadline=None)
def test_what_comes_of_it_is_what_comes_of_it_through_httpx(data: bytes, cuts: list[int], end: str) -> None:
    ours, theirs = play(lambda: both(cut(data, cuts), end))
    assert_same(ours, theirs, may_refuse=True)


@pytest.mark.parametrize("data", [*SOUND, *ODD])
@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_a_sound_answer_means_the_same_to_both_however_it_comes(data: bytes, size: int) -> None:
    ours, theirs = play(lambda: both([data[at : at + size] for at in range(0, len(data), size)], "closes"))
    assert_same(ours, theirs, may_refuse=data in ODD)


# ---- what a provider sees

NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9-]{0,8}", fullmatch=True).filter(
    lambda name: name.lower() not in ("connection", "content-length", "transfer-encoding", "host", "upgrade", "expect")
)
VALUES = st.from_regex(r"([!-~]([ -~]{0,10}[!-~])?)?", fullmatch=True)


@given(
    st.sampled_from(["POST", "GET"]),
    st.sampled_from(
        ["http://h/v1/x", "http://h:8080/v1/a b?q=ü&r=%20", "https://bücher.test/v1/x", "http://[::1]:1/y"]
    ),
    st.dictionaries(NAMES, VALUES, max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_a_request_is_written_as_httpx_writes_it(method: str, url: str, headers: dict[str, str]) -> None:
    body = {"model": "m"}
    outgoing = Outgoing(method, url, headers, body)
    seen: list[bytes] = []

    class Ear(httpcore.AsyncNetworkStream):
        async def write(self, buffer: bytes, timeout: float | None = None) -> None:
            seen.append(bytes(buffer))

        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return GOOD

        async def start_tls(self, *args: object, **options: object) -> httpcore.AsyncNetworkStream:
            return self

        async def aclose(self) -> None:
            pass

    async def main() -> None:
        async with through_httpx(nowhere) as line:
            line._client._transport._pool._network_backend.connect_tcp = connect  # type: ignore[attr-defined]
            await tell(lambda: line.send(outgoing, lambda: None))

    async def nowhere() -> trio.abc.Stream:
        raise AssertionError

    async def connect(*args: object, **options: object) -> Ear:
        return Ear()

    trio.run(main)
    content = outgoing.content
    assert write_head(method, url, headers).before(len(content)) + content == b"".join(seen)


@pytest.mark.parametrize("bad", [{"x": "a\r\nb: c"}, {"a b": "c"}, {"x": "\0"}])
def test_a_head_that_no_request_may_have_is_not_sent(bad: dict[str, str]) -> None:
    async def scene() -> None:
        async with lean(Part()) as (line, origin):
            with pytest.raises(httpx.LocalProtocolError):
                await line.send(Outgoing("POST", "http://origin.test/x", bad, {}), lambda: None)
            assert not origin.ends

    play(scene)


# ---- who goes through httpx all the same


@pytest.mark.parametrize(
    ("base", "proxy", "around", "common"),
    [
        ("https://a/v1", None, {}, True),
        ("http://[::1]:8000/v1", None, {}, True),
        ("https://a/v1", "http://p", {}, False),
        ("https://user:word@a/v1", None, {}, False),
        ("ftp://a/v1", None, {}, False),
        ("https://", None, {}, False),
        ("https://a:b/v1", None, {}, False),
        ("https://a/v1", None, {"HTTPS_PROXY": "http://p"}, False),
        ("https://a/v1", None, {"all_proxy": "http://p"}, False),
        ("https://a/v1", None, {"http_proxy": "http://p"}, False),
        ("https://a/v1", None, {"NO_PROXY": "*", "HTTPS_PROXY": ""}, True),
    ],
)
def test_what_is_not_the_common_case_is_left_to_httpx(
    base: str, proxy: str | None, around: dict[str, str], common: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in around.items():
        monkeypatch.setenv(name, value)
    assert (is_common(Endpoint(base, proxy=proxy)) and not is_proxied()) is common


def test_a_host_that_does_not_exist_or_cannot_is_a_failure_to_connect() -> None:
    async def main() -> None:
        for host in ("nowhere.invalid", "a..b", ".", "x" * 70 + ".invalid"):
            url = f"https://{host}/v1"
            try:
                httpx.URL(url)
            except httpx.InvalidURL:
                continue
            line = LeanLine(dial_to(Endpoint(url), lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)))
            with pytest.raises(httpx.ConnectError):
                await line.send(Outgoing("POST", url, {}, {}), lambda: None)

    trio.run(main)
