"""Mistakes in a configuration: collected with their places, and told all at once.

A `Spot` is one value with the path that leads to it. Whoever finds fault with it notes that there and goes on, or
raises what `Spot.wrong` returns to leave this value; in the end one `ConfigError` tells everything. Nothing
that may be a secret belongs into a message; should one get into it all the same (a key pasted into the wrong
field), it is struck out, as every value that was meant to be a secret is announced to `Mistakes.conceal`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NoReturn

from attrs import define, field, frozen

from ..actors.errors import ConfigError
from ..actors.masking import presentable

Steps = tuple[str | int, ...]
"""What leads to a value: the names of fields and the positions in lists, from 0."""

SECRET_FIELDS: Final = frozenset({"api_key", "api_keys", "proxy"})
"""Fields below which a path shows no names: they could be a part of a secret that was written without quotes."""

SHOWN_MAX: Final = 60
"""How many characters of a value a message shows."""

SUGGESTIONS_MAX: Final = 100
"""How many suggestions are looked for: the search is slow, and nobody reads so many."""

CONCEALED_MIN: Final = 6
"""A value shorter than this is not struck out of the messages: it would garble them, and protects nothing."""


KINDS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (type(None), "empty"),
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "text"),
    (Mapping, "a mapping"),
    ((list, tuple), "a list"),
)
"""The kinds of values, in the words of a configuration file; the first that fits counts."""


class Mistaken(Exception):
    """A mistake was noted, and there is no value to go on with. It never leaves the loading of a config."""


def show(text: str) -> str:
    """Return a text as messages show it: short, on one line, in backticks, and masked where it looks like a key."""
    return f"`{presentable(text, SHOWN_MAX)}`"


def kind(value: object) -> str:
    """Say what kind of value this is, in the words of a config file, without showing it."""
    return next((words for types, words in KINDS if isinstance(value, types)), f"a {type(value).__name__}")


def show_path(path: Steps) -> str:
    """Write a path as people read it: ``model_list[1].fallbacks[0]``."""
    shown, hidden = "", False
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        elif hidden:
            shown += ".…"
        else:
            name = presentable(step, SHOWN_MAX) or show(step)
            shown += f".{name}" if shown else name
            hidden = step in SECRET_FIELDS
    return shown


@define(eq=False)
class Mistakes:
    """All mistakes of one configuration. `lines` knows the lines of some paths, counted from 1."""

    source: str | None = None
    lines: Mapping[Steps, int] = field(factory=dict)
    _problems: list[str] = field(factory=list, init=False)
    _concealed: dict[str, None] = field(factory=dict, init=False)
    _suggestions_left: int = field(default=SUGGESTIONS_MAX, init=False)

    def note(self, path: Steps, text: str, line: int | None = None) -> None:
        """Note a mistake at a place. If no line is given, the nearest one that is known is told with it."""
        shown = show_path(path)
        if line is None:
            above = (path[:n] for n in range(len(path), -1, -1))
            line = next((self.lines[steps] for steps in above if steps in self.lines), None)
        if line is not None:
            shown = f"{shown} (line {line})" if path else f"line {line}"
        self._problems.append(": ".join(part for part in (self.source, shown, text) if part))

    def conceal(self, value: object) -> None:
        """Have a value that was meant to be secret struck out of every message."""
        if isinstance(value, str):
            # Of a long value, or one of several lines, a message shows something else than itself.
            for form in (value, presentable(value, SHOWN_MAX).rstrip("…")):
                if len(form) >= CONCEALED_MIN:
                    self._concealed[form] = None

    def suggest(self, word: str, choices: Iterable[str]) -> str:
        """Return the question whether the nearest of the choices was meant, or ``""`` if none is near."""
        if self._suggestions_left <= 0:
            return ""
        self._suggestions_left -= 1
        near = nearest(word, choices)
        return "" if near is None else f"; did you mean {show(near)}?"

    def raise_if_any(self) -> None:
        """Raise everything that was noted, if anything was."""
        if self._problems:
            self.fail()

    def fail(self) -> NoReturn:
        """Raise everything that was noted."""
        raise ConfigError([self.strike(text) for text in self._problems], self.source)

    def strike(self, text: str) -> str:
        """Return a text without any value that was meant to be secret."""
        for form in sorted(self._concealed, key=len, reverse=True):
            text = text.replace(form, "[secret]")
        return text


@frozen(eq=False)
class Spot:
    """One value of a configuration, the path to it, and where mistakes are noted."""

    value: object
    path: Steps
    mistakes: Mistakes

    def at(self, step: str | int, value: object) -> Spot:
        """Return the spot of a value inside this one."""
        return Spot(value, (*self.path, step), self.mistakes)

    def note(self, text: str) -> None:
        """Note a mistake and go on."""
        self.mistakes.note(self.path, text)

    def wrong(self, text: str) -> Mistaken:
        """Note a mistake; the exception to raise is returned, so that every reader sees where this ends."""
        self.note(text)
        return Mistaken(text)

    def must_be(self, what: str) -> Mistaken:
        """Note that this is not what it must be."""
        if self.value is None:
            return self.wrong(f"is empty; it must be {what}, or be left out")
        return self.wrong(f"must be {what}, not {kind(self.value)}")

    def items(self) -> Iterator[tuple[str, Spot]]:
        """Return the fields of a mapping. Names that are no text are noted and left out."""
        if not isinstance(self.value, Mapping):
            raise self.must_be("a mapping of names to values")
        for name, value in self.value.items():
            if isinstance(name, str):
                yield name, self.at(name, value)
            else:
                self.note(f"a field's name must be text, not {kind(name)}; put it into quotes")

    def elements(self, of: str) -> Iterator[Spot]:
        """Return the elements of a list."""
        if isinstance(self.value, str):
            raise self.wrong(f"must be a list of {of}; put square brackets around it")
        if not isinstance(self.value, (list, tuple)):
            raise self.must_be(f"a list of {of}")
        return iter([self.at(n, value) for n, value in enumerate(self.value)])


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that looks most like a word, upper and lower case aside, or ``None`` if none does."""
    from difflib import get_close_matches

    by_lower: dict[str, str] = {}
    for choice in choices:
        by_lower.setdefault(choice.lower(), choice)
    near = get_close_matches(word.lower()[:SHOWN_MAX], by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None
