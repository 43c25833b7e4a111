"""What a planted bug is: a small patch that is applied to the real code for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final

from attrs import frozen

BUDGET: Final = 2_000
"""How many examples a search may take to find a planted bug."""

SEARCHES: Final = 5
"""How often a planted bug is searched for, from one seed after another, until it is found: some are rare."""

# The invariants by name

CONSERVATION: Final = "conservation"
DEADLINE: Final = "deadline"
DETERMINISM: Final = "determinism"
FAULT_OF_REQUEST: Final = "fault-of-the-request"
INCIDENT: Final = "incident"
ISOLATION: Final = "isolation"
MEMORY: Final = "memory"
NEEDLESS: Final = "no-needless-failure"
ONE_ANSWER: Final = "one-answer"
ORDER: Final = "order"
PROVENANCE: Final = "provenance"
RATE: Final = "rate"
SECRECY: Final = "secrecy"
SILENCE: Final = "silence"

Patch = tuple[object, str, Callable[[Any], Any]]
"""Whose attribute is replaced, its name, and what makes the replacement of the original."""


@frozen
class PlantedBug:
    """A bug that somebody has shipped, or could.

    `plant` applies it for as long as its context lasts; `caught_by` are the invariants that may be the first to notice.
    """

    name: str
    subject: str
    what: str
    caught_by: tuple[str, ...]
    plant: Callable[[], AbstractContextManager[None]]


BUGS: Final[list[PlantedBug]] = []
"""All of them, in the order in which the modules here have them."""


def bug(subject: str, what: str, *caught_by: str) -> Callable[[Callable[[], list[Patch]]], Callable[[], list[Patch]]]:
    """Plant what a function returns: a list of patches. The function's name is the bug's."""

    def enter(patches: Callable[[], list[Patch]]) -> Callable[[], list[Patch]]:
        name = patches.__name__.replace("_", " ")
        BUGS.append(PlantedBug(name, subject, what, caught_by, lambda: _planted(patches())))
        return patches

    return enter


@contextmanager
def _planted(patches: list[Patch]) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name, make in patches:
            original = getattr(owner, name)
            setattr(owner, name, make(original))
            stack.callback(setattr, owner, name, original)
        yield


def instead(replacement: Any) -> Callable[[Any], Any]:
    """Replace the original by something that does not need it."""
    return lambda _: replacement
