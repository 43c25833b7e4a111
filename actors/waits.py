"""How long the provider asks us to wait: from headers, from fields of the body, from its sentences.

All functions return seconds *as stated*, without bounds of policy, or ``None`` where nothing usable is stated.
Nothing here reads a clock: an absolute time becomes a wait only when the response's own ``Date`` header says when
it was sent. Whatever cannot be a wait (negative, not a number, infinite, longer than `STATED_MAX`) is no statement.

Headers come in two kinds. ``Retry-After`` and its relatives *ask* for a wait. The limit headers
(``x-ratelimit-reset-*``) merely describe a limit and stand on every answer, so they count only after a failure that
is about a limit, and only for a limit that has nothing remaining.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

from .folding import folded, has_one
from .patterns import compiled

STATED_MAX: Final = 10 * 366 * 86_400.0
"""A longer wait is not believed to be one: it is an absolute time, or noise."""

PROSE_MAX: Final = 4_096
"""How many characters of a text are looked at."""

DATE_MAX: Final = 64
"""A longer text is not read as a date."""

DURATION_MAX: Final = 100
"""A longer text is not read as a duration."""

NAME_MAX: Final = 100
"""No header that tells of a limit has a longer name."""

DATES_KEPT: Final = 64
"""How many dates are remembered: all answers of one second bear the same one, and each is asked for it repeatedly."""

RESETS_KEPT: Final = 1_024
"""How many resets are remembered: where a provider states its limits, it does so on every answer, and in few ways."""

UNITS: Final[dict[str, float]] = {
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds", "毫秒"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "秒", "秒钟", "초"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes", "分", "分钟", "分鐘", "분"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "小时", "个小时", "小時", "時間", "시간"), 3_600.0),
    **dict.fromkeys(("d", "day", "days", "天", "日", "일"), 86_400.0),
    **dict.fromkeys(("w", "week", "weeks", "周"), 604_800.0),
    **dict.fromkeys(("us", "µs", "μs"), 1e-6),
    "ns": 1e-9,
}

FIELDS: Final[dict[str, float]] = {
    "retrydelay": 1.0,
    "retryafterms": 0.001,
    "retryaftermilliseconds": 0.001,
    "retryafter": 1.0,
    "retryaftersec": 1.0,
    "retryaftersecs": 1.0,
    "retryafterseconds": 1.0,
    "retryin": 1.0,
    "retryinseconds": 1.0,
    "resetsinseconds": 1.0,
    "resetinseconds": 1.0,
    "resetafter": 1.0,
    "resetafterseconds": 1.0,
    "resetsin": 1.0,
    "clearsin": 1.0,
    "waitseconds": 1.0,
    "cooldownseconds": 1.0,
    "quotaresetdelay": 1.0,
    "estimatedtime": 1.0,
}
"""Names of JSON fields that state a wait (without ``_`` and ``-``), and the unit of a bare number; the most
trustworthy first."""

_NUMBER: Final = r"\d{1,15}(?:\.\d{1,15})?"
_UNIT: Final = "|".join(sorted(UNITS, key=lambda unit: (-len(unit), unit)))
_PART: Final = rf"{_NUMBER}\s{{0,2}}(?:{_UNIT})(?![a-z])"
_SPAN: Final = rf"{_PART}(?:(?:\s{{0,2}},)?(?:\s{{1,2}}and)?\s{{0,2}}{_PART}){{0,5}}"
_NOT_INSIDE: Final = r"(?<![\d.,:-])"
_BARE: Final = rf"{_NUMBER}(?=\s{{0,2}}(?:[.!)\]}},;\"']|$))(?![.,]\d)"
_LEAD: Final = (
    r"(?:try(?:ing)? (?:(?:it|your request|the request|this request) )?again|retry|retry[ _-]after|wait"
    r"|re-?try your request|resets?|(?:be )?reset|available again|available)"
)
_FILLER: Final = r"(?: (?:again|it|in|after|for|at|least|about|approximately|around|another|up|to|the|next|request))*"

_DIGIT: Final = re.compile(r"\d")
_PLAIN_RE: Final = re.compile(rf"{_NUMBER}\Z", re.ASCII)
_PART_GROUPS: Final = rf"({_NUMBER})\s{{0,2}}({_UNIT})(?![a-z])"
_WHOLE: Final = rf"(?:{_PART}\s{{0,2}}){{1,6}}\Z"
SENTENCES: Final = (
    (rf"\b{_LEAD}{_FILLER}[ :=~]{{1,3}}(?P<wait>{_SPAN})", ("try", "wait", "reset", "available")),
    (rf"\b(?:retry|try again|retry[ _-]after)(?: (?:after|in))?[ :=]{{1,3}}(?P<wait>{_BARE})", ("try",)),
    (
        rf"{_NOT_INSIDE}(?P<wait>{_SPAN}),? (?:before (?:trying|retrying|making|sending)|and (?:try|retry))",
        (" before ", " and try", " and retry"),
    ),
    (rf"\b(?:in|after) (?P<wait>{_SPAN}),? (?:please )?(?:try|retry)", ("try",)),
    (
        rf"{_NOT_INSIDE}(?P<wait>{_SPAN})\s{{0,2}}(?:之后|之後|以后|后|後)[^\d。]{{0,6}}(?:重试|再试|重試|再試|重置|恢复|刷新|再次)",
        ("后", "後"),
    ),
    (rf"(?:请等待|等待|请稍等|请在)\s{{0,2}}(?P<wait>{_SPAN})", ("等", "请在")),
)
"""How sentences ask for a wait, and words of which each, folded, has one: where there is none, it need not be tried."""

_RESET_HEADER: Final = re.compile(
    r"(?:x-)?rate-?limit(?P<a>[a-z-]*)-reset(?P<b>[a-z-]*)\Z|anthropic-ratelimit-(?P<c>[a-z-]+)-reset\Z"
)


def seconds(value: object, unit: float = 1.0) -> float | None:
    """Read a duration: a number of `unit`, or text such as ``1.5s``, ``6m0s``, ``120ms``, ``2 hours``.

    >>> seconds("6m0s"), seconds("250", 0.001), seconds("-1"), seconds("soon")
    (360.0, 0.25, None, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _sane(value, unit)
    if not isinstance(value, str) or len(value) > DURATION_MAX:
        return None
    value = value.strip()
    if _PLAIN_RE.match(value):
        return _sane(float(value), unit)
    return _span(value) if compiled(_WHOLE, re.IGNORECASE).match(value) else None


def from_headers(headers: Mapping[str, str]) -> float | None:
    """Return the wait that headers ask for.

    `headers` has lower-case names. ``retry-after-ms`` is the finer copy of ``Retry-After`` and comes first.

    >>> from_headers({"retry-after": "7"})
    7.0
    """
    finer, stated = headers.get("retry-after-ms"), headers.get("retry-after")
    if finer and (wait := seconds(finer, 0.001)) is not None:
        return wait
    if not stated:
        return None
    wait = seconds(stated)
    return wait if wait is not None else _until(_http_date(stated), headers)


def from_limit_headers(headers: Mapping[str, str]) -> float | None:
    """Return the longest time until an exhausted limit resets, by the headers that describe limits.

    A limit with something remaining is not the one that was hit. Where no header tells what remains, every reset
    counts: the failure is about a limit, and the provider names one.

    >>> from_limit_headers({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"})
    360.0
    """
    tells_what_remains = any("-remaining" in name for name in headers)
    resets = (_limit_reset(name, headers, tells_what_remains) for name in headers if "-reset" in name)
    waits = [wait for wait in resets if wait is not None]
    return max(waits, default=None)


def from_fields(fields: Iterable[tuple[str, object]]) -> float | None:
    """Return the wait that fields of a body state; `fields` are names (as in `FIELDS`) and values."""
    found: dict[str, float] = {}
    for name, value in fields:
        wait = seconds(value, FIELDS[name])
        if wait is not None:
            found[name] = max(wait, found.get(name, 0.0))
    return next((found[name] for name in FIELDS if name in found), None)


def from_prose(text: str) -> float | None:
    """Return the wait that a sentence asks for.

    >>> from_prose("Please try again in 1 minute 30 seconds."), from_prose("请在 30 秒后重试")
    (90.0, 30.0)
    >>> from_prose("timed out after 120s")
    """
    if not _DIGIT.search(text, 0, PROSE_MAX):
        return None
    text = " ".join(text[:PROSE_MAX].split())
    seen = folded(text)
    for pattern, words in SENTENCES:
        if has_one(seen, words) and (found := compiled(pattern, re.IGNORECASE).search(text)):
            wait = found["wait"]
            return _sane(float(wait), 1.0) if _PLAIN_RE.match(wait) else _span(wait)
    return None


def _span(text: str) -> float | None:
    """Add up the parts of a duration."""
    parts = compiled(_PART_GROUPS, re.IGNORECASE).findall(text)
    total = math.fsum([float(number) * UNITS[folded(unit)] for number, unit in parts])
    return _sane(total, 1.0)


def _sane(number: float, unit: float) -> float | None:
    try:
        wait = round(float(number) * unit, 9)
    except (OverflowError, ValueError):
        return None
    return wait if 0 <= wait <= STATED_MAX else None


def _http_date(text: str | None) -> float | None:
    """Return an HTTP or ISO date as seconds since the epoch."""
    return _moment(text) if text and len(text) <= DATE_MAX else None


@lru_cache(DATES_KEPT)
def _moment(text: str) -> float | None:
    readers = (datetime.fromisoformat, parsedate_to_datetime) if text[0].isdigit() else (parsedate_to_datetime,)
    for read in readers:
        try:
            moment = read(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None


def _until(moment: float | None, headers: Mapping[str, str]) -> float | None:
    """Return the time from the response's own date to a moment; one that has passed is no wait at all."""
    if moment is None or (sent := _http_date(headers.get("date"))) is None:
        return None
    return _sane(max(0.0, moment - sent), 1.0)


def _limit_reset(name: str, headers: Mapping[str, str], tells_what_remains: bool) -> float | None:
    """Read one header as the reset of a limit that is exhausted."""
    if len(name) > NAME_MAX:
        return None
    if name.startswith("x-codex-") and name.endswith("-reset-after-seconds"):
        used = headers.get(name.removesuffix("-reset-after-seconds") + "-used-percent", "")
        return seconds(headers[name]) if (seconds(used) or 0.0) >= 100.0 else None
    if not _RESET_HEADER.match(name):
        return None
    remaining = headers.get(name.replace("-reset-after", "-reset").replace("-reset", "-remaining"))
    if remaining is None:
        if tells_what_remains:
            return None
    elif seconds(remaining) != 0.0:
        return None
    return reset_wait(headers[name], headers)


def reset_wait(value: str, headers: Mapping[str, str]) -> float | None:
    """Read a reset as a duration, as seconds or milliseconds since the epoch, or as a date."""
    value = value.strip()
    if len(value) > DURATION_MAX:
        return None
    wait, moment = _reset(value)
    return wait if moment is None else _until(moment, headers)


@lru_cache(RESETS_KEPT)
def _reset(text: str) -> tuple[float | None, float | None]:
    """Return the wait that a reset states, or else the moment, in seconds since the epoch."""
    if not _PLAIN_RE.match(text):
        wait = seconds(text)
        return wait, None if wait is not None else _http_date(text)
    number = float(text)
    if number >= 1e9:
        return None, number / 1_000 if number >= 1e11 else number
    return _sane(number, 1.0), None
