"""A prompter that lets actors hesitate, so that a rehearsal also sees the orders that production seldom does.

A message to an actor that waits is handled at once (`understudy.actors.prompter`), except where very many come in a
row. Then it is handled in a turn of the actor's own, and anything may come in between: whatever that turns up is a
bug, too, and it is looked for where messages are left for such turns on purpose.
"""

from __future__ import annotations

import random
from typing import Any

from ..actors.prompter import Performance, Prompter


class Hesitation(Prompter):
    """Leaves a `share` of all messages for a turn of the actor's own; which ones, is drawn."""

    def __init__(self, share: float, draws: random.Random) -> None:
        super().__init__()
        self._share = share
        self._draws = draws

    def announce(self, performance: Performance[Any], times: int = 1) -> None:
        """Let the actor handle its message at once, or wake its task."""
        if self._share and self._draws.random() < self._share:
            performance.wake()
        else:
            self.cue(performance, times)
