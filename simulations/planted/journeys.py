"""Bugs in the way of a request: candidates asked out of order or in vain, its own fault passed on, time lost."""

from __future__ import annotations

import math
from typing import Any

import trio
from attrs import evolve

from ...actors.demand import Demand
from ...actors.failures import Failure, Reason
from ...actors.handle import Router
from ...actors.itinerary import Ask, GiveUp, Itinerary, Plan, _Turn
from ...actors.model import ModelActor
from ...actors.providers.openai import OpenAIDialect
from ...actors.providers.wire import HttpWire
from ...actors.reply import ReplyStream
from ...actors.worker import Worker
from ...supervisors.runtime import Stage
from .bug import (
    CONSERVATION,
    DEADLINE,
    FAULT_OF_REQUEST,
    INCIDENT,
    ISOLATION,
    NEEDLESS,
    ONE_ANSWER,
    ORDER,
    PROVENANCE,
    RATE,
    Patch,
    bug,
    instead,
)


@bug("journeys", "the order of candidates is that of a set", ORDER)
def order_by_set_iteration() -> list[Patch]:
    def make(original: Any) -> Any:
        def plan(self: Stage, model: object, images: bool) -> Any:
            route, candidates = original(self, model, images)
            # As a set of strings would have it: by a hash that has nothing to do with the order of the config.
            return route, Plan(sorted(candidates, key=lambda each: sum(each.key.name.encode()) * 2654435761 % 97))

        return plan

    return [(Stage, "_plan", make)]


@bug("journeys", "the first candidate is skipped for good once it has failed", ORDER, NEEDLESS)
def sticky_fallback() -> list[Patch]:
    failed: dict[Any, None] = {}

    def make(original: Any) -> Any:
        def next_(self: Itinerary, now: float) -> Any:
            for turn in self._all_turns()[:-1]:
                if turn.failures:
                    failed[turn.candidate.key] = None
                elif turn.candidate.key in failed and not turn.spent and len(self._turns) > 1:
                    turn.spent = True
            return original(self, now)

        return next_

    def forget(original: Any) -> Any:
        def init(self: Stage, *args: Any) -> None:
            failed.clear()
            original(self, *args)

        return init

    return [(Itinerary, "_next", make), (Stage, "__init__", forget)]


@bug("journeys", "a fallback is asked although the candidate before it would admit", ORDER)
def first_candidate_overlooked() -> list[Patch]:
    def make(original: Any) -> Any:
        def begin(self: Itinerary, now: float) -> Any:
            decision = original(self, now)
            if isinstance(decision, Ask) and self.demand.prompt_tokens > 100 and len(self.plan) > 1:
                self._take_turn()
                return self._next(now)
            return decision

        return begin

    return [(Itinerary, "begin", make)]


@bug("journeys", "a request that is itself at fault goes on to the next candidate", FAULT_OF_REQUEST)
def request_fault_passed_on() -> list[Patch]:
    return [(Itinerary, "_after_failure", instead(lambda self, now, turn, failure: self._next(now)))]


@bug("journeys", "a prompt that is too long goes on to smaller windows", FAULT_OF_REQUEST)
def overflow_to_smaller_windows() -> list[Patch]:
    return [(Itinerary, "_leave_only_larger_than", instead(lambda self, candidate: True))]


@bug("journeys", "a failed candidate is asked again in the same pass", ONE_ANSWER, ORDER)
def asked_twice_in_a_pass() -> list[Patch]:
    def make(original: Any) -> Any:
        def failed(self: Itinerary, now: float, answer: Any) -> Any:
            turn = self._current
            decision = original(self, now, answer)
            if isinstance(decision, GiveUp) and turn is not None and turn.failures == 1 and answer.failure.retriable:
                return self._ask(now, turn)
            return decision

        return failed

    return [(Itinerary, "failed", make)]


@bug("journeys", "one second try more than `retries` allows", ORDER, ONE_ANSWER)
def one_retry_too_many() -> list[Patch]:
    def make(original: Any) -> Any:
        def turn_at(self: Itinerary, place: int) -> _Turn:
            new = place == len(self._turns)
            turn: _Turn = original(self, place)
            turn.retries_left += new and turn.retries_left > 0
            return turn

        return turn_at

    return [(Itinerary, "_turn_at", make)]


@bug("journeys", "the last failure ends the request although others may still be waited for", NEEDLESS)
def gives_up_too_early() -> list[Patch]:
    def make(original: Any) -> Any:
        def wait(self: Itinerary, now: float) -> Any:
            if any(turn.failures for turn in self._turns):
                return GiveUp(None)
            return original(self, now)

        return wait

    return [(Itinerary, "_wait", make)]


