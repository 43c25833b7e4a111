"""Every endpoint that carries a model, over the `openai` SDK: forms, audio, embeddings, responses, Azure's paths."""

from __future__ import annotations

import json
from typing import Any

import httpx
import httpx2
import openai
import pytest
import trio

from tests.loopback import Behaviour, Events, Exchange, Seen, Status
from tests.wire.cast import Cast, perform
from understudy import FormPart, RouterTransport
from understudy.actors.transport.forms import read_form

from .common import HELLO, SDKS_OWN, Sdk, read_into, told

pytestmark = SDKS_OWN

RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1700000000,
    "model": "m-2",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello there.", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
PLACE = {"output_index": 0, "item_id": "msg_1", "content_index": 0}
NO_TEXT = {"type": "output_text", "text": "", "annotations": []}
ITEM = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
RESPONSE_EVENTS: list[dict[str, Any]] = [
    {"sequence_number": n, **event}
    for n, event in enumerate[dict[str, Any]](
        [
            {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "output_index": 0, "item": ITEM},
            {"type": "response.content_part.added", **PLACE, "part": NO_TEXT},
            {"type": "response.output_text.delta", **PLACE, "delta": "Hello ", "logprobs": []},
            {"type": "response.output_text.delta", **PLACE, "delta": "there.", "logprobs": []},
            {"type": "response.output_text.done", **PLACE, "text": "Hello there.", "logprobs": []},
            {"type": "response.completed", "response": RESPONSE},
        ]
    )
]


def named(events: list[dict[str, Any]]) -> Events:
    return Events([f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events])


def parts_of(seen: Seen) -> list[FormPart]:
    return list(read_form(seen.headers["content-type"], seen.body))


def after_a_failure(*second: Behaviour) -> dict[str, Any]:
    return {"scripts": [[Status(500)], list(second)]}


def test_embeddings_are_typed(sdk: Sdk) -> None:
    body = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1.25]}],
        "model": "m-1",
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }

    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            made = await client.embeddings.create(model="first", input="Hi", encoding_format="float")
        assert made.data[0].embedding == [0.5, -1.25]
        assert it.first.requests[0].path == "/v1/embeddings"

    perform(scene, scripts=[[Status(200, body)]])


def test_what_the_provider_wrote_arrives_byte_by_byte() -> None:
    choice = b'{ "index":0, "message" : {"role":"assistant","content":"na\xc3\xafve"}, "score": 1.10E+2 }'
    whole = b'{"choices":[' + choice + b'], "usage":{"total_tokens" : 3}}'
    events = [b"data: " + whole.replace(b'"message"', b'"delta"') + b"\n\n", b"data: [DONE]\n\n"]

    async def scene(it: Cast) -> None:
        async with httpx.AsyncClient(transport=RouterTransport(it.router), base_url="http://any.example/v1") as client:
            asked = {"model": "first", "messages": HELLO}
            assert (await client.post("/chat/completions", json=asked)).content == whole
            streamed = await client.post("/chat/completions", json={**asked, "stream": True})
            assert streamed.content == b"".join(events)

    kind = {"content-type": "application/json"}
    perform(scene, scripts=[[Status(500), Status(500)], [Status(200, whole, kind), Events(events)]])


