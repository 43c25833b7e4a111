"""Health against a model of eras and incidents, and every transition of its diagram walked."""

from __future__ import annotations

import math

import pytest
from attrs import define
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from understudy.actors.cooldown import MAX_RETRY_AFTER, Change, Cooldown, Health, Stamp
from understudy.actors.failures import Failure, Reason, Scope
from understudy.actors.policy import CLASSIC, DAY, DEFAULT, PRESETS, Next, Policy, Rule

from . import naive_health
from .reached import Reached, fixed
from .test_policy import TABLES

COOLS = [reason for reason in Reason if DEFAULT[reason].cools]
COOLS_NOBODY = [reason for reason in Reason if not DEFAULT[reason].cools]


@define(eq=False)
class Attempt:
    stamp: Stamp
    naive: naive_health.Try


def wait_of(preset: str, reason: Reason, n: int) -> float:
    return TABLES[preset][reason.value][1][min(n, 12) - 1]


hints = st.sampled_from([None, None, None, 0.0, 0.25, 5.0, 45.0, 599.0, 600.0, 1e9, math.inf, -3.0])


class Machine(RuleBasedStateMachine):
    """Outcomes of every kind, in any order, of attempts of any age."""

    reached = Reached()

    def __init__(self) -> None:
        super().__init__()
        self.out: list[Attempt] = []
        self.done: list[Attempt] = []
        self.leases: list[int] = []

    @initialize(
        preset=st.sampled_from(["default", "classic"]),
        now=st.sampled_from([0.0, 5.5, 1e6]),
        longest=st.sampled_from([600.0, 600.0, 30.0, 0.0]),
    )
    def open(self, preset: str, now: float, longest: float) -> None:
        self.preset, self.now = preset, now
        self.cooldown = Cooldown(PRESETS[preset], max_retry_after=longest)
        self.naive = naive_health.Health(longest, naive_health.DAY)

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 20.0, 30.0, 300.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(seconds=st.sampled_from([3600.0, DAY]))
    def wait_long(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.naive.state(self.now) == "cooling")
    @rule(early=st.sampled_from([0.0, 0.0, 0.0, 0.5]))
    def wait_for_the_end(self, early: float) -> None:
        assert self.naive.incident is not None
        self.now = max(self.now, self.naive.incident.end - early)

    @precondition(lambda self: self.naive.last_failure is not None)
    @rule(early=st.sampled_from([0.0, 0.25]))
    def wait_until_it_is_forgotten(self, early: float) -> None:
        assert self.naive.last_failure is not None
        self.now = max(self.now, self.naive.last_failure + DAY - early)

    # Attempts

    @precondition(lambda self: self.naive.state(self.now) in {"healthy", "waiting"})
    @rule(times=st.integers(1, 3))
    def admit(self, times: int) -> None:
        for _ in range(times):
            if self.naive.state(self.now) not in {"healthy", "waiting"}:
                assert not self.cooldown.admits(self.now)
                return
            before = self.naive.state(self.now)
            stamp, naive = self.cooldown.admit(self.now), self.naive.admit(self.now)
            assert stamp.is_probe == naive.probe
            if stamp.lease is not None:
                assert stamp.lease not in self.leases, "a lease's number is never used again"
                self.leases.append(stamp.lease)
            self.out.append(Attempt(stamp, naive))
            self._went(before, "admit", "")

    @precondition(lambda self: self.naive.state(self.now) in {"cooling", "probing"})
    @rule()
    def ask_in_vain(self) -> None:
        assert not self.cooldown.admits(self.now)
        with pytest.raises(AssertionError, match="admits nothing"):
            self.cooldown.admit(self.now)

    def _one(self, data: st.DataObject) -> Attempt:
        """Favour the probe and the newest: most of what matters happens to them."""
        probes = [attempt for attempt in self.out if attempt.naive is self.naive.probe]
        attempt = data.draw(st.sampled_from([*self.out, *probes, *probes, *self.out[-1:]]))
        self.out.remove(attempt)
        self.done.append(attempt)
        return attempt

    @precondition(lambda self: self.out)
    @rule(data=st.data(), reason=st.sampled_from(COOLS), hint=hints)
    def fail(self, data: st.DataObject, reason: Reason, hint: float | None) -> None:
        self._fail(self._one(data), reason, hint)

    @precondition(lambda self: len(self.out) > 1)
    @rule(reason=st.sampled_from(COOLS), hint=hints)
    def fail_all_at_once(self, reason: Reason, hint: float | None) -> None:
        """One outage: however many come back, one incident at most."""
        before, self.done = self.naive.count, [*self.done, *self.out]
        out, self.out = self.out, []
        for attempt in out:
            self._fail(attempt, reason, hint)
        assert self.cooldown.incidents <= before + 1
        self.reached.note("several in flight failed at once")

    @precondition(lambda self: self.naive.state(self.now) == "healthy")
    @rule(reason=st.sampled_from(COOLS), stragglers=st.integers(2, 4))
    def fall_over(self, reason: Reason, stragglers: int) -> None:
        """An outage begins, and some that were sent before it have yet to come back."""
        self.admit(stragglers + 1)
        first = self.out.pop()
        self._fail(first, reason, None)

    @precondition(lambda self: any(self._age(attempt) == "older" for attempt in self.out))
    @rule(data=st.data(), how=st.sampled_from(["unknown", "ok", "answered", "failed", "failed", "failed"]), hint=hints)
    def hear_of_a_straggler(self, data: st.DataObject, how: str, hint: float | None) -> None:
        attempt = data.draw(st.sampled_from([attempt for attempt in self.out if self._age(attempt) == "older"]))
        self.out.remove(attempt)
        self.done.append(attempt)
        if how == "failed":
            self._fail(attempt, data.draw(st.sampled_from(COOLS)), hint)
            return
        before, hear = self.naive.state(self.now), getattr(self.cooldown, how)
        assert hear(attempt.stamp) is Change.NONE
        self._went(before, f"{how} (older)", "none")

    @precondition(lambda self: self.naive.state(self.now) == "waiting")
    @rule(how=st.sampled_from(["ok", "answered", "none"]))
    def probe(self, how: str) -> None:
        self.admit(1)
        probe = self.out[-1]
        if how == "ok":
            self.out.remove(probe)
            assert self.cooldown.ok(probe.stamp).value == self.naive.ok(probe.naive) == "recovered"
            self._went("probing", "ok (the probe)", "recovered")
        elif how == "answered":
            assert self.cooldown.answered(probe.stamp).value == self.naive.answered(probe.naive) == "recovered"
            self._went("probing", "answered (the probe)", "recovered")

    def _fail(self, attempt: Attempt, reason: Reason, hint: float | None) -> None:
        before, age = self.naive.state(self.now), self._age(attempt)
        begins = attempt.naive.era is self.naive.era
        wait = wait_of(self.preset, reason, self.naive.number(self.now, begins=begins))
        if begins and self.naive.count > 0 and self.naive.number(self.now, begins=True) == 1:
            self.reached.note("forgotten")
        change = self.cooldown.failed(self.now, attempt.stamp, Failure.of(reason, retry_after=hint))
        assert change.value == self.naive.failed(self.now, attempt.naive, wait, hint)
        self._went(before, f"failed ({age})", change.value)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        attempt = self._one(data)
        before, age = self.naive.state(self.now), self._age(attempt)
        change = self.cooldown.ok(attempt.stamp)
        assert change.value == self.naive.ok(attempt.naive)
        self._went(before, f"ok ({age})", change.value)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """A stream begins; its attempt stays out until it ends."""
        attempt = data.draw(st.sampled_from(self.out))
        before, age = self.naive.state(self.now), self._age(attempt)
        change = self.cooldown.answered(attempt.stamp)
        assert change.value == self.naive.answered(attempt.naive)
        self._went(before, f"answered ({age})", change.value)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), reason=st.sampled_from([None, *COOLS_NOBODY]), scope=st.sampled_from(list(Scope)))
    def end_without_news(self, data: st.DataObject, reason: Reason | None, scope: Scope) -> None:
        """The caller left, the request was at fault, or the reason is one that cools nobody."""
        attempt = self._one(data)
        before, age = self.naive.state(self.now), self._age(attempt)
        if reason is None:
            change = self.cooldown.unknown(attempt.stamp)
        elif scope is Scope.REQUEST:
            change = self.cooldown.failed(self.now, attempt.stamp, Failure(Reason.TIMEOUT, scope, retry_after=9))
        else:
            change = self.cooldown.failed(self.now, attempt.stamp, Failure(reason, scope, retry_after=9))
        assert change.value == self.naive.unknown(attempt.naive)
        self._went(before, f"unknown ({age})", change.value)

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def hear_twice_of_one_that_is_done(self, data: st.DataObject) -> None:
        """An old probe cannot give back, or recover, a newer one's lease."""
        attempt = data.draw(st.sampled_from(self.done))
        before = self.naive.state(self.now)
        assert self.cooldown.unknown(attempt.stamp) is Change.NONE
        assert self.cooldown.answered(attempt.stamp) is Change.NONE
        if attempt.stamp.is_probe and before == "probing":
            self.reached.note("an old probe spoke while a newer one was out")

    # News from elsewhere

    @precondition(lambda self: len(self.out) % 2 == 1)
    @rule(reason=st.sampled_from([Reason.AUTH, Reason.BILLING]), hint=st.sampled_from([None, None, 90.0, 1e9]))
    def strike(self, reason: Reason, hint: float | None) -> None:
        before = self.naive.state(self.now)
        number = self.naive.number(self.now, begins=before != "cooling")
        change = self.cooldown.struck(self.now, Failure.of(reason, retry_after=hint))
        assert change.value == self.naive.struck(self.now, wait_of(self.preset, reason, number), hint)
        self._went(before, "struck", change.value)

    @precondition(lambda self: not self.out)
    @rule()
    def strike_with_what_cools_nobody(self) -> None:
        assert self.cooldown.struck(self.now, Failure.of(Reason.UNKNOWN)) is Change.NONE

    @precondition(lambda self: len(self.out) % 3 == 1)
    @rule()
    def reset(self) -> None:
        before = self.naive.state(self.now)
        change = self.cooldown.reset()
        assert change.value == self.naive.reset()
        self._went(before, "reset", change.value)

    @precondition(lambda self: len(self.done) % 5 == 4)
    @rule()
    def lose_all_memory(self) -> None:
        before = self.naive.state(self.now)
        self.cooldown.cool_blindly(self.now, 60.0)
        self.naive.cool_blindly(self.now, 60.0)
        self._went(before, "cooled blindly", "")

    # Always

    @invariant()
    def agrees(self) -> None:
        state = self.naive.state(self.now)
        assert self.cooldown.health(self.now).value == state
        assert self.cooldown.admits(self.now) == (state in {"healthy", "waiting"})
        end = self.naive.incident.end if self.naive.incident is not None and state == "cooling" else None
        assert self.cooldown.cooling_until(self.now) == end
        assert self.cooldown.incidents == self.naive.count
        assert self.cooldown.holds_together(self.now)

    def _age(self, attempt: Attempt) -> str:
        if attempt.naive is self.naive.probe:
            return "the probe"
        return "current" if attempt.naive.era is self.naive.era else "older"

    def _went(self, before: str, event: str, change: str) -> None:
        self.reached.note(f"{before}, {event}, {self.naive.state(self.now)}: {change}")


