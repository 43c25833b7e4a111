"""What a dialect is to those who are spoken to in it: how a request is heard, and how an answer is said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen

from ..error_words import Family
from .arrival import Arrival
from .said import Item


@frozen
class Written:
    """What a provider has to say to one request: its pieces of text, and who says it. `number` is the request's."""

    number: int
    model: str
    stamp: str
    pieces: Sequence[str]
    prompt_tokens: int
    answer_tokens: int

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)

    @property
    def tokens(self) -> int:
        """All that it takes."""
        return self.prompt_tokens + self.answer_tokens

    @property
    def name(self) -> str:
        """The number and the stamp, where a dialect has one place for both of them."""
        return f"{self.number}|{self.stamp}"


@frozen
class Left:
    """What is left of one limit: `what` is `requests` or `tokens`, which are all there again in `seconds`."""

    what: str
    amount: float
    seconds: float


class Spoken(Protocol):
    """One dialect.

    Where a dialect has no word for the stamp of whoever answers, it stands in the answer's id, after the number.
    """

    family: Family | None
    """Whose envelope errors come in; ``None``: that depends on the provider."""

    malformed: bytes
    """An event that is no JSON."""

    def ping(self, written: Written) -> bytes:
        """A sign of life in a stream that has nothing to say yet."""
        ...

    def takes(self, arrival: Arrival) -> bool:
        """Whether a request is in this dialect, by how it arrives."""
        ...

    def secret(self, headers: Mapping[str, str]) -> str:
        """Return the credential that a request is made with, ``""`` if there is none where it should be."""
        ...

    def model(self, arrival: Arrival) -> str:
        """Return the model that is asked for."""
        ...

    def streams(self, arrival: Arrival) -> bool:
        """Whether the answer is to be a stream."""
        ...

    def amiss(self, arrival: Arrival) -> str | None:
        """Say which rule of the dialect a request breaks, ``None`` if it keeps them all."""
        ...

    def said(self, body: Mapping[str, Any]) -> Sequence[Item]:
        """Return what a well-formed request says."""
        ...

    def whole(self, written: Written) -> bytes:
        """Return the answer as one body."""
        ...

    def beginning(self, written: Written) -> Sequence[bytes]:
        """Return the events with which a stream begins; they have no content."""
        ...

    def events(self, written: Written) -> Sequence[bytes]:
        """Return the event of each piece of text."""
        ...

    def end(self, written: Written) -> Sequence[bytes]:
        """Return what ends a stream properly."""
        ...

    def error(self, body: bytes) -> bytes:
        """Return an event that tells of an error, by the body of an error answer."""
        ...

    def statement(self, left: Sequence[Left], now: float) -> Mapping[str, str]:
        """Return the headers that say what is left."""
        ...


def sse(data: Mapping[str, Any], event: str | None = None) -> bytes:
    """Write an event of a stream."""
    name = "" if event is None else f"event: {event}\n"
    return f"{name}data: {json.dumps(data)}\n\n".encode()
