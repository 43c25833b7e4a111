"""Crashes at chosen moments: the next messages that an actor handles meet a bug, before or after its work.

The actors are the real ones; for the time of one run, their `handle` asks the saboteur first.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, field

from ..actors.model import ModelActor
from ..actors.router import RouterActor

ROUTER = "the router"


class RehearsedCrash(Exception):
    """What an actor crashes with when the scenario wants it to."""


@define(eq=False)
class Saboteur:
    """Knows who is to crash, and how often. Whether a crash comes before or after the work is drawn."""

    _random: random.Random
    _due: Counter[str] = field(factory=Counter, init=False)

    def arm(self, actor: str, times: int) -> None:
        """Let the next messages of an actor (a candidate's name, or `ROUTER`) meet a bug."""
        self._due[actor] += times

    def _around(self, original: Callable[..., None], name_of: Callable[[Any], str]) -> Callable[..., None]:
        def handle(actor: Any, message: object, now: float) -> None:
            name = name_of(actor)
            if not self._due[name]:
                original(actor, message, now)
                return
            self._due[name] -= 1
            if self._random.random() < 0.5:
                original(actor, message, now)
            raise RehearsedCrash(f"{name} was to crash here")

        return handle

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Stand between the actors and their mailboxes."""
        model, router = ModelActor.handle, RouterActor.handle
        ModelActor.handle = self._around(model, lambda actor: actor.key.name)  # type: ignore[method-assign]
        RouterActor.handle = self._around(router, lambda _: ROUTER)  # type: ignore[method-assign]
        try:
            yield
        finally:
            ModelActor.handle, RouterActor.handle = model, router  # type: ignore[method-assign]