EDGES = [
    "healthy, admit, healthy: ",
    "waiting, admit, probing: ",
    "healthy, ok (current), healthy: none",
    "healthy, ok (older), healthy: none",
    "cooling, ok (older), cooling: none",
    "waiting, ok (older), waiting: none",
    "probing, ok (older), probing: none",
    "probing, ok (the probe), healthy: recovered",
    "healthy, failed (current), cooling: began",
    "healthy, failed (current), waiting: began",
    "healthy, failed (older), healthy: none",
    "cooling, failed (older), cooling: none",
    "cooling, failed (older), cooling: extended",
    "waiting, failed (older), waiting: none",
    "waiting, failed (older), cooling: extended",
    "probing, failed (older), probing: none",
    "probing, failed (the probe), cooling: began",
    "probing, failed (the probe), waiting: began",
    "healthy, unknown (current), healthy: none",
    "healthy, unknown (older), healthy: none",
    "cooling, unknown (older), cooling: none",
    "waiting, unknown (older), waiting: none",
    "probing, unknown (older), probing: none",
    "probing, unknown (the probe), waiting: returned",
    "healthy, answered (current), healthy: none",
    "cooling, answered (older), cooling: none",
    "probing, answered (older), probing: none",
    "probing, answered (the probe), healthy: recovered",
    "healthy, struck, cooling: began",
    "waiting, struck, cooling: began",
    "probing, struck, cooling: began",
    "cooling, struck, cooling: extended",
    "cooling, struck, cooling: none",
    "healthy, reset, healthy: none",
    "cooling, reset, waiting: returned",
    "waiting, reset, waiting: returned",
    "probing, reset, waiting: returned",
    "healthy, cooled blindly, cooling: ",
    "probing, cooled blindly, cooling: ",
    "several in flight failed at once",
    "an old probe spoke while a newer one was out",
    "forgotten",
]


