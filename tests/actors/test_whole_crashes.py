"""Any actor is killed at any moment: everybody is answered, no limit is forgotten, and the house recovers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any
from unittest.mock import patch

import httpx
import pytest
import trio
from attrs import define, field

from understudy import (
    AllCandidatesFailed,
    Fact,
    Kind,
    Reply,
    Router,
    RouterCrashed,
    State,
    StreamInterrupted,
    UnderstudyError,
    open_router,
)
from understudy.actors.messages import Attempt, Failed
from understudy.actors.model import ModelActor
from understudy.actors.providers.wire import HttpWire
from understudy.actors.router import Journey, Journeys, RouterActor
from understudy.actors.stand_in import StandIn
from understudy.supervisors import runtime

from .injected import Bug, Injection, Target, as_caller, targets
from .virtual import HELLO, Deal, Provider, Received, below, config, entry, fail, run, words

TIMEOUT = 400.0
RPM = {"a": 4, "q": 2}
EXPECTED = (AllCandidatesFailed, RouterCrashed, StreamInterrupted)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("understudy")
    logger.disabled = True
    yield
    logger.disabled = False


def script(received: Received) -> Deal:
    """`a` works, but its third request fails quickly; `dead` fails always; `key` is no good; streams break at `s`."""
    if received.host == "dead.example":
        return fail(500)
    if received.host == "bad.example":
        return fail(401)
    if received.host == "a.example" and received.number == 2:
        return fail(503)
    if received.body.get("stream"):
        return words("one", "two", "three", error=received.host == "s.example")
    return Deal(0.3, headers={"x-ratelimit-remaining-requests": "50", "x-ratelimit-reset-requests": "30s"})


CONFIG = config(
    entry("a", rpm=4, retries=1, fallbacks=["b"], tpm=100_000),
    entry("b", max_parallel=2),
    entry("q", rpm=2),
    entry("dead", fallbacks=["bad", "b"]),
    entry("bad", key="shared"),
    entry("sibling", key="shared"),
    entry("s", fallbacks=["b"]),
    restarts={"intensity": 4, "period": 20},
)


@define(eq=False)
class Outcome:
    """How all callers fared in one run."""

    provider: Provider
    answers: list[object] = field(factory=list)
    facts: list[Fact] = field(factory=list)
    callers: int = 0
    crashed: bool = False

    def check(self) -> None:
        assert len(self.answers) == self.callers
        for answer in self.answers:
            assert isinstance(answer, (Reply, str, *EXPECTED)), repr(answer)
        for name, rpm in RPM.items():
            times = [received.at for received in self.provider.at(f"{name}.example")]
            assert all(times[i + rpm] - times[i] > 60 for i in range(len(times) - rpm)), (name, times)
        self._check_silence()

    def _check_silence(self) -> None:
        """Nothing is sent to a candidate between the beginning of its cooldown and the end of it."""
        resets = {fact.at for fact in self.facts if fact.kind is Kind.RETURNED or fact.kind is Kind.REVIVED}
        for fact in self.facts:
            if fact.kind is not Kind.COOLING or fact.key is None:
                continue
            until = fact.details["until"]
            assert isinstance(until, float)
            for received in self.provider.at(f"{fact.key.name}.example"):
                assert not fact.at < received.at < until or any(fact.at <= at <= received.at for at in resets)


async def ask(outcome: Outcome, router: Router, model: str, *, stream: bool = False, restart: bool = False) -> None:
    try:
        if stream:
            interrupt = "restart" if restart else "raise"
            async with router.stream(model, HELLO, timeout=TIMEOUT, on_interrupt=interrupt) as reader:
                answer: object = "".join([chunk.text async for chunk in reader])
        else:
            answer = await router.chat(model, HELLO, timeout=TIMEOUT)
    except Exception as exc:
        answer = exc
    outcome.answers.append(answer)


async def leave_early(router: Router) -> None:
    with trio.move_on_after(0.15), suppress(UnderstudyError):
        await router.chat("b", HELLO)


def perform(injection: Injection, *, seed: int = 0) -> Outcome:
    outcome = Outcome(Provider(script))

    async def play() -> None:
        async with open_router(CONFIG, transport=outcome.provider) as router:
            router.listen(lambda fact: outcome.facts.append(fact) if fact is not None else None)
            before = below()
            injection.armed = True
            async with trio.open_nursery() as nursery:

                def start(model: str, *, stream: bool = False, restart: bool = False) -> None:
                    outcome.callers += 1
                    asks = partial(ask, outcome, router, model, stream=stream, restart=restart)
                    nursery.start_soon(as_caller, asks)

                for _ in range(5):
                    start("a")
                for _ in range(3):
                    start("q")
                start("dead")
                start("s", stream=True)
                start("s", stream=True, restart=True)
                start("b", stream=True)
                start("sibling")
                nursery.start_soon(as_caller, partial(leave_early, router))
                await trio.sleep(1)
                start("a")
                start("dead")
                nursery.start_soon(as_caller, partial(reset, router, "dead"))
            injection.armed = False
            await trio.sleep(1)
            await aftermath(router, outcome)
            assert below() <= before
        assert below() == 0 or below() < before

    # The journeys are the router's own; here they are looked at from outside.
    journeys: list[Journeys] = []

    def remember() -> Journeys:
        journeys.append(Journeys())
        return journeys[-1]

    with patch.object(runtime, "Journeys", remember), injection.installed():
        run(play, seed=seed, longest=5_000)
    if not outcome.crashed:
        assert not journeys[-1].by_request
        assert not journeys[-1].by_attempt
    return outcome


async def reset(router: Router, name: str) -> None:
    with suppress(UnderstudyError):
        await router.reset(name)


async def aftermath(router: Router, outcome: Outcome) -> None:
    """The house is empty, and whoever is not down serves; whoever is down refuses as such, and can be revived."""
    try:
        await router.chat("b", HELLO, timeout=TIMEOUT)
    except RouterCrashed:
        outcome.crashed = True
        return
    except AllCandidatesFailed:
        pass
    for status in router.snapshot():
        assert status.in_flight == 0, status
        assert status.queued == 0, status
        if status.state is State.DOWN and status.name in ("b", "q", "sibling"):
            with pytest.raises(AllCandidatesFailed, match="down"):
                await router.chat(status.name, HELLO, timeout=TIMEOUT)
        await router.reset(status.name)
    assert not router._pending
    for part in router._house.parts.values():
        assert not part.open
        assert part.handling is None
        assert not part.down
        assert part.holds_together(trio.current_time())
    await trio.sleep(61)
    for name in ("a", "b", "q", "s"):
        reply = await router.chat(name, HELLO, timeout=TIMEOUT)
        assert reply.served_by.name in (name, "b"), reply


def moments(limit: int) -> Iterator[int]:
    """1, 2, 4, 8, …: the first moments are where most differs."""
    n = 1
    while n <= limit:
        yield n
        n *= 2


SURVIVABLE = [target for target in targets() if str(target) != "Slot.fill"]


@pytest.mark.parametrize("target", targets(), ids=str)
def test_a_bug_before_any_step_leaves_everybody_answered_and_every_limit_kept(target: Target) -> None:
    for n in moments(1_000):
        injection = Injection(target, n)
        perform(injection, seed=n).check()
        if not injection.raised:
            break


@pytest.mark.parametrize("target", SURVIVABLE, ids=str)
def test_a_bug_after_any_step_leaves_everybody_answered_and_every_limit_kept(target: Target) -> None:
    for n in moments(1_000):
        injection = Injection(target, n, after=True)
        perform(injection, seed=n + 1).check()
        if not injection.raised:
            break


LAST_WORDS = ("Router.closed", "Slot.fail", "Slot._call")
"""By these everybody is told that there is no router any more; nothing stands behind them."""


@pytest.mark.parametrize("target", [target for target in targets() if str(target) not in LAST_WORDS], ids=str)
def test_a_bug_that_comes_back_at_once_and_again_leaves_everybody_answered(target: Target) -> None:
    for n in (1, 6, 36):
        injection = Injection(target, n, times=14)
        perform(injection, seed=n + 2).check()
        if not injection.raised:
            break


def always(raises: type[Exception]) -> Callable[..., None]:
    def method(*_: object) -> None:
        raise raises

    return method


async def crash_a(router: Router, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the actor of `a` meet a bug over a message that has nothing to do with any attempt."""
    with monkeypatch.context() as patch:
        patch.setattr(ModelActor, "_on_reset", always(Bug))
        nursery.start_soon(router.reset, "a")
        await trio.sleep(0.01)


