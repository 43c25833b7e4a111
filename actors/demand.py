"""What a request needs, and what a candidate can take: the two sides that must fit before anything is sent.

The token estimate is a rule of thumb, made without a tokenizer: four ASCII characters to a token, three other
characters to two, and a flat amount for every message, image and tool. It serves to reserve tokens and to leave out
candidates whose window is plainly too small, and for nothing that must be exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

ASCII_PER_TOKEN: Final = 4
OTHERS_PER_TOKEN: Final = 1.5
TOKENS_PER_MESSAGE: Final = 4
TOKENS_PER_IMAGE: Final = 800
TOKENS_MAX: Final = 10**12
"""No request needs more tokens; what a body says beyond that is not to be computed with."""
TEXTS: Final = ("input", "prompt", "tools", "functions", "response_format")
"""What counts of a body besides its messages."""
IMAGE_PARTS: Final = frozenset({"image_url", "input_image", "image"})


@frozen
class Capabilities:
    """What a candidate can take; ``None`` is unknown, and then it is assumed that it can.

    `context_window` is in tokens.
    """

    context_window: int | None = None
    vision: bool | None = None
    tools: bool | None = None


@frozen
class Demand:
    """What a request needs: prompt tokens (estimated), tokens that its answer may take, images, tools."""

    prompt_tokens: int = 0
    answer_tokens: int = 0
    images: bool = False
    tools: bool = False

    @property
    def tokens(self) -> int:
        """The tokens to reserve: the prompt's and the answer's."""
        return self.prompt_tokens + self.answer_tokens

    def unfit_for(self, can: Capabilities, tpm: float | None) -> str | None:
        """Say why a candidate cannot take this request at all, or return ``None``."""
        window = can.context_window
        if window is not None and self.prompt_tokens > window:
            return f"the prompt has about {self.prompt_tokens} tokens, its context window {window}"
        if tpm is not None and self.prompt_tokens > tpm:
            return f"the prompt has about {self.prompt_tokens} tokens, its limit is {tpm:g} a minute"
        if self.images and can.vision is False:
            return "the request has images, which it cannot see"
        if self.tools and can.tools is False:
            return "the request has tools, which it cannot use"
        return None


def estimate_demand(body: Mapping[str, Any]) -> Demand:
    """Read from a request's body what it needs. Whatever is not of the expected shape counts as nothing."""
    texts = _Tally()
    messages = body.get("messages")
    for message in messages if isinstance(messages, Sequence) and not isinstance(messages, str) else ():
        texts.tokens += TOKENS_PER_MESSAGE
        texts.add(message)
    for name in TEXTS:
        if name in body:
            texts.add(body[name])
    answer = body.get("max_completion_tokens") or body.get("max_tokens")
    return Demand(
        prompt_tokens=math.ceil(texts.tokens),
        answer_tokens=_sane(answer),
        images=texts.images,
        tools=bool(body.get("tools") or body.get("functions")),
    )


def _sane(tokens: object) -> int:
    return max(0, min(tokens, TOKENS_MAX)) if isinstance(tokens, int) and not isinstance(tokens, bool) else 0


class _Tally:
    """Adds up the text in a JSON value. It keeps its own stack, so that no depth of nesting can exhaust ours."""

    def __init__(self) -> None:
        self.tokens = 0.0
        self.images = False

    def add(self, value: object) -> None:
        stack = [value]
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                self.tokens += text_tokens(item)
            elif isinstance(item, Mapping):
                kind = item.get("type")  # in a tool's schema this may be anything
                if isinstance(kind, str) and kind in IMAGE_PARTS:
                    self.images = True
                    self.tokens += TOKENS_PER_IMAGE
                else:
                    stack.extend(item.values())
            elif isinstance(item, (list, tuple)):
                stack.extend(item)


def text_tokens(text: str) -> float:
    """Estimate the tokens of a text, unrounded."""
    if text.isascii():
        return len(text) / ASCII_PER_TOKEN
    ascii_only = len(text.encode("ascii", "ignore"))
    return ascii_only / ASCII_PER_TOKEN + (len(text) - ascii_only) / OTHERS_PER_TOKEN
