"""The checks that the values in a scenario file have to pass: ranges, rates, quantiles, words, bounds.

They add to those of a configuration (`config_checks`) what a scenario has and a configuration has not. A check takes
a `Spot` and returns the value that the classes in `scenario` and `faults` hold, or notes what is wrong and raises
`Mistaken`. What fields there are is told in `scenario_fields`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, TypeVar

from ...supervisors.config_checks import Check, list_of, number, text, whole
from ...supervisors.config_fields import Field, read_fields
from ...supervisors.config_mistakes import Mistaken, Spot, nearest, show
from ..faults import Wait
from ..payloads import REDIRECT
from .durations import any_time

Word = TypeVar("Word", bound=StrEnum)

_PERCENTILE: Final = re.compile(r"p(\d+(?:\.\d+)?)", re.ASCII)


# Numbers


share: Final = number(0, 1)


def integer(spot: Spot) -> int:
    """Check that this is a whole number, of whatever size and sign."""
    if isinstance(spot.value, bool) or not isinstance(spot.value, int):
        raise spot.must_be("a whole number")
    return spot.value


def natural(spot: Spot) -> int:
    """Check that this is a whole number of whatever size, and not negative."""
    value = integer(spot)
    if value < 0:
        raise spot.wrong("must be 0 or more")
    return value


def error_status(spot: Spot) -> int:
    """Check that this is the status of an error that is the server's own, or of a redirect."""
    value: int = whole()(spot)
    if value != REDIRECT and not 500 <= value <= 599:
        raise spot.wrong(f"must be from 500 to 599, or {REDIRECT}")
    return value


def pair_of(what: str, first: Check, second: Check | None = None) -> Check:
    """Return a check that this is a list of two values that each pass a check, by default the same one."""

    def check_pair(spot: Spot) -> tuple[Any, Any]:
        elements = list(spot.elements(what))
        if len(elements) != 2:
            raise spot.wrong(f"must have two elements: {what}")
        one, other = elements
        return _all_of([(first, one), (second or first, other)])

    return check_pair


def _all_of(checks: Sequence[tuple[Check, Spot]]) -> tuple[Any, ...]:
    """Make several checks, so that each mistake is noted, and return the values if there was none."""
    values = []
    for check, spot in checks:
        with suppress(Mistaken):
            values.append(check(spot))
    if len(values) < len(checks):
        raise Mistaken("not all of it holds")
    return tuple(values)


def range_of(check: Check) -> Check:
    """Return a check that this is a range, ``[low, high]``, or a single value, which is both."""
    in_pair = pair_of("the lowest and the highest value", check)

    def check_range(spot: Spot) -> tuple[Any, Any]:
        if not isinstance(spot.value, (list, tuple)):
            value = check(spot)
            return value, value
        low, high = in_pair(spot)
        if low > high:
            raise spot.wrong("must have the lower value first")
        return low, high

    return check_range


def rate(spot: Spot) -> tuple[tuple[float, float], ...]:
    """Check that this is a rate: callers a second, or a list of points ``[time, callers a second]``."""
    if not isinstance(spot.value, (list, tuple)):
        return ((0.0, number()(spot)),)
    points: tuple[tuple[float, float], ...] = _RATE(spot)
    if any(before > after for (before, _), (after, _) in pairwise(points)):
        raise spot.wrong("its points must be in the order of their times")
    return points


_RATE: Final = list_of("points [time, rate]", pair_of("time and rate", any_time, number()), empty=False)


# Quantiles


def percentiles(spot: Spot) -> dict[float, float]:
    """Check that this maps percentiles to durations, as in ``{p50 = 1, p99 = "10 s"}``."""
    return {float(percent): seconds for percent, seconds in _percentiles(spot).items()}


def latency(spot: Spot) -> tuple[tuple[float, float], ...]:
    """Check that this is a distribution of durations: one, a table of percentiles, or a list of points.

    A table's first and last percentile hold for whatever is beyond them.
    """
    if isinstance(spot.value, Mapping):
        points = [(float(percent / 100), seconds) for percent, seconds in sorted(_percentiles(spot).items())]
        first = [(0.0, points[0][1])] if points[0][0] > 0.0 else []
        last = [(1.0, points[-1][1])] if points[-1][0] < 1.0 else []
        return (*first, *points, *last)
    if isinstance(spot.value, (list, tuple)):
        listed: tuple[tuple[float, float], ...] = _QUANTILES(spot)
        if any(before >= after for (before, _), (after, _) in pairwise(listed)):
            raise spot.wrong("its points must be in the order of their shares, each only once")
        _check_growth(spot, [seconds for _, seconds in listed])
        return listed
    constant = any_time(spot)
    return (0.0, constant), (1.0, constant)


