"""SDKs on the rehearsal's stage: real clients over a real router, in virtual time, against scripted providers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest
import trio

import understudy
from tests.actors.virtual import Deal, Part, Provider, config, entry, fail, run, words
from understudy import Fact, RouterTransport

from .common import HELLO, SDKS_OWN, told

pytestmark = SDKS_OWN

Scene = Callable[[openai.AsyncOpenAI, Provider], Awaitable[None]]


def play(scene: Scene, provider: Provider, *entries: Any, seed: int = 0, **options: Any) -> list[Fact]:
    """Let a scene play, and return all that the router has recorded."""
    facts: list[Fact] = []

    async def main() -> None:
        house = config(*(entries or (entry("first", fallbacks=["second"]), entry("second"))))
        async with understudy.open_router(house, transport=provider) as router:
            router.listen(lambda fact: None if fact is None else facts.append(fact))
            http = httpx2.AsyncClient(transport=RouterTransport.of(httpx2, router))
            client = openai.AsyncOpenAI(api_key="unused", http_client=http, **options)
            client._platform = "Unknown"  # else the SDK asks for it in a thread, and a stage has none
            await scene(client, provider)

    run(main, seed=seed)
    return facts


def test_a_minute_of_traffic_through_an_outage_is_served_and_is_the_same_each_time() -> None:
    async def scene(client: openai.AsyncOpenAI, _: Provider) -> None:
        served: list[str] = []

        async def ask(after: float) -> None:
            await trio.sleep(after)
            raw = await client.chat.completions.with_raw_response.create(model="first", messages=HELLO)
            served.append(told(raw.headers)[0])

        async with trio.open_nursery() as nursery:
            for n in range(120):
                nursery.start_soon(ask, 0.5 * n)
        assert served[:5] == ["first"] * 5
        assert served[-5:] == ["first"] * 5
        assert served.count("second") > 20

    def outage(received: Any) -> Deal:
        down = received.host == "first.example" and 10 <= received.at < 12
        return fail(503) if down else Deal()

    lines = [[fact.line() for fact in play(scene, Provider(outage), seed=7)] for _ in range(2)]
    assert lines[0] == lines[1]


@pytest.mark.parametrize("stream", [False, True])
def test_a_timeout_is_the_sdks_own_error_and_one_call_although_the_sdk_retries(stream: bool) -> None:
    async def scene(client: openai.AsyncOpenAI, provider: Provider) -> None:
        with pytest.raises(openai.APITimeoutError):
            await client.chat.completions.create(model="first", messages=HELLO, stream=stream)
        assert len(provider.log) == 1
        assert provider.log[0].cancelled
        assert provider.log[0].ended_at == 40

    play(scene, Provider(lambda _: Deal(after=1000)), timeout=40)


def test_the_configs_default_timeout_holds_where_it_is_the_sooner_one() -> None:
    async def main() -> None:
        provider = Provider(lambda _: Deal(after=1000))
        house = config(entry("first", model="anthropic/m"), default_timeout=15)
        async with understudy.open_router(house, transport=provider) as router:
            http = httpx2.AsyncClient(transport=RouterTransport.of(httpx2, router))
            client = anthropic.AsyncAnthropic(api_key="unused", http_client=http, max_retries=0)
            client._platform = "Unknown"
            with pytest.raises(anthropic.APITimeoutError) as info:
                await client.messages.create(model="first", max_tokens=10, messages=HELLO)
            assert "was not served within 15 s" in str(info.value.__cause__)
            assert trio.current_time() == 15

    run(main)


def test_a_stream_may_take_longer_than_the_clients_timeout_as_long_as_it_goes_on() -> None:
    async def scene(client: openai.AsyncOpenAI, _: Provider) -> None:
        stream = await client.chat.completions.create(model="first", messages=HELLO, stream=True)
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert texts.count("word ") == 50
        assert trio.current_time() > 200

    play(scene, Provider(lambda _: words(*["word "] * 50, pause=5)), timeout=20)


def test_a_wait_for_a_cooldown_is_asked_for_with_the_transport() -> None:
    async def main() -> None:
        provider = Provider(lambda received: fail(429, retry_after=30) if received.number == 0 else Deal())
        async with understudy.open_router(config(entry("first")), transport=provider) as router:
            transport = RouterTransport.of(httpx2, router, wait_for_cooldown=True)
            client = openai.AsyncOpenAI(api_key="unused", http_client=httpx2.AsyncClient(transport=transport))
            client._platform = "Unknown"
            answer = await client.chat.completions.create(model="first", messages=HELLO)
            assert answer.choices[0].message.content == "Hi"
            assert trio.current_time() > 30

    run(main)


def test_a_slow_reader_slows_the_provider_down() -> None:
    sent: list[float] = []

    def script(_: Any) -> Deal:
        deal = words(*["word "] * 200, pause=0.0)
        parts = [Part(0.0, part.data) for part in deal.parts or ()]
        return Deal(0.0, parts=Counted(parts, sent))

    async def scene(client: openai.AsyncOpenAI, _: Provider) -> None:
        stream = await client.chat.completions.create(model="first", messages=HELLO, stream=True)
        await trio.sleep(100)
        assert len(sent) < 60
        assert len([chunk async for chunk in stream]) == 202

    play(scene, Provider(script))


class Counted(list[Part]):
    """Parts of a stream that note how many of them were taken."""

    def __init__(self, parts: list[Part], sent: list[float]) -> None:
        super().__init__(parts)
        self._sent = sent

    def __iter__(self) -> Any:
        for part in super().__iter__():
            self._sent.append(trio.current_time())
            yield part