@pytest.mark.parametrize("seed", range(30))
def test_a_candidate_that_crashes_too_often_is_down_until_it_is_reset(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider()
    original = ModelActor._on_attempt

    def crash(self: ModelActor, attempt: Attempt, now: float) -> None:
        if self.key.name == "a":
            raise Bug
        original(self, attempt, now)

    async def play() -> None:
        made = config(entry("a", fallbacks=["b"]), entry("b"), entry("alone"), restarts={"intensity": 2, "period": 60})
        async with open_router(made, transport=provider) as router:
            with monkeypatch.context() as patch:
                patch.setattr(ModelActor, "_on_attempt", crash)
                for _ in range(3):
                    reply = await router.chat("a", HELLO, timeout=30)
                    assert reply.served_by.name == "b"
                    assert "crashed" in reply.attempts[0].detail
                    assert reply.attempts[0].reason in ("unknown", "down")
            assert router.snapshot()[0].state is State.DOWN
            assert router.explain("a")[0].refusal == "down"
            reply = await router.chat("a", HELLO, timeout=30)
            assert [record.reason for record in reply.attempts] == ["down", None]
            await router.reset("a")
            assert router.snapshot()[0].state is State.HEALTHY
            reply = await router.chat("a", HELLO, timeout=30)
            assert reply.served_by.name == "a"

    run(play, seed=seed)


@pytest.mark.parametrize("seed", range(30))
def test_what_is_in_flight_when_its_actor_crashes_is_answered_and_sent_on(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider(lambda received: Deal(5 if received.host == "a.example" else 0.1))
    failures: list[Failed] = []
    heard = RouterActor._on_failed

    def listen(self: RouterActor, journey: Journey, failed: Failed, now: float) -> None:
        failures.append(failed)
        heard(self, journey, failed, now)

    async def play() -> None:
        monkeypatch.setattr(RouterActor, "_on_failed", listen)
        async with open_router(config(entry("a", fallbacks=["b"]), entry("b")), transport=provider) as router:

            async def ask() -> None:
                reply = await router.chat("a", HELLO, timeout=30)
                assert [record.outcome for record in reply.attempts] == ["failed", "served"]

            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(ask)
                await trio.sleep(1)
                await crash_a(router, nursery, monkeypatch)

    run(play, seed=seed)
    assert len(failures) == 4
    assert all(failed.crashed and failed.may_have_executed for failed in failures)


class Stubborn(httpx.AsyncBaseTransport):
    """A transport that nothing can cancel."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with trio.CancelScope(shield=True):
            return await self._provider.handle_async_request(request)
        raise AssertionError("nobody cancels this scope")


@pytest.mark.parametrize("seed", range(6))
def test_what_cannot_be_stopped_is_not_waited_for_and_its_answer_counts_all_the_same(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed_at: list[float] = []
    aclose = HttpWire.aclose

    async def close(self: HttpWire) -> None:
        closed_at.append(trio.current_time())
        await aclose(self)

    async def play() -> None:
        monkeypatch.setattr(HttpWire, "aclose", close)
        transport = Stubborn(Provider(lambda _: Deal(5)))
        async with open_router(config(entry("a")), transport=transport) as router, trio.open_nursery() as nursery:

            async def ask() -> None:
                reply = await router.chat("a", HELLO, timeout=30)
                assert trio.current_time() == pytest.approx(5)
                assert [record.outcome for record in reply.attempts] == ["served"]

            nursery.start_soon(ask)
            await trio.sleep(1)
            await crash_a(router, nursery, monkeypatch)
            await trio.sleep(3)
            assert closed_at == [pytest.approx(2)]
            assert router.snapshot()[0].in_flight == 1, "its place is taken until it has ended"

    run(play, seed=seed)


@pytest.mark.parametrize("seed", range(30))
def test_a_crash_of_the_router_costs_one_request_and_no_other(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider()
    answers: list[object] = []
    original = RouterActor._on_reply

    def crash_once(self: RouterActor, *args: Any) -> None:
        monkeypatch.setattr(RouterActor, "_on_reply", original)
        raise Bug

    async def play() -> None:
        async with open_router(config(entry("a")), transport=provider) as router:

            async def ask() -> None:
                try:
                    answers.append(await router.chat("a", HELLO, timeout=30))
                except RouterCrashed as exc:
                    answers.append(exc)

            monkeypatch.setattr(RouterActor, "_on_reply", crash_once)
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(ask)
            assert not router._pending

    run(play, seed=seed)
    assert sum(isinstance(answer, RouterCrashed) for answer in answers) == 1
    assert sum(isinstance(answer, Reply) for answer in answers) == 9


@pytest.mark.parametrize("seed", range(30))
def test_a_router_that_is_given_up_tells_all_who_wait_and_all_who_come_later(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider(lambda received: Deal(20))
    answers: list[tuple[float, object]] = []

    async def play() -> None:
        made = config(entry("a"), entry("q", rpm=1), restarts={"intensity": 1, "period": 60})
        async with open_router(made, transport=provider) as router:

            async def ask(model: str, stream: bool) -> None:
                try:
                    if stream:
                        async with router.stream(model, HELLO, timeout=900) as reader:
                            assert [chunk async for chunk in reader]
                    else:
                        await router.chat(model, HELLO, timeout=900)
                except Exception as exc:
                    answers.append((trio.current_time(), exc))

            async with trio.open_nursery() as nursery:
                for i in range(12):
                    nursery.start_soon(ask, "aq"[i % 2], i % 3 == 0)
                await trio.sleep(5)
                monkeypatch.setattr(RouterActor, "handle", always(Bug))
                for _ in range(6):
                    nursery.start_soon(ask, "a", False)
                    await trio.sleep(0.1)
            began = trio.current_time()
            for call in (router.chat("a", HELLO), router.reset("a")):
                with pytest.raises(RouterCrashed):
                    await call
            with pytest.raises(RouterCrashed):
                async with router.stream("a", HELLO):
                    pass
            assert trio.current_time() == began
            assert not router._pending
            assert len(router.snapshot()) == 2
            assert [fact async for fact in router.events()] == []

    run(play, seed=seed)
    assert len(answers) == 18
    assert all(isinstance(answer, RouterCrashed) and at < 20 for at, answer in answers)


@pytest.mark.parametrize("seed", range(10))
def test_whoever_waits_for_a_reset_is_told_when_there_is_no_router_any_more(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Exception] = []

    async def play() -> None:
        async with open_router(config(entry("a")), transport=Provider()) as router:
            monkeypatch.setattr(ModelActor, "handle", always(Bug))
            monkeypatch.setattr(StandIn, "run", _perform_nothing)
            monkeypatch.setattr(ModelActor, "_take_up", always(Bug))
            monkeypatch.setattr(RouterActor, "handle", always(Bug))

            async def wait() -> None:
                try:
                    await router.reset("a")
                except UnderstudyError as exc:
                    told.append(exc)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                for _ in range(30):
                    with pytest.raises(RouterCrashed):
                        await router.chat("a", HELLO, timeout=30)
                    await trio.sleep(0.5)

    run(play, seed=seed)
    assert [type(exc) for exc in told] == [RouterCrashed]


async def _perform_nothing(self: StandIn) -> None:
    await trio.sleep_forever()
