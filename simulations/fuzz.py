"""The search for a storm that breaks an invariant: draws scenarios, performs and checks them, shrinks what it finds.

Hypothesis draws and shrinks. Each example is a whole scenario with its schedule, so that the smallest one found is a
scenario file that reproduces the run. Every second example has two phases: chaos, and then a core that is well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Final

import hypothesis
from attrs import define, field, frozen
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import HypothesisProvider

from . import coverage, strategies
from .invariants import Violation, violations
from .rehearsal import rehearse
from .run import Run
from .scenario import Scenario
from .stage import check_trio, stream
from .tidy import tidied

Progress = Callable[[int], None]
"""Is told how many examples there have been."""

BATCH: Final = 10
"""How many scenarios Hypothesis draws before it is started anew. After ten it would spend five of six examples on
variations of the one before; scenarios that have nothing to do with each other find more."""

QUIET: Final[Sequence[HealthCheck]] = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
)
"""A scenario is larger than what Hypothesis thinks of as an example, and takes longer."""


CONSTANTS: Final = "_maybe_draw_constant"
"""The method by which Hypothesis draws a constant now and then, in place of something random."""


@frozen(eq=False)
class Found:
    """A scenario in which something breaks: the smallest that was found, and how it went."""

    run: Run
    violations: Sequence[Violation]

    @property
    def scenario(self) -> Scenario:
        """What must be played to see it."""
        return self.run.scenario


@define(eq=False)
class Search:
    """What a search has come to.

    Attributes:
        examples: how many scenarios were performed, until the first that broke something; shrinking not counted.
        requests: how many requests their callers made.
        reached: how many examples reached each of `coverage.POINTS`.
        found: what was found, ``None`` if nothing breaks.

    """

    examples: int = 0
    requests: int = 0
    reached: Counter[str] = field(factory=Counter)
    found: Found | None = None


class Broken(Exception):
    """An invariant is broken. Each has a type of its own, so that shrinking does not slip from one to another."""


def fuzz(
    config: strategies.Topology | None = None,
    *,
    examples: int = 500,
    seed: int = 0,
    shrink: bool = True,
    measure: bool = True,
    progress: Progress = lambda _: None,
) -> Search:
    """Search for a storm that breaks an invariant, over a config or over topologies that are drawn as well.

    The same arguments give the same search. `measure` counts what the examples reach.

    Raises:
        ConfigError: the config does not hold.
        StageError: a run cannot be made deterministic with this trio.

    """
    check_trio()
    either = st.booleans().flatmap(
        lambda heals: strategies.healed_scenarios(config) if heals else strategies.scenarios(config)
    )
    search = Search()
    seeds = stream(seed, "fuzz")
    while search.found is None and search.examples < examples:
        most = min(BATCH, examples - search.examples)
        example = _Example(search, measure=measure, progress=progress)
        _draw(example, either, most, seeds.getrandbits(64), shrink=shrink)
    if shrink and search.found is not None:
        search.found = _tidied(search.found)
    return search


def _tidied(found: Found) -> Found:
    """Leave out of a story all that it can do without."""
    name = found.violations[0].invariant

    def breaks(scenario: Scenario) -> bool:
        return name in {violation.invariant for violation in violations(rehearse(scenario))}

    run = rehearse(tidied(found.scenario, breaks))
    broken = list(violations(run))
    # What was looked for comes first; whatever else breaks in the same story comes after it.
    return Found(run, sorted(broken, key=lambda violation: violation.invariant != name))


class _Example:
    """What is done with each scenario of a batch."""

    def __init__(self, search: Search, *, measure: bool, progress: Progress) -> None:
        self._search = search
        self._measure = measure
        self._progress = progress
        self._is_first = True

    def __call__(self, scenario: Scenario) -> None:
        """Perform and check it; raise `Broken` if an invariant is."""
        search = self._search
        if self._is_first and search.examples:
            self._is_first = False
            return  # every batch begins with the simplest scenario of all, which was performed long ago
        self._is_first = False
        run = rehearse(scenario)
        broken = list(violations(run))
        if search.found is None:
            search.examples += 1
            search.requests += len(run.callers)
            if self._measure:
                search.reached.update(coverage.reached(run))
            self._progress(search.examples)
        if broken:
            search.found = Found(run, broken)
            raise _broken(broken[0].invariant)


@cache
def _type_for(invariant: str) -> type[Broken]:
    return type(f"Broken_{invariant}", (Broken,), {})


def _broken(invariant: str) -> Broken:
    return _type_for(invariant)(invariant)


def _draw(
    example: Callable[[Scenario], None], drawn: st.SearchStrategy[Scenario], most: int, seed: int, *, shrink: bool
) -> None:
    """Let Hypothesis draw a batch of scenarios, and shrink one that breaks. What it says itself is not said."""

    def test(scenario: Scenario) -> None:
        example(scenario)

    told: Any = settings(
        max_examples=most + 1,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=QUIET,
        print_blob=False,
        verbosity=hypothesis.Verbosity.quiet,
    )(hypothesis.given(drawn)(test))
    with _of_its_own(), suppress(Broken):
        hypothesis.seed(seed)(told)()


@contextmanager
def _of_its_own() -> Iterator[None]:
    """Keep Hypothesis from drawing what stands in modules that happen to be loaded.

    It tries constants of the program under test now and then, those of every local module; with them, the same seed
    would draw other scenarios in another program. There is no setting for that. A Hypothesis that does not know this
    method does no such thing.
    """
    before = getattr(HypothesisProvider, CONSTANTS, None)
    if before is None:
        yield
        return
    setattr(HypothesisProvider, CONSTANTS, lambda *_, **__: None)
    try:
        yield
    finally:
        setattr(HypothesisProvider, CONSTANTS, before)