_QUANTILES: Final = list_of("points [share, duration]", pair_of("share and duration", share, any_time), empty=False)


def _percentiles(spot: Spot) -> dict[Decimal, float]:
    found: dict[Decimal, float] = {}
    values = _all_of([(_percentile, here) for _, here in spot.items()])
    for percent, seconds in values:
        if percent in found:
            raise spot.wrong(f"the percentile {percent} is given twice")
        found[percent] = seconds
    if not found:
        raise spot.wrong("must name a percentile at least, as in {p50 = 1, p99 = 10}")
    _check_growth(spot, [found[percent] for percent in sorted(found)])
    return found


def _percentile(spot: Spot) -> tuple[Decimal, float]:
    """Check one percentile, whose name is the last step to it."""
    name = str(spot.path[-1])
    match = _PERCENTILE.fullmatch(name)
    if match is None or Decimal(match[1]) > 100:
        raise spot.wrong('is no percentile; write it as in p50, or in quotes as in "p99.9"')
    if isinstance(spot.value, Mapping):
        raise spot.wrong(f'must be a duration; a percentile with a point needs quotes, as in "{name}.9"')
    return Decimal(match[1]), any_time(spot)


def _check_growth(spot: Spot, durations: Sequence[float]) -> None:
    if any(before > after for before, after in pairwise(durations)):
        raise spot.wrong("a higher percentile has a shorter duration than a lower one")


# Words


def word_of(words: type[Word], what: str) -> Check:
    """Return a check that this is one of many words; `what` says what they are called."""

    def check(spot: Spot) -> Word:
        given = text(spot)
        if given in {word.value for word in words}:
            return words(given)
        near = nearest(given, [word.value for word in words])
        hint = f"did you mean {show(near)}?" if near else f"there are {', '.join(words)}"
        raise spot.wrong(f"{show(given)} is no {what}; {hint}")

    return check


def wait(spot: Spot) -> Wait | float:
    """Check what a provider says of how long to wait: a word, or a duration."""
    if isinstance(spot.value, str) and not spot.value[:1].isdigit():
        stated: Wait = word_of(Wait, "word for a wait, and no duration")(spot)
        return stated
    return float(any_time(spot))


def prose(spot: Spot) -> str:
    """Check that this is text of any number of lines."""
    if not isinstance(spot.value, str):
        raise spot.must_be("text")
    return spot.value


# Bounds


def by_name(what: str, check: Check, one: Check = text) -> Check:
    """Return a check that this maps names, which each pass one check, to values that pass the other."""

    def check_all(spot: Spot) -> dict[Any, Any]:
        if not isinstance(spot.value, Mapping):
            raise spot.must_be(f"a table of {what}")
        here = list(spot.items())
        names = [(one, Spot(name, value.path, value.mistakes)) for name, value in here]
        passed = _all_of([*names, *((check, value) for _, value in here)])
        return dict(zip(passed[: len(here)], passed[len(here) :], strict=True))

    return check_all


def _bounds(first: str, second: str, check: Check, otherwise: tuple[float, float]) -> Check:
    fields = {first: Field(check, otherwise[0]), second: Field(check, otherwise[1])}

    def check_bounds(spot: Spot) -> tuple[float, float]:
        if not isinstance(spot.value, Mapping) or not spot.value:
            raise spot.wrong(f"must be a table with `{first}`, `{second}` or both")
        read = read_fields(spot, fields)
        if read.wrong:
            raise Mistaken("a bound is mistaken")
        return read[first], read[second]

    return check_bounds


def share_bounds(spot: Spot) -> tuple[float, float]:
    """Check the least and the largest share."""
    least, most = _bounds("at_least", "at_most", share, (0.0, 1.0))(spot)
    if least > most:
        raise spot.wrong("`at_least` is more than `at_most`")
    return least, most


def spending(spot: Spot) -> tuple[float, float]:
    """Check the most attempts and the most tokens."""
    attempts, tokens = _bounds("attempts", "tokens", number(), (math.inf, math.inf))(spot)
    return attempts, tokens
