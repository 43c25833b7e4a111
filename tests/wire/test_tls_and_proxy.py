"""TLS and proxies over real sockets: who is trusted, what a proxy sees, and what is never shown of it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme
from attrs import define, field

import understudy
from tests.loopback import CutStream, LoopbackProvider, Status, closed_port
from understudy import AllCandidatesFailed, Reason

from .cast import KEYS, TEXT, Cast, cast, fell_back, perform, reasons

pytestmark = pytest.mark.usefixtures("either_reader")

USER, PASSWORD = "stagehand", "behind the curtain"
QUOTED = PASSWORD.replace(" ", "%20")
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
Trust = Callable[[Sequence[LoopbackProvider]], None]
GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Trust:
    """Let clients trust what signs the providers' certificates."""

    def trust(providers: Sequence[LoopbackProvider]) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(providers[0].ca_pem_path))

    return trust


# ---- TLS


def test_a_provider_with_a_trusted_certificate_is_served_from(trust: Trust) -> None:
    async def scene(it: Cast) -> None:
        assert (await it.chat()).text == TEXT
        reply, _ = await it.read()
        assert (reply.text, reply.served_by.name) == (TEXT, "first")
        async with it.stream() as stream:
            await anext(stream)
        assert it.first.connections == 1

    perform(scene, tls=True, before=trust)


def test_the_key_is_not_sent_to_one_with_a_foreign_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))

    async def scene(it: Cast) -> None:
        for read in (it.chat, it.read):
            error = await it.fails(AllCandidatesFailed, read)
            assert [record.reason for record in error.attempts] == [Reason.NETWORK, Reason.NETWORK]
            assert "certificate verify failed" in str(error)
            for name in ("first", "second"):
                await it.router.reset(name)
        assert it.first.requests == []
        assert it.status().tokens == 2

    perform(scene, {"rpm": 2}, {}, tls=True)


def test_one_who_does_not_speak_tls_is_a_network_failure() -> None:
    async def main() -> None:
        async with cast({}) as plain:
            url = plain.first.base_url.replace("http:", "https:")
            async with cast({"api_base": url}, {}) as it:
                assert reasons((await it.chat()).attempts) == fell_back(Reason.NETWORK)
            assert plain.first.requests == []

    trio.run(main)


# ---- proxies


@define(eq=False)
class Proxy:
    """A forward proxy for one test: it passes on, or tunnels, and remembers the heads of requests."""

    port: int
    refusal: bytes = b""
    heads: list[tuple[str, Mapping[str, str]]] = field(factory=list)

    @property
    def url(self) -> str:
        return f"http://{USER}:{QUOTED}@127.0.0.1:{self.port}"

    async def serve(self, client: trio.SocketStream) -> None:
        async with client:
            data = b""
            while b"\r\n\r\n" not in data:
                more = await client.receive_some()
                if not more:
                    return
                data += bytes(more)
            first, *lines = data.partition(b"\r\n\r\n")[0].decode().split("\r\n")
            self.heads.append((first, {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}))
            if self.refusal:
                await client.send_all(self.refusal)
                return
            method, target, _ = first.split()
            address = target.removeprefix("http://").partition("/")[0]
            host, _, port = address.partition(":")
            async with await trio.open_tcp_stream(host, int(port)) as server:
                if method == "CONNECT":
                    await client.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    await server.send_all(data)
                async with trio.open_nursery() as nursery:
                    for one, other in ((client, server), (server, client)):
                        nursery.start_soon(self._pass_on, one, other, nursery.cancel_scope)

    async def _pass_on(self, one: trio.SocketStream, other: trio.SocketStream, both: trio.CancelScope) -> None:
        try:
            async for data in one:
                await other.send_all(data)
        except GONE:
            pass
        both.cancel()


@asynccontextmanager
async def proxy(refusal: bytes = b"") -> AsyncIterator[Proxy]:
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        it = Proxy(listeners[0].socket.getsockname()[1], refusal)
        await nursery.start(trio.serve_listeners, it.serve, listeners)
        yield it
        nursery.cancel_scope.cancel()


