"""Performs a scenario: the real config, supervisors, actors, dialect and httpx, in the virtual world.

Network and clock are replaced, and nothing else. What comes out is a `Recording`: every fact that the actors recorded,
every request that a provider received, and how each caller fared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import trio
from attrs import define, field, frozen

from ..actors.errors import UnderstudyError
from ..actors.handle import Router
from ..actors.identity import ModelKey
from ..actors.part import ModelStatus
from ..actors.reply import Reply
from ..actors.trace import Digest, Fact
from ..supervisors.config import Config, load_config
from ..supervisors.runtime import open_router
from .scenario import Scenario
from .stage import perform, stream
from .world import Received, World, WorldTransport

MESSAGES: Final = [{"role": "user", "content": "What is all the world?"}]
TAIL: Final = 60.0
"""Virtual seconds that a run may go on after its last caller's deadline."""


@frozen
class Fare:
    """How one caller fared: when it asked, when it was answered, by whom, or why not.

    `stamp` is the provider's own word for who answered, `error` the name of the error that the caller got.
    """

    caller: int
    asked_at: float
    answered_at: float
    streamed: bool
    served_by: ModelKey | None = None
    stamp: str | None = None
    text: str = ""
    error: str | None = None
    message: str = ""


@define
class Recording:
    """All that is known of one run."""

    scenario: Scenario
    config: Config
    seed: int
    facts: list[Fact] = field(factory=list)
    fares: list[Fare] = field(factory=list)
    received: Sequence[Received] = ()
    closing: Sequence[ModelStatus] = ()
    digest: str = ""
    ended_at: float = 0.0


def rehearse(scenario: Scenario, *, seed: int = 0) -> Recording:
    """Perform a scenario in virtual time. The same scenario and seed give the same recording, wherever it runs.

    Raises:
        ConfigError: the scenario's config does not hold.
        StageError: the run cannot be made deterministic with this trio, or does not come to its end.

    """
    config = load_config(scenario.config, environ=scenario.environ)
    recording = Recording(scenario, config, seed)
    longest = scenario.traffic.duration + scenario.traffic.timeout + TAIL
    perform(lambda: _play(recording), seed=seed, longest=longest)
    recording.fares.sort(key=lambda fare: fare.caller)
    return recording


async def _play(recording: Recording) -> None:
    scenario = recording.scenario
    world = World({host.name: host for host in scenario.hosts}, scenario.faults, recording.seed)
    digest = Digest()

    def sink(fact: Fact | None) -> None:
        digest(fact)
        if fact is not None:
            recording.facts.append(fact)

    async with open_router(recording.config, transport=WorldTransport(world)) as router:
        router.listen(sink)
        async with trio.open_nursery() as callers:
            await _arrive(recording, router, callers)
        recording.closing = router.snapshot()
    recording.received = world.received
    recording.digest = digest.hexdigest()
    recording.ended_at = trio.current_time()


async def _arrive(recording: Recording, router: Router, callers: trio.Nursery) -> None:
    """Let the callers come, one after another."""
    traffic = recording.scenario.traffic
    arrivals = stream(recording.seed, "arrivals")
    jitter_ms = round(traffic.jitter * 1000)
    for i in range(round(traffic.duration / traffic.every)):
        moved = arrivals.randrange(-jitter_ms, jitter_ms + 1) / 1000 if jitter_ms else 0.0
        await trio.sleep_until(max(0.0, i * traffic.every + moved))
        callers.start_soon(_call, recording, router, i)


async def _call(recording: Recording, router: Router, caller: int) -> None:
    traffic = recording.scenario.traffic
    streamed = bool(traffic.stream_each) and caller % traffic.stream_each == traffic.stream_each - 1
    asked_at = trio.current_time()
    reply: Reply | None = None
    error: UnderstudyError | None = None
    text = ""
    try:
        if streamed:
            async with router.stream(traffic.route, MESSAGES, timeout=traffic.timeout) as chunks:
                async for chunk in chunks:
                    text += chunk.text
                reply = chunks.reply
        else:
            reply = await router.chat(traffic.route, MESSAGES, timeout=traffic.timeout)
            text = reply.text
    except UnderstudyError as exc:
        error = exc
    recording.fares.append(
        Fare(
            caller,
            asked_at,
            trio.current_time(),
            streamed,
            served_by=None if reply is None else reply.served_by,
            stamp=None if reply is None else reply.body.get("system_fingerprint"),
            text=text,
            error=None if error is None else type(error).__name__,
            message="" if error is None else str(error),
        )
    )
