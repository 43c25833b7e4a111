"""The public surface of a running router: what it shows, what it takes, and what it says of the rest."""

from __future__ import annotations

import gc
import math
from typing import Any

import pytest
import trio

from understudy import (
    AllCandidatesFailed,
    Call,
    DeadlineExceeded,
    Kind,
    RequestRejected,
    State,
    UnknownModel,
    open_router,
)
from understudy.actors.events import FACTS_KEPT
from understudy.actors.trace import MAX_SINKS

from .virtual import HELLO, Deal, Provider, Received, config, entry, fail, run

TWO = config(entry("alpha", rpm=5, fallbacks=["beta"]), entry("beta", max_parallel=1, context_window=1000))


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)

BAD: list[tuple[str, Any, dict[str, Any]]] = [
    ("text for messages", "Hello", {}),
    ("bytes for messages", b"Hello", {}),
    ("no messages", None, {}),
    ("a mapping for messages", {"role": "user"}, {}),
    ("a message that is text", ["Hello"], {}),
    ("not a number", HELLO, {"temperature": math.nan}),
    ("without end", HELLO, {"temperature": math.inf}),
    ("a set", HELLO, {"stop": {"x"}}),
    ("bytes", HELLO, {"user": b"x"}),
    ("an object", HELLO, {"user": object()}),
    ("stream", HELLO, {"stream": True}),
    ("stream that is not wanted", HELLO, {"stream": False}),
    ("deep", HELLO, {"metadata": nested(100_000)}),
    ("a circle", HELLO, {"metadata": CIRCLE}),
    ("time 0", HELLO, {"timeout": 0}),
    ("time -1", HELLO, {"timeout": -1}),
    ("time nan", HELLO, {"timeout": math.nan}),
    ("time as text", HELLO, {"timeout": "3"}),
    ("time as truth", HELLO, {"timeout": True}),
]


