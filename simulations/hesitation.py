"""A prompter that lets actors hesitate, so that a rehearsal also sees the orders that production seldom does.

A message to an actor that waits is handled at once (`understudy.actors.prompter`), except where very many come in a
row. Then it is handled in a turn of the actor's own, and anything may come in between: whatever that turns up is a
bug, too, and it is looked for where messages are left for such turns on purpose.
"""

from __future__ import annotations

import random
from typing import Any, Final

import trio

from ..actors.prompter import Performance, Prompter
from .stage import VirtualClock

MESSAGES_MAX: Final = 20_000
"""How many messages a few callers may cause without time passing; more is a loop, in which no task need have a turn."""


class Hesitation(Prompter):
    """Leaves a `share` of all messages for a turn of the actor's own; which ones, is drawn.

    At most so many messages may be handled without time passing, or the run is stuck.
    """

    def __init__(self, share: float, draws: random.Random, most: int = MESSAGES_MAX) -> None:
        super().__init__()
        self._share = share
        self._draws = draws
        self._most = most
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, VirtualClock), "only on a stage"
        self._clock = clock
        self._since = 0.0
        self._count = 0

    def announce(self, performance: Performance[Any], times: int = 1) -> None:
        """Let the actor handle its message at once, or wake its task."""
        now = self._clock.now
        if now != self._since:
            self._since, self._count = now, 0
        self._count += 1
        if self._count == self._most:
            self._clock.on_stuck(f"time stands still at {now:g} s: actors have no end of messages for each other")
        if self._share and self._draws.random() < self._share:
            performance.wake()
        else:
            self.cue(performance, times)
