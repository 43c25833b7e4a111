"""What the parsers of configuration files share: their bounds, and how they say that a text is not of its format.

Parsers like to quote the text that they stumble over, and that may be a key. So their words are passed on without
what they quote, and their exceptions are not passed on at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from .config_mistakes import Steps

T = TypeVar("T")

VALUES_MAX: Final = 100_000
"""How many values a file may hold once its aliases are expanded."""

DEPTH_MAX: Final = 32
"""How deep values may nest. A configuration needs less than ten."""

TOO_DEEP: Final = "the file nests deeper than any configuration needs"

Parsed = tuple[object, dict[Steps, int]]
"""A tree of plain values, and the lines of those whose line is known, counted from 1."""

_QUOTED: Final = re.compile(r"(['\"]).*\1", re.DOTALL)


class SyntaxFault(Exception):
    """The text is not of its format."""

    def __init__(self, text: str, line: int | None = None) -> None:
        super().__init__(_QUOTED.sub("…", text))
        self.line = line


def parse_with(parse: Callable[[str], T], text: str, explain: Callable[[Exception], SyntaxFault]) -> T:
    """Parse a text; whatever is wrong with it comes out as a `SyntaxFault`."""
    try:
        return parse(text)
    except RecursionError:
        raise SyntaxFault(TOO_DEEP) from None
    except Exception as error:
        fault = explain(error)
    # Raised out here, the fault does not drag the parser's own error along.
    raise fault
