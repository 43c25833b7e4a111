"""What the requests of a rehearsal's callers need, counted by hand: tokens as the runtime estimates them.

The rule of thumb is that of `actors/demand`: four characters to a token, four tokens more for a message, a flat amount
for an image. How a caller's request is written is known, too (`asking`): a caller who has so many prompt tokens sends
so many times "word".
"""

from __future__ import annotations

import math
from typing import Final

from attrs import frozen

from ...actors.demand import Capabilities
from ..asking import SYSTEM
from ..dialects import LIKE_OPENAI
from ..exchange import OWN_WINDOW
from ..scenario import Caller, Flaw

FOR_A_MESSAGE: Final = 4
FOR_AN_IMAGE: Final = 800
ALWAYS_WRITTEN: Final = ("user",)
INTRODUCED_BY: Final = ("system", SYSTEM)
WRITTEN_WITH_IMAGES: Final = ("text",)
WRITTEN_WITH_TOOLS: Final = ("function", "look_up", "object")


@frozen
class Needs:
    """What one request needs: prompt tokens, tokens that its answer may take, images, tools, `logit_bias`."""

    prompt: int = 0
    answer: int = 0
    images: bool = False
    tools: bool = False
    logit_bias: bool = False

    @property
    def tokens(self) -> int:
        """What is reserved for it."""
        return self.prompt + self.answer

    def fit(self, can: Capabilities, tpm: float | None, dialect: str = "openai") -> bool:
        """Whether a candidate can take it at all; what is unknown of one counts as good enough."""
        if self.logit_bias and dialect not in LIKE_OPENAI:
            return False
        if can.context_window is not None and self.prompt > can.context_window:
            return False
        if tpm is not None and self.prompt > tpm:
            return False
        return not (self.images and can.vision is False) and not (self.tools and can.tools is False)


def needs_of(caller: Caller, introduced_as: int | None = None) -> Needs:
    """Return what a caller's request needs; `introduced_as` is its number, if it says in its prompt who it is."""
    prompt: float = FOR_A_MESSAGE + caller.prompt_tokens + _tokens(ALWAYS_WRITTEN)
    if caller.images:
        prompt += FOR_AN_IMAGE + _tokens(WRITTEN_WITH_IMAGES)
    if caller.tools:
        prompt += _tokens(WRITTEN_WITH_TOOLS)
    if introduced_as is not None:
        prompt += FOR_A_MESSAGE + _tokens((*INTRODUCED_BY, f"caller-{introduced_as}: "))
        if caller.tools:
            prompt += 3 * FOR_A_MESSAGE + _tokens(_talk(str(introduced_as)))
    return Needs(math.ceil(prompt), 2 * caller.answer_tokens, caller.images, caller.tools, caller.logit_bias)


def _talk(who: str) -> tuple[str, ...]:
    """Return all that is written where two tools have been called: the calls, and what they have answered."""
    calls = tuple(text for n in "01" for text in (f"call_{who}_{n}", "function", "look_up", f'{{"word": "{who} {n}"}}'))
    results = tuple(text for n in "01" for text in ("tool", f"call_{who}_{n}", f"found {who} {n}"))
    return ("assistant", *calls, *results)


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
