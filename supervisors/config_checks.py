"""The checks that single values have to pass.

A check takes a `Spot` and returns the value that the rest of the program lives by, or notes what is wrong and raises
`Mistaken`. What is wrong with a value is told without showing it, unless it is a word that someone has to find again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final

from .config_mistakes import SHOWN_MAX, Mistaken, Spot, show

Check = Callable[[Spot], Any]

NUMBER_MAX: Final = 1e9
"""No number in a configuration may be larger: as seconds it is thirty years."""

_NUMBER_TEXT: Final = re.compile(r"\s*[-+]?[\d_.,]+(e[-+]?\d+)?\s*", re.ASCII | re.IGNORECASE)


def boolean(spot: Spot) -> bool:
    """Check that this is true or false."""
    if isinstance(spot.value, bool):
        return spot.value
    if isinstance(spot.value, str) and spot.value.lower() in ("true", "false", "yes", "no", "on", "off"):
        raise spot.wrong("must be true or false, not text; drop the quotes")
    raise spot.must_be("true or false")


def text(spot: Spot) -> str:
    """Check that this is text: not empty, printable, without white space around it."""
    if not isinstance(spot.value, str):
        raise spot.must_be("text")
    if not spot.value.strip():
        raise spot.wrong("must not be empty")
    if spot.value != spot.value.strip():
        raise spot.wrong("has white space around it; take that away")
    if not spot.value.isprintable():
        raise spot.wrong("contains characters that cannot be printed")
    return spot.value


def one_of(*choices: str) -> Check:
    """Return a check that this is one of a few words."""

    def check(spot: Spot) -> str:
        word = text(spot)
        if word in choices:
            return word
        known = " or ".join(show(choice) for choice in choices)
        raise spot.wrong(f"must be {known}, not {show(word)}{spot.mistakes.suggest(word, choices)}")

    return check


def number(least: float = 0.0, most: float = NUMBER_MAX, *, above: bool = False, zero: bool = False) -> Check:
    """Return a check that this is a number in a range.

    With `above` it must be more than `least`; with `zero` it may also be 0, whatever the range.
    """
    bound = f"more than {least:g}" if above else f"{least:g} or more"
    unlimited = ", or 0 for no limit" if zero else ""

    def check(spot: Spot) -> float:
        value = spot.value
        if isinstance(value, str) and _NUMBER_TEXT.fullmatch(value[:SHOWN_MAX]):
            raise spot.wrong("must be a number, not text; drop the quotes")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise spot.must_be("a number")
        # Compared before it is converted: an integer may be too large to become a float.
        if isinstance(value, float) and not math.isfinite(value):
            raise spot.wrong("must be a finite number")
        if zero and value == 0:
            return 0.0
        if value < least or (above and value == least):
            raise spot.wrong(f"must be {bound}{unlimited}")
        if value > most:
            raise spot.wrong(f"must be at most {most:g}")
        return float(value)

    return check


def whole(least: int = 0, most: float = NUMBER_MAX, *, zero: bool = False) -> Check:
    """Return a check that this is a whole number in a range; ``60.0`` is one too."""
    in_range = number(least, most, zero=zero)

    def check(spot: Spot) -> int:
        value: float = in_range(spot)
        if not value.is_integer():
            raise spot.wrong("must be a whole number")
        return int(value)

    return check


seconds: Final = number(above=True)
seconds_or_none: Final = number()


def list_of(what: str, check: Check, *, empty: bool = True) -> Check:
    """Return a check that this is a list of values that each pass a check. Mistaken ones are left out."""

    def check_list(spot: Spot) -> tuple[Any, ...]:
        elements = list(spot.elements(what))
        if not elements and not empty:
            raise spot.wrong(f"is an empty list; name {what}, or leave it out")
        return tuple(_passed(check, elements))

    return check_list


def _passed(check: Check, spots: list[Spot]) -> list[Any]:
    passed = []
    for spot in spots:
        try:
            passed.append(check(spot))
        except Mistaken:
            continue
    return passed


def member(spot: Spot) -> Spot:
    """Check that this is text that may refer to an entry. Its spot is kept: what it refers to is seen later."""
    text(spot)
    return spot


members: Final = list_of("entries", member)
route_members: Final = list_of("entries", member, empty=False)