def test_it_agrees_with_a_model_of_eras_and_every_edge_is_walked() -> None:
    Machine.reached = Reached()
    run_state_machine_as_test(Machine, settings=fixed(examples=450, steps=50))
    Machine.reached.insist_on(EDGES, at_least=3)


# The table, to the second


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("reason", COOLS)
def test_each_incident_cools_to_the_second_what_the_table_says(preset: str, reason: Reason) -> None:
    for n in range(1, 13):
        cooldown, now = Cooldown(PRESETS[preset]), 1000.0
        for _ in range(n - 1):  # with a stated wait of nothing, so that no day passes on the way
            assert cooldown.failed(now, cooldown.admit(now), Failure.of(reason, retry_after=0)) is Change.BEGAN
        assert cooldown.failed(now, cooldown.admit(now), Failure.of(reason)) is Change.BEGAN
        end = now + TABLES[preset][reason.value][1][n - 1]
        assert cooldown.incidents == n
        assert cooldown.cooling_until(now) == end
        assert cooldown.health(math.nextafter(end, 0)) is Health.COOLING
        assert cooldown.health(end) is Health.WAITING


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("reason", [reason for reason in COOLS if DEFAULT[reason].cap < DAY])
def test_a_provider_that_fails_every_probe_walks_down_the_table(preset: str, reason: Reason) -> None:
    cooldown, now, waits = Cooldown(PRESETS[preset]), 0.0, []
    for _ in range(12):
        cooldown.failed(now, cooldown.admit(now), Failure.of(reason))
        end = cooldown.cooling_until(now)
        assert end is not None
        waits.append(end - now)
        now = end
    assert waits == list(TABLES[preset][reason.value][1])


