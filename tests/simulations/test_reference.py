"""The references that runs are checked against, compared with the runtime's own parts: whatever happens to both."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from understudy.actors.bucket import Left, Limits, Permit, TokenBucket, Wait
from understudy.actors.cooldown import Change, Cooldown, Stamp
from understudy.actors.demand import Capabilities, Demand, estimate_demand
from understudy.actors.failures import NATURAL_SCOPE, Failure, Reason, Scope
from understudy.actors.identity import ModelKey
from understudy.actors.itinerary import Ask, Candidate, Decision, Deliver, GiveUp, Itinerary, Plan, Reject
from understudy.actors.messages import Call, Failed, Refusal, Refused
from understudy.actors.policy import CLASSIC, DEFAULT, Next, Policy, Rule
from understudy.actors.providers.dialects import DIALECTS, unspoken
from understudy.actors.providers.endpoint import Endpoint
from understudy.actors.trace import Kind
from understudy.simulations.asking import request_of
from understudy.simulations.faults import Fault, FaultKind
from understudy.simulations.reference.clock import awake_at, jumps_of
from understudy.simulations.reference.health import Health, seconds_of
from understudy.simulations.reference.health import Stamp as Remembered
from understudy.simulations.reference.limits import CLOSE, Budget, Taken
from understudy.simulations.reference.needs import Needs, needs_of
from understudy.simulations.reference.ways import Move, Turn, Way, Word
from understudy.simulations.scenario import Caller, Scenario
from understudy.supervisors.config import Entry

from ..actors.reached import Reached, fixed

# Health

SHORT: Final = Policy(
    {**DEFAULT.rules, Reason.TIMEOUT: Rule(base=5, factor=3, cap=60, steps=2), Reason.UNKNOWN: Rule(base=7)},
    forget_after=90,
)

KINDS: Final = {
    Change.NONE: None,
    Change.BEGAN: Kind.COOLING,
    Change.EXTENDED: Kind.EXTENDED,
    Change.RECOVERED: Kind.RECOVERED,
    Change.RETURNED: Kind.RETURNED,
}

failures = st.builds(
    Failure,
    reason=st.sampled_from(
        (Reason.TIMEOUT, Reason.TIMEOUT, Reason.RATE_LIMIT, Reason.AUTH, Reason.FORMAT, Reason.UNKNOWN)
    ),
    scope=st.sampled_from((Scope.MODEL, Scope.MODEL, Scope.CREDENTIAL, Scope.REQUEST)),
    retry_after=st.sampled_from((None, None, None, 0.0, 3.0, 40.0, 1e9, -1.0)),
)

STEPS_OF_HEALTH: Final = ("admit", "ok", "answered", "unknown", "failed", "failed", "struck", "reset", "lose")

HEALTH: Final = Reached()


@define(eq=False)
class Pair:
    """A cooldown and its reference, side by side, and the attempts that were admitted to both."""

    real: Cooldown
    reference: Health
    out: list[tuple[Stamp, Remembered]]

    def step(self, what: str, now: float, failure: Failure, which: int) -> None:
        if what == "admit":
            if self.real.admits(now):
                self.out.append((self.real.admit(now), self.reference.admit(now)))
                assert self.out[-1][0].is_probe is (self.reference.probe is self.out[-1][1])
        elif what == "lose":
            generation = self.real.generation
            self.real = Cooldown(SHORT if self.reference.policy is SHORT else DEFAULT, max_retry_after=600.0)
            self.real.generation = generation
            self.real.cool_blindly(now, 60.0)
            self.reference.lose(now, 60.0)
            self.out.clear()  # what was under way is forgotten as well
        elif what == "struck":
            would = self.reference.would_be_struck(now, failure)
            change = self.real.struck(now, failure)
            assert would is (change is not Change.NONE)
            self._same(change, self.reference.struck(now, failure))
        elif what == "reset":
            self._same(self.real.reset(), self.reference.reset())
        elif self.out:
            stamp, remembered = self.out[which % len(self.out)]
            if what == "failed":
                self._same(self.real.failed(now, stamp, failure), self.reference.failed(now, remembered, failure))
            else:
                theirs: dict[str, Callable[[Stamp], Change]] = {
                    "ok": self.real.ok,
                    "answered": self.real.answered,
                    "unknown": self.real.unknown,
                }
                ours = {"ok": "served", "answered": "opened"}.get(what, what)
                self._same(theirs[what](stamp), getattr(self.reference, ours)(remembered))
            if what != "answered":
                self.out.pop(which % len(self.out))

    def _same(self, theirs: Change, ours: Kind | None) -> None:
        assert KINDS[theirs] is ours
        HEALTH.note(theirs.value)

    def compare(self, now: float) -> None:
        assert self.real.health(now).value == self.reference.state(now)
        assert self.real.incidents == self.reference.count
        until, end = self.real.cooling_until(now), self.reference.cooling_until(now)
        assert (until is None) is (end is None)
        assert until is None or end is None or abs(until - end) < CLOSE


@fixed(examples=300)
@given(
    policy=st.sampled_from((SHORT, DEFAULT)),
    steps=st.lists(
        st.tuples(
            st.sampled_from(STEPS_OF_HEALTH),
            st.sampled_from((0.0, 0.0, 0.0, 1.0, 5.0, 30.0, 95.0, "end")),
            failures,
            st.integers(0, 7),
        ),
        min_size=20,
        max_size=40,
    ),
)
def play_health(policy: Policy, steps: list[tuple[str, float | str, Failure, int]]) -> None:
    pair = Pair(Cooldown(policy, max_retry_after=600.0), Health(policy, 600.0), [])
    now = 0.0
    for what, wait, failure, which in steps:
        until = pair.reference.cooling_until(now)
        now = now + wait if isinstance(wait, float) else max(now, until or now)
        pair.step(what, now, failure, which)
        pair.compare(now)
        HEALTH.note(pair.reference.state(now))


def test_health_is_what_the_runtime_makes_of_it_whatever_happens() -> None:
    HEALTH.times.clear()
    play_health()
    HEALTH.insist_on([change.value for change in Change], at_least=15)
    HEALTH.insist_on(["healthy", "cooling", "waiting", "probing"], at_least=100)


@given(st.sampled_from((DEFAULT, CLASSIC, SHORT)), st.sampled_from(Reason), st.integers(1, 200))
def test_a_cooldown_is_as_long_as_the_policy_says(policy: Policy, reason: Reason, count: int) -> None:
    assert seconds_of(policy[reason], count) == policy[reason].duration(count)


# Limits

BUDGET: Final = Reached()


@define(eq=False)
class Out:
    permit: Permit
    request: Taken
    tokens: Taken


@define(eq=False)
class Purse:
    """A bucket and its reference, side by side."""

    real: TokenBucket
    reference: Budget
    out: list[Out]

    def take(self, now: float, tokens: float, ahead: int) -> None:
        wait = self.real.blocked(now, tokens, ahead=ahead, tokens_ahead=20.0 * ahead)
        when = self.reference.when(now, tokens, ahead=ahead, tokens_ahead=20.0 * ahead)
        if wait is None:
            assert when <= now + CLOSE
        elif wait.until is not None:
            assert abs(wait.until - when) < CLOSE
            BUDGET.note("refused")
        permit = self.real.take(now, tokens)
        if isinstance(permit, Wait):
            return
        assert permit.tokens == self.reference.reserve(tokens)
        taken = self.reference.requests.take(now, 1.0), self.reference.tokens.take(now, permit.tokens)
        self.out.append(Out(permit, *taken))
        BUDGET.note("taken")

    def step(self, what: str, now: float, amount: float, which: int) -> None:
        if what == "take":
            self.take(now, amount, which % 4)
            return
        if not self.out:
            return
        out = self.out[which % len(self.out)]
        BUDGET.note(what)
        if what == "sent":
            self.real.sent(out.permit, now)
            self.reference.requests.move(out.request, now)
            self.reference.tokens.move(out.tokens, now)
        elif what == "stated":
            said = "requests" if amount < 30 else "tokens"
            self.real.state(out.permit, now, Left(said, amount // 10, 45.0))
            quantity = self.reference.requests if amount < 30 else self.reference.tokens
            quantity.say(out.request if amount < 30 else out.tokens, amount // 10, now + 45.0)
        else:
            self.out.remove(out)
            self.real.release(out.permit, now, sent=what != "unsent", used=amount if what == "used" else None)
            if what == "unsent":
                self.reference.requests.change(now, out.request, 0.0)
                self.reference.tokens.change(now, out.tokens, 0.0)
            elif what == "used":
                self.reference.tokens.change(now, out.tokens, amount)

    def compare(self, now: float) -> None:
        left = self.reference.requests.left(now)
        assert self.real.requests_left(now) == math.inf or abs(self.real.requests_left(now) - max(0.0, left)) < CLOSE


@fixed(examples=300)
@given(
    limits=st.builds(
        Limits,
        rpm=st.sampled_from((None, 1.0, 3.0, 7.5)),
        tpm=st.sampled_from((None, 100.0, 250.0)),
        burst=st.sampled_from((None, 1.0, 2.0)),
    ),
    spent=st.booleans(),
    steps=st.lists(
        st.tuples(
            st.sampled_from(("take", "take", "take", "sent", "stated", "used", "unsent", "kept")),
            st.sampled_from((0.0, 0.0, 0.25, 3.0, 20.0, 60.0, 60.000001)),
            st.sampled_from((0.0, 15.0, 40.0, 90.0, 400.0)),
            st.integers(0, 5),
        ),
        min_size=20,
        max_size=40,
    ),
)
def play_limits(limits: Limits, spent: bool, steps: list[tuple[str, float, float, int]]) -> None:
    start = Budget.spent if spent else Budget.full
    purse = Purse(TokenBucket(limits, 0.0, empty=spent), start(limits, 0.0), [])
    now = 0.0
    for what, wait, amount, which in steps:
        now += wait
        purse.step(what, now, amount, which)
        purse.compare(now)


def test_limits_are_what_the_runtime_makes_of_them_whatever_happens() -> None:
    BUDGET.times.clear()
    play_limits()
    BUDGET.insist_on(["taken", "refused", "sent", "stated", "used", "unsent", "kept"], at_least=100)


# Ways

WAYS: Final = Reached()
DEADLINE: Final = 100.0
PATIENT: Final = DEFAULT.with_rules({Reason.SERVER_ERROR: Rule(Next.NO, base=30)})

words = st.builds(
    Refused,
    attempt=st.just(1),
    refusal=st.sampled_from((Refusal.COOLING, Refusal.SATURATED, Refusal.BUSY, Refusal.PROBING, Refusal.DOWN)),
    ready_at=st.sampled_from((None, 3.0, 7.0, 20.0, 60.0, DEADLINE, 500.0)),
    queued=st.integers(0, 3),
)


@st.composite
def ends(draw: st.DrawFn) -> Failed:
    reason = draw(st.sampled_from((*Reason, Reason.CONTEXT_OVERFLOW, Reason.SERVER_ERROR)))
    return Failed(
        1,
        Failure(reason, NATURAL_SCOPE[reason]),
        ready_at=draw(st.sampled_from((None, 7.0, 60.0))),
        retry_at=draw(st.sampled_from((None, None, 2.0, DEADLINE))),
        crashed=draw(st.sampled_from((False, False, False, False, True))),
    )


@define(eq=False)
class Walk:
    """An itinerary and its reference, side by side."""

    real: Itinerary
    reference: Way
    tries: dict[ModelKey, int]

    def answer(self, now: float, ask: Ask, answer: Refused | Failed | None) -> Decision:
        turn = self.reference.turn(ask.candidate.key)
        assert turn is not None
        move = Move.AGAIN if ask.again else Move.WAIT if ask.wait else Move.ASK
        self.reference.ask(1, turn, move, now)
        if answer is None:
            self.reference.served()
            return self.real.served(now)
        if isinstance(answer, Refused):
            self.reference.refused(Word(answer.refusal, answer.ready_at, answer.queued, now), full=answer.full)
            return self.real.refused(now, answer)
        if answer.crashed:
            answer = Failed(1, answer.failure, crashed=True)
            self.reference.lost(now)
        else:
            left = ask.candidate.retries - self.tries.get(turn.key, 0)
            again = answer.retry_at is not None and answer.retry_at < DEADLINE and left > 0
            self.tries[turn.key] = self.tries.get(turn.key, 0) + again
            self.reference.failed(answer.failure, now, cooling_until=answer.ready_at, again=again)
        return self.real.failed(now, answer)

    def compare(self, decision: Decision) -> None:
        step = self.reference.next()
        WAYS.note(step.move.value)
        if isinstance(decision, Ask):
            move = Move.AGAIN if decision.again else Move.WAIT if decision.wait else Move.ASK
            assert step.move is move
            assert step.keys[0] == decision.candidate.key
        else:
            moves = {Deliver: Move.DELIVER, Reject: Move.REJECT, GiveUp: Move.GIVE_UP}
            assert step.move is moves[type(decision)]


@fixed(examples=300)
@given(
    plan=st.lists(
        st.tuples(st.sampled_from((None, 5, 1000, 2000)), st.sampled_from((None, 50.0)), st.integers(0, 2)), max_size=5
    ),
    prompt=st.sampled_from((0, 10, 51)),
    policy=st.sampled_from((DEFAULT, CLASSIC, PATIENT)),
    waits=st.booleans(),
    answers=st.lists(
        st.tuples(st.sampled_from((0.0, 0.0, 1.0, 10.0)), st.one_of(words, words, ends()), st.booleans()), max_size=30
    ),
)
def walk(
    plan: list[tuple[int | None, float | None, int]],
    prompt: int,
    policy: Policy,
    waits: bool,
    answers: list[tuple[float, Refused | Failed, bool]],
) -> None:
    entries = [
        Entry(
            ModelKey(f"c{n}", "same", "model", f"key {n}"),
            Endpoint("http://host/v1"),
            Limits(tpm=tpm),
            Capabilities(window),
            retries,
        )
        for n, (window, tpm, retries) in enumerate(plan)
    ]
    needs = Needs(prompt)
    real = Itinerary(
        Plan(Candidate(each.key, each.capabilities, each.limits.tpm, each.retries) for each in entries),
        Demand(prompt),
        policy,
        DEADLINE,
        wait_for_cooldown=waits,
    )
    turns = [Turn(each, needs.fit(each.capabilities, each.limits.tpm)) for each in entries]
    pair = Walk(real, Way(1, turns, needs, policy, DEADLINE, waits=waits), {})
    now, decision = 0.0, real.begin(0.0)
    pair.compare(decision)
    for wait, answer, full in answers:
        if not isinstance(decision, Ask):
            break
        now += wait
        if isinstance(answer, Refused):
            refused = Refused(answer.attempt, answer.refusal, answer.ready_at, answer.queued, decision.wait and full)
            decision = pair.answer(now, decision, refused)
        else:
            decision = pair.answer(now, decision, answer)
        pair.compare(decision)
    if isinstance(decision, Ask):
        pair.compare(pair.answer(now, decision, None))


def test_a_way_is_what_the_runtime_makes_of_it_whatever_it_is_told() -> None:
    WAYS.times.clear()
    walk()
    WAYS.insist_on([move.value for move in Move], at_least=15)


# Small things


@given(
    st.builds(
        Caller,
        at=st.just(0.0),
        route=st.just("route"),
        prompt_tokens=st.integers(1, 300),
        answer_tokens=st.integers(1, 300),
        images=st.booleans(),
        tools=st.booleans(),
        logit_bias=st.booleans(),
    ),
    st.integers(0, 2_000_000),
    st.booleans(),
)
def test_a_callers_needs_are_those_that_the_runtime_estimates(caller: Caller, number: int, introduces: bool) -> None:
    messages, params = request_of(number, caller, introduces=introduces)
    body = {**params, "messages": messages}
    demand = estimate_demand(body)
    needs = needs_of(caller, number if introduces else None)
    assert (needs.prompt, needs.answer) == (demand.prompt_tokens, demand.answer_tokens)
    assert (needs.images, needs.tools, needs.tokens) == (demand.images, demand.tools, demand.tokens)
    unfit = unspoken(Call("route", body), DIALECTS)
    assert [needs.fit(Capabilities(), None, dialect) for dialect in DIALECTS] == [d not in unfit for d in DIALECTS]


def test_what_is_due_while_the_machine_sleeps_is_done_when_it_wakes() -> None:
    sleeps = Fault(FaultKind.CLOCK_JUMP, 10, seconds=25), Fault(FaultKind.CLOCK_JUMP, 30, seconds=10)
    jumps = jumps_of(Scenario("jumps", {}, faults=(*reversed(sleeps), Fault(FaultKind.SLOW, 0, 99))))
    assert jumps == [(10, 35), (30, 40)]
    assert [awake_at(jumps, due) for due in (9.0, 10.0, 20.0, 35.0, 40.0, 41.0)] == [9.0, 40, 40, 40, 40, 41.0]
