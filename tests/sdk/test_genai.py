"""The `google-genai` SDK over a `RouterTransport`: Gemini's own calls, whose path names the route."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from typing import Any, Final

import httpx
import httpx2
import pytest
import trio
from google import genai
from google.genai import errors, types

import understudy
from tests.loopback import Events, Exchange, Silent, Status
from tests.wire.cast import Cast, Fields
from tests.wire.cast import perform as perform_scene
from understudy import Router, RouterTransport

from .common import ATTEMPTS, SDKS_OWN, read_into, told

pytestmark = SDKS_OWN

FIRST: Final[Fields] = {"model": "gemini/m-1"}
SECOND: Final[Fields] = {"model": "gemini/m-2"}
LIMITED: Final = Status(429, {"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}})
BAD_KEY: Final = Status(401, {"error": {"code": 401, "message": "No such key", "status": "UNAUTHENTICATED"}})
FAULT: Final = {"error": {"code": 400, "message": "Invalid role: wizard.", "status": "INVALID_ARGUMENT"}}


def written(*texts: str, finish: str | None = "STOP") -> list[dict[str, Any]]:
    """What Gemini says: one object a text, the last of which says that it is the last."""
    said: list[dict[str, Any]] = []
    for text in texts:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
        if text is texts[-1] and finish is not None:
            candidate["finishReason"] = finish
        usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
        said.append({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m"})
    return said


def stream(*texts: str, finish: str | None = "STOP") -> Events:
    return Events([b"data: " + json.dumps(part).encode() + b"\r\n\r\n" for part in written(*texts, finish=finish)])


def over_httpx(router: Router) -> genai.Client:
    http = httpx.AsyncClient(transport=RouterTransport(router))
    return genai.Client(api_key="unused", http_options=types.HttpOptions(httpx_async_client=http))


def over_httpx2(router: Router) -> genai.Client:
    http = httpx2.AsyncClient(transport=RouterTransport.of(httpx2, router))
    return genai.Client(api_key="unused", http_options=types.HttpOptions(httpx_async_client=http))


def over_a_transport(router: Router) -> genai.Client:
    options = types.HttpOptions(async_client_args={"transport": RouterTransport(router)})
    return genai.Client(api_key="unused", http_options=options)


Sdk = Callable[[Router], genai.Client]


@pytest.fixture(params=[over_httpx, over_httpx2, over_a_transport])
def google(request: pytest.FixtureRequest) -> Sdk:
    """Google's SDK, in the three ways in which it can be given a transport."""
    made: Sdk = request.param
    return made


def perform(scene: Any, **options: Any) -> None:
    perform_scene(scene, FIRST, SECOND, **options)


def test_content_is_typed_after_a_fallback(google: Sdk) -> None:
    async def scene(it: Cast) -> None:
        answer = await google(it.router).aio.models.generate_content(model="first", contents="Hi")
        assert answer.text == "Hello."
        assert answer.usage_metadata is not None
        assert answer.usage_metadata.total_token_count == 2
        assert answer.sdk_http_response is not None
        assert told(answer.sdk_http_response.headers) == ("second", "first=failed:rate_limit, second=served")
        (seen,) = it.second.requests
        assert seen.path.endswith("/models/m-2:generateContent")
        assert "unused" not in str(seen.headers) + seen.path

    perform(scene, scripts=[[LIMITED], [Status(200, written("Hello.")[0])]])


def test_a_stream_comes_piece_by_piece(google: Sdk) -> None:
    async def scene(it: Cast) -> None:
        pieces = await google(it.router).aio.models.generate_content_stream(model="first", contents="Hi")
        assert [piece.text async for piece in pieces] == ["Hello ", "there."]

    perform(scene, scripts=[[LIMITED], [stream("Hello ", "there.")]])


def test_a_chat_goes_on_over_turns(google: Sdk) -> None:
    async def scene(it: Cast) -> None:
        chat = google(it.router).aio.chats.create(model="first")
        assert (await chat.send_message("One")).text == "Hello."
        assert (await chat.send_message("Two")).text == "Again."
        assert [turn["role"] for turn in it.first.requests[1].body["contents"]] == ["user", "model", "user"]

    perform(scene, scripts=[[Status(200, written(text)[0]) for text in ("Hello.", "Again.")]])


