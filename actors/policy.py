"""What each reason does to a candidate and to the request: the table, as data.

Two presets are named. `DEFAULT` is Understudy's own: a provider that is back after thirty seconds is used again
after thirty seconds. `CLASSIC` is the behaviour of the Go router that the design starts from: longer waits, and a
credential's failure stays with the model key that met it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from attrs import evolve, frozen

from .failures import Reason

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


class Next(StrEnum):
    """Whether a request that failed goes on to the next candidate."""

    YES = "yes"
    LARGER = "larger"
    NO = "no"


@frozen
class Rule:
    """What one reason does.

    The n-th consecutive incident cools for ``min(cap, base * factor ** min(n - 1, steps))`` seconds; a `base`
    of 0 means that this reason cools nobody. `next` says whether the request goes on; `shared` whether a failure
    of the credential reaches every model key that has the same one.
    """

    next: Next = Next.YES
    base: float = 0.0
    factor: float = 2.0
    cap: float = DAY
    steps: int = 64
    shared: bool = True

    @property
    def cools(self) -> bool:
        """Whether a failure of this reason begins a cooldown."""
        return self.base > 0

    def duration(self, n: int) -> float:
        """Return the cooldown in seconds after the n-th consecutive incident (n counts from 1)."""
        return min(self.cap, self.base * self.factor ** min(n - 1, self.steps))


def _table(*, transient: Rule, credential: Rule, billing: Rule, overflow: Next, unknown: Next) -> dict[Reason, Rule]:
    return {
        Reason.RATE_LIMIT: transient,
        Reason.OVERLOADED: transient,
        Reason.TIMEOUT: transient,
        Reason.NETWORK: transient,
        Reason.SERVER_ERROR: transient,
        Reason.MODEL_NOT_FOUND: transient,
        Reason.AUTH: credential,
        Reason.BILLING: billing,
        Reason.QUOTA: billing,
        Reason.CONTEXT_OVERFLOW: Rule(overflow),
        Reason.CONTENT_FILTER: Rule(Next.NO),
        Reason.FORMAT: Rule(Next.NO),
        Reason.UNKNOWN: Rule(unknown),
    }


@frozen
class Policy:
    """The whole table: a rule for every reason, and how long a failure-free time forgets what was."""

    rules: Mapping[Reason, Rule]
    forget_after: float = DAY

    def __attrs_post_init__(self) -> None:
        missing = [reason.value for reason in Reason if reason not in self.rules]
        if missing:
            raise ValueError(f"a policy needs a rule for every reason; missing: {', '.join(missing)}")

    def __getitem__(self, reason: Reason) -> Rule:
        return self.rules[reason]

    def with_rules(self, changes: Mapping[Reason, Rule]) -> Policy:
        """Return this policy with some rules replaced."""
        return evolve(self, rules={**self.rules, **changes})


DEFAULT: Final = Policy(
    _table(
        transient=Rule(base=30, cap=5 * MINUTE),
        credential=Rule(base=10 * MINUTE, cap=DAY),
        billing=Rule(base=10 * MINUTE, cap=DAY),
        overflow=Next.LARGER,
        unknown=Next.YES,
    )
)

CLASSIC: Final = Policy(
    _table(
        transient=Rule(base=MINUTE, factor=5, cap=HOUR, steps=3, shared=False),
        credential=Rule(base=MINUTE, factor=5, cap=HOUR, steps=3, shared=False),
        billing=Rule(base=5 * HOUR, cap=DAY, steps=10, shared=False),
        overflow=Next.NO,
        unknown=Next.NO,
    )
)

PRESETS: Final[Mapping[str, Policy]] = {"default": DEFAULT, "classic": CLASSIC}
