"""What a scenario expects, held against what happened: each expectation becomes verdicts, read from the trace alone."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from attrs import define, field, frozen

from ..actors.failures import Scope
from ..actors.identity import ModelKey
from ..actors.messages import Refusal
from ..actors.trace import Fact, Kind
from .faults import MOMENTS, Fault
from .run import Run
from .scenario import Expectation
from .trace import Scene, Sight

LEFT: Final = "left"
SERVED: Final = "served"


@frozen
class Verdict:
    """One thing that was expected, in words, what came of it, and whether that is good enough."""

    expected: str
    measured: str
    met: bool


@define(eq=False)
class Ask:
    """One request of a caller, and how it fared. `first_at` is when a stream's first content was there."""

    asked: Sight
    told: Sight | None = None
    first_at: float | None = None

    @property
    def outcome(self) -> str:
        """How it ended, in the trace's words."""
        return "never" if self.told is None else str(self.told.details["outcome"])

    @property
    def served(self) -> bool:
        """Whether it was answered, and with the very text that was written for it."""
        return self.told is not None and self.outcome == SERVED and self.told.details.get("whole") != 0

    @property
    def took(self) -> float:
        """How many seconds it took."""
        return math.inf if self.told is None else self.told.at - self.asked.at

    @property
    def counts(self) -> bool:
        """Whether it was up to the router: its caller stayed, and it was not itself at fault."""
        return self.outcome != LEFT and self.asked.details.get("flaw") is None


def asks(run: Run) -> list[Ask]:
    """Return every request of every caller, in the order in which they were made."""
    found: list[Ask] = []
    current: dict[int | None, Ask] = {}
    for sight in run.trace.sights(Scene.ASKED, Scene.BEGAN, Scene.TOLD):
        if sight.kind is Scene.ASKED:
            current[sight.caller] = Ask(sight)
            found.append(current[sight.caller])
        elif sight.kind is Scene.TOLD:
            current[sight.caller].told = sight
        elif current[sight.caller].first_at is None:
            current[sight.caller].first_at = sight.at
    return found