def test_embeddings_and_tokens(google: Sdk) -> None:
    async def scene(it: Cast) -> None:
        models = google(it.router).aio.models
        made = await models.embed_content(model="first", contents=["Hi"])
        assert made.embeddings is not None
        assert made.embeddings[0].values == [0.5, 0.25]
        assert (await models.count_tokens(model="first", contents="Hi")).total_tokens == 3
        assert "first" not in json.dumps([seen.body for seen in it.first.requests])

    perform(scene, scripts=[[Status(200, {"embeddings": [{"values": [0.5, 0.25]}]}), Status(200, {"totalTokens": 3})]])


@pytest.mark.parametrize(
    ("behaviour", "kind", "code"),
    [
        (LIMITED, errors.ClientError, 429),
        (BAD_KEY, errors.ClientError, 401),
        (Status(503), errors.ServerError, 503),
    ],
)
def test_when_all_have_failed_the_sdk_says_so_after_one_call_each(
    behaviour: Status, kind: type[errors.APIError], code: int, google: Sdk
) -> None:
    async def scene(it: Cast) -> None:
        models = google(it.router).aio.models
        with pytest.raises(kind, match="no candidate could serve 'first'") as info:
            await models.generate_content(model="first", contents="Hi")
        assert info.value.code == code
        assert info.value.response.headers[ATTEMPTS].count("failed") == 2
        assert (len(it.first.requests), len(it.second.requests)) == (1, 1)
        with pytest.raises(errors.APIError, match="no candidate could serve 'first'"):
            async for _ in await models.generate_content_stream(model="first", contents="Hi"):
                pass

    perform(scene, scripts=[[behaviour] * 2, [behaviour] * 2])


def test_a_fault_of_the_request_comes_back_in_the_providers_own_words(google: Sdk) -> None:
    async def scene(it: Cast) -> None:
        with pytest.raises(errors.ClientError) as info:
            await google(it.router).aio.models.generate_content(model="first", contents="Hi")
        assert (info.value.code, info.value.details) == (400, FAULT)
        assert not it.second.requests

    perform(scene, scripts=[[Status(400, FAULT)]])


def test_a_stream_that_breaks_is_an_error_of_the_sdks(google: Sdk) -> None:
    async def scene(it: Cast) -> None:
        said: list[Any] = []
        pieces = await google(it.router).aio.models.generate_content_stream(model="first", contents="Hi")
        with pytest.raises(errors.ServerError, match="broke after 11 characters"):
            await read_into(pieces, said)
        assert [piece.text for piece in said] == ["Hello ", "there"]

    perform(scene, scripts=[[stream("Hello ", "there", finish=None)]])


class Stalled(Events):
    """A stream that falls silent."""

    async def play(self, exchange: Exchange) -> None:
        await self.answer.begin_stream(exchange)
        await exchange.events(self.blocks)
        await trio.sleep_forever()


def test_a_cancelled_call_and_a_dropped_stream_close_the_providers_connection(google: Sdk) -> None:
    async def scene(it: Cast) -> None:
        models = google(it.router).aio.models
        with trio.move_on_after(0.1) as scope:
            await models.generate_content(model="first", contents="Hi")
        assert scope.cancelled_caught
        await it.first.wait_closed()
        pieces = await models.generate_content_stream(model="first", contents="Hi")
        async for _ in pieces:
            break
        assert it.status().in_flight == 1
        del pieces
        while it.status().in_flight:  # this SDK closes nothing: its generators hold each other, and go one by one
            gc.collect()
            await trio.sleep(0.01)
        await it.first.wait_closed()
        assert it.status().state is understudy.State.HEALTHY

    perform(scene, scripts=[[Silent(), Stalled(stream("Hello ", "there", finish=None).blocks)]])


def test_the_routes_are_the_sdks_list_of_models(google: Sdk) -> None:
    async def scene(it: Cast) -> None:
        models = google(it.router).aio.models
        assert [model.name async for model in await models.list()] == ["models/first", "models/second"]
        with pytest.raises(errors.ClientError, match="did you mean 'first'") as info:
            await models.generate_content(model="frist", contents="Hi")
        assert info.value.code == 404

    perform(scene)
