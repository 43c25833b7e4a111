"""One deterministic run: virtual clock, seeded scheduling, and a watchdog.

trio shuffles the order in which tasks run, on purpose, and offers two private names to switch that off for tests. They
are touched here and nowhere else; they are looked for before a run and restored after it.

What is performed must keep to the rules that make a run repeatable: no threads, no sockets, no wall clock, no
module-level randomness, no iteration over sets of strings. Randomness is drawn from `stream`.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import trio
from trio._core import _run as trio_internals
from trio.testing import MockClock

T = TypeVar("T")

HOOKS: Final = ("_ALLOW_DETERMINISTIC_SCHEDULING", "_r")


class StageError(Exception):
    """The run could not be performed, or did not come to an end."""


def stream(seed: int, component: str) -> random.Random:
    """Return the random stream of one component: what it draws depends on nobody else's draws."""
    return random.Random(f"{seed}/{component}")


def perform(play: Callable[[], Awaitable[T]], *, seed: int, longest: float) -> T:
    """Run `play` from virtual time 0 and return what it returns; at most `longest` virtual seconds.

    Raises:
        StageError: if time has run out with the play not at its end, or this trio lacks what the stage needs.

    """

    async def watched() -> T:
        with trio.move_on_after(longest):
            return await play()
        raise StageError(f"the run did not come to its end within {longest:g} virtual seconds")

    with _seeded(seed):
        return trio.run(watched, clock=MockClock(autojump_threshold=0))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Make trio's scheduling a function of the seed, and give trio back as it was."""
    missing = [name for name in HOOKS if not hasattr(trio_internals, name)]
    if missing:
        raise StageError(
            f"trio {trio.__version__} has no {' and no '.join(missing)}: a run cannot be made deterministic with it;"
            " install a version of trio that this package was tested with"
        )
    before = [getattr(trio_internals, name) for name in HOOKS]
    for name, value in zip(HOOKS, (True, stream(seed, "schedule")), strict=True):
        setattr(trio_internals, name, value)
    try:
        yield
    finally:
        for name, value in zip(HOOKS, before, strict=True):
            setattr(trio_internals, name, value)
