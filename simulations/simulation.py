"""`simulate`: one run of a scenario, checked. What the command line, the tests and users call alike."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from attrs import define

from .expectations import Verdict, verdicts
from .invariants import Violation, determinism, violations
from .rehearsal import Progress, rehearse
from .run import Run
from .scenario import Scenario
from .stage import Schedule


@define(eq=False, slots=False)
class Report:
    """A run and what is to be said of it.

    Attributes:
        run: everything that happened.
        violations: where an invariant is broken.
        verdicts: what became of the scenario's expectations.

    """

    run: Run
    violations: Sequence[Violation]
    verdicts: Sequence[Verdict]

    @property
    def ok(self) -> bool:
        """Whether every invariant holds and every expectation is met."""
        return not self.violations and all(verdict.met for verdict in self.verdicts)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the trace."""
        return self.run.trace.digest()


def simulate(
    scenario: Scenario,
    schedule: Schedule | None = None,
    *,
    check_determinism: bool = False,
    progress: Progress = lambda _: None,
) -> Report:
    """Perform a scenario in virtual time, and check it: the invariants, and the scenario's own expectations.

    The same scenario and schedule give the same report, wherever it is made. With `check_determinism` the run is made
    twice, and the first event that differs is reported.

    Raises:
        ConfigError: the scenario's config does not hold.
        StageError: a run cannot be made deterministic with this trio.

    """
    run = rehearse(scenario, schedule, progress=progress)
    broken = list(violations(run))
    if check_determinism:
        difference = determinism(run.trace, rehearse(scenario, schedule).trace)
        broken += [] if difference is None else [difference]
    return Report(run, tuple(broken), tuple(verdicts(run)))
