"""What a request needs, and what a candidate can take: the two sides that must fit before anything is sent.

The token estimate is a rule of thumb, made without a tokenizer: four ASCII characters to a token, three other
characters to two, and a flat amount for every message, image and tool. It serves to reserve tokens and to leave out
candidates whose window is plainly too small, and for nothing that must be exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen

from .values import value

ASCII_PER_TOKEN: Final = 4
OTHERS_PER_TOKEN: Final = 1.5
TOKENS_PER_MESSAGE: Final = 4
TOKENS_PER_IMAGE: Final = 800
TOKENS_MAX: Final = 10**12
"""No request needs more tokens; what a body says beyond that is not to be computed with."""
MESSAGES: Final = ("messages", "contents")
"""Where a body's messages are, in the dialects that there are."""
TEXTS: Final = frozenset(
    {
        "input",
        "instructions",
        "prompt",
        "system",
        "systemInstruction",
        "system_instruction",
        "tools",
        "functions",
        "response_format",
    }
)
"""What counts of a body besides its messages."""
LIMITS: Final = ("max_completion_tokens", "max_output_tokens", "maxOutputTokens", "max_tokens")
"""What a body, or its `generationConfig`, calls the most tokens that its answer may take."""
SAYS_LIMIT: Final = frozenset({*LIMITS, "generationConfig"})
"""What has none of these says nothing of it."""
IMAGE_PARTS: Final = frozenset({"image_url", "input_image", "image"})
OTHER_PARTS: Final = frozenset({"input_audio", "input_file", "file", "document"})
"""Parts that hold a file, by their type; their bytes are no text."""
INLINE: Final = ("inlineData", "inline_data", "fileData", "file_data")
"""What a part of Gemini's holds a file in."""
SAYS_PART: Final = frozenset({"type", *INLINE})
"""What has none of these is no part that holds a file."""


@frozen
class Capabilities:
    """What a candidate can take; ``None`` is unknown, and then it is assumed that it can.

    `context_window` is in tokens.
    """

    context_window: int | None = None
    vision: bool | None = None
    tools: bool | None = None


@value
class Demand:
    """What a request needs: prompt tokens (estimated), tokens that its answer may take, images, tools.

    `embedding` is the one model that may answer, where another's vectors would not be comparable; `unspoken` are the
    dialects in which the request cannot be said, with what of it cannot.
    """

    prompt_tokens: int = 0
    answer_tokens: int = 0
    images: bool = False
    tools: bool = False
    embedding: str | None = None
    unspoken: Mapping[str, str] = field(factory=dict)

    @property
    def tokens(self) -> int:
        """The tokens to reserve: the prompt's and the answer's."""
        return self.prompt_tokens + self.answer_tokens

    def but(self, *, embedding: str | None, unspoken: Mapping[str, str]) -> Demand:
        """Return the same with these."""
        return Demand(self.prompt_tokens, self.answer_tokens, self.images, self.tools, embedding, unspoken)

    def unfit_for(self, can: Capabilities, tpm: float | None, model: str | None = None) -> str | None:
        """Say why a candidate cannot take this request at all, or return ``None``."""
        if self.embedding is not None and model is not None and model != self.embedding:
            return f"its embeddings are not those of {self.embedding}, and mix_embeddings is off"
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
    read: list[Any] = []
    count = 0
    for name in MESSAGES:
        messages = body.get(name)
        if messages and not isinstance(messages, str) and isinstance(messages, (list, Sequence)):
            read.extend(messages)
            count += len(messages)
    read.extend([value for name, value in body.items() if name in TEXTS])
    tokens, images = _tokens_in(read)
    prompt_tokens = math.ceil(tokens + count * TOKENS_PER_MESSAGE)
    tools = bool(body.get("tools") or body.get("functions"))
    return Demand(prompt_tokens, _answer_tokens(body), images, tools)


def _answer_tokens(body: Mapping[str, Any]) -> int:
    if SAYS_LIMIT.isdisjoint(body):
        return 0
    config = body.get("generationConfig")
    for said in (body,) if config is None or not isinstance(config, Mapping) else (body, config):
        for name in LIMITS:
            if said.get(name):
                return _sane(said[name])
    return 0


def _sane(tokens: object) -> int:
    return max(0, min(tokens, TOKENS_MAX)) if isinstance(tokens, int) and not isinstance(tokens, bool) else 0


def _tokens_in(values: Iterable[Any]) -> tuple[float, bool]:
    """Return the tokens of all texts and files in JSON values, unrounded, and whether there are images.

    It keeps its own stack, so that no depth of nesting can exhaust ours.
    """
    tokens, characters, images = 0.0, 0, False
    stack: list[Iterable[Any]] = [values]
    while stack:
        for item in stack.pop():
            if isinstance(item, str):
                if item.isascii():
                    characters += len(item)
                else:
                    tokens += text_tokens(item)
            elif isinstance(item, (list, tuple)):
                stack.append(item)
            elif isinstance(item, (dict, Mapping)):  # a dict first: to ask the abstract class takes longer
                kind = None if SAYS_PART.isdisjoint(item) else _part(item)
                if kind is None:
                    stack.append(item.values())
                else:
                    images = images or kind == "image"
                    tokens += TOKENS_PER_IMAGE
    return tokens + characters / ASCII_PER_TOKEN, images


def _part(item: Mapping[Any, Any]) -> str | None:
    """Return what kind of file a part of a message holds, ``None`` if it is no file after all."""
    kind = item.get("type")  # in a tool's schema this may be anything
    if isinstance(kind, str) and kind in IMAGE_PARTS:
        return "image"
    if isinstance(kind, str) and kind in OTHER_PARTS and len(item) > 1:
        return "file"
    for name in INLINE:
        held = item.get(name)
        if held is not None and isinstance(held, Mapping):
            mime = held.get("mimeType") or held.get("mime_type")
            return "image" if str(mime).startswith("image/") else "file"
    return None


def text_tokens(text: str) -> float:
    """Estimate the tokens of a text, unrounded."""
    if text.isascii():
        return len(text) / ASCII_PER_TOKEN
    ascii_only = len(text.encode("ascii", "ignore"))
    return ascii_only / ASCII_PER_TOKEN + (len(text) - ascii_only) / OTHERS_PER_TOKEN
