"""What the requests of a rehearsal's callers need, counted by hand: tokens as the runtime estimates them.

The rule of thumb is that of `actors/demand`: four characters to a token, four tokens more for a message, a flat amount
for an image. How a caller's request is written is known, too: a caller who has so many prompt tokens sends so many
times "word".
"""

from __future__ import annotations

import math
from typing import Final

from attrs import frozen

from ...actors.demand import Capabilities
from ..exchange import OWN_WINDOW
from ..scenario import Caller, Flaw

FOR_A_MESSAGE: Final = 4
FOR_AN_IMAGE: Final = 800
ALWAYS_WRITTEN: Final = ("user",)
WRITTEN_WITH_IMAGES: Final = ("text",)
WRITTEN_WITH_TOOLS: Final = ("function", "look_up", "object")


@frozen
class Needs:
    """What one request needs: prompt tokens, tokens that its answer may take, images, tools."""

    prompt: int = 0
    answer: int = 0
    images: bool = False
    tools: bool = False

    @property
    def tokens(self) -> int:
        """What is reserved for it."""
        return self.prompt + self.answer

    def fit(self, can: Capabilities, tpm: float | None) -> bool:
        """Whether a candidate can take it at all; what is unknown of one counts as good enough."""
        if can.context_window is not None and self.prompt > can.context_window:
            return False
        if tpm is not None and self.prompt > tpm:
            return False
        return not (self.images and can.vision is False) and not (self.tools and can.tools is False)


def needs_of(caller: Caller) -> Needs:
    """Return what a caller's request needs."""
    prompt: float = FOR_A_MESSAGE + caller.prompt_tokens + _tokens(ALWAYS_WRITTEN)
    if caller.images:
        prompt += FOR_AN_IMAGE + _tokens(WRITTEN_WITH_IMAGES)
    if caller.tools:
        prompt += _tokens(WRITTEN_WITH_TOOLS)
    return Needs(math.ceil(prompt), 2 * caller.answer_tokens, caller.images, caller.tools)


def _tokens(texts: tuple[str, ...]) -> float:
    return sum(len(text) for text in texts) / 4


def used_by_broken_stream(caller: Caller, needs: Needs, counted: float) -> float | None:
    """Return the tokens that a stream used which broke off, ``None`` if nothing had been written.

    `counted` is what the provider counted: the prompt as it sees it, and what it wrote.
    """
    prompt = caller.prompt_tokens
    if caller.flaw is Flaw.TOO_LONG:
        prompt = max(10 * prompt, 2 * OWN_WINDOW)
    written = counted - prompt
    return needs.prompt + written if written > 0 else None
