"""Many seeds of one scenario, on all cores, and which of them went worst."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from attrs import evolve, frozen

from .expectations import asks
from .scenario import Scenario
from .simulation import simulate


@frozen(order=True)
class Outcome:
    """How one seed went; the worst comes first in order: most violations, most unmet expectations, fewest served."""

    badness: tuple[int, int, float]
    seed: int
    broken: tuple[str, ...]
    unmet: tuple[str, ...]
    served: int
    requests: int
    digest: str

    @property
    def ok(self) -> bool:
        """Whether every invariant holds and every expectation is met."""
        return not self.broken and not self.unmet


def run_seeds(scenario: Scenario, seeds: Sequence[int]) -> list[Outcome]:
    """Simulate a scenario with each seed, on all cores, and return the outcomes, the worst first.

    Raises:
        ConfigError: the scenario's config does not hold.

    """
    scenario.load()  # what is wrong with it is said here, and not from within a pool
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return sorted(pool.map(partial(run_seed, scenario), seeds))


def run_seed(scenario: Scenario, seed: int) -> Outcome:
    """Simulate one seed."""
    report = simulate(evolve(scenario, seed=seed, script=None))
    requests = [ask for ask in asks(report.run) if ask.counts]
    served = sum(ask.served for ask in requests)
    broken = tuple(sorted({violation.invariant for violation in report.violations}))
    unmet = tuple(verdict.expected for verdict in report.verdicts if not verdict.met)
    share = served / len(requests) if requests else 1.0
    return Outcome((-len(broken), -len(unmet), share), seed, broken, unmet, served, len(requests), report.digest)