@pytest.mark.parametrize("reason", COOLS_NOBODY)
@pytest.mark.parametrize("preset", PRESETS)
def test_a_reason_that_cools_nobody_cools_nobody(preset: str, reason: Reason) -> None:
    cooldown = Cooldown(PRESETS[preset])
    assert cooldown.failed(0.0, cooldown.admit(0.0), Failure.of(reason, retry_after=60)) is Change.NONE
    assert cooldown.health(0.0) is Health.HEALTHY
    assert cooldown.incidents == 0


# The rules that somebody has paid for


def failing(n: int = 1, *, hint: float | None = None, policy: Policy = DEFAULT) -> tuple[Cooldown, list[Stamp]]:
    """A candidate with n attempts in flight, the first of which has just failed, at 0."""
    cooldown = Cooldown(policy)
    stamps = [cooldown.admit(0.0) for _ in range(n)]
    cooldown.failed(0.0, stamps[0], Failure.of(Reason.SERVER_ERROR, retry_after=hint))
    return cooldown, stamps[1:]


def test_ten_failures_of_one_outage_count_once() -> None:
    cooldown, others = failing(10)
    for n, stamp in enumerate(others):
        assert cooldown.failed(n / 10, stamp, Failure.of(Reason.TIMEOUT)) is Change.NONE
    assert cooldown.incidents == 1
    assert cooldown.cooling_until(1.0) == 30.0


def test_a_late_failure_of_the_incident_moves_its_end_later_and_never_earlier() -> None:
    cooldown, (first, second, third) = failing(4)
    assert cooldown.failed(1.0, first, Failure.of(Reason.RATE_LIMIT, retry_after=1)) is Change.NONE
    assert cooldown.cooling_until(1.0) == 30.0
    assert cooldown.failed(2.0, second, Failure.of(Reason.RATE_LIMIT, retry_after=100)) is Change.EXTENDED
    assert cooldown.cooling_until(2.0) == 102.0
    assert cooldown.failed(3.0, third, Failure.of(Reason.AUTH)) is Change.EXTENDED
    assert cooldown.cooling_until(3.0) == 600.0, "counted from the beginning of the incident"
    assert cooldown.incidents == 1


