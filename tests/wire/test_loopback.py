"""The scripted provider does what its behaviours say, as seen by the HTTP client that the dialects use."""

from __future__ import annotations

import gzip
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio

from tests.loopback import (
    NO_TLS,
    Answer,
    Behaviour,
    CloseEarly,
    CutStream,
    ErrorEvent,
    ErrorIn200,
    Events,
    Garbage,
    GzipBroken,
    HugeBody,
    KeepOpenAfterDone,
    LoopbackProvider,
    MalformedEvent,
    NoDone,
    NoFinish,
    Pings,
    Redirect,
    Reset,
    Silent,
    Slow,
    SlowEvents,
    StallStream,
    Status,
    Trickle,
    WrongLength,
    closed_port,
    loopback_provider,
    sse,
)
from understudy.actors.providers.sse import SSEParser

PATH = "/chat/completions"
TEXT = "Hello from the loopback."
SHORT = 0.1

Talk = Callable[[LoopbackProvider, httpx.AsyncClient], Awaitable[None]]


def body(**params: Any) -> dict[str, Any]:
    return {"model": "m-1", "messages": [{"role": "user", "content": "Hi"}], **params}


@asynccontextmanager
async def client_of(provider: LoopbackProvider, key: str = "sk-a") -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        base_url=provider.base_url, verify=provider.ssl_context, headers=headers, timeout=5, trust_env=False
    ) as client:
        yield client


def converse(talk: Talk, *script: Behaviour, tls: bool = False) -> None:
    """Talk to a provider with this script. In the end it is used up, and every connection is closed."""

    async def main() -> None:
        with trio.fail_after(10):
            async with loopback_provider(tls=tls) as provider:
                provider.script(*script)
                async with client_of(provider) as client:
                    await talk(provider, client)
                await provider.wait_closed()
                assert provider.script_left == 0

    trio.run(main)


async def stream_of(client: httpx.AsyncClient, got: list[str], **params: Any) -> None:
    """Read a stream to its end or failure, and note the data of each event in `got`."""
    parser = SSEParser()
    async with client.stream("POST", PATH, json=body(stream=True, **params)) as response:
        assert response.headers["content-type"] == "text/event-stream"
        async for piece in response.aiter_bytes():
            got += [event.data for event in parser.feed(piece)]
        got += [event.data for event in parser.close()]


async def abandon(pieces: AsyncIterator[bytes]) -> None:
    """Leave a body unread.

    Whoever just stops iterating leaves httpx's inner generators unfinished, and trio warns when they are
    collected. A read that is cancelled finishes all of them.
    """
    with trio.CancelScope() as scope:
        scope.cancel()
        async for _ in pieces:
            pass


def chunks(got: list[str]) -> list[Any]:
    return [json.loads(data) for data in got if data != "[DONE]"]


