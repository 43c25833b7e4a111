"""Bugs of streams, of crashes and restarts, and of secrets."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import trio
from attrs import evolve

from ...actors.bucket import TokenBucket
from ...actors.cooldown import Cooldown
from ...actors.failures import Failure
from ...actors.itinerary import Plan
from ...actors.model import ModelActor
from ...actors.providers.openai import ChatStreamReader
from ...actors.reply import ReplyStream
from ...actors.router import Journeys, RouterActor
from .bug import (
    CONSERVATION,
    DEADLINE,
    DETERMINISM,
    INCIDENT,
    ISOLATION,
    MEMORY,
    NEEDLESS,
    ONE_ANSWER,
    ORDER,
    PROVENANCE,
    RATE,
    SECRECY,
    SILENCE,
    Patch,
    bug,
    instead,
)


@bug("streams", "a stream that is cut short is taken for a complete answer", PROVENANCE)
def truncated_stream_is_a_success() -> list[Patch]:
    return [(ChatStreamReader, "complete", instead(property(lambda self: self.closed or self.started)))]


@bug("streams", "the text of a broken stream is kept when the next candidate starts over", PROVENANCE)
def text_kept_over_a_restart() -> list[Patch]:
    def make(original: Any) -> Any:
        async def following(self: ReplyStream) -> Any:
            chunk = await original(self)
            from ...actors.messages import Chunk, Restarted

            return Chunk("") if isinstance(chunk, Restarted) else chunk

        return following

    return [(ReplyStream, "__anext__", make)]


@bug("streams", "a stream falls back after its first content although nobody asked for that", ORDER, PROVENANCE)
def silent_restart() -> list[Patch]:
    def make(original: Any) -> Any:
        def on_failed(self: RouterActor, journey: Any, failed: Any, now: float) -> None:
            call = journey.route.call
            journey.route.call = evolve(call, on_interrupt="restart")
            original(self, journey, failed, now)

        return on_failed

    return [(RouterActor, "_on_failed", make)]


@bug("streams", "a broken stream does not cool its candidate", INCIDENT, ISOLATION)
def interruption_cools_nobody() -> list[Patch]:
    def make(original: Any) -> Any:
        def on_failure(self: ModelActor, held: Any, ended: Any, failure: Any, now: float) -> None:
            cooldown = self.part.cooldown
            if held.opened:
                failed, cooldown.failed = cooldown.failed, lambda now, stamp, failure: cooldown.unknown(stamp)  # type: ignore[method-assign]
                try:
                    original(self, held, ended, failure, now)
                finally:
                    del cooldown.failed
                    assert cooldown.failed == failed
            else:
                original(self, held, ended, failure, now)

        return on_failure

    return [(ModelActor, "_on_failure", make)]


def _on_restart(forget: Any) -> Patch:
    """Do something to the part at the beginning of each incarnation but the first."""

    def make(original: Any) -> Any:
        def inherit(self: ModelActor, now: float) -> None:
            original(self, now)
            if getattr(self.part, "_has_been_on_stage", False):
                forget(self.part, now)
            self.part._has_been_on_stage = True  # type: ignore[attr-defined]

        return inherit

    return ModelActor, "_inherit", make


@bug("crashes", "a restart refills the bucket", MEMORY, ISOLATION, RATE)
def limits_reset_by_a_restart() -> list[Patch]:
    def forget(part: Any, now: float) -> None:
        permits = part.bucket._permits
        part.bucket = TokenBucket(part.limits, now)
        part.bucket._permits = permits

    return [_on_restart(forget)]


@bug("crashes", "a restart ends the cooldown", MEMORY, ISOLATION, INCIDENT, SILENCE)
def cooldown_ended_by_a_restart() -> list[Patch]:
    def forget(part: Any, now: float) -> None:
        generation = part.cooldown.generation
        part.cooldown = Cooldown(part.policy, max_retry_after=part.max_retry_after)
        part.cooldown.generation = generation

    return [_on_restart(forget)]


@bug(
    "crashes",
    "what was in flight when an actor crashed is never answered",
    ONE_ANSWER,
    ISOLATION,
    NEEDLESS,
)
def attempts_lost_in_a_crash() -> list[Patch]:
    def make(original: Any) -> Any:
        def inherit(self: ModelActor, now: float) -> None:
            answer, self._answer_to = self._answer_to, lambda reply: None
            try:
                original(self, now)
            finally:
                self._answer_to = answer

        return inherit

    return [(ModelActor, "_inherit", make)]


@bug(
    "crashes",
    "the message that an actor crashed over is forgotten",
    ONE_ANSWER,
    ISOLATION,
    INCIDENT,
    CONSERVATION,
    NEEDLESS,
)
def message_lost_in_a_crash() -> list[Patch]:
    return [(ModelActor, "_take_up", instead(lambda self, message, now: None))]


@bug("crashes", "a new incarnation of the router knows of no request that is under way", ONE_ANSWER, DEADLINE)
def journeys_lost_in_a_crash() -> list[Patch]:
    def inherit(self: RouterActor) -> None:
        journeys: Journeys = self._journeys
        journeys.by_request.clear()
        journeys.by_attempt.clear()
        journeys.message = journeys.handling = None

    return [(RouterActor, "_inherit", instead(inherit))]


@bug("crashes", "a probe that a crash ended never gives back its lease", SILENCE, ORDER, INCIDENT, ISOLATION)
def probe_lost_in_a_crash() -> list[Patch]:
    def make(original: Any) -> Any:
        def on_unknown(self: ModelActor, held: Any, ended: Any, now: float) -> None:
            cooldown = self.part.cooldown
            lease = cooldown._lease
            original(self, held, ended, now)
            if not held.attempt.leash.cancelled and held.attempt.deadline > now:
                cooldown._lease = lease

        return on_unknown

    def inheriting(original: Any) -> Any:
        def inherit(self: ModelActor, now: float) -> None:
            cooldown = self.part.cooldown
            lease = cooldown._lease
            original(self, now)
            cooldown._lease = lease

        return inherit

    return [(ModelActor, "_on_unknown", make), (ModelActor, "_inherit", inheriting)]


@bug("secrets", "a key that the provider quotes back is shown in the error", SECRECY)
def secret_in_an_error() -> list[Patch]:
    from ...actors import classify as classifier
    from ...actors.providers.wire import HttpWire

    return [
        (HttpWire, "_without_secrets", instead(lambda self, failure: failure)),
        (classifier, "presentable", instead(lambda text, length_max: " ".join(text.split())[:length_max])),
        # What was read without the bug is not remembered with it, nor afterwards what was read with it.
        (classifier, "_read", lambda original: lru_cache(0)(original.__wrapped__)),
    ]


@bug("secrets", "a failure is logged with the endpoint that it was met at", SECRECY)
def secret_in_the_log() -> list[Patch]:
    import logging

    def make(original: Any) -> Any:
        def on_failure(self: ModelActor, held: Any, ended: Any, failure: Failure, now: float) -> None:
            wire: Any = self._worker.wire if self._worker is not None else None
            secret = wire._endpoint.secret
            if secret is not None:
                logging.getLogger("understudy").warning("%s failed with %s", self.key, secret.reveal())
            original(self, held, ended, failure, now)

        return on_failure

    return [(ModelActor, "_on_failure", make)]


@bug("house", "leaving the router leaves a task behind", CONSERVATION)
def task_left_behind() -> list[Patch]:
    from ...supervisors.runtime import Stage

    def make(original: Any) -> Any:
        def perform_router(self: Stage, **more: Any) -> Any:
            trio.lowlevel.spawn_system_task(trio.sleep_forever)
            return original(self, **more)

        return perform_router

    return [(Stage, "_perform_router", make)]


@bug("house", "what is drawn from the hash of a string decides who is asked", DETERMINISM, ORDER)
def order_by_hash_seed() -> list[Patch]:
    from ...supervisors.runtime import Stage

    def make(original: Any) -> Any:
        def plan(self: Stage, model: object, images: bool) -> Any:
            route, candidates = original(self, model, images)
            return route, Plan(
                {each.key.name: each for each in sorted(candidates, key=lambda c: hash(c.key.name))}.values()
            )

        return plan

    return [(Stage, "_plan", make)]
