"""Bugs of messages, of turns, and of who performs an attempt."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import trio

from ...actors.prompter import Performance, Prompter
from ...actors.worker import Worker
from .bug import CONSERVATION, INCIDENT, NEEDLESS, ONE_ANSWER, ORDER, Patch, bug, instead


@bug("turns", "a handler's messages are handled while it is still at work", ONE_ANSWER, ORDER, NEEDLESS)
def handlers_within_handlers() -> list[Patch]:
    def cue(self: Prompter, performance: Performance[Any], times: int = 1) -> None:
        for _ in range(times):
            performance.act(trio.current_time())

    return [(Prompter, "cue", instead(cue))]


@bug(
    "turns",
    "a message that an actor leaves for a turn of its own is lost",
    ONE_ANSWER,
    NEEDLESS,
    CONSERVATION,
    INCIDENT,
)
def message_lost_for_a_turn() -> list[Patch]:
    def make(original: Any) -> Any:
        def wake(self: Performance[Any]) -> None:
            if self._error is None and not self._ended:
                with suppress(trio.WouldBlock):
                    self._take()
            original(self)

        return wake

    return [(Performance, "wake", make)]


@bug("turns", "a caller that leaves is taken for a crash of the actor, and others are asked for it", ONE_ANSWER, ORDER)
def caller_taken_for_a_crash() -> list[Patch]:
    def make(original: Any) -> Any:
        async def perform(self: Worker, held: Any, **more: Any) -> None:
            await original(self, held)

        return perform

    return [(Worker, "perform", make)]


@bug("turns", "what callers' tasks do for an actor goes on when that has crashed", INCIDENT, ONE_ANSWER)
def work_outlives_its_actor() -> list[Patch]:
    async def stop(self: Worker) -> None:
        await trio.lowlevel.checkpoint()

    return [(Worker, "stop", instead(stop))]