def text_of(got: list[str]) -> str:
    choices = [choice for chunk in chunks(got) for choice in chunk.get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def finish_of(got: list[str]) -> list[str]:
    choices = [choice for chunk in chunks(got) for choice in chunk["choices"]]
    return [choice["finish_reason"] for choice in choices if choice["finish_reason"]]


# ---- answers


def test_a_plain_answer_has_the_shape_of_a_chat_completion() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        reply = (await client.post(PATH, json=body())).json()
        assert reply["model"] == "m-1"
        assert reply["choices"][0]["message"] == {"role": "assistant", "content": TEXT}
        assert reply["choices"][0]["finish_reason"] == "stop"
        assert reply["usage"]["total_tokens"] == 12

    converse(talk)


def test_an_answer_says_what_it_is_told_to_say() -> None:
    answer = Answer(
        text="",
        model="other",
        usage={"total_tokens": 1},
        headers={"X-Request-Id": "r1"},
        extra={"system_fingerprint": "fp"},
        tool_calls=[("lookup", '{"q": 1}')],
    )

    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        response = await client.post(PATH, json=body())
        reply = response.json()
        assert response.headers["x-request-id"] == "r1"
        assert (reply["model"], reply["usage"]) == ("other", {"total_tokens": 1})
        assert reply["system_fingerprint"] == "fp"
        call = reply["choices"][0]["message"]["tool_calls"][0]
        assert call["function"] == {"name": "lookup", "arguments": '{"q": 1}'}
        assert reply["choices"][0]["finish_reason"] == "tool_calls"

    converse(talk, answer)


def test_a_streamed_answer_goes_from_the_role_over_words_to_done() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        got: list[str] = []
        await stream_of(client, got)
        assert chunks(got)[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert (text_of(got), finish_of(got), got[-1]) == (TEXT, ["stop"], "[DONE]")
        assert len(got) == 1 + 4 + 1 + 1

    converse(talk)


def test_a_stream_tells_its_usage_only_if_asked() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        got: list[str] = []
        await stream_of(client, got, stream_options={"include_usage": True})
        assert chunks(got)[-1]["choices"] == []
        assert chunks(got)[-1]["usage"]["total_tokens"] == 12

    converse(talk)


def test_tool_calls_are_streamed_in_pieces_that_make_a_whole() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        got: list[str] = []
        await stream_of(client, got)
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks(got)]
        calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
        assert [call["function"]["name"] for call in calls if "id" in call] == ["one", "two"]
        for index, arguments in enumerate(['{"a": 1}', "{}"]):
            parts = [call["function"]["arguments"] for call in calls if call["index"] == index]
            assert "".join(parts) == arguments
        assert finish_of(got) == ["tool_calls"]

    converse(talk, Answer(text="", tool_calls=[("one", '{"a": 1}'), ("two", "{}")]))


def test_an_answer_that_ends_with_the_connection_is_read_whole() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        got: list[str] = []
        await stream_of(client, got)
        assert text_of(got) == TEXT
        await provider.wait_closed()

    for tls in (False, True):
        converse(talk, Answer(until_close=True), tls=tls)


# ---- what the provider remembers


def test_each_request_is_remembered_with_its_key_and_connection() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        for _ in range(3):
            await client.post(PATH, json=body(), headers={"X-Extra": "Yes"})
        await client.get("/models?page=2", headers={"authorization": "", "x-api-key": "sk-b"})
        first, *_, last = provider.requests
        assert (first.method, first.path, first.key) == ("POST", "/v1/chat/completions", "sk-a")
        assert (first.headers["x-extra"], first.body, first.model) == ("Yes", body(), "m-1")
        assert (last.method, last.path, last.key, last.body) == ("GET", "/v1/models?page=2", "sk-b", b"")
        assert [seen.number for seen in provider.requests] == [0, 1, 2, 3]
        assert {seen.connection for seen in provider.requests} == {0}
        assert (provider.connections, provider.open_connections) == (1, 1)

    converse(talk)


def test_requests_at_once_come_on_connections_of_their_own() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        provider.always(Silent())
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(_post, client)
            await provider.wait_for_requests(3)
            assert sorted(seen.connection for seen in provider.requests) == [0, 1, 2]
            nursery.cancel_scope.cancel()

    converse(talk)


async def _post(client: httpx.AsyncClient) -> None:
    await client.post(PATH, json=body())


def test_a_client_that_asks_for_it_has_its_connection_closed() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        await client.post(PATH, json=body(), headers={"connection": "close"})
        await provider.wait_closed()

    converse(talk)


def test_behaviours_are_chosen_by_key_then_script_then_default() -> None:
    async def main() -> None:
        async with (
            loopback_provider() as provider,
            client_of(provider, "sk-a") as a,
            client_of(provider, "sk-b") as b,
        ):
            provider.always(Status(503))
            provider.script(Status(418))
            provider.script(Status(401), key="sk-a")
            provider.by_key["sk-a"] = Status(402)
            statuses = [(await client.post(PATH, json=body())).status_code for client in (a, a, b, b)]
            assert statuses == [401, 402, 418, 503]

    trio.run(main)


def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    async def main() -> None:
        async with loopback_provider():
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        trio.run(main)


def test_waiting_for_what_never_happens_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.loopback.provider.PATIENCE", 0.01)

    async def main() -> None:
        async with loopback_provider() as provider:
            await provider.wait_for_requests(1)

    with pytest.raises(trio.TooSlowError):
        trio.run(main)


# ---- replies that are no answers


@pytest.mark.parametrize(
    ("behaviour", "kind", "content"),
    [
        (Status(429, headers={"Retry-After": "2"}), "application/json", b"Scripted status 429."),
        (Status(500, {"error": {"message": "no"}}), "application/json", b'{"error": {"message": "no"}}'),
        (Status(502, "<html>Bad gateway</html>"), "text/html", b"<html>Bad gateway</html>"),
        (Status(503, "busy"), "text/plain", b"busy"),
        (Status(500, b"\xff"), "application/octet-stream", b"\xff"),
        (ErrorIn200({"error": {"code": 1}}), "application/json", b'{"error": {"code": 1}}'),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_status_comes_with_its_headers_and_its_body(
    behaviour: Status | ErrorIn200, kind: str, content: bytes, stream: bool
) -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        response = await client.post(PATH, json=body(stream=stream))
        assert response.status_code == (behaviour.status if isinstance(behaviour, Status) else 200)
        assert response.headers["content-type"] == kind
        assert content in response.content
        if response.status_code == 429:
            assert response.headers["retry-after"] == "2"

    converse(talk, behaviour)


def test_a_redirect_names_its_goal() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        response = await client.post(PATH, json=body())
        assert (response.status_code, response.headers["location"]) == (307, "http://127.0.0.1:1/")

    converse(talk, Redirect("http://127.0.0.1:1/"))


def test_a_huge_body_is_as_large_as_it_says() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        plain = (await client.post(PATH, json=body())).content
        assert len(plain) == 300_000
        assert set(json.loads(plain)) == {"padding"}
        streamed = (await client.post(PATH, json=body(stream=True))).content
        assert len(streamed) == 300_000
        assert [len(event.data) for event in SSEParser().feed(streamed)] == [300_000 - 8]

    converse(talk, HugeBody(300_000), HugeBody(300_000))


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (Garbage(), httpx.RemoteProtocolError),
        (WrongLength(by=10), httpx.RemoteProtocolError),
        (Reset("connect"), httpx.TransportError),
        (Reset("request"), httpx.ReadError),
        (Reset("headers"), httpx.ReadError),
        (Reset(1), httpx.ReadError),
        (CloseEarly("request"), httpx.RemoteProtocolError),
        (CloseEarly("headers"), httpx.RemoteProtocolError),
        (CloseEarly(1), httpx.RemoteProtocolError),
    ],
)
def test_a_broken_plain_reply_raises_what_it_should(behaviour: Behaviour, error: type[httpx.HTTPError]) -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        with pytest.raises(error):
            await client.post(PATH, json=body())
        # Whatever it was, the next request is answered.
        assert (await client.post(PATH, json=body())).status_code == 200

    converse(talk, behaviour)


def test_a_broken_compression_is_found_by_decoding() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        async with client.stream("POST", PATH, json=body()) as response:
            raw = b"".join([piece async for piece in response.aiter_raw()])
        # Not by `aread`: when decoding fails, it leaves unfinished generators behind, and trio warns of them.
        with pytest.raises(httpx.DecodingError):
            httpx.Response(200, headers=response.headers, content=raw)

    converse(talk, GzipBroken())


def test_a_reply_longer_than_promised_spoils_its_connection() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        reply = await client.post(PATH, json=body())
        assert reply.headers["content-length"] == str(len(reply.content))
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            reply.json()
        # The client has kept the connection, and takes the rest of the body for the next reply's beginning.
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(PATH, json=body())
        assert (await client.post(PATH, json=body())).status_code == 200
        assert provider.connections == 2

    converse(talk, WrongLength(by=-5))


def test_a_reset_at_connect_takes_no_request() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.TransportError):
            await client.post(PATH, json=body())
        assert (provider.requests, provider.connections) == ([], 1)

    for tls in (False, True):
        converse(talk, Reset("connect"), tls=tls)