@pytest.mark.parametrize(("messages", "params"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_what_cannot_be_sent_is_rejected_before_anybody_is_asked(messages: Any, params: dict[str, Any]) -> None:
    provider = Provider()

    async def play() -> None:
        async with open_router(TWO, transport=provider) as router:
            with pytest.raises(RequestRejected) as info:
                await router.chat("alpha", messages, **params)
            assert info.value.key is None
            with pytest.raises(RequestRejected):
                async with router.stream("alpha", messages, **params):
                    pass
            assert not router._pending
            await router.chat("alpha", HELLO)

    run(play)
    assert len(provider.log) == 1


ODD: list[dict[str, Any]] = [
    {"user": "\ud800"},
    {"max_tokens": 10**300},
    {"max_tokens": 10**400},
    {"max_tokens": -5},
    {"max_tokens": "many"},
    {"max_tokens": True},
    {"tools": [{"type": ["x"]}]},
    {"tools": {"type": {}}},
    {"response_format": nested(20)},
    {"timeout": math.inf},
    {"timeout": 10**400},
    {"timeout": 1e300},
    {"input": 3, "prompt": {"type": None}, "functions": "x"},
]


@pytest.mark.parametrize("params", ODD, ids=str)
def test_what_is_merely_odd_is_the_providers_to_judge(params: dict[str, Any]) -> None:
    provider = Provider()

    async def play() -> None:
        async with open_router(TWO, transport=provider) as router:
            reply = await router.chat("alpha", HELLO, **params)
            assert reply.served_by.name == "alpha"
            params.pop("timeout", None)
            router.explain("alpha", messages=HELLO, **params)

    run(play)


@pytest.mark.parametrize(
    "endpoint", ["", "chat", "@evil.example/", ":80@evil.example/x", "/a b", "/\n", "/\x00", "/é", 3, None, b"/x"]
)
def test_an_endpoint_is_a_path_below_the_base(endpoint: Any) -> None:
    provider = Provider()

    async def play() -> None:
        async with open_router(TWO, transport=provider) as router:
            with pytest.raises(RequestRejected, match="endpoint"):
                await router.request(Call("alpha", {"messages": HELLO}, endpoint=endpoint))

    run(play)
    assert not provider.log


def test_a_call_that_streams_is_not_a_request() -> None:
    async def play() -> None:
        async with open_router(TWO, transport=Provider()) as router:
            with pytest.raises(RequestRejected, match="stream"):
                await router.request(Call("alpha", {}, stream=True))
            body: Any = ["no mapping"]
            with pytest.raises(RequestRejected, match="mapping"):
                await router.request(Call("alpha", body))
            with pytest.raises(RequestRejected, match="on_interrupt"):
                async with router.stream("alpha", HELLO, on_interrupt="ignore"):
                    pass

    run(play)


@pytest.mark.parametrize(("name", "suggested"), [("alhpa", "alpha"), ("bta", "beta"), ("\ud800" * 5, None)])
def test_an_unknown_model_is_told_with_the_nearest_one(name: str, suggested: str | None) -> None:
    async def play() -> None:
        async with open_router(TWO, transport=Provider()) as router:
            for ask in (lambda: router.chat(name, HELLO), lambda: router.reset(name)):
                with pytest.raises(UnknownModel) as info:
                    await ask()
                assert info.value.suggestion == suggested
            with pytest.raises(UnknownModel):
                router.explain(name)
            odd: Any = 7
            with pytest.raises(UnknownModel):
                await router.chat(odd, HELLO)

    run(play)


def test_errors_list_every_attempt() -> None:
    provider = Provider(lambda received: fail(500 if received.host == "alpha.example" else 503, after=2))

    async def play() -> None:
        async with open_router(TWO, transport=provider) as router:
            with pytest.raises(DeadlineExceeded) as late:
                await router.chat("alpha", HELLO, timeout=3)
            assert "alpha (maker/alpha-model): failed after 2 s (server_error): HTTP 500" in str(late.value)
            with pytest.raises(AllCandidatesFailed) as failed:
                await router.chat("alpha", HELLO)
            text = str(failed.value)
            assert "alpha (maker/alpha-model): refused (cooling): ready in 29 s" in text
            assert "beta (maker/beta-model): failed after 2 s (overloaded): HTTP 503" in text
            assert [record.key.name for record in failed.value.attempts] == ["alpha", "beta"]
            assert f"{failed.value.retry_after:.3g}" == "27"

    run(play)


@pytest.mark.parametrize("seed", range(40))
def test_explain_agrees_with_what_then_happens(seed: int) -> None:
    def script(received: Received) -> Deal:
        kind = (received.number * 7 + seed) % 5
        return fail(429, retry_after=4) if kind == 0 else Deal(0.5 + kind)

    async def play() -> None:
        made = config(
            entry("alpha", rpm=6, fallbacks=["beta", "gamma"]),
            entry("beta", max_parallel=1, context_window=10),
            entry("gamma", tpm=60),
        )
        long = [{"role": "user", "content": "word " * (seed % 20)}]
        async with open_router(made, transport=Provider(script)) as router:
            compared = 0

            async def ask(i: int) -> None:
                nonlocal compared
                await trio.sleep(i * (1 + seed % 3) / 2 + i / 1_000)
                began = trio.current_time()
                messages = long if i % 2 else HELLO
                prospects = router.explain("alpha", messages=messages)
                try:
                    reply = await router.chat("alpha", messages, timeout=200)
                except AllCandidatesFailed as exc:
                    attempts = exc.attempts
                else:
                    attempts = reply.attempts
                unfit = [prospect.key for prospect in prospects if prospect.refusal == "unfit"]
                assert {record.key for record in attempts if record.reason == "unfit"} == set(unfit)
                for prospect in prospects:
                    record = next((record for record in attempts if record.key == prospect.key), None)
                    if record is None:
                        break
                    if record.started_at > began:
                        break  # asked later than it was explained
                    assert prospect.admits == (record.outcome != "refused")
                    assert prospect.refusal == (record.reason if record.outcome == "refused" else None)
                    assert prospect.ready_at == record.ready_at or prospect.admits
                    compared += 1

            async with trio.open_nursery() as nursery:
                for i in range(30):
                    nursery.start_soon(ask, i)
            assert compared >= 30

    run(play, seed=seed)


def test_events_are_bounded_tell_what_was_missed_and_end_with_the_router() -> None:
    async def play() -> None:
        async with open_router(config(entry("a")), transport=Provider()) as router:
            events = router.events()
            requests = 0
            while not events.missed:
                await router.chat("a", HELLO)
                requests += 1
            assert events.missed < 10
            facts = [await anext(events) for _ in range(FACTS_KEPT)]
            assert facts[-1].kind is Kind.DELIVERED
            with trio.move_on_after(1) as nothing_new:
                await anext(events)
            assert nothing_new.cancelled_caught
            heard: list[Kind] = []

            async def listen() -> None:
                heard.extend([fact.kind async for fact in events])

            nursery: trio.Nursery
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listen)
                nursery.start_soon(listen)
                await trio.sleep(1)
                await router.chat("a", HELLO)
                await trio.sleep(1)
                events.close()
            assert sorted(heard) == sorted(
                [Kind.REQUESTED, Kind.DISPATCHED, Kind.ADMITTED, Kind.SERVED, Kind.DELIVERED]
            )

    run(play)


def test_a_listener_that_is_dropped_is_forgotten_at_once() -> None:
    async def play() -> None:
        async with open_router(config(entry("a")), transport=Provider()) as router:
            others = router._house.trace.heard
            for _ in range(3 * MAX_SINKS):
                router.events()
            gc.collect()
            assert router._house.trace.heard == others

    run(play)


def test_the_snapshot_tells_how_everybody_is_doing() -> None:
    async def play() -> None:
        provider = Provider(lambda received: Deal(5) if received.host == "beta.example" else fail(500))
        async with open_router(TWO, transport=provider) as router, trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(router.chat, "alpha", HELLO)
            await trio.sleep(2)
            alpha, beta = router.snapshot()
            assert (alpha.name, alpha.provider, alpha.model) == ("alpha", "maker", "alpha-model")
            assert alpha.credential is not None
            assert "secret" not in repr(alpha)
            assert (alpha.state, alpha.in_flight, alpha.failures) == (State.COOLING, 0, {"server_error": 3})
            assert alpha.cooldown_remaining == pytest.approx(28.1)
            assert (beta.state, beta.in_flight, beta.queued, beta.served) == (State.SATURATED, 1, 2, 0)
            assert beta.tokens is None
            await trio.sleep(20)
            assert router.snapshot()[1].served == 3

    run(play)


def test_no_error_and_no_view_shows_a_secret() -> None:
    async def play() -> None:
        texts: list[str] = []

        def script(received: Received) -> Deal:
            return Deal(0.1, 401, body={"error": {"message": f"Incorrect API key provided: {received.secret}"}})

        async with open_router(TWO, transport=Provider(script)) as router:
            router.listen(lambda fact: texts.append(repr(fact)))
            with pytest.raises(AllCandidatesFailed) as info:
                await router.chat("alpha", HELLO)
            texts += [str(info.value), repr(info.value), repr(info.value.attempts), repr(router.snapshot())]
            texts += [repr(router.explain("alpha")), repr(vars(router))]
        assert not [text for text in texts if "secret-of" in text]

    run(play)
