"""What a run of properties or of a state machine has reached: counted, so that a test can insist on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import HealthCheck, settings


class Reached:
    """Counts states, transitions and outcomes by name."""

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()

    def note(self, what: str) -> None:
        self.times[what] += 1

    def insist_on(self, names: Iterable[str], at_least: int) -> None:
        """Fail if any of these was reached less often, and name all of them."""
        rare = {name: self.times[name] for name in names if self.times[name] < at_least}
        assert not rare, f"reached less than {at_least} times: {rare}; of all: {dict(self.times)}"


def fixed(examples: int, steps: int = 50) -> settings:
    """Settings under which every run draws the same examples, so that what was reached can be counted on."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