def test_a_closed_port_refuses_connections() -> None:
    async def main() -> None:
        with closed_port() as url:
            async with httpx.AsyncClient(base_url=url, verify=NO_TLS, trust_env=False) as client:
                with pytest.raises(httpx.ConnectError):
                    await client.post(PATH)

    trio.run(main)


# ---- streams that break off, or end strangely


@pytest.mark.parametrize(
    ("behaviour", "error", "events"),
    [
        (Reset("headers"), httpx.ReadError, 0),
        (Reset(3), httpx.ReadError, 3),
        (CloseEarly("headers"), httpx.RemoteProtocolError, 0),
        (CloseEarly(3), httpx.RemoteProtocolError, 3),
        (StallStream(0), httpx.ReadTimeout, 0),
        (StallStream(3), httpx.ReadTimeout, 3),
        (KeepOpenAfterDone(), httpx.ReadTimeout, 7),
        (CutStream(0), None, 0),
        (CutStream(3), None, 3),
        (CloseEarly(3, Answer(until_close=True)), None, 3),
        (NoDone(), None, 6),
        (NoFinish(), None, 5),
        (Answer(), None, 7),
    ],
)
def test_a_stream_breaks_off_after_as_many_events_as_it_says(
    behaviour: Behaviour, error: type[httpx.HTTPError] | None, events: int
) -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        if error is httpx.ReadTimeout:
            client.timeout = httpx.Timeout(5, read=0.2)
        got: list[str] = []
        if error is None:
            await stream_of(client, got)
        else:
            with pytest.raises(error):
                await stream_of(client, got)
        assert len(got) == events
        assert TEXT.startswith(text_of(got))
        assert finish_of(got) == (["stop"] if events >= 6 else [])
        assert got[6:] == ["[DONE]"][: max(0, events - 6)]

    converse(talk, behaviour)


