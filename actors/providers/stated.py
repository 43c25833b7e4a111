"""What a provider's headers say is left of its limits.

Two families of headers are in use: ``x-ratelimit-remaining-requests`` with a duration until the limit is full
again, and ``anthropic-ratelimit-requests-remaining`` with a date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ..bucket import Left
from ..waits import reset_wait

_NAMES: Final = tuple(
    (what, remaining.format(what), reset.format(what))
    for what in ("requests", "tokens")
    for remaining, reset in (
        ("x-ratelimit-remaining-{}", "x-ratelimit-reset-{}"),
        ("anthropic-ratelimit-{}-remaining", "anthropic-ratelimit-{}-reset"),
    )
)

_REMAINING: Final = frozenset(remaining for _, remaining, _ in _NAMES)

_COUNT: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")


def stated_left(headers: Mapping[str, str]) -> tuple[Left, ...]:
    """Return what is stated about requests and tokens; nothing that cannot be read as a number counts.

    `headers` has names in lower case, or ignores case as those of httpx do.

    >>> stated_left({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "1.5s"})
    (Left(what='requests', amount=3.0, reset=1.5),)
    """
    if _REMAINING.isdisjoint(headers):
        return ()
    found: list[Left] = []
    for what, remaining, reset in _NAMES:
        said = headers.get(remaining)
        left = None if said is None else _count(said)
        if left is not None:
            until = headers.get(reset)
            found.append(Left(what, left, None if until is None else reset_wait(until, headers)))
    return tuple(found)


def _count(text: str) -> float | None:
    text = text.strip()
    return float(text) if _COUNT.fullmatch(text) else None