def test_a_late_failure_of_an_earlier_incident_moves_nothing() -> None:
    cooldown, (straggler,) = failing(2)
    cooldown.failed(30.0, cooldown.admit(30.0), Failure.of(Reason.TIMEOUT))
    assert cooldown.failed(31.0, straggler, Failure.of(Reason.AUTH, retry_after=500)) is Change.NONE
    assert cooldown.cooling_until(31.0) == 90.0
    assert cooldown.incidents == 2


def test_a_success_of_an_older_generation_ends_no_newer_cooldown() -> None:
    cooldown, (straggler,) = failing(2)
    assert cooldown.ok(straggler) is Change.NONE
    assert cooldown.health(1.0) is Health.COOLING
    assert cooldown.incidents == 1


def test_exactly_one_probe_goes_out_when_a_cooldown_ends() -> None:
    cooldown, _ = failing()
    probe = cooldown.admit(30.0)
    assert probe.is_probe
    assert not cooldown.admits(30.0)
    assert not cooldown.admits(1e9)
    assert cooldown.ok(probe) is Change.RECOVERED
    assert not cooldown.admit(31.0).is_probe


def test_a_cancelled_probe_gives_its_lease_back_and_changes_nothing_else() -> None:
    cooldown, _ = failing()
    generation = cooldown.generation
    assert cooldown.unknown(cooldown.admit(30.0)) is Change.RETURNED
    assert cooldown.health(30.0) is Health.WAITING
    assert (cooldown.generation, cooldown.incidents) == (generation, 1)
    assert cooldown.admit(30.0).is_probe


def test_a_probe_ended_by_a_fault_of_the_request_gives_its_lease_back() -> None:
    cooldown, _ = failing()
    assert cooldown.failed(30.0, cooldown.admit(30.0), Failure.of(Reason.FORMAT)) is Change.RETURNED
    assert cooldown.health(30.0) is Health.WAITING


def test_an_old_probe_cannot_give_back_a_newer_ones_lease() -> None:
    cooldown, _ = failing()
    old = cooldown.admit(30.0)
    cooldown.unknown(old)
    new = cooldown.admit(30.0)
    assert cooldown.unknown(old) is Change.NONE
    assert cooldown.answered(old) is Change.NONE
    assert cooldown.ok(old) is Change.NONE
    assert cooldown.health(30.0) is Health.PROBING
    assert cooldown.ok(new) is Change.RECOVERED


def test_a_stream_that_opened_lets_others_in_and_still_counts_if_it_breaks() -> None:
    cooldown, _ = failing()
    stream = cooldown.admit(30.0)
    assert cooldown.answered(stream) is Change.RECOVERED
    assert not cooldown.admit(30.0).is_probe
    assert cooldown.incidents == 1
    assert cooldown.failed(31.0, stream, Failure.of(Reason.NETWORK)) is Change.BEGAN
    assert cooldown.incidents == 2
    assert cooldown.cooling_until(31.0) == 91.0


@pytest.mark.parametrize(
    ("hint", "ends"),
    [(0.0, 0.0), (6.5, 6.5), (600.0, 600.0), (600.5, 600.0), (18 * DAY, 600.0), (math.inf, 600.0), (-5.0, 0.0)],
)
def test_a_stated_wait_replaces_the_formula_within_bounds(hint: float, ends: float) -> None:
    cooldown, _ = failing(hint=hint)
    assert cooldown.health(ends) is Health.WAITING
    assert ends == 0 or cooldown.health(math.nextafter(ends, 0)) is Health.COOLING
    assert cooldown.incidents == 1


def test_the_bound_on_stated_waits_is_ten_minutes_unless_said_otherwise() -> None:
    assert MAX_RETRY_AFTER == 600
    cooldown = Cooldown(DEFAULT, max_retry_after=7.0)
    cooldown.failed(0.0, cooldown.admit(0.0), Failure.of(Reason.RATE_LIMIT, retry_after=60))
    assert cooldown.cooling_until(0.0) == 7.0