def assert_hidden(it: Cast) -> None:
    for said in (*it.said, *(fact.line() for fact in it.facts), *map(repr, it.facts)):
        for secret in (PASSWORD, QUOTED, BASIC, *KEYS):
            assert secret not in said


def test_an_entry_s_requests_go_through_its_proxy_and_nobody_else_s_do() -> None:
    async def main() -> None:
        async with proxy() as way, cast({"proxy": way.url}, {}, scripts=[[CutStream(1)]]) as it:
            reply, _ = await it.read()
            assert reasons(reply.attempts) == fell_back(Reason.NETWORK)
            await it.router.reset("first")
            assert (await it.chat()).served_by.name == "first"
            ((first, head),) = way.heads  # the connection was used again
            assert first == f"POST {it.first.base_url}/chat/completions HTTP/1.1"
            assert head["proxy-authorization"] == f"Basic {BASIC}"
            assert [seen.key for seen in it.first.requests] == [KEYS[0]] * 2
            assert len(it.second.requests) == 1
            it.hear(it.router.snapshot())
            assert_hidden(it)

    trio.run(main)


def test_tls_goes_through_a_proxy_that_sees_nothing_of_it(trust: Trust) -> None:
    async def main() -> None:
        async with proxy() as way, cast({"proxy": way.url}, tls=True, before=trust) as it:
            assert (await it.chat()).text == TEXT
            ((first, head),) = way.heads
            assert first == f"CONNECT 127.0.0.1:{it.first.port} HTTP/1.1"
            assert "authorization" not in head
            assert "proxy-authorization" not in it.first.requests[0].headers
            assert_hidden(it)

    trio.run(main)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_proxy_that_refuses_is_a_network_failure_without_a_secret(tls: bool, trust: Trust) -> None:
    refusal = f"HTTP/1.1 407 No entry {USER}:{PASSWORD} {BASIC}\r\ncontent-length: 0\r\n\r\n".encode()

    async def main() -> None:
        async with proxy(refusal) as way, cast({"proxy": way.url, "rpm": 2}, {}, tls=tls, before=trust) as it:
            reply = await it.chat()
            assert reasons(reply.attempts) == fell_back(Reason.NETWORK)
            assert it.first.requests == []
            assert it.status().tokens == (2 if tls else 1)
            assert_hidden(it)

    trio.run(main)


def test_a_proxy_that_repeats_a_secret_is_not_quoted() -> None:
    page = f'{{"error": {{"message": "{USER}:{PASSWORD} = {BASIC} at {QUOTED}"}}}}'.encode()
    refusal = b"HTTP/1.1 502 X\r\ncontent-length: %d\r\n\r\n%b" % (len(page), page)

    async def main() -> None:
        async with proxy(refusal) as way, cast({"proxy": way.url}) as it:
            error = await it.fails(AllCandidatesFailed, it.chat)
            assert "HTTP 502" in str(error)
            assert_hidden(it)

    trio.run(main)


def test_a_proxy_that_is_not_there_is_a_network_failure() -> None:
    async def scene(it: Cast) -> None:
        error = await it.fails(AllCandidatesFailed, it.chat)
        assert [record.reason for record in error.attempts] == [Reason.NETWORK]
        assert_hidden(it)

    with closed_port() as url:
        perform(scene, {"proxy": url.removesuffix("/v1").replace("//", f"//{USER}:{QUOTED}@")}, scripts=[[Status(500)]])


def test_a_candidate_that_cannot_be_opened_is_a_mistake_of_the_config() -> None:
    entry = {
        "model_name": "m",
        "model": "openai/x",
        "api_base": "http://a/v1",
        "proxy": "socks5://u:hidden@localhost:1",
    }

    async def main() -> None:
        async with understudy.open_router({"model_list": [entry]}):
            pass

    with pytest.raises(understudy.ConfigError, match=r"m cannot be opened: .*socks") as caught:
        trio.run(main)
    assert "hidden" not in str(caught.value)
