"""The whole protocol between the actors: who may say what to whom. Values only, nothing here acts.

::

    handle ── Route, CallerLeft ──▶ router ── Attempt, Withdraw ──▶ model actor
       ▲                              ▲                               │  ▲  ▲
       └──── Opened, Finished, ───────┴── Refused, Opened, Failed, ───┘  │  └── Sent, Begun, Ended ── its workers
             or an error, in a slot       Served, Withdrawn              └── Struck (a model actor that shares a
                                                                             credential), Reset (the handle)

Every `Attempt` that a model actor takes from its mailbox gets exactly one final answer: `Refused`, `Failed`,
`Served` or `Withdrawn`. `Opened` may come before it.

No message carries a credential, a base URL or a header: those live inside the model actor.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple

import trio
from attrs import define, field, frozen

from .bucket import Left, Permit
from .cooldown import Stamp
from .demand import Demand
from .failures import Failure, Reason
from .identity import ModelKey
from .mailbox import Work
from .values import value

write_json: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
"""Writes JSON as it goes onto the wire; what no JSON has, such as NaN, is an error."""


class Refusal(StrEnum):
    """Why a candidate declines before anything is sent. A refusal costs nothing."""

    COOLING = "cooling"
    SATURATED = "saturated"
    BUSY = "busy"
    PROBING = "probing"
    DOWN = "down"
    UNFIT = "unfit"


class Outcome(StrEnum):
    """How a candidate's turn ended."""

    SERVED = "served"
    FAILED = "failed"
    REFUSED = "refused"


class AttemptRecord(NamedTuple):
    """One candidate's turn in a request, as the caller is told of it.

    Attributes:
        key: who was asked.
        outcome: `served`, `failed` or `refused`.
        reason: the `Reason` of a failure, the `Refusal` of a refusal, ``None`` for a success.
        detail: the same for people, with the provider's own message where there is one.
        started_at: when it was asked, in seconds on the runtime's clock (`trio.current_time`).
        duration: how long its turn took, in seconds; time in its queue included.
        ready_at: when the candidate expects to take attempts again, if it said so.

    """

    key: ModelKey
    outcome: Outcome
    reason: Reason | Refusal | None
    detail: str
    started_at: float
    duration: float
    ready_at: float | None = None

    def __str__(self) -> str:
        if self.outcome is Outcome.SERVED:
            return f"{self.key}: served after {self.duration:.3g} s"
        said = f": {self.detail}" if self.detail else ""
        if self.outcome is Outcome.REFUSED:
            return f"{self.key}: refused ({self.reason}){said}"
        return f"{self.key}: failed after {self.duration:.3g} s ({self.reason}){said}"


class OnInterrupt(StrEnum):
    """What becomes of a stream that breaks after its first content."""

    RAISE = "raise"
    RESTART = "restart"


def _as_interrupt(word: str) -> OnInterrupt:
    return word if isinstance(word, OnInterrupt) else OnInterrupt(word)


@frozen
class FormPart:
    """One part of a multipart form: a field's text, or a file with its name and type."""

    name: str
    content: bytes = field(repr=False)
    filename: str | None = None
    content_type: str | None = None


@frozen(slots=False)
class Call:
    """One request as the caller makes it: any endpoint, body in, body out.

    Attributes:
        model: the route that is asked for: an entry's name, a named route, or a reference to an entry.
        body: the request's JSON object, in the shape of the endpoint. Its `model` is filled in for each candidate.
        endpoint: the path below the API's base. It tells the dialect that the request is written in.
        timeout: seconds until the request must have ended; ``None``: the config's `default_timeout`.
        wait_for_cooldown: whether it may wait for a candidate that cools, rather than fail at once.
        stream: whether the answer is read as a stream of events.
        on_interrupt: for streams, whether the next candidate starts a broken one over.
        method: how the endpoint is asked; with ``GET`` nothing but the path is sent.
        form: the parts of a multipart form, in order, which is then sent instead of the JSON; what `body` has becomes
            parts of it, too.
        headers: what is sent besides the candidate's own headers, to candidates of this call's dialect. None of them
            may carry a credential.

    """

    model: str
    body: Mapping[str, Any] = field(factory=dict, repr=False)
    endpoint: str = "/chat/completions"
    timeout: float | None = None
    wait_for_cooldown: bool = False
    stream: bool = False
    on_interrupt: OnInterrupt = field(default=OnInterrupt.RAISE, converter=_as_interrupt)
    method: str = "POST"
    form: tuple[FormPart, ...] = ()
    headers: Mapping[str, str] = field(factory=dict, repr=False)

    @cached_property
    def written(self) -> str:
        """The body as JSON. It is written once, and goes so to every candidate of the call's own dialect.

        Raises:
            TypeError, ValueError, RecursionError: it cannot be written.

        """
        return write_json(self.body)

    @cached_property
    def translations(self) -> dict[str, Any]:
        """What dialects have made of it, by their names: it is translated once, however often they are asked for it."""
        return {}

    @property
    def dialect(self) -> str:
        """The dialect that the request is written in.

        >>> Call("m", endpoint="/messages").dialect
        'anthropic'
        >>> Call("m", endpoint="/models/gemini-2.5-flash:generateContent").dialect
        'gemini'
        """
        return dialect_of(self.endpoint)


@lru_cache(256)
def dialect_of(endpoint: str) -> str:
    """Return whose way of speaking a path belongs to; what nobody else has is OpenAI's."""
    if endpoint == "/messages" or endpoint.startswith("/messages/"):
        return "anthropic"
    if endpoint.startswith("/models/") and ":" in endpoint:
        return "gemini"
    return "openai"


