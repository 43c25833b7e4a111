"""A candidate's lasting part: why nothing goes, what is told of it, and what a crash leaves."""

from __future__ import annotations

import math
from typing import Any

import pytest
from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.actors.bucket import WINDOW_GUARD, Limits, Permit
from understudy.actors.demand import Demand
from understudy.actors.failures import Failure, Reason
from understudy.actors.identity import ModelKey
from understudy.actors.mailbox import Mailbox
from understudy.actors.messages import Attempt, Call, Leash, ModelMessage, Refusal, Ticket
from understudy.actors.part import DISTRUST_COOLDOWN, Held, Obstacle, Part, State
from understudy.actors.policy import DEFAULT

KEY = ModelKey("glm", "zhipu", "glm-4.7", "key 1")


def part(*, now: float = 0.0, **limits: Any) -> Part:
    box: Mailbox[ModelMessage] = Mailbox("glm", 9)
    return Part(KEY, Limits(**limits), DEFAULT, box, now=now, max_retry_after=600.0)


def held(n: int, tokens: int = 0) -> Held:
    return Held(Attempt(n, n, KEY, Call("glm"), Demand(tokens), math.inf, Leash(), lambda _: None))


def admit(it: Part, n: int, now: float, tokens: int = 0) -> Held:
    """Let an attempt go, as the model actor does."""
    each = it.open[n] = held(n, tokens)
    permit = it.bucket.take(now, tokens)
    assert isinstance(permit, Permit)
    each.ticket = Ticket(permit, it.cooldown.admit(now), now)
    each.attended = True
    return each


def queue(it: Part, n: int, tokens: int = 0) -> Held:
    each = it.open[n] = held(n, tokens)
    it.queue.append(each)
    return each


def fail(it: Part, now: float) -> None:
    it.cooldown.failed(now, it.cooldown.admit(now), Failure.of(Reason.TIMEOUT))


# Obstacles


def test_nothing_stands_in_the_way_of_a_healthy_candidate() -> None:
    it = part(rpm=1, tpm=10, max_parallel=1)
    assert it.obstacle(0.0, 10) is None
    assert it.status(0.0).state is State.HEALTHY


def test_each_obstacle_is_named_and_says_until_when_if_it_can() -> None:
    saturated = part(rpm=1)
    admit(saturated, 1, 0.0)
    assert saturated.obstacle(1.0, 0) == Obstacle(Refusal.SATURATED, 60.0 + WINDOW_GUARD)

    thirsty = part(tpm=60)
    admit(thirsty, 1, 0.0, tokens=60)
    assert thirsty.obstacle(1.0, 30) == Obstacle(Refusal.SATURATED, 60.0 + WINDOW_GUARD)

    busy = part(max_parallel=1)
    admit(busy, 1, 0.0)
    assert busy.obstacle(1.0, 0) == Obstacle(Refusal.BUSY)

    cooling = part()
    fail(cooling, 0.0)
    assert cooling.obstacle(1.0, 0) == Obstacle(Refusal.COOLING, 30.0)

    cooling.cooldown.admit(30.0)
    assert cooling.obstacle(30.0, 0) == Obstacle(Refusal.PROBING)

    cooling.down = True
    assert cooling.obstacle(30.0, 0) == Obstacle(Refusal.DOWN)


def test_a_cooldown_is_named_before_a_limit_and_a_crashed_actor_before_both() -> None:
    it = part(rpm=1, max_parallel=1)
    admit(it, 1, 0.0)
    it.cooldown.failed(0.0, it.cooldown.admit(0.0), Failure.of(Reason.AUTH))
    assert it.obstacle(1.0, 0) == Obstacle(Refusal.COOLING, 600.0)
    it.down = True
    assert it.obstacle(1.0, 0) == Obstacle(Refusal.DOWN)


def test_whoever_comes_later_waits_behind_all_that_wait() -> None:
    it = part(rpm=60, burst=1)
    admit(it, 1, 0.0)
    queue(it, 2)
    queue(it, 3)
    assert it.obstacle(0.0, 0) == Obstacle(Refusal.SATURATED, 3.0)
    assert it.obstacle(0.0, 0, first_in_line=True) == Obstacle(Refusal.SATURATED, 1.0)