@pytest.mark.parametrize(("later", "n"), [(DAY, 1), (math.nextafter(DAY, 0), 2)])
def test_a_day_without_failures_forgets_exactly_at_its_end(later: float, n: int) -> None:
    cooldown, _ = failing()
    cooldown.failed(later, cooldown.admit(later), Failure.of(Reason.TIMEOUT))
    assert cooldown.incidents == n


def test_a_success_forgets_at_once() -> None:
    cooldown, _ = failing()
    cooldown.ok(cooldown.admit(30.0))
    cooldown.failed(31.0, cooldown.admit(31.0), Failure.of(Reason.TIMEOUT))
    assert cooldown.incidents == 1
    assert cooldown.cooling_until(31.0) == 61.0


def test_after_a_reset_what_was_in_flight_changes_nothing_and_the_next_one_probes() -> None:
    cooldown, (straggler, other) = failing(3)
    assert cooldown.reset() is Change.RETURNED
    assert cooldown.failed(1.0, straggler, Failure.of(Reason.AUTH, retry_after=500)) is Change.NONE
    assert cooldown.ok(other) is Change.NONE
    probe = cooldown.admit(1.0)
    assert probe.is_probe
    assert cooldown.failed(2.0, probe, Failure.of(Reason.TIMEOUT)) is Change.BEGAN
    assert cooldown.incidents == 1


def test_a_reset_takes_the_lease_of_a_probe_that_is_out() -> None:
    cooldown, _ = failing()
    old = cooldown.admit(30.0)
    cooldown.reset()
    new = cooldown.admit(30.0)
    assert cooldown.ok(old) is Change.NONE
    assert cooldown.failed(30.0, old, Failure.of(Reason.TIMEOUT)) is Change.NONE
    assert cooldown.health(30.0) is Health.PROBING
    assert cooldown.ok(new) is Change.RECOVERED


def test_a_strike_on_a_probe_makes_the_probes_outcome_that_of_an_older_generation() -> None:
    cooldown, _ = failing()
    probe = cooldown.admit(30.0)
    assert cooldown.struck(31.0, Failure.of(Reason.AUTH)) is Change.BEGAN
    assert cooldown.ok(probe) is Change.NONE
    assert cooldown.cooling_until(31.0) == 31.0 + 1200


def test_a_strike_while_it_cools_moves_the_end_and_is_no_incident_of_its_own() -> None:
    cooldown, _ = failing()
    assert cooldown.struck(10.0, Failure.of(Reason.AUTH)) is Change.EXTENDED
    assert cooldown.incidents == 1
    assert cooldown.cooling_until(10.0) == 610.0
    assert cooldown.struck(10.0, Failure.of(Reason.AUTH, retry_after=1)) is Change.NONE


def test_lost_memory_cools_and_whatever_was_in_flight_changes_nothing() -> None:
    cooldown = Cooldown(CLASSIC)
    before = cooldown.admit(0.0)
    cooldown.cool_blindly(5.0, 60.0)
    assert cooldown.cooling_until(5.0) == 65.0
    assert cooldown.failed(6.0, before, Failure.of(Reason.AUTH)) is Change.NONE
    assert cooldown.ok(before) is Change.NONE
    assert cooldown.holds_together(6.0)
    assert cooldown.admit(65.0).is_probe


def test_a_rule_of_ones_own_is_followed() -> None:
    policy = DEFAULT.with_rules({Reason.UNKNOWN: Rule(Next.YES, base=3, factor=3, cap=20)})
    cooldown, now = Cooldown(policy), 0.0
    for expected in (3, 9, 20, 20):
        cooldown.failed(now, cooldown.admit(now), Failure.of(Reason.UNKNOWN))
        assert cooldown.cooling_until(now) == now + expected
        now += expected


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("generation", -1),
        ("incidents", -1),
        ("_lease", 99),
        ("_lease", 0),
        ("_until", math.nan),
        ("_until", None),
        ("_last_failure_at", 1e9),
        ("_began_at", 1e9),
    ],
)
def test_what_was_corrupted_does_not_hold_together(name: str, wrong: object) -> None:
    cooldown, _ = failing()
    cooldown.admit(30.0)
    assert cooldown.holds_together(31.0)
    setattr(cooldown, name, wrong)
    assert not cooldown.holds_together(31.0)
