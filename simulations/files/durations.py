"""Durations and times as people write them: ``90``, ``"90 s"``, ``"1 h 30 min"``; read as seconds, exactly."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from ...supervisors.config_checks import Check, number, text
from ...supervisors.config_mistakes import SHOWN_MAX, Spot, show

UNITS: Final[Mapping[str, Decimal]] = {
    **dict.fromkeys(("d", "day", "days"), Decimal(86_400)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), Decimal(3_600)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), Decimal(60)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), Decimal(1)),
    **dict.fromkeys(("ms",), Decimal("0.001")),
}
"""The units of durations, in seconds. Decimals, so that 9 ms are 0.009 s and not a little more."""

_PART: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)", re.ASCII | re.IGNORECASE)
_BARE: Final = re.compile(r"[-+\d.,_\s]+", re.ASCII)


def duration(*, above: bool = False) -> Check:
    """Return a check that this is a number of seconds, or text such as "90 s" or "1 h 30 min"; 0 or more.

    With `above` it must be more than 0.
    """
    in_range = number(above=above)

    def check(spot: Spot) -> float:
        value = _in_words(spot) if isinstance(spot.value, str) else spot.value
        seconds: float = in_range(Spot(value, spot.path, spot.mistakes))
        return seconds

    return check


def _in_words(spot: Spot) -> float:
    """Return the seconds of a duration in words."""
    words = text(spot)[:SHOWN_MAX]
    if _BARE.fullmatch(words):
        raise spot.wrong('lacks its unit; write it as in "90 s", or drop the quotes for a number of seconds')
    seconds, smallest, at = Decimal(0), Decimal("inf"), 0
    while at < len(words):
        part = _PART.match(words, at)
        if part is None:
            raise spot.wrong(f'is no duration: {show(words)}; write it as in "90 s", "5 min" or "1 h 30 min"')
        unit = UNITS.get(part[2].lower())
        if unit is None:
            raise spot.wrong(f"{show(part[2])} is no unit of time; there are d, h, min, s and ms")
        if unit >= smallest:
            raise spot.wrong(f"is no duration: {show(words)}; the larger unit comes first, and each only once")
        seconds, smallest, at = seconds + Decimal(part[1]) * unit, unit, part.end()
    return float(seconds)


some_time: Final = duration(above=True)
any_time: Final = duration()


def moment_or_never(spot: Spot) -> float:
    """Check that this is a time, or infinite: then it never comes."""
    return math.inf if spot.value == math.inf else float(any_time(spot))
