"""The dialects by name, and what of a call they cannot say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ..messages import Call
from .anthropic import AnthropicDialect
from .azure import AzureDialect
from .dialect import Dialect, Untranslatable
from .gemini import GeminiDialect
from .openai import OpenAIDialect

DIALECTS: Final[Mapping[str, Dialect]] = {
    "openai": OpenAIDialect(),
    "azure": AzureDialect(),
    "anthropic": AnthropicDialect(),
    "gemini": GeminiDialect(),
}
"""How candidates can be spoken to."""


def unspoken(call: Call, names: Iterable[str]) -> dict[str, str]:
    """Return, for each of these dialects that cannot say a call, why it cannot."""
    said: dict[str, str] = {}
    for name in names:
        try:
            DIALECTS[name].check(call)
        except Untranslatable as exc:
            said[name] = str(exc)
    return said
