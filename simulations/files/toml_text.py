"""Plain values as TOML, laid out for people: a line for each field, a heading for each table, long lists wrapped.

TOML is what Python itself can read and cannot write. What is written here is read again as the very same values: text
with all its characters, floating-point numbers to the last bit. Fields that are tables, or lists of tables, have
headings, down to the second level; what is in a list of tables, and all that is deeper, is written in place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ...supervisors.config_mistakes import Spot, kind

WIDTH_MAX: Final = 100
"""How many characters a line has at the most, where a list can be wrapped."""

LEVELS: Final = 2
"""How many names a heading has at the most."""

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPED: Final = re.compile(r'[\x00-\x1f\x7f"\\]')
_ESCAPES: Final = {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r", '"': r"\"", "\\": r"\\"}

Names = tuple[str, ...]


def toml_text(root: Spot) -> str:
    """Return a table as TOML. A value that TOML has no words for is noted, and raises `Mistaken`."""
    text = "\n\n".join("\n".join(lines) for lines in _table(root, (), in_list=False)) + "\n"
    try:
        text.encode()
    except UnicodeEncodeError:
        raise root.wrong("contains a character that is none, for which TOML has no words") from None
    return text


def _table(spot: Spot, names: Names, *, in_list: bool) -> Iterator[list[str]]:
    """Return the lines of a table, then those of each table in it that has a heading of its own."""
    fields = list(spot.items())
    headed = [] if in_list or len(names) == LEVELS else [each for each in fields if _is_table(each[1].value)]
    plain = [_field(name, here) for name, here in fields if (name, here) not in headed]
    # A heading that has nothing but further headings below it says nothing.
    if plain or not headed:
        yield [*_heading(names, in_list=in_list), *plain]
    for name, here in headed:
        inner = (*names, _name(name))
        if isinstance(here.value, Mapping):
            yield from _table(here, inner, in_list=False)
        else:
            for element in here.elements("tables"):
                yield from _table(element, inner, in_list=True)


def _is_table(value: object) -> bool:
    """Whether this is a table, or a list of tables."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(element, Mapping) for element in value)
    return isinstance(value, Mapping)


def _heading(names: Names, *, in_list: bool) -> list[str]:
    dotted = ".".join(names)
    return [] if not names else [f"[[{dotted}]]" if in_list else f"[{dotted}]"]


def _field(name: str, spot: Spot) -> str:
    start = f"{_name(name)} = "
    if isinstance(spot.value, str) and "\n" in spot.value:
        return "".join([start, '"""\n', _escaped(spot.value, but="\n"), '"""'])
    whole = start + _value(spot)
    if len(whole) <= WIDTH_MAX or not isinstance(spot.value, (list, tuple)):
        return whole
    return "\n".join([f"{start}[", *_wrapped([_value(element) for element in spot.elements("values")]), "]"])


def _wrapped(values: Sequence[str]) -> Iterator[str]:
    """Return the elements of a list, as many on a line as fit."""
    line = "   "
    for value in values:
        if len(line) > 3 and len(line) + len(value) + 2 > WIDTH_MAX:
            yield line
            line = "   "
        line += f" {value},"
    yield line


def _value(spot: Spot) -> str:
    """Return a value as it is written in place."""
    match spot.value:
        case bool(value):
            return "true" if value else "false"
        case int(value):
            return int.__repr__(value)
        case float(value):
            return float.__repr__(value)
        case str(value):
            return f'"{_escaped(value)}"'
        case list() | tuple():
            return f"[{', '.join(map(_value, spot.elements('values')))}]"
        case Mapping():
            inner = ", ".join(f"{_name(name)} = {_value(here)}" for name, here in spot.items())
            return f"{{ {inner} }}" if inner else "{}"
        case None:
            raise spot.wrong("is empty, for which TOML has no word; leave it out")
    raise spot.wrong(f"is {kind(spot.value)}, for which TOML has no words")


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else f'"{_escaped(name)}"'


def _escaped(text: str, *, but: str = "") -> str:
    """Return a text with everything escaped that must not stand between quotes, except some characters."""
    return _ESCAPED.sub(lambda found: found[0] if found[0] in but else _escape(found[0]), text)


def _escape(character: str) -> str:
    return _ESCAPES.get(character) or f"\\u{ord(character):04x}"
