"""The caller's context goes along: what it has set in context variables holds where its request is performed."""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar, copy_context
from functools import partial

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy import Fact, Kind, Router, UnderstudyError, open_router
from understudy.actors.model import ModelActor
from understudy.actors.router import RouterActor

from .virtual import HELLO, Deal, Provider, Received, config, entry, fail, run, words

WHO: ContextVar[str] = ContextVar("WHO", default="nobody")
MARK: ContextVar[int | None] = ContextVar("MARK", default=None)

Seen = list[tuple[str, str, int | None]]


def watching(seen: Seen, deals: dict[str, Deal] | None = None) -> Provider:
    """A provider that writes down who it is asked by, according to the context, and leaves a mark in that."""

    def script(received: Received) -> Deal:
        seen.append((received.body["user"], WHO.get(), MARK.get()))
        MARK.set(received.number)
        default = words("x", "y") if received.body.get("stream") else Deal()
        return (deals or {}).get(received.host, default)

    return Provider(script)


async def ask(router: Router, who: str, *, stream: bool) -> None:
    WHO.set(who)
    if stream:
        async with router.stream("a", HELLO, user=who) as reader:
            async for _ in reader:
                assert (WHO.get(), MARK.get()) == (who, None)
    else:
        await router.chat("a", HELLO, user=who)
    assert (WHO.get(), MARK.get()) == (who, None), "what is set on the way does not come back"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(0, 3), st.integers(0, 1000))
def test_every_attempt_is_performed_in_its_callers_context_and_in_no_others(
    streams: list[bool], max_parallel: int, seed: int
) -> None:
    seen: Seen = []
    down = {"a.example": fail(500), "b.example": fail(503)}
    entries = config(
        entry("a", fallbacks=["b", "c"], retries=1), entry("b"), entry("c", max_parallel=max_parallel, rpm=60)
    )

    async def play() -> None:
        async with open_router(entries, transport=watching(seen, down)) as router, trio.open_nursery() as nursery:
            for number, stream in enumerate(streams):
                nursery.start_soon(partial(ask, router, f"caller {number}", stream=stream))
        assert WHO.get() == "nobody"

    run(play, seed=seed)
    assert {user for user, _, _ in seen} == {f"caller {n}" for n in range(len(streams))}
    assert [(user, mark) for user, who, mark in seen if user != who or mark is not None] == []


@pytest.mark.parametrize("seed", range(5))
def test_two_requests_of_one_context_at_once_do_not_stand_in_each_others_way(seed: int) -> None:
    seen: Seen = []

    async def play() -> None:
        context = copy_context()
        context.run(WHO.set, "both")
        async with open_router(config(entry("a")), transport=watching(seen)) as router, trio.open_nursery() as nursery:
            for _ in range(2):
                context.run(nursery.start_soon, lambda: router.chat("a", HELLO, user="both"))

    run(play, seed=seed)
    assert seen == [("both", "both", None)] * 2


def test_what_a_sink_sets_when_it_hears_of_an_attempt_holds_for_that_attempt_alone() -> None:
    seen: Seen = []
    requested: list[str] = []

    def sink(fact: Fact | None) -> None:
        if fact is not None and fact.kind is Kind.REQUESTED:
            requested.append(WHO.get())
        elif fact is not None and fact.kind is Kind.ADMITTED:
            WHO.set(f"{WHO.get()}, attempt {fact.attempt}")

    async def play() -> None:
        transport = watching(seen, {"a.example": fail(500)})
        async with open_router(config(entry("a", fallbacks=["b"]), entry("b")), transport=transport) as router:
            router.listen(sink)
            await ask(router, "me", stream=False)
            await ask(router, "me", stream=True)

    run(play)
    assert requested == ["me", "me"]
    # The second request finds the first candidate cooling: that was its attempt 3, which was never admitted.
    assert [who for _, who, _ in seen] == ["me, attempt 1", "me, attempt 2", "me, attempt 4"]


def test_a_context_survives_the_crash_of_an_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: Seen = []
    due = {ModelActor: 1, RouterActor: 1}

    def crashing(kind: type[ModelActor] | type[RouterActor]) -> None:
        original = kind.handle

        def handle(actor: object, message: object, now: float) -> None:
            original(actor, message, now)  # type: ignore[arg-type]
            if now > 1 and due[kind]:
                due[kind] -= 1
                raise RuntimeError("a bug")

        monkeypatch.setattr(kind, "handle", handle)

    crashing(ModelActor)
    crashing(RouterActor)

    async def play() -> None:
        one = config(entry("a", max_parallel=1))
        async with open_router(one, transport=watching(seen)) as router, trio.open_nursery() as nursery:
            for number in range(12):
                nursery.start_soon(survive, router, f"caller {number}")
                await trio.sleep(0.11)

    async def survive(router: Router, who: str) -> None:
        WHO.set(who)
        with suppress(UnderstudyError):
            await router.chat("a", HELLO, user=who)

    run(play)
    assert due == {ModelActor: 0, RouterActor: 0}
    assert len(seen) > 8
    assert [entry for entry in seen if entry[0] != entry[1]] == []
