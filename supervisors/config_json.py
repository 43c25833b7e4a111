"""JSON with what its parser does not tell: the lines of values, and names that are given twice.

The standard library's parser decides what JSON is. What it has accepted is walked over once more, token by token.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from attrs import define, field

from .config_mistakes import Mistakes, Steps
from .config_syntax import DEPTH_MAX, TOO_DEEP, Parsed, SyntaxFault, parse_with

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\n')


def parse_json(text: str, mistakes: Mistakes) -> Parsed:
    """Parse JSON. Names given twice are noted, and the last value counts."""
    import json

    def explain(error: Exception) -> SyntaxFault:
        if isinstance(error, json.JSONDecodeError):
            return SyntaxFault(f"this is not JSON: {error.msg} (column {error.colno})", error.lineno)
        return SyntaxFault("this is not JSON: a number in it is too long")

    tree = parse_with(json.loads, text, explain)
    return tree, _Walk(mistakes, json.loads).over(text)


@define(eq=False)
class _Open:
    """A list or an object that is open: where it is, and the step to the value that is being read."""

    path: Steps
    step: str | int
    seen: dict[str, None] = field(factory=dict)
    awaits_name: bool = False


@define(eq=False)
class _Walk:
    mistakes: Mistakes
    decode: Callable[[str], Any]
    lines: dict[Steps, int] = field(factory=dict)
    open: list[_Open] = field(factory=list)
    line: int = 1

    def over(self, text: str) -> dict[Steps, int]:
        for token in _TOKEN.findall(text):
            match token:
                case "\n":
                    self.line += 1
                case "]" | "}":
                    self.open.pop()
                case ",":
                    self._next()
                case ":":
                    pass
                case _ if self.open and self.open[-1].awaits_name:
                    self._name(self.open[-1], self.decode(token))
                case _:
                    self._value(token)
        return self.lines

    def _next(self) -> None:
        inner = self.open[-1]
        if isinstance(inner.step, int):
            inner.step += 1
        else:
            inner.awaits_name = True

    def _name(self, inner: _Open, name: str) -> None:
        inner.step, inner.awaits_name = name, False
        path = (*inner.path, name)
        self.lines[path] = self.line
        if name in inner.seen:
            self.mistakes.note(path, "this name is given twice", self.line)
        inner.seen[name] = None

    def _value(self, token: str) -> None:
        path = (*self.open[-1].path, self.open[-1].step) if self.open else ()
        self.lines.setdefault(path, self.line)
        if token in ("[", "{"):
            if len(self.open) >= DEPTH_MAX:
                raise SyntaxFault(TOO_DEEP, self.line)
            self.open.append(_Open(path, 0) if token.startswith("[") else _Open(path, "", awaits_name=True))
