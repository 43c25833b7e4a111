"""What a provider sees that is wrong with how a request is put: its path, a rule of its dialect, or what it says.

Whatever is found here is a bug of the router's: callers at fault say so themselves (`Flaw`).
"""

from __future__ import annotations

from collections.abc import Sequence

from .asking import request_of
from .dialects import SPOKEN, Arrival, differences
from .run import Run


def what_is_amiss(
    arrival: Arrival, dialect: str | None, run: Run, caller: int, spoken_here: Sequence[str] | None
) -> str | None:
    """Say the first thing that is wrong, ``None`` if nothing is.

    `dialect` is the one that the request is in, `caller` the number of who is behind it. `spoken_here` are the
    dialects that its provider speaks; ``None``: nobody is at home, which is worse, and told otherwise.
    """
    if dialect is None:
        return f"there is no path {arrival.path}"
    if spoken_here is None:
        return None
    if dialect not in spoken_here:
        return f"the dialect of {dialect} is not spoken here"
    broken = SPOKEN[dialect].amiss(arrival)
    if broken is not None:
        return broken
    if not 0 <= caller < len(run.callers):
        return "nobody says who asks"
    return _misunderstanding(arrival, dialect, run, caller) if run.introduces else None


def _misunderstanding(arrival: Arrival, dialect: str, run: Run, number: int) -> str | None:
    """Say in what the request is not that which its caller has written."""
    caller = run.callers[number]
    messages, params = request_of(number, caller, introduces=True)
    if bool(arrival.body.get("logit_bias")) != caller.logit_bias:
        return "logit_bias was asked and not heard"
    asked = SPOKEN["openai"].said({**params, "messages": messages})
    return differences(asked, SPOKEN[dialect].said(arrival.body))
