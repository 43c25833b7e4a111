"""One candidate as it should be, recomputed from what was sent to it and what came back, and from nothing else.

Health and limits are in `health` and `limits`; here they are put together with who is on the way
and who waits in line. How a trace is read into this is told in `house`.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field, frozen

from ...actors.failures import Failure
from ...actors.identity import ModelKey
from ...actors.messages import Refusal
from ...actors.policy import Policy
from ...supervisors.config import Entry
from .health import Health, Stamp
from .limits import CLOSE, Budget, Taken

LOST_SECONDS: Final = 60.0
"""For how long a candidate cools of which all that was known is lost."""


@define(eq=False)
class Flight:
    """An attempt that was admitted, and what became of it at the provider.

    `number` is the provider's own for the request, `tokens` how many the provider counted and `fault` what it found
    wrong; `unreached`: there was no connection.
    """

    attempt: int
    request: int
    key: ModelKey
    at: float
    stamp: Stamp
    taken: Taken
    reserved: Taken
    opened: bool = False
    number: int | None = None
    unreached: bool = False
    answer: str | None = None
    fault: str | None = None
    tokens: float = 0.0


@frozen
class Obstacle:
    """Why an attempt cannot be admitted, and when it could be (``None``: nobody can say)."""

    refusal: Refusal
    ready_at: float | None = None

    def __str__(self) -> str:
        return str(self.refusal) if self.ready_at is None else f"{self.refusal} until {self.ready_at:.6f} s"


@define(eq=False)
class Strike:
    """A failure of the credential that another candidate met, on its way to one that shares it.

    `at` is when it was sent. `silent`: it may have been heard without effect, or not at all. `swallowed`: a crash may
    have swallowed it.
    """

    by: ModelKey
    failure: Failure
    at: float
    silent: bool
    swallowed: bool = False


@define(eq=False)
class HeldBack:
    """A second try that waits for its time. `left`: its caller has gone, so that it may be gone as well."""

    request: int
    not_before: float
    at: float
    left: bool = False


@define(eq=False)
class CandidateState:
    """What should be true of one candidate at the present moment of a trace.

    `line` are the attempts that wait, first come first, with the tokens that each needs. `since`: when it came on
    stage last; `stirred`: something happened to it that may let those in line go, or send them away.
    """

    entry: Entry
    health: Health
    budget: Budget
    flights: dict[int, Flight] = field(factory=dict)
    line: dict[int, float] = field(factory=dict)
    held: dict[int, HeldBack] = field(factory=dict)
    strikes: list[Strike] = field(factory=list)
    served: int = 0
    failed: int = 0
    on_stage: bool = True
    since: float = 0.0
    crashes: int = 0
    down: bool = False
    stirred: bool = False

    @classmethod
    def new(cls, entry: Entry, policy: Policy, max_retry_after: float) -> CandidateState:
        """Return a candidate as it is at the beginning."""
        return cls(entry, Health(policy, max_retry_after), Budget.full(entry.limits, 0.0))

    @property
    def key(self) -> ModelKey:
        """Who it is."""
        return self.entry.key

    @property
    def probe(self) -> Flight | None:
        """The attempt that holds the lease."""
        stamp = self.health.probe
        return next((flight for flight in self.flights.values() if flight.stamp is stamp), None) if stamp else None

    def is_settled(self, at: float, now: float) -> bool:
        """Whether whatever was put into its mailbox at `at` must have been read before `now`."""
        return self.on_stage and max(at, self.since) < now

    # Would it admit?

    def obstacle(self, now: float, tokens: float, *, first_in_line: bool = False) -> Obstacle | None:
        """Return why an attempt cannot be admitted: behind all who wait, or as the first of them."""
        until = self.health.cooling_until(now)
        if self.down:
            return Obstacle(Refusal.DOWN)
        if until is not None:
            return Obstacle(Refusal.COOLING, until)
        if self.health.probe is not None:
            return Obstacle(Refusal.PROBING)
        return self._shortage(now, tokens, {} if first_in_line else self.line)

    def _shortage(self, now: float, tokens: float, line: dict[int, float]) -> Obstacle | None:
        """Return why a healthy candidate cannot admit an attempt, behind a line."""
        when = self.free_at(now, tokens, line)
        if when > now:
            return Obstacle(Refusal.SATURATED, when)
        if not self.has_place(len(line)):
            return Obstacle(Refusal.BUSY)
        if line:  # there is room for all of them, and yet they wait
            return self._shortage(now, next(iter(line.values())), {})
        return None

    def free_at(self, now: float, tokens: float, line: dict[int, float] | None = None) -> float:
        """Return when the limits of a minute let one more through, behind a line; it may be long ago."""
        line = line or {}
        reserve = self.budget.reserve
        return self.budget.when(now, tokens, ahead=len(line), tokens_ahead=sum(reserve(each) for each in line.values()))

    def has_place(self, ahead: int = 0) -> bool:
        """Whether one more may be in flight, behind so many who wait."""
        most = self.entry.limits.max_parallel
        return most is None or len(self.flights) + ahead < most

    # How is it?

    def states(self, now: float) -> tuple[str, ...]:
        """Return the words for how it is; several where a rounding error decides."""
        if self.down:
            return ("down",)
        match self.health.state(now):
            case "cooling":
                return ("cooling",)
            case "waiting" | "probing":
                return ("probing",)
        obstacle = self.obstacle(now, 0.0)
        if obstacle is None:
            near = self.free_at(now, 0.0, self.line) > now - CLOSE
            return ("healthy", "saturated") if near else ("healthy",)
        near = obstacle.ready_at is not None and obstacle.ready_at <= now + CLOSE
        return ("saturated", "healthy") if near else ("saturated",)

    def cooling(self, now: float) -> float:
        """Return for how many seconds it cools."""
        until = self.health.cooling_until(now)
        return 0.0 if until is None else until - now

    def left(self, now: float) -> float | None:
        """Return how many requests could be taken at once, ``None`` where there is no limit."""
        left = self.budget.requests.left(now)
        return None if left == float("inf") else max(0.0, left)

    def queued(self, now: float) -> tuple[int, int]:
        """Return how many wait at least, and at most: who was sent a moment ago may not have been read yet."""
        sure = sum(1 for each in self.held.values() if not each.left and self.is_settled(each.at, now))
        return len(self.line) + sure, len(self.line) + len(self.held)
