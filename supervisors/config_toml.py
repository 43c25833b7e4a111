"""The lines of a TOML file, which the standard library's parser does not tell.

That parser decides what TOML is. What it has accepted is walked over once more, token by token, as it is for JSON.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define, field

from .config_mistakes import Steps

_TOKEN: Final = re.compile(
    r"""
    \"{3}(?:[^\\]|\\.)*?\"{3,5} | '{3}.*?'{3,5}     # text of several lines; it may end in quotes of its own
    | "(?:[^"\\\n]|\\.)*" | '[^'\n]*'               # text
    | \#[^\n]* | \n                                 # the end of a line
    | [\[\]{}=,.] | [^\s\[\]{}=,.\#"']+
    """,
    re.VERBOSE | re.DOTALL,
)


def toml_lines(text: str) -> dict[Steps, int]:
    r"""Return the lines of all tables, fields and elements, counted from 1, of a text that is TOML.

    >>> toml_lines("[[fault]]\nkind = 'slow'")
    {('fault',): 1, ('fault', 0): 1, ('fault', 0, 'kind'): 2}
    """
    walk = _Walk()
    for piece in _TOKEN.findall(text):
        if not piece.startswith("#"):
            walk.take(piece)
        walk.line += piece.count("\n")
    return walk.lines


@define(eq=False)
class _Open:
    """A table or a list that is open: where it is, and in a list the place of the element that is being read."""

    path: Steps
    place: int | None = None


@define(eq=False)
class _Walk:
    line: int = 1
    lines: dict[Steps, int] = field(factory=dict)
    open: list[_Open] = field(factory=lambda: [_Open(())])
    _last: dict[Steps, int] = field(factory=dict)
    """The place of the last element of each list whose elements have headings."""
    _names: list[str] = field(factory=list)
    """The names that lead to the value, or the table, that is about to come."""
    _awaits_name: bool = True
    _value: Steps = ()
    _brackets: int = 0

    def take(self, piece: str) -> None:
        if piece == "\n":
            if len(self.open) == 1:
                self._await_name()
        elif self._awaits_name:
            self._in_name(piece)
        else:
            self._in_value(piece)

    def _await_name(self) -> None:
        self._awaits_name, self._brackets = True, 0
        self._names.clear()

    def _in_name(self, piece: str) -> None:
        match piece:
            case ".":
                pass
            case "[":
                self._brackets += 1
            case "]":
                self._heading()
            case "}":
                self._close()
            case "=":
                self._value = self._note(self.open[-1].path, self._names)
                self._awaits_name = False
            case _:
                self._names.append(_name(piece))

    def _in_value(self, piece: str) -> None:
        inner = self.open[-1]
        if piece == ",":
            if inner.place is None:
                self._await_name()
            else:
                inner.place += 1
        elif piece in ("]", "}"):
            self._close()
        else:
            self._begin(inner, piece)

    def _begin(self, inner: _Open, piece: str) -> None:
        path = self._value if inner.place is None else (*inner.path, inner.place)
        self.lines.setdefault(path, self.line)
        if piece == "[":
            self.open.append(_Open(path, 0))
        elif piece == "{":
            self.open.append(_Open(path))
            self._await_name()

    def _close(self) -> None:
        self.open.pop()
        self._awaits_name = False

    def _heading(self) -> None:
        """Go into the table of a heading, at the first bracket that closes it."""
        if not self._names:
            return
        above: Steps = ()
        for name in self._names[:-1]:
            above = self._note(above, [name])
            above = (*above, self._last[above]) if above in self._last else above
        path = self._note(above, self._names[-1:])
        if self._brackets == 2:
            self._last[path] = self._last.get(path, -1) + 1
            path = (*path, self._last[path])
            self.lines[path] = self.line
        self.open[0].path = path
        self._names.clear()

    def _note(self, path: Steps, names: list[str]) -> Steps:
        for name in names:
            path = (*path, name)
            self.lines.setdefault(path, self.line)
        return path


def _name(piece: str) -> str:
    """Return a name without its quotes."""
    if not piece.startswith(("'", '"')):
        return piece
    import tomllib

    return str(tomllib.loads(f"name = {piece}")["name"])
