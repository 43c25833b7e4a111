"""How CPU time is measured on a core that is not ours alone. Nothing but the standard library is needed here.

CPU time is that of the whole process, user and system, as the kernel accounts for it (what `getrusage` tells, only
finer). A core that is shared is slower at some times than at others, by up to a half. A fixed loop is therefore timed
before and after whatever is measured, and CPU times are scaled to the quickest that it was; what the core's own
slowness was at the worst is told with every table.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

LOOPS: Final = 3
"""How often the loop that tells the core's speed is performed at a time."""


class Core:
    """The core's speed, by the CPU seconds that a fixed loop takes: the quickest seen, and the slowest."""

    def __init__(self) -> None:
        self.quickest = math.inf
        self.slowest = 0.0

    def loop(self) -> float:
        """Perform the loop a few times, and return what it took at best: an interruption is no slowness."""
        took = min(self._once() for _ in range(LOOPS))
        self.note(took)
        return took

    def note(self, took: float) -> None:
        """Take in what the loop took here or in another process."""
        self.quickest, self.slowest = min(self.quickest, took), max(self.slowest, took)

    @property
    def slowness(self) -> float:
        """By how much the slowest was slower than the quickest: 0.5 is half as much time again."""
        return self.slowest / self.quickest - 1 if self.slowest else 0.0

    def _once(self) -> float:
        began, total = time.process_time(), 0
        facts = {number: (number, str(number)) for number in range(2_000)}
        for _ in range(5):
            for number, (value, text) in facts.items():
                total += value + len(text) + hash((number, text))
        return time.process_time() - began

    @contextmanager
    def measured(self) -> Iterator[Stretch]:
        """Time what is done inside."""
        stretch = Stretch(self)
        stretch.sample()
        stretch.began, stretch.sampled = time.process_time(), 0.0
        yield stretch
        stretch.seconds = time.process_time() - stretch.began - stretch.sampled
        stretch.sample()


@dataclass
class Stretch:
    """The CPU seconds that something took, and what the loop took around it, and within it if it is long."""

    core: Core
    began: float = 0.0
    seconds: float = 0.0
    sampled: float = 0.0
    loops: list[float] = field(default_factory=list)

    def sample(self, _: object = None) -> None:
        """Time the loop once more."""
        began = time.process_time()
        self.loops.append(self.core.loop())
        self.sampled += time.process_time() - began

    @property
    def loop(self) -> float:
        """What the loop took, on average."""
        return statistics.mean(self.loops)

    @property
    def scaled(self) -> float:
        """The CPU seconds that it would have taken at the quickest speed seen so far."""
        return self.seconds * self.core.quickest / self.loop


def pin(which: int) -> None:
    """Keep this process, and all threads that it starts, on one of the cores it may use; elsewhere than on Linux, no.

    `which` counts from 0, and from the end if it is negative.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[which]})


def resident() -> int:
    """Return the bytes of memory that this process has resident now; on what is not Linux, the most that it had."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - the quickest way
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource
        import sys

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