@frozen
class Usage:
    """Tokens as the provider counted them; ``None`` where it did not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


@value
class Answer:
    """A complete answer as a dialect reads it, in the shape that the endpoint documents.

    `tokens` is what it used, as the provider counts or else as we estimate. An answer that is no JSON object (audio, an
    image, plain text) has an empty `body`, and is `content`, of the type `content_type`. `raw` is what `body` was read
    from, where nothing was changed about it.
    """

    body: Mapping[str, Any] = field(repr=False)
    tokens: float | None = None
    content: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    raw: bytes | None = field(default=None, repr=False, eq=False)


@frozen
class Chunk:
    """One event of a stream: its text (``""`` where there is none) and the whole event.

    Of an answer that is no event stream, such as spoken audio, it is a piece as it came: `content`, of `content_type`.
    `raw` is what `body` was read from, where nothing was changed about it.
    """

    text: str
    body: Mapping[str, Any] = field(factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)
    content_type: str | None = None
    raw: str | None = field(default=None, repr=False, eq=False)


@frozen
class Restarted(Chunk):
    """A marker within a stream: the candidate broke off, `served_by` starts over; drop the text so far."""

    text: str = ""
    served_by: ModelKey | None = None


class Leash:
    """The caller's hold on whatever works for it: one cancel scope at a time, cancelled from the other end.

    It travels with the request, so that a caller who leaves stops the worker at once, whichever actor it belongs
    to and whether or not that actor is on stage.
    """

    __slots__ = ("_scope", "cancelled")

    def __init__(self) -> None:
        self.cancelled = False
        self._scope: trio.CancelScope | None = None

    def attach(self, scope: trio.CancelScope) -> None:
        """Let the leash hold this scope; cancelled already, it cancels it at once."""
        assert self._scope is None, "a request is worked on by one worker at a time"
        self._scope = scope
        if self.cancelled:
            scope.cancel()

    def detach(self) -> None:
        """Let go of the scope."""
        self._scope = None

    def interrupt(self) -> None:
        """Cancel what is held now, and nothing that is attached later."""
        if self._scope is not None:
            self._scope.cancel()

    def cancel(self) -> None:
        """Cancel what is held, and whatever is attached later."""
        self.cancelled = True
        self.interrupt()


# Between router and model actor


@value(eq=False)
class Attempt:
    """The router asks a candidate. `wait` allows it to queue; `not_before` holds a second try back.

    Whoever is admitted is performed by its caller's own task, to which `give_work` hands it; a stream has a task for
    itself, which reads ahead of its reader.
    `context` is the caller's: what it has set in context variables (the current span, what a log line is to bear)
    holds for whatever performs the attempt, although that is another task.
    """

    id: int
    request: int
    key: ModelKey
    call: Call
    demand: Demand
    deadline: float
    leash: Leash
    give_work: Callable[[Work], None] = field(repr=False)
    wait: bool = False
    not_before: float = -math.inf
    retries_left: int = 0
    context: Context = field(factory=copy_context, repr=False)


@value
class Withdraw:
    """The caller of this attempt has left."""

    attempt: int


@value
class Refused:
    """The candidate declines.

    `ready_at` is when it expects to be ready, ``None`` if it cannot name a time; `queued` how many wait there, and
    `full` says that no more may.
    """

    attempt: int
    refusal: Refusal
    ready_at: float | None = None
    queued: int = 0
    full: bool = False
    detail: str = ""

    def told(self) -> dict[str, str | float | None]:
        """Return what the trace tells of it."""
        return {
            "reason": self.refusal,
            "ready_at": self.ready_at,
            "queued": self.queued,
            "full": int(self.full),
        }


@value
class Failed:
    """The attempt failed.

    `ready_at` is when the candidate takes attempts again, `retry_at` when it would take this one again although it
    failed, `may_have_executed` whether the provider may have acted on it. `crashed`: it was not the provider, its
    own actor crashed.
    """

    attempt: int
    failure: Failure
    may_have_executed: bool = True
    ready_at: float | None = None
    retry_at: float | None = None
    crashed: bool = False


@value
class Served:
    """The attempt succeeded."""

    attempt: int
    answer: Answer


@value
class Withdrawn:
    """The attempt ended because its caller had left."""

    attempt: int


@value(eq=False)
class Opened:
    """A stream's first content has arrived; the reader takes its chunks from `chunks`."""

    attempt: int
    chunks: trio.MemoryReceiveChannel[Chunk]


Reply = Refused | Failed | Served | Withdrawn | Opened
"""What a model actor answers."""


# From a model actor's workers to it


@value
class Sent:
    """The request went onto the wire at `at`, noticeably later than it was admitted."""

    attempt: int
    at: float


@value(eq=False)
class Begun:
    """The stream's first content is here."""

    attempt: int
    chunks: trio.MemoryReceiveChannel[Chunk]


@value
class Ended:
    """A worker is done. Without `answer` and `failure` the outcome is unknown: it was cancelled."""

    attempt: int
    sent: bool
    answer: Answer | None = None
    failure: Failure | None = None
    left: tuple[Left, ...] = ()
    tokens: float | None = None


# To a model actor from its like and from the handle


@define(eq=False)
class Struck:
    """A failure of the credential that both share. `taken` once it was read: until then no other is sent."""

    by: ModelKey
    failure: Failure
    taken: bool = False


@value(eq=False)
class Reset:
    """End the cooldown by hand; `done` is set once it has happened."""

    done: trio.Event


ModelMessage = Attempt | Withdraw | Sent | Begun | Ended | Struck | Reset
"""All that a model actor's mailbox may hold."""


@value
class Ticket:
    """What an admitted attempt holds at its model actor."""

    permit: Permit
    stamp: Stamp
    admitted_at: float
