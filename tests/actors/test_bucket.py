"""Limits against lists of all times in exact fractions, over every minute there is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from attrs import define
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from understudy.actors.bucket import WINDOW, WINDOW_GUARD, Gauge, Left, Limits, Permit, TokenBucket, Wait

from .naive_limits import GUARD, MINUTE, Quantity, fullest
from .reached import Reached, fixed

NEAR = Fraction(1, 10**7)
"""Floats and fractions may disagree about what is as near to an edge as this, in seconds."""

OFFSETS = (0.0, 1000.0, 123456.789, 1e6 + 0.1)


@define(eq=False)
class Out:
    """A permit that is out, where the naive limits have it, and whether it was restamped."""

    permit: Permit
    request: int
    tokens: int
    restamped: bool = False


class Machine(RuleBasedStateMachine):
    """Every interleaving of takes, give backs, settlements, late sendings and the provider's word."""

    reached = Reached()
    limits: Limits
    bucket: TokenBucket
    requests: Quantity
    tokens: Quantity

    rpms: tuple[int | None, ...] = (None, 1, 2, 3, 4, 6, 7, 15, 60)
    tpms: tuple[int | None, ...] = (None, None, 60, 240, 1000)
    places: tuple[int | None, ...] = (None, None, None, 0, 1, 3)

    def __init__(self) -> None:
        super().__init__()
        self.out: list[Out] = []
        self.overused = False
        self.latest_answer = {"requests": -1, "tokens": -1}

    @initialize(
        data=st.data(),
        burst=st.sampled_from([None, None, 1, 2, 3.5, 100]),
        offset=st.sampled_from(OFFSETS),
        empty=st.sampled_from([False, False, False, True]),
    )
    def open(
        self,
        data: st.DataObject,
        burst: float | None,
        offset: float,
        empty: bool,
    ) -> None:
        rpm, tpm = data.draw(st.sampled_from(self.rpms)), data.draw(st.sampled_from(self.tpms))
        max_parallel = data.draw(st.sampled_from(self.places))
        self.limits = Limits(rpm=rpm, tpm=tpm, burst=burst, max_parallel=max_parallel)
        self.now = offset
        self.bucket = TokenBucket(self.limits, offset, empty=empty)
        start = Quantity.spent if empty else Quantity.full
        self.requests, self.tokens = start(rpm, burst, offset), start(tpm, None, offset)
        if empty and rpm:
            self.reached.note("started empty")

    @property
    def at(self) -> Fraction:
        return Fraction(self.now)

    # Time

    @rule(seconds=st.sampled_from([0.0, 0.125, 0.5, 1.0, 3.0, 8.0, 20.0, 45.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(seconds=st.sampled_from([59.875, 60.0, 60.125, 200.0]))
    def wait_about_a_minute(self, seconds: float) -> None:
        self.now += seconds

    # Taking

    @rule(tokens=st.sampled_from([0.0, 1.0, 20.0, 59.0, 60.0, 61.0, 300.0, 10_000.0]))
    def take(self, tokens: float) -> None:
        self._take(tokens)

    @rule(times=st.integers(2, 6))
    def take_several(self, times: int) -> None:
        for _ in range(times):
            self._take(1.0)

    @rule(tokens=st.sampled_from([0.0, 20.0, 60.0]))
    def wait_as_long_as_it_says(self, tokens: float) -> None:
        """At the time that it names it can be taken, and not noticeably earlier."""
        if self.limits.max_parallel is not None and len(self.out) >= self.limits.max_parallel:
            self.bucket.release(self.out[-1].permit, self.now, sent=True)
            self.out.pop()
        wait = self.bucket.blocked(self.now, tokens)
        if wait is None or wait.until is None:
            return
        assert wait.until > self.now
        before = wait.until - 1e-5
        if before > self.now:
            assert self.bucket.blocked(before, tokens) is not None, "it could have been taken earlier"
        self.now = wait.until
        assert isinstance(self._take(tokens), Permit), "what was promised for this time is not there"
        self.reached.note("ready when it said")

    def _take(self, tokens: float) -> Permit | Wait:
        left, in_flight = self.bucket.requests_left(self.now), self.bucket.in_flight
        reserve = Fraction(tokens if self.limits.tpm is None else min(tokens, self.limits.tpm))
        most = self.limits.max_parallel
        answer = self.bucket.take(self.now, tokens)
        full = most is not None and len(self.out) >= most
        if full and answer == Wait(None):
            self._compare(None, reserve)  # there is nothing else that would name a time
            self.reached.note("refused: too many at once")
        elif full:
            assert isinstance(answer, Wait), "every place is in use"
            self._compare(answer, reserve)
            self.reached.note("refused: too many at once, and no sooner than that")
        else:
            self._compare(answer, reserve)
        if isinstance(answer, Wait):
            assert (self.bucket.requests_left(self.now), self.bucket.in_flight) == (left, in_flight)
            return answer
        assert answer.tokens == reserve
        self.out.append(Out(answer, self.requests.take(self.at, Fraction(1)), self.tokens.take(self.at, reserve)))
        self.reached.note("taken")
        return answer

    def _compare(self, answer: Permit | Wait | None, reserve: Fraction) -> None:
        waits = {
            f"{what} {why}": getattr(quantity, why)(self.at, amount)
            for what, quantity, amount in (("requests", self.requests, Fraction(1)), ("tokens", self.tokens, reserve))
            for why in ("when_refilled", "when_the_window_allows", "when_the_provider_allows")
        }
        ready = max(waits.values())
        if not isinstance(answer, Wait):
            assert ready <= self.at + NEAR, f"taken at {self.now}, but ready only at {float(ready)}: {waits}"
            return
        assert answer.until is not None
        assert answer.until > self.now
        assert ready > self.at - NEAR, "refused without need"
        assert abs(Fraction(answer.until) - ready) <= NEAR
        for name, time in waits.items():
            if time == ready:
                self.reached.note(f"refused: {name}")

    # What becomes of a permit

    @precondition(lambda self: self.out)
    @rule(data=st.data(), kind=st.sampled_from(["unsent", "unsaid", "exact", "less", "less", "more", "none"]))
    def release(self, data: st.DataObject, kind: str) -> None:
        out = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        reserved = self.tokens.all[out.tokens].amount
        expired = self.tokens.all[out.tokens].at + MINUTE + GUARD <= self.at
        if kind == "unsent":
            self.bucket.release(out.permit, self.now, sent=False)
            self.requests.change(self.at, out.request, Fraction(0), sent=False)
            self.tokens.change(self.at, out.tokens, Fraction(0), sent=False)
        elif kind == "unsaid":
            self.bucket.release(out.permit, self.now, sent=True)
        else:
            used = {"exact": reserved, "less": Fraction(math.floor(reserved / 3)), "more": reserved + 500}.get(
                kind, Fraction(0)
            )
            self.overused = self.overused or used > reserved
            self.bucket.release(out.permit, self.now, sent=True, used=float(used))
            self.tokens.change(self.at, out.tokens, used)
        self.reached.note(f"released: {kind}")
        if expired and self.limits.tpm is not None and kind not in {"unsaid", "exact"}:
            self.reached.note("settled after its minute")
        with pytest.raises(AssertionError, match="once"):
            self.bucket.release(out.permit, self.now, sent=True)

    @precondition(lambda self: self.limits.tpm in {60, 240} and self.limits.rpm is None)
    @rule()
    def use_far_more_than_was_reserved(self) -> None:
        """A debt is paid by the refill only, long after the minute is over."""
        if isinstance(self._take(20.0), Permit):
            out = self.out.pop()
            self.bucket.release(out.permit, self.now, sent=True, used=500.0)
            self.tokens.change(self.at, out.tokens, Fraction(500))
            self.overused = True
            self.now += 61.0
            self._take(20.0)

    @precondition(lambda self: any(not out.restamped for out in self.out))
    @rule(data=st.data(), late=st.sampled_from([0.0, 0.0, 0.125, 5.0]))
    def sent_only_now(self, data: st.DataObject, late: float) -> None:
        """The attempt went out, and the news of it comes `late` seconds after that."""
        out = data.draw(st.sampled_from([out for out in self.out if not out.restamped]))
        self._restamp(out, max(self.now - late, out.permit.taken_at))

    @rule(tokens=st.sampled_from([1.0, 20.0]))
    def sent_before_another_was_taken_and_told_after_that(self, tokens: float) -> None:
        self._take(tokens)
        if self.out and not self.out[-1].restamped:
            out = self.out[-1]
            self.now += 0.5
            self._take(tokens)
            self._restamp(out, self.now - 0.25)

    def _restamp(self, out: Out, at: float) -> None:
        if self.now - out.permit.taken_at > WINDOW:
            return  # nobody connects, and no news of it takes, for a whole minute
        if any(taken.at > Fraction(at) for taken in self.requests.all[out.request + 1 :]):
            self.reached.note("restamped behind others")
        self.bucket.sent(out.permit, at)
        self.requests.all[out.request].at = self.tokens.all[out.tokens].at = Fraction(at)
        out.restamped = True
        self.reached.note("restamped")

    # The provider's word

    @precondition(lambda self: self.out)
    @rule(
        data=st.data(),
        what=st.sampled_from(["requests", "tokens"]),
        left=st.sampled_from([0.0, 1.0, 2.0, 40.0]),
        reset=st.sampled_from([None, 0.0, 1.0, 30.0, 1e9]),
        longest=st.sampled_from([math.inf, 600.0, 10.0]),
    )
    def state(self, data: st.DataObject, what: str, left: float, reset: float | None, longest: float) -> None:
        self._state(data.draw(st.sampled_from(self.out)), what, left, reset, longest)

    @rule(what=st.sampled_from(["requests", "tokens", "tokens"]), reset=st.sampled_from([20.0, 150.0]))
    def hear_that_nothing_is_left(self, what: str, reset: float) -> None:
        self._take(20.0)
        if self.out:
            self._state(self.out[-1], what, 0.0, reset, math.inf)
            self._take(20.0)

    def _state(self, out: Out, what: str, left: float, reset: float | None, longest: float) -> None:
        self.bucket.state(out.permit, self.now, Left(what, left, reset), longest)
        quantity, number = (self.requests, out.request) if what == "requests" else (self.tokens, out.tokens)
        if number < self.latest_answer[what]:
            self.reached.note("an older word is ignored")
            return
        self.latest_answer[what] = number
        until = Fraction(self.now + min(WINDOW if reset is None else reset, longest))
        quantity.word = (number, Fraction(left), until)
        self.reached.note("believed")
        if reset == 1e9 and longest < math.inf:
            self.reached.note("believed within bounds")
        if what == "requests" and until > self.at:
            assert self.bucket.requests_left(self.now) <= left

    # Always

    @invariant()
    def holds_together(self) -> None:
        assert self.bucket.holds_together(self.now)

    @invariant()
    def in_flight_is_what_is_out(self) -> None:
        assert self.bucket.in_flight == len(self.out)
        assert self.limits.max_parallel is None or self.bucket.in_flight <= self.limits.max_parallel

    @invariant()
    def never_more_is_left_than_naively(self) -> None:
        left = self.bucket.requests_left(self.now)
        word = self.requests.believed(self.at)[0]
        assert word is None or left <= max(Fraction(0), word) + NEAR
        assert self.limits.rpm is None or left <= self.limits.rpm

    def teardown(self) -> None:
        if not hasattr(self, "requests"):
            return
        if self.limits.rpm is not None:
            assert self.requests.fullest_window() <= self.limits.rpm
        if self.limits.tpm is not None and not self.overused:
            assert self.tokens.fullest_window() <= self.limits.tpm
            self.reached.note("every minute of tokens was looked at")


class OfRequests(Machine):
    """With a limit on requests only."""

    rpms = (1, 2, 3, 6, 7, 60)
    tpms = (None,)
    places = (None,)


class OfTokens(Machine):
    """With a limit on tokens only."""

    rpms = (None,)
    tpms = (60, 240, 1000)
    places = (None,)


class OfPlaces(Machine):
    """With few places."""

    rpms = (None, 2, 6)
    tpms = (None,)
    places = (1, 3)


def test_it_takes_and_refuses_as_lists_of_times_in_exact_fractions_say() -> None:
    Machine.reached = Reached()
    for machine in (Machine, OfRequests, OfTokens, OfPlaces):
        run_state_machine_as_test(machine, settings=fixed(examples=60, steps=40))
    Machine.reached.insist_on(
        [
            "taken",
            "started empty",
            "ready when it said",
            "refused: too many at once",
            "refused: too many at once, and no sooner than that",
            "refused: requests when_refilled",
            "refused: requests when_the_window_allows",
            "refused: requests when_the_provider_allows",
            "refused: tokens when_refilled",
            "refused: tokens when_the_window_allows",
            "refused: tokens when_the_provider_allows",
            "released: unsent",
            "released: unsaid",
            "released: exact",
            "released: less",
            "released: more",
            "released: none",
            "settled after its minute",
            "restamped",
            "restamped behind others",
            "believed",
            "believed within bounds",
            "an older word is ignored",
            "every minute of tokens was looked at",
        ],
        at_least=5,
    )


# Every minute, for whoever always takes what there is

rates = st.one_of(st.integers(1, 40).map(float), st.floats(1.0, 40.0))


@settings(max_examples=60, deadline=None)
@given(
    rpm=rates,
    burst=st.one_of(st.none(), st.floats(0.1, 100.0)),
    offset=st.floats(0.0, 1e7),
    pauses=st.lists(st.one_of(st.just(0.0), st.floats(0.0, 70.0)), min_size=1, max_size=60),
)
def test_no_minute_wherever_it_begins_sees_more_than_the_limit(
    rpm: float, burst: float | None, offset: float, pauses: list[float]
) -> None:
    bucket, now, sent = TokenBucket(Limits(rpm=rpm, burst=burst), offset), offset, list[float]()
    for pause in pauses:
        now += pause
        wait = bucket.take(now)
        while isinstance(wait, Wait):
            assert wait.until is not None
            assert now < wait.until <= now + 120 + 1
            now = wait.until
            wait = bucket.take(now)
        sent.append(now)
    for start in sent:
        assert sum(1 for at in sent if start <= at <= start + WINDOW) <= rpm


def greedy(limits: Limits, seconds: float, step: float, offset: float = 0.0) -> list[float]:
    bucket = TokenBucket(limits, offset)
    times = (offset + n * step for n in range(int(seconds / step)))
    return [now for now in times if isinstance(bucket.take(now), Permit)]


def test_sixty_a_minute_never_lets_a_hundred_and_nineteen_through() -> None:
    sent = greedy(Limits(rpm=60), seconds=240, step=0.25)
    assert len([at for at in sent if at < 60]) == 60
    assert fullest([(Fraction(at), Fraction(1)) for at in sent]) == 60


def test_the_limit_is_used_up_not_only_kept() -> None:
    # Sixty at once, then sixty each time that the minute has passed: nothing is withheld that the limit allows.
    sent = greedy(Limits(rpm=60), seconds=600, step=0.25)
    assert len(sent) >= 60 * 9


def test_a_small_burst_spreads_the_load() -> None:
    sent = greedy(Limits(rpm=60, burst=2), seconds=30, step=0.25)
    assert sent[:4] == [0.0, 0.0 + 0.25, 1.0, 2.0]
    assert min(b - a for a, b in itertools.pairwise(sent[2:])) >= 1.0


def test_a_burst_of_less_than_one_is_one_and_one_above_the_limit_is_the_limit() -> None:
    assert TokenBucket(Limits(rpm=6, burst=0.25), 0.0).requests_left(0.0) == 1
    assert TokenBucket(Limits(rpm=6, burst=99), 0.0).requests_left(0.0) == 6


@pytest.mark.parametrize("nothing", [None, 0])
def test_none_and_zero_are_no_limit(nothing: int | None) -> None:
    bucket = TokenBucket(Limits(rpm=nothing, tpm=nothing, max_parallel=nothing, burst=nothing), 5.0)
    assert all(isinstance(bucket.take(5.0, tokens=1e12), Permit) for _ in range(1000))
    assert bucket.requests_left(5.0) == math.inf
    assert bucket.in_flight == 1000
    assert bucket.holds_together(5.0)


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e9 / 3])
@pytest.mark.parametrize("rpm", [1.0, 1.5, 59.9, 6e6, 1e12])
def test_tiny_and_huge_rates_keep_their_word_far_from_zero(rpm: float, offset: float) -> None:
    bucket, now = TokenBucket(Limits(rpm=rpm, burst=1), offset), offset
    for _ in range(50):
        wait = bucket.take(now)
        if isinstance(wait, Wait):
            assert wait.until is not None
            now = wait.until
            assert isinstance(bucket.take(now), Permit)
    assert bucket.holds_together(now)


# All or nothing


@pytest.mark.parametrize(
    "limits",
    [
        Limits(rpm=1, tpm=100, max_parallel=9),
        Limits(rpm=9, tpm=10, max_parallel=9),
        Limits(rpm=9, tpm=99, max_parallel=1),
    ],
)
def test_a_refusal_spends_nothing_of_any_limit(limits: Limits) -> None:
    tried, spared = TokenBucket(limits, 0.0), TokenBucket(limits, 0.0)
    for bucket in (tried, spared):
        assert isinstance(bucket.take(0.0, 10), Permit)
    refusals = [tried.take(n / 10, 10) for n in range(100)]
    assert all(isinstance(refusal, Wait) for refusal in refusals)
    assert tried.requests_left(20.0) == spared.requests_left(20.0)
    assert tried.blocked(20.0, 50) == spared.blocked(20.0, 50)
    assert tried.in_flight == spared.in_flight == 1


def test_an_attempt_that_was_never_sent_gives_all_of_it_back() -> None:
    bucket = TokenBucket(Limits(rpm=1, tpm=10, max_parallel=1), 0.0)
    for _ in range(5):
        permit = bucket.take(0.0, 10)
        assert isinstance(permit, Permit)
        assert isinstance(bucket.take(0.0, 10), Wait)
        bucket.release(permit, 0.0, sent=False)


def test_an_attempt_that_was_sent_gives_back_its_place_only() -> None:
    bucket = TokenBucket(Limits(rpm=2, max_parallel=1), 0.0)
    first = bucket.take(0.0)
    assert isinstance(first, Permit)
    assert bucket.take(0.0) == Wait(None)
    bucket.release(first, 0.0, sent=True)
    assert bucket.requests_left(0.0) == 1


def test_a_permit_is_redeemed_once_and_only_where_it_was_given() -> None:
    bucket = TokenBucket(Limits(rpm=2), 0.0)
    permit = bucket.take(0.0)
    assert isinstance(permit, Permit)
    bucket.release(permit, 0.0, sent=True)
    with pytest.raises(AssertionError, match="redeemed once"):
        bucket.release(permit, 0.0, sent=True)
    with pytest.raises(AssertionError, match="while it is out"):
        bucket.sent(permit, 0.0)


# Tokens


def test_a_reservation_beyond_a_minutes_tokens_counts_as_a_whole_minutes() -> None:
    bucket = TokenBucket(Limits(tpm=100), 0.0)
    permit = bucket.take(0.0, 5_000)
    assert isinstance(permit, Permit)
    assert permit.tokens == 100
    assert bucket.take(1.0, 5_000) == Wait(60.0 + WINDOW_GUARD)


def test_tokens_that_were_not_used_can_be_taken_by_others() -> None:
    bucket = TokenBucket(Limits(tpm=100), 0.0)
    first = bucket.take(0.0, 90)
    assert isinstance(first, Permit)
    assert isinstance(bucket.take(0.0, 90), Wait)
    bucket.release(first, 0.0, sent=True, used=10)
    assert isinstance(bucket.take(0.0, 90), Permit)


def test_tokens_used_beyond_the_estimate_are_missed_afterwards() -> None:
    bucket = TokenBucket(Limits(tpm=60), 0.0)
    first = bucket.take(0.0, 10)
    assert isinstance(first, Permit)
    bucket.release(first, 0.0, sent=True, used=90)
    assert bucket.blocked(0.0, 30) == Wait(60.0 + WINDOW_GUARD)
    assert bucket.blocked(0.0, 31) == Wait(61.0)


def test_an_estimate_settled_after_its_minute_leaves_nothing_in_the_window() -> None:
    bucket = TokenBucket(Limits(tpm=100), 0.0)
    first = bucket.take(0.0, 10)
    assert isinstance(first, Permit)
    assert isinstance(bucket.take(30.0, 10), Permit)
    bucket.release(first, 61.0, sent=True, used=60)
    assert bucket.holds_together(61.0)
    assert isinstance(bucket.take(85.0, 90), Permit)
    assert isinstance(bucket.take(85.0, 1), Wait)


def test_news_of_a_sending_that_comes_after_another_take_keeps_the_window_in_order() -> None:
    bucket = TokenBucket(Limits(rpm=2), 0.0)
    slow = bucket.take(0.0)
    assert isinstance(slow, Permit)
    assert isinstance(bucket.take(3.0), Permit)
    bucket.sent(slow, 2.0)
    assert bucket.holds_together(3.0)
    assert bucket.take(4.0) == Wait(62.0 + WINDOW_GUARD)


# The provider's word


def three_out(limits: Limits, tokens: float) -> tuple[TokenBucket, Permit, Permit, Permit]:
    bucket = TokenBucket(limits, 0.0)
    first, second, third = (bucket.take(0.0, tokens) for _ in range(3))
    assert isinstance(first, Permit)
    assert isinstance(second, Permit)
    assert isinstance(third, Permit)
    return bucket, first, second, third


def test_what_is_stated_is_believed_less_what_went_out_since() -> None:
    bucket, first, _, _ = three_out(Limits(), 10)
    bucket.state(first, 1.0, Left("requests", 5, reset=20))
    assert bucket.requests_left(1.0) == 3
    assert bucket.requests_left(20.875) == 3
    assert bucket.requests_left(21.0) == math.inf


def test_an_older_word_says_nothing_new_even_once_the_newer_one_has_expired() -> None:
    bucket, first, second, _ = three_out(Limits(), 10)
    bucket.state(second, 1.0, Left("requests", 9, reset=5))
    bucket.state(first, 2.0, Left("requests", 0, reset=500))
    assert bucket.requests_left(2.0) == 8
    bucket.state(first, 7.0, Left("requests", 0, reset=500))
    assert bucket.requests_left(7.0) == math.inf


def test_an_estimate_that_was_too_high_does_not_raise_what_the_provider_stated() -> None:
    bucket, first, _, _ = three_out(Limits(tpm=100_000), 4_000)
    bucket.state(first, 1.0, Left("tokens", 8_000, reset=60))
    bucket.release(first, 1.0, sent=True, used=100)
    assert bucket.blocked(1.0, 1) is not None, "8,000 are left, of which two others have 4,000 each"


def test_an_estimate_settled_before_the_word_does_not_raise_it_either() -> None:
    bucket, first, second, third = three_out(Limits(tpm=100_000), 4_000)
    bucket.release(first, 1.0, sent=True, used=100)
    bucket.state(third, 2.0, Left("tokens", 50, reset=60))
    assert bucket.blocked(2.0, 50) is None
    assert bucket.blocked(2.0, 51) is not None
    bucket.release(second, 2.0, sent=False)
    assert bucket.blocked(2.0, 51) is not None


def test_a_newer_word_counts_although_an_older_attempt_had_reserved_more() -> None:
    bucket = TokenBucket(Limits(tpm=100_000), 0.0)
    greedy_one = bucket.take(0.0, 50_000)
    assert isinstance(greedy_one, Permit)
    bucket.state(greedy_one, 1.0, Left("tokens", 40_000, reset=60))
    bucket.release(greedy_one, 1.0, sent=True, used=10)
    modest = bucket.take(2.0, 10)
    assert isinstance(modest, Permit)
    bucket.state(modest, 2.0, Left("tokens", 0, reset=60))
    assert bucket.blocked(3.0, 1) == Wait(62.0)


def test_a_word_without_an_end_is_believed_for_a_minute_and_none_longer_than_allowed() -> None:
    bucket, first, second, third = three_out(Limits(), 0)
    bucket.state(first, 0.0, Left("requests", 0, reset=None))
    assert bucket.blocked(1.0) == Wait(60.0)
    bucket.state(second, 0.0, Left("requests", 0, reset=18 * 86_400.0), 600.0)
    assert bucket.blocked(1.0) == Wait(600.0)
    bucket.state(third, 0.0, Left("requests", 0, reset=None), 30.0)
    assert bucket.blocked(1.0) == Wait(30.0)


# Those who wait


@settings(max_examples=150, deadline=None)
@given(
    rpm=st.integers(1, 12),
    burst=st.one_of(st.none(), st.integers(1, 12)),
    offset=st.sampled_from(OFFSETS),
    pauses=st.lists(st.one_of(st.just(0.0), st.integers(0, 160).map(lambda n: n / 8)), max_size=30),
    ahead=st.integers(0, 30),
)
def test_who_waits_behind_others_is_told_when_they_and_it_will_have_gone(
    rpm: int, burst: int | None, offset: float, pauses: list[float], ahead: int
) -> None:
    bucket, naive, now = TokenBucket(Limits(rpm=rpm, burst=burst), offset), Quantity.full(rpm, burst, offset), offset
    for pause in pauses:
        now += pause
        if isinstance(bucket.take(now), Permit):
            naive.take(Fraction(now), Fraction(1))
    told = bucket.blocked(now, ahead=ahead)
    at = Fraction(now)
    for _ in range(ahead + 1):
        at = naive.when(at, Fraction(1))
        naive.take(at, Fraction(1))
    expected = float(at)
    assert (now if told is None or told.until is None else told.until) == pytest.approx(expected, abs=1e-4)


def test_who_waits_behind_others_for_a_place_is_told_that_nobody_can_say_when() -> None:
    bucket = TokenBucket(Limits(rpm=60, max_parallel=3), 0.0)
    assert isinstance(bucket.take(0.0), Permit)
    assert bucket.blocked(0.0, ahead=1) is None
    assert bucket.blocked(0.0, ahead=2) == Wait(None)


def test_tokens_of_those_ahead_are_counted() -> None:
    bucket = TokenBucket(Limits(tpm=60), 0.0)
    assert bucket.blocked(0.0, 30, ahead=1, tokens_ahead=30) is None
    assert bucket.blocked(0.0, 30, ahead=1, tokens_ahead=31) == Wait(60.0 + WINDOW_GUARD)


# What was lent


def test_an_empty_start_admits_nothing_for_a_minute() -> None:
    for limits in (Limits(rpm=3), Limits(tpm=3), Limits(rpm=3, tpm=3, burst=1)):
        bucket = TokenBucket(limits, 7.0, empty=True)
        assert bucket.holds_together(7.0)
        assert bucket.take(7.0, 1) == Wait(67.0 + WINDOW_GUARD)
        assert isinstance(bucket.take(67.0, 1), Wait)
        assert isinstance(bucket.take(67.0 + WINDOW_GUARD, 1), Permit)


def gauge(bucket: TokenBucket) -> Gauge:
    return bucket._requests


def corrupt_time(bucket: TokenBucket) -> None:
    gauge(bucket)._balance_at = 1e9


def forget_the_window(bucket: TokenBucket) -> None:
    gauge(bucket)._window.clear()


def too_full(bucket: TokenBucket) -> None:
    gauge(bucket)._balance = 4.0


def bottomless(bucket: TokenBucket) -> None:
    gauge(bucket)._balance = -math.inf


def not_a_number(bucket: TokenBucket) -> None:
    gauge(bucket)._balance = math.nan


def not_a_time(bucket: TokenBucket) -> None:
    gauge(bucket)._window[0].at = math.nan


def from_the_future(bucket: TokenBucket) -> None:
    gauge(bucket)._window[-1].at = 11.0


def out_of_order(bucket: TokenBucket) -> None:
    gauge(bucket)._window.reverse()


def negative(bucket: TokenBucket) -> None:
    gauge(bucket)._window[0].amount = -1.0


def too_many_permits(bucket: TokenBucket) -> None:
    bucket._permits |= {n: Permit(n, 0.0, 0.0, *_entries(bucket)) for n in (7, 8, 9)}


def misnumbered(bucket: TokenBucket) -> None:
    bucket._permits[9] = bucket._permits.pop(1)


def _entries(bucket: TokenBucket) -> tuple[Any, Any]:
    return gauge(bucket)._window[0], bucket._tokens._window[0]


@pytest.mark.parametrize(
    "corrupt",
    [
        corrupt_time,
        forget_the_window,
        too_full,
        bottomless,
        not_a_number,
        not_a_time,
        from_the_future,
        out_of_order,
        negative,
        too_many_permits,
        misnumbered,
    ],
)
def test_what_was_corrupted_does_not_hold_together(corrupt: Callable[[TokenBucket], None]) -> None:
    bucket = TokenBucket(Limits(rpm=3, tpm=30, max_parallel=3), 0.0)
    assert isinstance(bucket.take(1.0, 5), Permit)
    assert isinstance(bucket.take(2.0, 5), Permit)
    assert bucket.holds_together(10.0)
    corrupt(bucket)
    assert not bucket.holds_together(10.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.0, 100.0), min_size=2, max_size=30))
def test_time_in_flight_alone_changes_no_limit(pauses: list[float]) -> None:
    """Whether a permit is redeemed soon or late makes no difference to what may go out."""
    soon, late, now = TokenBucket(Limits(rpm=5), 0.0), TokenBucket(Limits(rpm=5), 0.0), 0.0
    for pause in pauses:
        now += pause
        one, other = soon.take(now), late.take(now)
        assert isinstance(one, Permit) == isinstance(other, Permit)
        if isinstance(one, Permit):
            soon.release(one, now, sent=True)
    assume(late.in_flight)
    assert soon.requests_left(now) == late.requests_left(now)
