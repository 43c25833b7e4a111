"""Health in virtual time: one outage is one incident, recovery is probed, credentials are shared."""

from __future__ import annotations

import pytest
import trio

from understudy import AllCandidatesFailed, Fact, Kind, Reply, RequestRejected, State, open_router

from .virtual import HELLO, Deal, Provider, Received, config, entry, fail, run

SEEDS = range(30)

BURSTS = (0, 10, 31, 60, 92, 150, 214, 300, 456, 600, 760, 900, 1062)
"""When all callers ask at once: within cooldowns, and soon after the end of each."""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_dead_candidate_is_probed_once_after_each_cooldown(seed: int) -> None:
    provider = Provider(lambda received: fail(500, after=0.5) if received.host == "a.example" else Deal())
    facts: list[Fact] = []

    async def play() -> None:
        made = config(entry("a", fallbacks=["b"]), entry("b"))
        async with open_router(made, transport=provider) as router:
            router.listen(lambda fact: facts.append(fact) if fact is not None else None)

            async def ask() -> None:
                reply = await router.chat("a", HELLO, timeout=30)
                assert reply.served_by.name == "b"

            async with trio.open_nursery() as nursery:
                for at in BURSTS:
                    await trio.sleep_until(at)
                    for _ in range(40):
                        nursery.start_soon(ask)

    run(play, seed=seed)
    times = [received.at for received in provider.at("a.example")]
    assert times[:40] == [0.0] * 40, "all forty were in flight when it fell over"
    assert times[40:] == [31, 92, 214, 456, 760, 1062], "one of forty, each time that it might be back"
    cooling = [fact for fact in facts if fact.kind is Kind.COOLING]
    assert [fact.details["incidents"] for fact in cooling] == list(range(1, 8))
    lengths = [float(fact.details["until"] or 0) - fact.at for fact in cooling]
    assert lengths == pytest.approx([30, 60, 120, 240, 300, 300, 300])
    assert len(provider.at("b.example")) == 40 * len(BURSTS)
    assert not [fact for fact in facts if fact.kind is Kind.EXTENDED]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_candidate_that_is_back_serves_again(seed: int) -> None:
    provider = Provider(lambda received: fail(503) if received.at < 40 and received.host == "a.example" else Deal())

    async def play() -> None:
        made = config(entry("a", fallbacks=["b"]), entry("b"))
        async with open_router(made, transport=provider) as router:
            served = []
            for _ in range(200):
                reply = await router.chat("a", HELLO)
                served.append(reply.served_by.name)
                await trio.sleep(0.9)
            assert served[-80:] == ["a"] * 80
            assert router.snapshot()[0].state is State.HEALTHY
            assert router.snapshot()[0].failures == {"overloaded": 2}

    run(play, seed=seed)


@pytest.mark.parametrize("policy", ["default", "classic"])
@pytest.mark.parametrize("status", [401, 402])
@pytest.mark.parametrize("seed", range(10))
def test_a_credentials_failure_cools_all_who_share_it_and_nobody_else(policy: str, status: int, seed: int) -> None:
    def script(received: Received) -> Deal:
        return fail(status) if received.secret == "shared" else Deal()

    provider = Provider(script)

    async def play() -> None:
        made = config(
            entry("a", key="shared", fallbacks=["other"]),
            entry("sibling", key="shared", fallbacks=["other"]),
            entry("cousin", key="shared", host="elsewhere.example"),
            entry("twin", model="maker/a-model", host="a.example", key="its-own"),
            entry("other"),
            policy=policy,
        )
        async with open_router(made, transport=provider) as router:
            reply = await router.chat("a", HELLO)
            assert reply.served_by.name == "other"
            states = {status.name: status.state for status in router.snapshot()}
            cooling = {"a"} if policy == "classic" else {"a", "sibling", "cousin"}
            assert {name for name, state in states.items() if state is State.COOLING} == cooling
            await router.chat("sibling", HELLO)
            await router.chat("twin", HELLO)

    run(play, seed=seed)
    asked = {"other.example", "a.example"} | ({"sibling.example"} if policy == "classic" else set())
    assert {received.host for received in provider.log} == asked


@pytest.mark.parametrize("seed", SEEDS)
def test_a_credentials_failure_is_told_although_its_candidate_cools_already(seed: int) -> None:
    def script(received: Received) -> Deal:
        if received.host == "a.example":
            return fail(429, after=1) if received.number == 0 else fail(401, after=2)
        return Deal()

    provider = Provider(script)

    async def play() -> None:
        made = config(entry("a", key="shared"), entry("sibling", key="shared"))
        async with open_router(made, transport=provider) as router:

            async def ask() -> None:
                with pytest.raises(AllCandidatesFailed):
                    await router.chat("a", HELLO)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                nursery.start_soon(ask)
            await trio.sleep(0.1)
            assert [status.state for status in router.snapshot()] == [State.COOLING, State.COOLING]
            assert all(status.cooldown_remaining > 500 for status in router.snapshot())

    run(play, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stated_wait_is_believed_within_bounds(seed: int) -> None:
    def script(received: Received) -> Deal:
        return fail(429, retry_after=7 if received.host == "a.example" else 86_400)

    async def play() -> None:
        made = config(entry("a"), entry("b"), max_retry_after=90)
        async with open_router(made, transport=Provider(script)) as router:
            for name, wait in (("a", 7), ("b", 90)):
                with pytest.raises(AllCandidatesFailed) as info:
                    await router.chat(name, HELLO)
                assert info.value.retry_after == pytest.approx(wait)

    run(play, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_requests_own_fault_touches_one_candidate_and_cools_nobody(seed: int) -> None:
    provider = Provider(lambda _: fail(400, kind="invalid_request_error"))

    async def play() -> None:
        made = config(entry("a", fallbacks=["b"]), entry("b"))
        async with open_router(made, transport=provider) as router:
            with pytest.raises(RequestRejected) as info:
                await router.chat("a", HELLO)
            assert info.value.key is not None
            assert info.value.key.name == "a"
            assert {status.state for status in router.snapshot()} == {State.HEALTHY}

    run(play, seed=seed)
    assert len(provider.log) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_reset_ends_a_cooldown_and_the_next_one_is_the_probe(seed: int) -> None:
    provider = Provider(lambda received: fail(500) if received.number == 0 else Deal(2))

    async def play() -> None:
        async with open_router(config(entry("a", fallbacks=["b"]), entry("b")), transport=provider) as router:
            await router.chat("a", HELLO)
            assert router.snapshot()[0].state is State.COOLING
            await router.reset("a")
            assert router.snapshot()[0].state is State.PROBING
            replies: list[Reply] = []

            async def ask() -> None:
                replies.append(await router.chat("a", HELLO))

            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(ask)
            assert sorted(reply.served_by.name for reply in replies) == ["a", "b", "b", "b", "b"]
            assert router.snapshot()[0].state is State.HEALTHY

    run(play, seed=seed)