def test_whoever_waits_for_a_place_keeps_later_ones_waiting_too() -> None:
    it = part(max_parallel=2)
    admit(it, 1, 0.0)
    queue(it, 2)
    assert it.obstacle(0.0, 0) == Obstacle(Refusal.BUSY)


def test_a_small_request_does_not_overtake_a_large_one_that_waits() -> None:
    it = part(tpm=100)
    admit(it, 1, 0.0, tokens=60)
    queue(it, 2, tokens=90)
    assert it.obstacle(1.0, 0) == Obstacle(Refusal.SATURATED, 60.0 + WINDOW_GUARD)


def test_one_that_waits_with_a_huge_estimate_counts_as_a_whole_minute_and_no_more() -> None:
    it = part(tpm=100)
    admit(it, 1, 0.0, tokens=100)
    queue(it, 2, tokens=1_000_000)
    obstacle = it.obstacle(1.0, 10)
    assert obstacle is not None
    assert obstacle.ready_at is not None
    assert obstacle.ready_at == pytest.approx(121, abs=1.5)


@settings(max_examples=80, deadline=None)
@given(
    rpm=st.integers(1, 5),
    tpm=st.sampled_from([None, 100]),
    pauses=st.lists(st.sampled_from([0.0, 1.0, 15.0, 61.0]), max_size=15),
)
def test_whoever_meets_no_obstacle_can_go_and_looking_changes_nothing(
    rpm: int, tpm: int | None, pauses: list[float]
) -> None:
    it, now = part(rpm=rpm, tpm=tpm), 0.0
    for n, pause in enumerate(pauses):
        now += pause
        obstacle = it.obstacle(now, 30)
        assert [it.obstacle(now, 30) for _ in range(2)] == [obstacle] * 2
        assert it.status(now) == it.status(now)
        if obstacle is None:
            admit(it, n, now, tokens=30)
        assert it.holds_together(now)


# The notice at the door


@settings(max_examples=200, deadline=None)
@given(
    limits=st.fixed_dictionaries(
        {},
        optional={"rpm": st.integers(1, 3), "tpm": st.sampled_from([60, 100]), "max_parallel": st.integers(1, 2)},
    ),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["come", "end", "fail", "queue", "leave", "down"]), st.sampled_from([0.0, 7.0, 61.0])
        ),
        max_size=25,
    ),
    tokens=st.sampled_from([0, 30, 60]),
)
def test_a_notice_says_what_the_candidate_would_say(
    limits: dict[str, int], steps: list[tuple[str, float]], tokens: int
) -> None:
    it, now, under_way = part(**limits), 0.0, list[Held]()
    for n, (what, pause) in enumerate(steps):
        now += pause
        obstacle = it.obstacle(now, tokens)
        is_full = it.bucket.in_flight == limits.get("max_parallel") or now < it.full_until
        is_known = is_full and it.cooldown.is_healthy  # one that awaits its probe is asked
        hangs = obstacle is not None and (
            obstacle.refusal is Refusal.COOLING or (is_known and obstacle.refusal in {Refusal.BUSY, Refusal.SATURATED})
        )
        assert it.notice(now, Demand(tokens)) == (obstacle if hangs else None)
        match what:
            case "come" if obstacle is None:
                under_way.append(admit(it, n, now, tokens))
            case "come" if obstacle is not None and obstacle.ready_at is not None and not it.down:
                it.full_until = obstacle.ready_at  # as the model actor does
            case "end" | "fail" if under_way:
                ticket = under_way.pop(0).ticket
                assert ticket is not None
                it.bucket.release(ticket.permit, now, sent=what == "end", used=1.0)
                if what == "fail":
                    it.cooldown.failed(now, ticket.stamp, Failure.of(Reason.TIMEOUT))
            case "queue":
                queue(it, n, tokens)
            case "leave" if it.queue:
                it.queue.popleft()
            case "down":
                it.down = not it.down


# Status


@define
class Told:
    state: State
    remaining: float
    tokens: float | None


def told(it: Part, now: float) -> Told:
    status = it.status(now)
    return Told(status.state, status.cooldown_remaining, status.tokens)