def test_responses_are_typed_after_a_fallback(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            raw = await client.responses.with_raw_response.create(model="first", input="Hi")
        assert raw.parse().output_text == "Hello there."
        assert told(raw.headers) == ("second", "first=failed:server_error, second=served")
        assert it.second.requests[0].body == {"input": "Hi", "model": "m-2"}

    perform(scene, **after_a_failure(Status(200, RESPONSE)))


def test_responses_are_streamed_event_by_event_after_a_fallback(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client, client.responses.stream(model="first", input="Hi") as stream:
            kinds = [event.type async for event in stream]
            final = await stream.get_final_response()
        assert kinds == [event["type"] for event in RESPONSE_EVENTS]
        assert final.output_text == "Hello there."

    perform(scene, **after_a_failure(named(RESPONSE_EVENTS)))


def test_a_response_that_breaks_off_raises_rather_than_end(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            stream = await client.responses.create(model="first", input="Hi", stream=True)
            with pytest.raises(openai.APIConnectionError):
                async for _ in stream:
                    pass

    perform(scene, scripts=[[named(RESPONSE_EVENTS[:-1])]])


def test_a_form_reaches_each_candidate_with_its_own_model_and_the_same_file(sdk: Sdk) -> None:
    audio = b"RIFF\x00\xff\r\n--not-a-boundary\r\n\r\n" + bytes(range(256))

    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            said = await client.audio.transcriptions.create(
                model="first",
                file=('a "b".wav', audio, "audio/wav"),
                language="en",
                timestamp_granularities=["word", "segment"],
            )
        assert said.text == "Good morning."
        for provider, model in ((it.first, "m-1"), (it.second, "m-2")):
            (seen,) = provider.requests
            assert seen.path == "/v1/audio/transcriptions"
            parts = parts_of(seen)
            assert [(part.name, part.content) for part in parts if part.filename is None] == [
                ("model", model.encode()),
                ("language", b"en"),
                ("timestamp_granularities[]", b"word"),
                ("timestamp_granularities[]", b"segment"),
            ]
            assert [part for part in parts if part.filename is not None] == [
                FormPart("file", audio, 'a "b".wav', "audio/wav")
            ]

    perform(scene, **after_a_failure(Status(200, {"text": "Good morning."})))


def test_a_transcription_is_streamed_where_the_form_says_so(sdk: Sdk) -> None:
    events = [
        {"type": "transcript.text.delta", "delta": "Good "},
        {"type": "transcript.text.delta", "delta": "morning."},
        {"type": "transcript.text.done", "text": "Good morning."},
    ]

    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            stream = await client.audio.transcriptions.create(model="first", file=b"RIFF", stream=True)
            said = [event async for event in stream]
        assert [event.type for event in said] == [event["type"] for event in events]
        fields = {part.name: part.content for part in parts_of(it.first.requests[0])}
        assert (fields["model"], fields["stream"]) == (b"m-1", b"true")

    perform(scene, scripts=[[named(events)]])


def test_several_images_keep_their_order(sdk: Sdk) -> None:
    images = [("1.png", b"\x89PNG one", "image/png"), ("2.png", b"\x89PNG two", "image/png")]

    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            made = await client.images.edit(model="first", image=images, prompt="Grün")
        assert made.data is not None
        assert made.data[0].b64_json == "aGk="
        files = [part for part in parts_of(it.first.requests[0]) if part.filename is not None]
        assert [(part.filename, part.content, part.content_type) for part in files] == images

    perform(scene, scripts=[[Status(200, {"created": 1, "data": [{"b64_json": "aGk="}]})]])


SOUND = bytes(range(256)) * 300


class Spoken(Behaviour):
    """Audio in two halves; after the first it waits to be told to go on, or breaks off."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.go_on = trio.Event()
        self._breaks = breaks

    async def play(self, exchange: Exchange) -> None:
        await exchange.begin(200, {"content-type": "audio/mpeg"}, length=len(SOUND))
        await exchange.send(SOUND[:1000])
        if self._breaks:
            await exchange.reset()
            return
        await self.go_on.wait()
        await exchange.send(SOUND[1000:])


SAY: dict[str, Any] = {"model": "first", "voice": "alloy", "input": "Hi"}


def test_speech_that_is_taken_whole_falls_back_even_in_its_middle(sdk: Sdk) -> None:
    audio = Status(200, SOUND, headers={"content-type": "audio/mpeg"})

    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            spoken = await client.audio.speech.create(**SAY)
        assert spoken.content == SOUND
        assert spoken.response.headers["content-type"] == "audio/mpeg"
        assert told(spoken.response.headers) == ("second", "first=failed:network, second=served")
        assert it.second.requests[0].body == {**SAY, "model": "m-2"}

    perform(scene, scripts=[[Spoken(breaks=True)], [audio]])


def test_speech_that_is_streamed_comes_as_it_is_spoken(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        spoken = Spoken()
        it.second.script(spoken)
        async with sdk(it.router) as client, client.audio.speech.with_streaming_response.create(**SAY) as response:
            assert response.headers["content-type"] == "audio/mpeg"
            assert told(response.headers) == ("second", "first=failed:server_error, second=served")
            pieces = response.iter_bytes()
            heard = await anext(pieces)
            assert heard == SOUND[: len(heard)]
            spoken.go_on.set()
            assert heard + b"".join([piece async for piece in pieces]) == SOUND
        assert it.second.requests[0].body == {**SAY, "model": "m-2"}

    perform(scene, scripts=[[Status(500)]])


def test_speech_that_breaks_off_while_it_is_streamed_raises_and_who_leaves_hangs_up(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        heard: list[bytes] = []
        async with sdk(it.router) as client:
            async with client.audio.speech.with_streaming_response.create(**SAY) as response:
                with pytest.raises((httpx.ReadError, httpx2.ReadError), match="broke after"):
                    await read_into(response.iter_bytes(), heard)
            assert b"".join(heard) == SOUND[:1000]
            async with client.audio.speech.with_streaming_response.create(**{**SAY, "model": "second"}):
                pass
        await it.second.wait_closed()

    perform(scene, scripts=[[Spoken(breaks=True)], [Spoken()]])


def test_speech_is_streamed_as_events_where_that_is_asked_for(sdk: Sdk) -> None:
    said: list[dict[str, Any]] = [
        {"type": "speech.audio.delta", "audio": "aGk="},
        {"type": "speech.audio.done", "usage": {"total_tokens": 3}},
    ]

    async def scene(it: Cast) -> None:
        async with (
            sdk(it.router) as client,
            client.audio.speech.with_streaming_response.create(**SAY, stream_format="sse") as response,
        ):
            lines = [line.removeprefix("data: ") async for line in response.iter_lines() if line.startswith("data: ")]
        assert [json.loads(line) for line in lines] == said
        assert "stream" not in it.second.requests[0].body

    perform(scene, **after_a_failure(named(said)))


def test_the_routes_are_the_sdks_list_of_models(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            models = [model async for model in await client.models.list()]
            assert [(model.id, model.owned_by) for model in models] == [("first", "openai"), ("second", "openai")]
            assert (await client.models.retrieve("second")).id == "second"
            with pytest.raises(openai.NotFoundError, match="did you mean 'first'"):
                await client.models.retrieve("furst")
        assert not it.first.requests

    perform(scene)


def test_what_carries_no_model_is_told_so(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            for attempt in (
                client.files.list,
                lambda: client.responses.retrieve("resp_1"),
                lambda: client.vector_stores.create(name="v"),
                lambda: client.files.create(file=b"x", purpose="batch"),
            ):
                with pytest.raises(openai.BadRequestError, match="model"):
                    await attempt()
        assert not it.first.requests

    perform(scene)


def test_azures_deployment_is_the_route() -> None:
    async def scene(it: Cast) -> None:
        http = httpx2.AsyncClient(transport=RouterTransport.of(httpx2, it.router))
        async with openai.AsyncAzureOpenAI(
            api_key="unused",
            azure_endpoint="https://house.openai.azure.com",
            api_version="2024-10-21",
            http_client=http,
        ) as client:
            answer = await client.chat.completions.create(model="first", messages=HELLO)
            assert answer.model == "m-1"
            # those that Azure has at no deployment
            assert (await client.responses.create(model="second", input="Hi")).output_text == "Hello there."
        assert it.first.requests[0].path == "/v1/chat/completions"

    perform(scene, scripts=[[], [Status(200, RESPONSE)]])


def test_only_headers_that_change_what_is_asked_for_are_passed_on(sdk: Sdk) -> None:
    async def scene(it: Cast) -> None:
        headers = {"OpenAI-Beta": "assistants=v2", "X-Title": "Play", "X-Secret": "s", "Cookie": "c=1"}
        async with sdk(it.router, organization="org-1") as client:
            await client.chat.completions.create(model="first", messages=HELLO, extra_headers=headers)
        seen = it.first.requests[0].headers
        assert (seen["openai-beta"], seen["x-title"]) == ("assistants=v2", "Play")
        assert not {"x-secret", "cookie", "openai-organization", "x-stainless-lang"} & seen.keys()

    perform(scene)
