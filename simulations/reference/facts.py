"""Small questions to facts: which failure they tell of, whom they are about, whether the router came back."""

from __future__ import annotations

from typing import Final

from ...actors.failures import Failure, Reason, Scope
from ...actors.trace import Fact, Kind
from ..trace import Trace

QUICK: Final = (Reason.NETWORK, Reason.SERVER_ERROR)
"""After these a second try is made at once, if there is one."""

ROUTER: Final = "root/router"
"""What the router's actor is called."""


def failure_of(fact: Fact) -> Failure:
    """Return the failure that a fact tells of."""
    stated = fact.details.get("stated")
    return Failure(
        Reason(str(fact.details["reason"])),
        Scope(str(fact.details["scope"])),
        None,
        float(stated) if isinstance(stated, int | float) else None,
    )


def wait_for_second_try(failure: Failure, retry_within: float) -> float | None:
    """Return after how many seconds a second try could follow a failure, ``None`` if none can."""
    stated = failure.retry_after
    if failure.scope is Scope.REQUEST:
        return None
    if stated is None:
        return 0.0 if failure.reason in QUICK else None
    return max(0.0, stated) if stated <= retry_within else None


def last_crash_of_router(trace: Trace) -> Fact | None:
    """Return the crash after which the router did not come back, ``None`` if there was none."""
    last: Fact | None = None
    for fact in trace.facts():
        if fact.details.get("actor") == ROUTER and fact.kind in (Kind.CRASHED, Kind.RESTARTING):
            last = fact if fact.kind is Kind.CRASHED else None
    return last


def ids_of(fact: Fact) -> tuple[int, int]:
    """Return the request and the attempt that a fact is about."""
    assert fact.request is not None, f"a fact of this kind ({fact.kind}) is about a request"
    assert fact.attempt is not None, f"a fact of this kind ({fact.kind}) is about an attempt"
    return fact.request, fact.attempt