def test_a_cut_plain_reply_is_half_a_json_text() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            (await client.post(PATH, json=body())).json()
        assert (await client.post(PATH, json=body())).content == b""

    converse(talk, CutStream(1), CutStream(0))


def test_an_error_event_ends_a_stream_and_is_the_whole_of_a_plain_reply() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        got: list[str] = []
        await stream_of(client, got)
        assert (text_of(got), len(got)) == ("Hello ", 3)
        assert chunks(got)[-1] == {"error": {"code": 7}}
        assert (await client.post(PATH, json=body())).json() == {"error": {"code": 7}}

    behaviour = ErrorEvent(2, {"error": {"code": 7}})
    converse(talk, behaviour, behaviour)


def test_a_malformed_event_stands_between_good_ones() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        got: list[str] = []
        await stream_of(client, got)
        assert got.pop(2) == "{oops"
        assert (text_of(got), got[-1]) == (TEXT, "[DONE]")
        assert (await client.post(PATH, json=body())).content == b"{oops"

    converse(talk, MalformedEvent(2, "{oops"), MalformedEvent(2, "{oops"))


def test_scripted_events_go_out_as_they_are() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        content = (await client.post(PATH, json=body(stream=True))).content
        assert content == b'event: message_start\ndata: {"a": 1}\n\ndata: x\n\n'

    converse(talk, Events([b"event: message_start\n" + sse({"a": 1}), sse("x")]))


# ---- slowness, silence, and clients that leave


def test_pings_come_before_the_content() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        content = (await client.post(PATH, json=body(stream=True))).content
        parser = SSEParser()
        got = [event.data for event in parser.feed(content)]
        assert (parser.comments, len(got), text_of(got)) == (2, 2 + 7, TEXT)
        assert text_of(got[:3]) == ""

    converse(talk, Pings(2, then=Answer()))


@pytest.mark.parametrize(
    ("behaviour", "seconds_min"),
    [
        (Slow(0.05), 0.05),
        (SlowEvents(0.01), 0.06),
        (Pings(2, delay=0.02), 0.08),
        (Trickle(), 0.0),
        (Slow(0.03, then=Pings(1, delay=0.01, then=SlowEvents(0.005))), 0.08),
    ],
)
def test_what_is_slow_arrives_late_and_whole(behaviour: Behaviour, seconds_min: float) -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        started_at, got = trio.current_time(), list[str]()
        await stream_of(client, got)
        assert text_of(got) == TEXT
        assert trio.current_time() - started_at >= seconds_min

    converse(talk, behaviour)