def verdicts(run: Run) -> list[Verdict]:
    """Return what became of every expectation of the scenario."""
    everybody = asks(run)
    return [verdict for expected in run.scenario.expectations for verdict in _judge(run, expected, everybody)]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the least value that so many percent of all do not exceed; NaN if there is none.

    >>> percentile([3.0, 1.0, 2.0, 4.0], 50), percentile([3.0, 1.0], 99)
    (2.0, 3.0)
    """
    if not values:
        return math.nan
    place = math.ceil(round(percent / 100 * len(values), 9))
    return sorted(values)[max(0, place - 1)]


def _judge(run: Run, expected: Expectation, everybody: Sequence[Ask]) -> Iterator[Verdict]:
    chosen = [
        ask
        for ask in everybody
        if expected.start <= ask.asked.at < expected.end
        and fnmatchcase(str(ask.asked.details["group"]), expected.callers)
    ]
    when = _when(expected)
    whose = ("" if expected.callers == "*" else f" of {expected.callers}") + when
    if expected.availability is not None:
        yield _availability(expected.availability, chosen, whose)
    served = [ask for ask in chosen if ask.served]
    for percent, longest in expected.latency.items():
        yield _no_longer([ask.took for ask in served], percent, longest, f"latency{whose}")
    firsts = [ask.first_at - ask.asked.at for ask in served if ask.first_at is not None]
    for percent, longest in expected.first_content.items():
        yield _no_longer(firsts, percent, longest, f"first content{whose}")
    for candidates, (least, most) in expected.share.items():
        yield _share(candidates, least, most, served, whose)
    for candidates, (attempts, tokens) in expected.spent.items():
        yield from _spent(run, expected, candidates, attempts, tokens, when)
    if expected.recovery is not None:
        yield from _recovery(run, expected.recovery)


def _when(expected: Expectation) -> str:
    if expected.start > 0 or expected.end < math.inf:
        return f" from {expected.start:g} s to " + ("the end" if expected.end == math.inf else f"{expected.end:g} s")
    return ""


def _availability(least: float, chosen: Sequence[Ask], whose: str) -> Verdict:
    counting = [ask for ask in chosen if ask.counts]
    served = sum(ask.served for ask in counting)
    share = served / len(counting) if counting else math.nan
    return Verdict(
        f"availability{whose} of at least {_percent(least)}",
        f"{_percent(share)} ({served} of {len(counting)})" if counting else "nobody asked",
        bool(counting) and share >= least,
    )


def _no_longer(times: Sequence[float], percent: float, longest: float, what: str) -> Verdict:
    time = percentile(times, percent)
    return Verdict(
        f"{what}: p{percent:g} of at most {longest:g} s",
        f"{time:.3f} s" if times else "nobody was served",
        time <= longest,
    )


def _share(candidates: str, least: float, most: float, served: Sequence[Ask], whose: str) -> Verdict:
    theirs = sum(ask.told is not None and _is(ask.told.key, candidates) for ask in served)
    share = theirs / len(served) if served else math.nan
    return Verdict(
        f"{candidates} serves {_range(least, most)}{whose}",
        f"{_percent(share)} ({theirs} of {len(served)})" if served else "nobody was served",
        bool(served) and least <= share <= most,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.5g} %"


def _range(least: float, most: float) -> str:
    if least >= most:
        return "all" if least >= 1.0 else "nobody" if most <= 0.0 else f"exactly {_percent(least)}"
    if most >= 1.0:
        return f"at least {_percent(least)}"
    if least <= 0.0:
        return f"at most {_percent(most)}"
    return f"between {_percent(least)} and {_percent(most)}"


def _spent(
    run: Run, expected: Expectation, candidates: str, attempts_max: float, tokens_max: float, when: str
) -> Iterator[Verdict]:
    attempts, tokens = 0, 0.0
    for fact in run.trace.facts():
        if _is(fact.key, candidates) and expected.start <= fact.at < expected.end:
            attempts += fact.kind is Kind.ADMITTED
            tokens += float(fact.details["tokens"] or 0) if fact.kind is Kind.SERVED else 0.0
    if attempts_max < math.inf:
        most = f"at most {attempts_max:g} attempts at {candidates}{when}"
        yield Verdict(most, f"{attempts}", attempts <= attempts_max)
    if tokens_max < math.inf:
        yield Verdict(f"at most {tokens_max:g} tokens at {candidates}{when}", f"{tokens:g}", tokens <= tokens_max)


def _is(key: ModelKey | None, candidates: str) -> bool:
    return key is not None and fnmatchcase(key.name, candidates)


# Recovery


@define(eq=False)
class _Back:
    """A candidate that failed by a fault, once that has ended: when it was asked, was unwell, and served first."""

    asked_at: list[float] = field(factory=list)
    unwell_at: list[float] = field(factory=list)
    served_at: float = math.inf

    def see(self, fact: Fact) -> None:
        """Take in a fact about it."""
        if fact.kind is Kind.DISPATCHED:
            self.asked_at.append(fact.at)
        elif fact.kind is Kind.SERVED:
            self.served_at = min(self.served_at, fact.at)
        elif _tells_of_trouble(fact):
            self.unwell_at.append(fact.at)

    def asked_in_vain(self, since: float) -> bool:
        """Whether it was still unwell from then on, before it served first; or was asked, and has never served."""
        evidence = self.asked_at if self.served_at == math.inf else self.unwell_at
        return any(since <= at < self.served_at for at in evidence)


def _tells_of_trouble(fact: Fact) -> bool:
    # That it is being probed, or has no place left, may be said of one that is about to serve as well.
    if fact.kind is Kind.REFUSED:
        return fact.details.get("reason") in (Refusal.COOLING, Refusal.DOWN)
    return fact.kind is Kind.FAILED and fact.details.get("scope") != Scope.REQUEST


def _recovery(run: Run, within: float) -> Iterator[Verdict]:
    told = _told_of(run)
    for number, fault in enumerate(run.scenario.faults):
        if fault.until == math.inf or fault.kind in MOMENTS:
            continue
        for key in run.config.entries:
            back = _back(run, key, fault, told.get(key, ())) if fault.touches(key) else None
            if back is None:
                continue
            took = back.served_at - fault.until
            in_vain = back.asked_in_vain(fault.until + within)
            if took == math.inf and not in_vain:
                continue  # nobody has asked it since it should be back
            asked_late = ", when it was asked again" if took > within and not in_vain else ""
            yield Verdict(
                f"{key.name} serves again within {within:g} s after fault {number + 1} ({fault.kind}) ends",
                f"after {took:.1f} s{asked_late}" if took < math.inf else "never",
                took <= within or not in_vain,
            )


def _told_of(run: Run) -> Mapping[ModelKey, Sequence[Fact]]:
    """Return what was told of each candidate, by time: of a long run there is much, and it has many faults."""
    told: dict[ModelKey, list[Fact]] = {}
    for fact in run.trace.facts():
        if fact.key is not None:
            told.setdefault(fact.key, []).append(fact)
    for facts in told.values():
        facts.sort(key=_at)  # that something was sent is told later than it was
    return told


def _back(run: Run, key: ModelKey, fault: Fault, told: Sequence[Fact]) -> _Back | None:
    """Return how a candidate came back, ``None`` if it never failed by the fault or was not asked after it."""
    until = _next_trouble(run, key, fault)
    during = told[bisect_left(told, fault.at, key=_at) : bisect_right(told, fault.until, key=_at)]
    if not any(fact.kind is Kind.FAILED for fact in during):
        return None
    back = _Back()
    for fact in told[bisect_left(told, fault.until, key=_at) : bisect_left(told, until, key=_at)]:
        back.see(fact)
    return back if back.asked_at else None


def _at(fact: Fact) -> float:
    return fact.at


def _next_trouble(run: Run, key: ModelKey, fault: Fault) -> float:
    """Return when, from the end of a fault on, the first other one touches the candidate: then nothing can be said."""
    return min(
        (
            max(other.at, fault.until)
            for other in run.scenario.faults
            if other is not fault and other.kind not in MOMENTS and other.touches(key) and other.until > fault.until
        ),
        default=math.inf,
    )
