"""From asyncio: the trio router's methods, with its arguments, results and exceptions."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import traceback
from collections.abc import Awaitable, Callable

import httpx
import pytest

import understudy
from understudy import portal
from understudy.portal import AsyncioRouter, BlockingRouter
from understudy.supervisors.portal import facts

from .gates import CUT, HELLO, LAST, PATIENCE, Gates, answer, config, event, refusal, threads

Scene = Callable[[AsyncioRouter, Gates], Awaitable[None]]


def perform(scene: Scene, gates: Gates | None = None, **top: object) -> None:
    """Let a scene play on asyncio; nothing of it may be left over."""
    provider = gates or Gates()

    async def main() -> None:
        async with asyncio.timeout(PATIENCE), portal.open_router(config(**top), transport=provider) as router:
            await scene(router, provider)

    asyncio.run(main())
    assert threads() == []
    assert provider.under_way == []


def test_a_reply_is_what_a_trio_program_gets() -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        reply = await router.chat("a", HELLO, timeout=30, temperature=0.5)
        assert isinstance(reply, understudy.Reply)
        assert (reply.text, reply.served_by.name) == ("Hi", "b")
        assert [attempt.outcome for attempt in reply.attempts] == ["failed", "served"]
        assert provider.seen[0].body["temperature"] == 0.5
        assert provider.seen[0].body["messages"] == HELLO
        again = await router.request(understudy.Call("b", {"messages": HELLO}))
        assert again.text == "Hi"
        assert router.requests == 2

    perform(scene, Gates(lambda request: refusal(500) if request.url.host == "a.example" else answer("Hi")))


def test_an_error_arrives_as_itself_and_shows_both_sides_in_its_traceback() -> None:
    async def scene(router: AsyncioRouter, _: Gates) -> None:
        with pytest.raises(understudy.AllCandidatesFailed) as info:
            await router.chat("a", HELLO)
        assert [attempt.reason for attempt in info.value.attempts] == ["server_error", "server_error"]
        frames = [frame.name for frame in traceback.extract_tb(info.value.__traceback__)]
        assert frames[0] == "scene"
        assert frames[-1] == "read", "where the trio router raised it"
        with pytest.raises(understudy.UnknownModel, match="did you mean"):
            await router.chat("aa", HELLO)
        with pytest.raises(understudy.RequestRejected):
            await router.chat("a", "no list")  # type: ignore[arg-type]
        with pytest.raises(understudy.RequestRejected, match="on_interrupt"):
            async with router.stream("a", HELLO, on_interrupt="never"):
                pass
        with pytest.raises(understudy.UnknownModel):
            await router.reset("nobody")
        with pytest.raises(understudy.UnknownModel):
            router.explain("nobody")

    perform(scene, Gates(lambda _: refusal(500)))


def test_a_deadline_is_the_routers() -> None:
    async def scene(router: AsyncioRouter, _: Gates) -> None:
        with pytest.raises(understudy.DeadlineExceeded):
            await router.chat("a", HELLO, timeout=0.02)
        with pytest.raises(understudy.DeadlineExceeded):
            async with router.stream("a", HELLO, timeout=0.02):
                pass

    perform(scene)


def test_one_can_look_in() -> None:
    async def scene(router: AsyncioRouter, _: Gates) -> None:
        heard: list[understudy.Fact | None] = []
        router.listen(heard.append)
        events = router.events()
        await router.chat("a", HELLO)
        assert [status.state for status in router.snapshot()] == ["cooling", "healthy"]
        assert [prospect.admits for prospect in router.explain("a", messages=HELLO)] == [False, True]
        await router.reset("a")
        assert router.snapshot()[0].cooldown_remaining == 0
        kinds = []
        async for fact in events:
            kinds.append(fact.kind)
            if fact.kind == "delivered":
                break
        assert kinds[0] == "requested", "whatever comes after the call of events() is heard"
        assert [fact.kind for fact in heard if fact is not None][: len(kinds)] == kinds
        assert events.missed == 0
        router.unlisten(heard.append)
        events.close()
        rest = [fact async for fact in events]
        assert "delivered" not in [fact.kind for fact in rest]
        told = len(heard)
        await router.chat("b", HELLO)
        assert len(heard) == told

    perform(scene, Gates(lambda request: refusal(500) if request.url.host == "a.example" else answer("Hi")))


def test_events_end_with_the_router_and_those_opened_after_it_are_at_their_end() -> None:
    async def main() -> None:
        async with portal.open_router(config(), transport=Gates(lambda _: answer("Hi"))) as router:
            events = router.events()
            await router.chat("a", HELLO)
        assert [fact.kind async for fact in events][-1] == "delivered"
        assert [fact async for fact in router.events()] == []

    asyncio.run(main())


def test_a_listener_that_falls_behind_loses_the_oldest_facts_and_knows_how_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(facts, "FACTS_KEPT", 20)

    async def scene(router: AsyncioRouter, __: Gates) -> None:
        everything: list[understudy.Fact | None] = []
        router.listen(everything.append)
        async with router.events() as events:
            for _ in range(10):
                await router.chat("a", HELLO)
            router.snapshot()
            total = len(everything)
            kept = [await anext(events) for _ in range(20)]
            assert kept == everything[total - 20 : total]
            assert events.missed == total - 20 > 0

    perform(scene, Gates(lambda _: answer("Hi")))


def test_too_many_listeners_are_told_so() -> None:
    async def scene(router: AsyncioRouter, _: Gates) -> None:
        kept = [router.events() for _ in range(64)]
        with pytest.raises(RuntimeError, match="more than 64 listeners"):
            await anext(router.events())
        del kept  # forgotten with its last reference
        router.snapshot()
        async with router.events() as events:
            await router.chat("a", HELLO)
            assert (await anext(events)).kind == "requested"

    perform(scene, Gates(lambda _: answer("Hi")))


def test_the_callers_context_goes_along() -> None:
    mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark")
    marks: list[str] = []

    async def scene(router: AsyncioRouter, _: Gates) -> None:
        router.listen(lambda fact: marks.append(mark.get("none")) if fact and fact.kind == "left" else None)
        mark.set("mine")
        for ask in (router.chat("a", HELLO, timeout=0.01), router.stream("a", HELLO, timeout=0.01).__aenter__()):
            with pytest.raises(understudy.DeadlineExceeded):
                await ask

    spoken: list[str] = []

    class Speaks(Gates):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            spoken.append(mark.get("none"))
            return await super().handle_async_request(request)

    async def over_a_transport(router: AsyncioRouter, _: Gates) -> None:
        mark.set("mine")
        async with httpx.AsyncClient(transport=router.transport(lambda _: Speaks(lambda _: answer("Hi")))) as client:
            await client.get("http://elsewhere.example/")

    perform(scene)
    perform(over_a_transport)
    assert spoken == ["mine"]


def test_another_loop_is_told_whose_the_router_is() -> None:
    async def scene(router: AsyncioRouter, _: Gates) -> None:
        async def elsewhere() -> None:
            for wrong in (router.snapshot, router.events, lambda: router.stream("a", HELLO)):
                with pytest.raises(RuntimeError, match="belongs to the asyncio loop"):
                    wrong()
            with pytest.raises(RuntimeError, match="belongs to the asyncio loop"):
                await router.chat("a", HELLO)

        await asyncio.to_thread(asyncio.run, elsewhere())
        with pytest.raises(RuntimeError, match="belongs to the asyncio loop"):
            await asyncio.to_thread(router.snapshot)

    perform(scene)


def test_both_facades_have_every_method_of_the_trio_router_with_the_same_arguments() -> None:
    inside = {"check_open", "closed", "close_door", "crashed", "dismiss", "open_stream", "wait_idle"}
    methods = {name for name in vars(understudy.Router) if not name.startswith("_")} - inside
    for facade in (AsyncioRouter, BlockingRouter):
        assert methods <= set(vars(facade))
        for name in methods - {"requests", "routes", "default_timeout", "listen"}:
            ours = inspect.signature(getattr(facade, name)).parameters
            theirs = inspect.signature(getattr(understudy.Router, name)).parameters
            assert list(ours) == list(theirs), name
            assert [p.kind for p in ours.values()] == [p.kind for p in theirs.values()]
            assert [p.default for p in ours.values()] == [p.default for p in theirs.values()]


def test_a_stream_is_read_to_its_end() -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        async with asyncio.TaskGroup() as group:
            opening = group.create_task(router.stream("a", HELLO).__aenter__())
            (await provider.arrival()).open(event("one "), event("two"), LAST)
        stream = opening.result()
        assert stream.served_by.name == "a"
        assert not stream.ended
        with pytest.raises(RuntimeError, match="complete only once"):
            _ = stream.reply
        assert "".join([chunk.text async for chunk in stream]) == "one two"
        assert stream.ended
        assert isinstance(stream.reply, understudy.Reply)
        assert stream.reply.text == "one two"
        assert [attempt.outcome for attempt in stream.attempts] == ["served"]
        assert [chunk async for chunk in stream] == []
        await stream.aclose()
        assert provider.seen[0].end == "answered"

    perform(scene)


def test_a_stream_that_breaks_tells_what_it_had_told_before() -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        read = []

        async def reader() -> None:
            async with router.stream("a", HELLO) as stream:
                async for chunk in stream:
                    read.append(chunk.text)  # noqa: PERF401  # also what came before the break

        task = asyncio.create_task(reader())
        (await provider.arrival()).open(event("one "), event("two"), CUT)
        with pytest.raises(understudy.StreamInterrupted) as info:
            await task
        assert "".join(read) == info.value.text == "one two"

    perform(scene)


def test_a_stream_that_starts_over_says_so_and_then_who_serves() -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        read: list[tuple[str, str]] = []

        async def reader() -> str:
            async with router.stream("a", HELLO, on_interrupt="restart") as stream:
                await provider.noticed(lambda: len(provider.seen) == 2)  # the trio side is ahead of this reader
                assert stream.served_by.name == "a"
                async for chunk in stream:
                    read.append((type(chunk).__name__, stream.served_by.name))  # noqa: PERF401
                return stream.reply.text

        task = asyncio.create_task(reader())
        (await provider.arrival()).open(event("one"), CUT)
        (await provider.arrival(2)).open(event("again"), LAST)
        assert await task == "again"
        assert read[:3] == [("Chunk", "a"), ("Restarted", "b"), ("Chunk", "b")]

    perform(scene)


def test_a_reader_that_stops_reading_slows_the_provider_and_one_that_goes_on_gets_everything() -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        texts = [f"{number} " for number in range(500)]

        async def reader() -> str:
            async with router.stream("a", HELLO) as stream:
                first = await anext(stream)
                # Between the provider and the reader: the worker's room, the portal's, and what each has in hand.
                await provider.noticed(lambda: provider.seen[0].pieces >= 32)
                for _ in range(20):
                    router.snapshot()  # trio has had its turn, and again
                assert provider.seen[0].pieces <= 40
                return first.text + "".join([chunk.text async for chunk in stream])

        task = asyncio.create_task(reader())
        (await provider.arrival()).open(*map(event, texts), LAST)
        assert await task == "".join(texts)

    perform(scene)


def test_the_deadline_of_a_stream_wins_over_what_its_reader_has_not_read() -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        async def reader() -> None:
            async with router.stream("a", HELLO, timeout=0.3) as stream:
                await anext(stream)
                await provider.noticed(lambda: provider.seen[0].end is not None)
                with pytest.raises(understudy.DeadlineExceeded):
                    await anext(stream)

        task = asyncio.create_task(reader())
        (await provider.arrival()).open(*[event("x")] * 500)
        await task
        assert provider.seen[0].end == "cancelled"

    perform(scene)


def test_a_chunk_is_not_lost_when_waiting_for_it_is_given_up() -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        async def reader() -> str:
            async with router.stream("a", HELLO) as stream:
                assert (await anext(stream)).text == "one"
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(stream), 0.01)
                provider.seen[0].open(event("two"), LAST)
                return "".join([chunk.text async for chunk in stream])

        task = asyncio.create_task(reader())
        (await provider.arrival()).open(event("one"))
        assert await task == "two"

    perform(scene)


def test_a_stream_is_opened_once_and_only_then_knows_anything() -> None:
    async def scene(router: AsyncioRouter, provider: Gates) -> None:
        unopened = router.stream("a", HELLO)
        with pytest.raises(RuntimeError, match="opened by its `with` block"):
            _ = unopened.served_by
        await unopened.aclose()

        async def reader() -> None:
            async with router.stream("a", HELLO) as stream:
                with pytest.raises(RuntimeError, match="opened once"):
                    async with stream:
                        pass
                assert [chunk.text async for chunk in stream] == ["one", ""]
            left = router.stream("a", HELLO)
            async with left:
                pass
            with pytest.raises(RuntimeError, match="has been closed"):
                await anext(left)

        task = asyncio.create_task(reader())
        (await provider.arrival()).open(event("one"), LAST)
        (await provider.arrival(2)).open(event("one"))
        await task

    perform(scene)


def test_uvloop_does_as_well() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        provider = Gates()
        async with portal.open_router(config(), transport=provider) as router:
            async with asyncio.TaskGroup() as group:
                for number in range(20):
                    group.create_task(router.chat("a", HELLO))
                    (await provider.arrival(number + 1)).open(answer("Hi"))
            task = asyncio.create_task(router.chat("a", HELLO))
            seen = await provider.arrival(21)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await provider.noticed(lambda: seen.end == "cancelled")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    assert threads() == []
