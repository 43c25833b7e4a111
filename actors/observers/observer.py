"""What observers have in common: a method for every kind of fact that one cares for, and no other kind is heard."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from ..identity import ModelKey
from ..trace import Detail, Fact, Kind


@frozen
class Turn:
    """A candidate's turn in a request that ended without an answer: who it was, and why.

    `reason` is that of the failure or of the refusal, or ``crashed`` where its own actor did.
    """

    key: ModelKey
    reason: str
    refused: bool

    @classmethod
    def of(cls, fact: Fact) -> Turn:
        """Read it from a fact of a kind that ends one: `refused`, `failed` or `lost`."""
        assert fact.key is not None, "an attempt's fact names its candidate"
        reason = "crashed" if fact.kind is Kind.LOST else str(fact.details["reason"])
        return cls(fact.key, reason, fact.kind is Kind.REFUSED)

    def __str__(self) -> str:
        return f"{self.key} {'refused' if self.refused else 'failed'} ({self.reason})"


def falls_back(dispatched: Fact) -> bool:
    """Whether a candidate is asked that is next in the request's order: not again, and not to wait in line there.

    Of a request's first candidate this says nothing: only whoever knows of a turn before it may ask.
    """
    return not dispatched.details["again"] and not dispatched.details["wait"]


class Observer:
    """A sink that hears the kinds for which it has a method ``on_<kind>``, and no others."""

    def __init__(self) -> None:
        self._methods: dict[Kind, Callable[[Fact], None]] = {
            kind: method for kind in Kind if (method := getattr(self, f"on_{kind.value}", None)) is not None
        }

    @property
    def kinds(self) -> frozenset[Kind]:
        """What it cares for."""
        return frozenset(self._methods)

    def __call__(self, fact: Fact | None) -> None:
        """Take in a fact, or the end of them all."""
        if fact is None:
            self.end()
        else:
            self._methods[fact.kind](fact)

    def end(self) -> None:
        """Take in that there will be no more facts."""


def number(value: Detail) -> float:
    """Return a detail that is a number by the trace's own table."""
    assert isinstance(value, int | float), "the trace's table says which details are numbers"
    return value