def test_the_status_follows_the_candidate_through_a_cooldown() -> None:
    it = part(rpm=3)
    assert told(it, 0.0) == Told(State.HEALTHY, 0.0, 3.0)
    fail(it, 0.0)
    assert told(it, 10.0) == Told(State.COOLING, 20.0, 3.0)
    assert told(it, 30.0) == Told(State.PROBING, 0.0, 3.0)
    probe = it.cooldown.admit(30.0)
    assert told(it, 31.0).state is State.PROBING
    it.cooldown.ok(probe)
    assert told(it, 31.0).state is State.HEALTHY
    it.down = True
    assert told(it, 31.0).state is State.DOWN


def test_the_status_tells_what_is_under_way_and_what_has_been() -> None:
    it = part(max_parallel=1)
    admit(it, 1, 0.0)
    queue(it, 2)
    it.held_back.append(held(3))
    it.failures["timeout"] += 2
    it.served = 7
    status = it.status(0.0)
    assert (status.name, status.provider, status.model, status.credential) == ("glm", "zhipu", "glm-4.7", "key 1")
    assert status.key is KEY
    assert status.state is State.SATURATED
    assert status.tokens is None
    assert (status.in_flight, status.queued, status.served, status.failures) == (1, 2, 7, {"timeout": 2})
    status.failures["timeout"] = 99
    assert it.failures["timeout"] == 2


# What a crash leaves


def test_a_part_holds_together_only_if_ledger_bucket_and_queue_agree() -> None:
    it = part(rpm=9)
    admit(it, 1, 0.0)
    queue(it, 2)
    assert it.holds_together(0.0)

    for spoil in ("ticket", "ledger", "stranger", "queued with a ticket", "queue", "bucket", "cooldown"):
        it = part(rpm=9)
        going, waiting = admit(it, 1, 0.0), queue(it, 2)
        match spoil:
            case "ticket":
                going.ticket = None
            case "ledger":
                del it.open[1]
            case "stranger":
                it.held_back.append(held(3))
            case "queued with a ticket":
                going.ticket, waiting.ticket = None, going.ticket
            case "queue":
                it.queue._tokens = 7
            case "bucket":
                it.bucket._permits.clear()
            case "cooldown":
                it.cooldown.generation = -1
        assert not it.holds_together(0.0), spoil


def test_unattended_is_whoever_neither_waits_nor_has_a_worker() -> None:
    it = part()
    working, waiting, ended = admit(it, 1, 0.0), queue(it, 2), admit(it, 3, 0.0)
    held_back = it.open[4] = held(4)
    it.held_back.append(held_back)
    looked_at = it.open[5] = held(5)
    ended.ended = True
    assert it.unattended() == [ended, looked_at]
    assert working not in it.unattended()
    assert waiting not in it.unattended()


@settings(max_examples=60, deadline=None)
@given(
    limits=st.fixed_dictionaries({}, optional={"rpm": st.integers(1, 9), "tpm": st.integers(1, 99)}),
    generation=st.integers(-5, 50),
    taken=st.integers(0, 3),
)
def test_a_distrusted_part_never_starts_full_and_cools_first(
    limits: dict[str, int], generation: int, taken: int
) -> None:
    it, now = part(**limits), 1000.0
    fresh = [queue(it, n) for n in range(taken)]
    before = it.cooldown.admit(0.0)
    it.cooldown.generation = generation
    orphans = it.distrust(now)
    assert orphans == fresh
    assert not it.open
    assert not it.queue
    assert it.unattended() == []
    assert it.holds_together(now)
    assert it.obstacle(now, 1) == Obstacle(Refusal.COOLING, now + DISTRUST_COOLDOWN)
    assert it.cooldown.generation > max(before.generation, generation)
    status = it.status(now)
    assert status.state is State.COOLING
    if "rpm" in limits:
        assert status.tokens == 0
        assert it.bucket.requests_left(now + 60.0) == 0
    if limits:
        assert not isinstance(it.bucket.take(now + 60.0, 1), Permit)
    assert it.cooldown.admit(now + DISTRUST_COOLDOWN).is_probe
