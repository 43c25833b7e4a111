"""The log: a line for each fallback, for what happens to a candidate's health, and for a request that is given up.

What is a bug (an actor that crashed, a candidate that is down for it) is logged where it is met, with its traceback,
and not here. Prompts, replies and secrets are in no line, because they are in no fact.

An observer hears only what its logger would not drop. At WARNING that is what is rare: a request that is served costs
nothing at all. At INFO it is, besides, every time that a candidate is asked, failed or refused.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ..trace import Fact, Kind
from .observer import Observer, Turn, falls_back, number

if TYPE_CHECKING:
    from ..handle import Router

RARE: Final = frozenset({Kind.COOLING, Kind.DISTRUSTED, Kind.GAVE_UP})
"""What is told at WARNING; all else is told at INFO."""

NO_CANDIDATES_FAULT: Final = frozenset({"exhausted", "interrupted"})
"""Why a request is given up, if not for its own fault."""


class LogLines(Observer):
    """Writes lines to a logger. A line's attributes `request`, `model_key` and `kind` are for filters and formats."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self._logger = logger
        self._turns: dict[int, Turn] = {}  # of the requests between two candidates

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LogLines) and other._logger is self._logger

    def __hash__(self) -> int:
        return hash(self._logger)

    def listen_to(self, router: Router) -> None:
        """Hear what the logger would not drop, in place of whoever writes to the same logger already."""
        router.unlisten(self)
        kinds = self.kinds
        if kinds:
            router.listen(self, kinds=kinds, door=self if Kind.DISPATCHED in kinds else None)

    @property
    def kinds(self) -> frozenset[Kind]:
        """What the logger would not drop at its present level."""
        if self._logger.isEnabledFor(logging.INFO):
            return super().kinds
        return RARE if self._logger.isEnabledFor(logging.WARNING) else frozenset()

    def end(self) -> None:
        """Forget all requests."""
        self._turns.clear()

    # At the door

    def entered(self, request: int, at: float, route: str, *, endpoint: str, stream: bool) -> None:
        """A request that is well is none of the log's business."""

    def closed(self, request: int, at: float) -> None:  # noqa: ARG002
        """Forget a request."""
        self._turns.pop(request, None)

    # Requests

    def on_refused(self, fact: Fact) -> None:
        """Note why somebody else may be asked."""
        self._note(fact)

    def on_failed(self, fact: Fact) -> None:
        """Note why somebody else may be asked."""
        self._note(fact)

    def on_lost(self, fact: Fact) -> None:
        """Note why somebody else may be asked."""
        self._note(fact)

    def _note(self, fact: Fact) -> None:
        assert fact.request is not None, "an attempt belongs to a request"
        self._turns[fact.request] = Turn.of(fact)

    def on_dispatched(self, fact: Fact) -> None:
        """Tell of a fallback, once it is known to whom."""
        turn = None if fact.request is None else self._turns.pop(fact.request, None)
        if turn is None:
            return
        if falls_back(fact):
            text = "request %s: %s; falls back to %s"
        elif fact.details["again"]:
            text = "request %s: %s; tries %s again"
        else:
            text = "request %s: %s; waits in line at %s"
        self._say(logging.INFO, fact, text, fact.request, turn, fact.key)

    def on_gave_up(self, fact: Fact) -> None:
        """Tell of a request that ends without an answer."""
        reason, turns = fact.details["reason"], fact.details["attempts"]
        if reason in NO_CANDIDATES_FAULT:
            text = "request %s is given up (%s), turns of candidates: %s"
            self._say(logging.WARNING, fact, text, fact.request, reason, turns)
        else:
            self._say(logging.INFO, fact, "request %s is itself at fault (%s)", fact.request, reason)

    # Candidates

    def on_cooling(self, fact: Fact) -> None:
        """Tell of a cooldown that begins."""
        text = "%s cools for %s s%s: incident %s in a row"
        self._say(logging.WARNING, fact, text, fact.key, _left(fact), _cause(fact), fact.details["incidents"])

    def on_extended(self, fact: Fact) -> None:
        """Tell of a cooldown that ends later."""
        self._say(logging.INFO, fact, "%s cools for %s s from now%s", fact.key, _left(fact), _cause(fact))

    def on_recovered(self, fact: Fact) -> None:
        """Tell that a candidate is back."""
        self._say(logging.INFO, fact, "%s has recovered: its probe came back well", fact.key)

    def on_distrusted(self, fact: Fact) -> None:
        """Tell that a candidate starts over."""
        text = "%s starts over, and cools for %s s: its state did not survive a crash"
        self._say(logging.WARNING, fact, text, fact.key, _left(fact))

    def on_revived(self, fact: Fact) -> None:
        """Tell that a candidate that was down is back."""
        self._say(logging.INFO, fact, "%s is no longer down", fact.key)

    def _say(self, level: int, fact: Fact, text: str, *args: object) -> None:
        if self._logger.isEnabledFor(level):
            name = None if fact.key is None else fact.key.name
            extra = {"kind": fact.kind.value, "request": fact.request, "model_key": name}
            self._logger.log(level, text, *args, extra=extra)


def _left(fact: Fact) -> str:
    until = fact.details["until"]
    return "?" if until is None else f"{max(0.0, number(until) - fact.at):.3g}"


def _cause(fact: Fact) -> str:
    reason, by = fact.details["reason"], fact.details["by"]
    if reason is None:
        return ""
    return f" ({reason})" if by is None else f" ({reason} of {by}, with whom it shares a credential)"
