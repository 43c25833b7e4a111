"""The dialects as the scripted providers speak them: one module for each, and nothing shared with the actors' own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .anthropic import AnthropicSpoken
from .arrival import Arrival, caller_of
from .gemini import GeminiSpoken
from .openai import AzureSpoken, OpenAISpoken
from .said import Item, differences
from .spoken import Spoken, Written

__all__ = ["LIKE_OPENAI", "SPOKEN", "Arrival", "Item", "Spoken", "Written", "caller_of", "differences", "spoken_by"]

SPOKEN: Final[Mapping[str, Spoken]] = {
    "openai": OpenAISpoken(),
    "azure": AzureSpoken(),
    "anthropic": AnthropicSpoken(),
    "gemini": GeminiSpoken(),
}
"""By the names that the config has for them."""

LIKE_OPENAI: Final = ("openai", "azure")
"""The dialects into which a caller's request need not be translated."""


def spoken_by(arrival: Arrival) -> str | None:
    """Return which dialect a request is in, by how it arrives; ``None`` if no provider has such a path."""
    return next((name for name in ("azure", "anthropic", "gemini", "openai") if SPOKEN[name].takes(arrival)), None)