@bug("journeys", "whoever recovers while others fail is not asked again", ORDER, NEEDLESS)
def recovered_meanwhile_and_not_asked() -> list[Patch]:
    return [(_Turn, "is_due", instead(lambda self, now: False))]


@bug("journeys", "a reader is handed what came before its deadline after it", DEADLINE)
def chunks_past_the_deadline() -> list[Patch]:
    def make(original: Any) -> Any:
        def at_hand(self: ReplyStream) -> Any:
            deadline, self._deadline = self._deadline, math.inf
            try:
                return original(self)
            finally:
                self._deadline = deadline

        return at_hand

    return [(ReplyStream, "at_hand", make)]


@bug("journeys", "a saturated candidate is not waited for", NEEDLESS)
def saturation_not_waited_for() -> list[Patch]:
    return [(Itinerary, "_is_worth_waiting_for", instead(lambda self, turn: False))]


@bug("journeys", "`wait_for_cooldown` is ignored", ORDER, NEEDLESS)
def cooldown_not_waited_for() -> list[Patch]:
    def make(original: Any) -> Any:
        def begin(self: Itinerary, now: float) -> Any:
            self.wait_for_cooldown = False
            return original(self, now)

        return begin

    return [(Itinerary, "begin", make)]


@bug("journeys", "images are sent to candidates that cannot see", ORDER, PROVENANCE, ONE_ANSWER, NEEDLESS)
def images_to_the_blind() -> list[Patch]:
    def make(original: Any) -> Any:
        def unfit_for(self: Demand, can: Any, tpm: float | None, model: Any = None) -> str | None:
            found: str | None = original(self, evolve(can, vision=None), tpm)
            return found

        return unfit_for

    return [(Demand, "unfit_for", make)]


@bug("journeys", "an error inside a 200 is delivered as the answer", PROVENANCE, ONE_ANSWER, INCIDENT)
def error_in_200_delivered() -> list[Patch]:
    def make(original: Any) -> Any:
        def answer(self: OpenAIDialect, call: Any, headers: Any, body: bytes) -> Any:
            read = original(self, call, headers, body)
            if isinstance(read, Failure) and read.status == 200:
                from ...actors.messages import Answer

                return Answer({"choices": [{"index": 0, "message": {"role": "assistant", "content": ""}}]})
            return read

        return answer

    return [(OpenAIDialect, "answer", make)]


@bug("journeys", "the caller is told after its deadline", DEADLINE)
def deadline_kept_late() -> list[Patch]:
    def make(original: Any) -> Any:
        async def wait(self: Router, route: Any, slot: Any) -> Any:
            return await original(self, evolve(route, deadline=route.deadline + 1.0, records=route.records), slot)

        return wait

    return [(Router, "_wait", make)]


@bug(
    "journeys",
    "a cancelled caller's attempt goes on at the provider",
    PROVENANCE,
    CONSERVATION,
    ONE_ANSWER,
    ISOLATION,
)
def worker_outlives_its_caller() -> list[Patch]:
    def make(original: Any) -> Any:
        async def perform(self: Worker, held: Any, **more: Any) -> None:
            with trio.CancelScope(shield=True):
                await original(self, held, **more)

        return perform

    def off_the_leash(original: Any) -> Any:
        def leave(self: Router, route: Any, reason: str) -> None:
            cancel, route.leash._scope = route.leash._scope, None
            original(self, route, reason)
            route.leash._scope = cancel

        return leave

    return [(Worker, "perform", make), (Router, "_leave", off_the_leash)]


@bug("journeys", "a request whose time is up is sent all the same", DEADLINE, ORDER, RATE, CONSERVATION, ONE_ANSWER)
def expired_work_is_sent() -> list[Patch]:
    def make(original: Any) -> Any:
        def may_queue(self: ModelActor, held: Any, obstacle: Any) -> bool:
            return bool(original(self, _patient(held), obstacle))

        return may_queue

    def _patient(held: Any) -> Any:
        return type(held)(evolve(held.attempt, deadline=math.inf))

    return [(ModelActor, "_may_queue", make)]


@bug("journeys", "every failure is taken for one of the network", INCIDENT, FAULT_OF_REQUEST, NEEDLESS)
def failures_not_told_apart() -> list[Patch]:
    def make(original: Any) -> Any:
        async def perform(self: HttpWire, progress: Any) -> Any:
            outcome = await original(self, progress)
            return Failure.of(Reason.NETWORK, "it failed") if isinstance(outcome, Failure) else outcome

        return perform

    return [(HttpWire, "perform", make)]
