"""The dialects by name, and what of a call they cannot say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from ..messages import Call
from .azure import AzureDialect
from .dialect import Dialect, Untranslatable
from .openai import OpenAIDialect

# Those that translate are much code, and only they need it who have such a provider.


def _anthropic() -> Dialect:
    from .anthropic import AnthropicDialect

    return AnthropicDialect()


def _gemini() -> Dialect:
    from .gemini import GeminiDialect

    return GeminiDialect()


class Dialects(Mapping[str, Dialect]):
    """The dialects by name. Each is made when it is first asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], Dialect]]) -> None:
        self._makers = makers
        self._made: dict[str, Dialect] = {}

    def __getitem__(self, name: str) -> Dialect:
        dialect = self._made.get(name)
        if dialect is None:
            dialect = self._made[name] = self._makers[name]()
        return dialect

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


DIALECTS: Final = Dialects(
    {"openai": OpenAIDialect, "azure": AzureDialect, "anthropic": _anthropic, "gemini": _gemini},
)
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
