"""The errors that a user of the router can meet. Each says what happened, to whom, and what to do.

None of them carries a secret, and none carries a traceback from inside: an error of a provider is a value until it
reaches the caller as one of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .failures import Failure
from .identity import ModelKey
from .messages import AttemptRecord


class UnderstudyError(Exception):
    """The base of all errors of this package."""


class ConfigError(UnderstudyError):
    """The configuration does not hold; `problems` names every mistake with its place."""

    def __init__(self, problems: Sequence[str], source: str | None = None) -> None:
        self.problems = tuple(problems)
        self.source = source
        count = "a mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        where = "the configuration" if source is None else source
        super().__init__(f"{where} has {count}:" + "".join(f"\n  {problem}" for problem in self.problems))


class UnknownModel(UnderstudyError):
    """Nobody answers to this name; `suggestion` is the nearest name that somebody answers to."""

    def __init__(self, model: str, known: Iterable[str] = (), note: str = "") -> None:
        from difflib import get_close_matches

        known = list(known)
        self.model = model
        self.suggestion = next(iter(get_close_matches(model, known, n=1)), None)
        if self.suggestion is not None:
            hint = f"did you mean {self.suggestion!r}?"
        else:
            hint = f"known are: {', '.join(known[:20])}{', …' if len(known) > 20 else ''}"
        super().__init__(f"no model or route is called {_short(model)!r}{note}; {hint}")


class RequestRejected(UnderstudyError):
    """The request is itself at fault (`failure` says how); no other candidate would take it.

    `key` is the candidate that found the fault, ``None`` if it was found before any was asked.
    """

    def __init__(self, failure: Failure, key: ModelKey | None = None, attempts: Sequence[AttemptRecord] = ()) -> None:
        self.failure = failure
        self.key = key
        self.attempts = tuple(attempts)
        by = "" if key is None else f" by {key}"
        super().__init__(f"the request was rejected{by} as {failure}")


class AllCandidatesFailed(UnderstudyError):
    """No candidate could serve the request.

    `attempts` holds every attempt and refusal; `retry_after` is the number of seconds after which the first of the
    candidates expects to be ready, ``None`` if none can say.
    """

    def __init__(self, model: str, attempts: Sequence[AttemptRecord], retry_after: float | None) -> None:
        self.model = model
        self.attempts = tuple(attempts)
        self.retry_after = retry_after
        hint = "" if retry_after is None else f"\nTrying again makes sense in {retry_after:.3g} s."
        super().__init__(f"no candidate could serve {model!r}:{_listed(self.attempts)}{hint}")


class StreamInterrupted(UnderstudyError):
    """A stream broke after its first content: who was serving, the text so far, and why it broke."""

    def __init__(self, served_by: ModelKey, text: str, failure: Failure, attempts: Sequence[AttemptRecord]) -> None:
        self.served_by = served_by
        self.text = text
        self.failure = failure
        self.attempts = tuple(attempts)
        super().__init__(
            f"the stream from {served_by} broke after {len(text)} characters of text ({failure}). The text so far"
            ' is in .text; ask again, or stream with on_interrupt="restart" to let the next candidate start over'
        )


class DeadlineExceeded(UnderstudyError):
    """The caller's own time ran out. Nobody's health has changed by it."""

    def __init__(self, model: str, timeout: float, attempts: Sequence[AttemptRecord]) -> None:
        self.model = model
        self.timeout = timeout
        self.attempts = tuple(attempts)
        super().__init__(
            f"{model!r} was not served within {timeout:.6g} s:{_listed(self.attempts) or ' nobody has answered yet'}"
            "\nGive it a longer timeout, or limit single attempts with request_timeout."
        )


class RouterOverloaded(UnderstudyError):
    """As many requests as `max_pending` allows are under way. Nothing was sent."""

    def __init__(self, max_pending: int) -> None:
        self.max_pending = max_pending
        super().__init__(
            f"{max_pending} requests are under way, which is all that max_pending allows; try again when some have"
            " ended, or raise max_pending in the config"
        )


class RouterClosed(UnderstudyError):
    """The router is closing or closed."""

    def __init__(self) -> None:
        super().__init__("the router is closed: requests are taken only within `async with understudy.open_router(…)`")


class RouterCrashed(UnderstudyError):
    """The router met a bug of its own while it held this request. The request may have been executed."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"the router crashed while it held this request ({detail}); it may have been executed")


def _short(text: str, most: int = 100) -> str:
    return text if len(text) <= most else text[:most] + "…"


def _listed(attempts: Sequence[AttemptRecord]) -> str:
    return "".join(f"\n  {attempt}" for attempt in attempts)