def test_a_trickle_arrives_in_many_pieces() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        async with client.stream("POST", PATH, json=body()) as response:
            pieces = [piece async for piece in response.aiter_raw()]
        assert b"".join(pieces) == b"0123456789"
        assert len(pieces) > 3  # ten, unless the machine is so busy that some arrive together

    converse(talk, Trickle(0.002, then=Status(500, b"0123456789")))


def test_a_slow_head_comes_after_its_delay_and_the_events_of_a_slow_stream_after_the_head() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        client.timeout = httpx.Timeout(5, read=0.05)
        with pytest.raises(httpx.ReadTimeout):
            await client.post(PATH, json=body())
        async with client.stream("POST", PATH, json=body(stream=True)) as response:
            with pytest.raises(httpx.ReadTimeout):
                await response.aread()

    converse(talk, Slow(5), SlowEvents(5))


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    "behaviour",
    [
        Silent(),
        Slow(60),
        StallStream(0),
        StallStream(2),
        SlowEvents(60),
        KeepOpenAfterDone(),
        Trickle(60),
        HugeBody(50_000_000),
    ],
)
def test_a_client_that_leaves_is_noticed_at_once(behaviour: Behaviour, tls: bool) -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        with trio.move_on_after(SHORT):
            async with client.stream("POST", PATH, json=body(stream=True)) as response:
                pieces = response.aiter_raw()
                try:
                    async for _ in pieces:
                        await trio.sleep_forever()
                finally:
                    await abandon(pieces)
        left_at = trio.current_time()
        await provider.wait_closed()
        assert trio.current_time() - left_at < 1

    converse(talk, behaviour, tls=tls)


def test_the_end_of_the_block_cuts_off_who_is_still_connected() -> None:
    async def main() -> None:
        with trio.fail_after(5):
            async with (
                httpx.AsyncClient(verify=NO_TLS) as client,
                trio.open_nursery() as nursery,
                loopback_provider() as provider,
            ):
                provider.always(Silent())
                nursery.start_soon(_post_and_fail, client, provider.base_url + PATH)
                await provider.wait_for_requests(1)

    trio.run(main)


async def _post_and_fail(client: httpx.AsyncClient, url: str) -> None:
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.post(url, json=body())


# ---- TLS


def test_over_tls_the_provider_is_trusted_by_its_own_authority_alone() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        assert provider.base_url.startswith("https://")
        for _ in range(2):
            assert (await client.post(PATH, json=body())).status_code == 200
        assert provider.connections == 1

        by_file = ssl.create_default_context(cafile=str(provider.ca_pem_path))
        async with httpx.AsyncClient(verify=by_file) as other:
            assert (await other.post(provider.base_url + PATH, json=body())).status_code == 200
        async with httpx.AsyncClient(verify=NO_TLS) as other:
            with pytest.raises(httpx.ConnectError) as caught:
                await other.post(provider.base_url + PATH, json=body())
        # httpx's own message is empty, and httpcore hides the cause: only the context still knows the reason.
        reasons: list[str] = []
        error: BaseException | None = caught.value
        while error is not None:
            reasons.append(str(error))
            error = error.__cause__ or error.__context__
        assert "CERTIFICATE_VERIFY_FAILED" in " ".join(reasons)

    converse(talk, tls=True)


def test_a_client_that_speaks_tls_to_a_plain_provider_is_hung_up_on() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.ConnectError):
            await client.post(provider.base_url.replace("http://", "https://") + PATH, json=body())
        assert provider.requests == []

    converse(talk)


@pytest.mark.parametrize("behaviour", [Reset(2), CloseEarly(2)])
def test_over_tls_a_stream_breaks_off_too(behaviour: Behaviour) -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        got: list[str] = []
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await stream_of(client, got)
        assert text_of(got) == "Hello "

    converse(talk, behaviour, tls=True)


def test_a_compressed_answer_can_be_scripted_by_hand() -> None:
    async def talk(provider: LoopbackProvider, client: httpx.AsyncClient) -> None:
        assert (await client.post(PATH, json=body())).json() == {"a": 1}

    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    converse(talk, Status(200, gzip.compress(b'{"a": 1}'), headers))
