"""Streams in virtual time: when they commit, what becomes of those that break, and whose fault a pause is."""

from __future__ import annotations

import pytest
import trio

from understudy import (
    DeadlineExceeded,
    Reason,
    ReplyStream,
    Restarted,
    State,
    StreamInterrupted,
    open_router,
)

from .virtual import HELLO, Deal, Provider, Received, config, entry, fail, run, words

SEEDS = range(30)
THREE = [entry("a", fallbacks=["b", "c"]), entry("b"), entry("c")]


def by_host(**deals: Deal) -> Provider:
    return Provider(lambda received: deals[received.host.split(".", maxsplit=1)[0]])


@pytest.mark.parametrize("seed", SEEDS)
def test_until_the_first_content_a_stream_falls_back_like_anything_else(seed: int) -> None:
    provider = by_host(a=words(cut=True), b=words(error=True), c=words("well"))

    async def play() -> None:
        async with open_router(config(*THREE), transport=provider) as router:
            async with router.stream("a", HELLO) as stream:
                assert stream.served_by.name == "c"
                assert "".join([chunk.text async for chunk in stream]) == "well"
            assert stream.reply.text == "well"
            assert [record.outcome for record in stream.attempts] == ["failed", "failed", "served"]

    run(play, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_broken_stream_is_started_over_by_one_after_another(seed: int) -> None:
    provider = by_host(a=words("one", "two", error=True), b=words("uno", cut=True), c=words("eins", "zwei"))

    async def play() -> None:
        async with open_router(config(*THREE), transport=provider) as router:
            seen: list[str] = []
            async with router.stream("a", HELLO, on_interrupt="restart") as stream:
                async for chunk in stream:
                    if isinstance(chunk, Restarted):
                        assert chunk.served_by is not None
                        seen.append(f"<{chunk.served_by.name}>")
                    elif chunk.text:
                        seen.append(chunk.text)
            assert seen == ["one", "two", "<b>", "uno", "<c>", "eins", "zwei"]
            assert stream.reply.text == "einszwei"
            assert stream.reply.served_by.name == "c"
            assert [status.state for status in router.snapshot()] == [State.COOLING, State.COOLING, State.HEALTHY]

    run(play, seed=seed)


@pytest.mark.parametrize("restart", ["raise", "restart"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_stream_that_nobody_starts_over_tells_its_text_so_far(restart: str, seed: int) -> None:
    broken = words("one", "two", error=True)
    provider = by_host(a=broken, b=fail(500), c=fail(503))

    async def play() -> None:
        async with open_router(config(*THREE), transport=provider) as router:
            async with router.stream("a", HELLO, on_interrupt=restart) as stream:
                with pytest.raises(StreamInterrupted) as info:
                    async for _ in stream:
                        pass
                assert info.value.text == "onetwo"
                assert info.value.served_by.name == "a"
                assert info.value.failure.reason is Reason.NETWORK
                assert len(info.value.attempts) == (3 if restart == "restart" else 1)
                assert not stream.ended
            assert router.snapshot()[0].state is State.COOLING
            assert not router._pending

    run(play, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_deadline_covers_the_whole_stream(seed: int) -> None:
    provider = by_host(a=words(*"abcdefghij", pause=1))

    async def play() -> None:
        async with open_router(config(entry("a")), transport=provider) as router:
            async with router.stream("a", HELLO, timeout=5.5) as stream:
                assert (await anext(stream)).text == ""
                with pytest.raises(DeadlineExceeded):
                    async for _ in stream:
                        pass
            assert trio.current_time() == 5.5
            await trio.sleep(0.1)
            assert router.snapshot()[0].in_flight == 0
            assert router.snapshot()[0].state is State.HEALTHY

    run(play, seed=seed)
    assert provider.log[0].ended_at == 5.5


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_at_hand_comes_too_late_for_whose_time_is_up(seed: int) -> None:
    provider = by_host(a=words(*"abcdefghij", pause=0))
    read: list[tuple[float, str]] = []

    async def play() -> None:
        async with (
            open_router(config(entry("a")), transport=provider) as router,
            router.stream("a", HELLO, timeout=2.5) as stream,
        ):
            for _ in range(2):
                await trio.sleep(1)
                for chunk in (await anext(stream), stream.at_hand()):
                    assert chunk is not None
                    read.append((trio.current_time(), chunk.text))
            await trio.sleep(0.5)
            with pytest.raises(DeadlineExceeded):
                await anext(stream)
            assert trio.current_time() == 2.5
            assert stream.at_hand() is None

    run(play, seed=seed)
    assert read == [(1, ""), (1, "a"), (2, "b"), (2, "c")]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_chunk_that_comes_at_the_deadline_comes_too_late(seed: int) -> None:
    provider = by_host(a=words(*"abcdefghij", pause=0.5))
    read: list[float] = []

    async def play() -> None:
        async with (
            open_router(config(entry("a")), transport=provider) as router,
            router.stream("a", HELLO, timeout=3) as stream,
        ):
            for _ in range(4):
                await anext(stream)
                read.append(trio.current_time())
            with pytest.raises(DeadlineExceeded):
                await anext(stream)
            assert trio.current_time() == 3

    run(play, seed=seed)
    assert read == [1.5, 1.5, 2, 2.5]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_probe_is_over_at_the_first_content_but_incidents_are_counted_on(seed: int) -> None:
    def script(received: Received) -> Deal:
        if received.body.get("stream"):
            return words(*["x"] * 20, pause=1, error=True)
        return fail(500) if received.at < 1 and received.host == "a.example" else Deal()

    async def play() -> None:
        async with open_router(config(entry("a", fallbacks=["b"]), entry("b")), transport=Provider(script)) as router:
            await router.chat("a", HELLO)
            await trio.sleep(31)
            async with router.stream("a", HELLO) as stream:
                assert stream.served_by.name == "a"
                assert router.snapshot()[0].state is State.HEALTHY
                assert (await router.chat("b", HELLO)).served_by.name == "b"
                with pytest.raises(StreamInterrupted):
                    async for _ in stream:
                        pass
            assert router.snapshot()[0].cooldown_remaining == pytest.approx(60, abs=0.1), "the second incident"

    run(play, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_permit_is_held_to_the_end_and_a_reader_who_leaves_gives_it_back(seed: int) -> None:
    provider = by_host(a=words(*["x"] * 100, pause=1))

    async def play() -> None:
        async with open_router(config(entry("a", max_parallel=1)), transport=provider) as router:
            async with router.stream("a", HELLO) as stream:
                async for chunk in stream:
                    if trio.current_time() > 5:
                        break
                    assert chunk.text in ("", "x")
                assert router.snapshot()[0].in_flight == 1
                assert router.snapshot()[0].state is State.SATURATED
            left_at = trio.current_time()
            await trio.sleep(0.01)
            assert router.snapshot()[0].in_flight == 0
            assert router.snapshot()[0].state is State.HEALTHY
            assert provider.log[0].ended_at == left_at, "the connection is closed at once"

    run(play, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slow_reader_is_not_the_providers_fault(seed: int) -> None:
    provider = by_host(a=words(*["x"] * 100, pause=0.01))

    async def play() -> ReplyStream:
        made = config(entry("a", idle_timeout=5, request_timeout=20))
        async with open_router(made, transport=provider) as router:
            async with router.stream("a", HELLO, timeout=10_000) as stream:
                async for _ in stream:
                    await trio.sleep(30)
            assert router.snapshot()[0].state is State.HEALTHY
            return stream

    assert run(play, seed=seed).reply.text == "x" * 100


@pytest.mark.parametrize("seed", SEEDS)
def test_a_silent_provider_is_a_timeout(seed: int) -> None:
    provider = by_host(a=words("x", "y", pause=100), b=words("x", "y"))

    async def play() -> None:
        made = config(entry("a", fallbacks=["b"], first_event_timeout=3), entry("b"))
        async with (
            open_router(made, transport=provider) as router,
            router.stream("a", HELLO, timeout=50) as stream,
        ):
            assert stream.served_by.name == "b"
            assert stream.attempts[0].reason is Reason.TIMEOUT
            assert 3 <= trio.current_time() < 4
            assert [chunk.text async for chunk in stream if chunk.text] == ["x", "y"]

    run(play, seed=seed)
