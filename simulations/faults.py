"""The kinds of fault that a storm is made of, and when and whom a fault touches.

Three parties can be at fault. A *provider* fails, is slow or lies; such a fault is told by whom it touches (globs on
candidate, provider and credential) and may flap or hit only some requests. The *house* fails: an actor crashes. And
the *callers* have their moods: they leave. What each kind puts onto the wire is told in `payloads`.

| kind | what happens | takes |
|---|---|---|
| `rate_limited` | 429, although our own limits were kept | `wait` |
| `overloaded` | busy, 529 or 503 | `wait` |
| `server_error` | 500; with `status` 502 or 504 a page of HTML, with 302 a way elsewhere | `status` |
| `error_in_200` | an error object where the answer should be | |
| `not_json` | a 200 whose body is no JSON | |
| `revoked`, `out_of_credit`, `out_of_quota` | the credential is no good: 401, 402 or 400, 403 or 429 | |
| `withdrawn` | the model is gone, 404 | |
| `misstated` | headers state that less is left than is true (`left`), for `wait` seconds | `left`, `wait` |
| `slow` | everything takes `seconds` longer, and `factor` times as long | `seconds`, `factor` |
| `slow_start` | a stream's first content comes `seconds` late; pings come meanwhile | `seconds` |
| `silent` | the request is taken and never answered | |
| `reset` | the connection breaks before the answer | |
| `refused`, `no_such_name` | there is no connection: nobody listens, the name does not resolve | |
| `stream_cut` | the connection breaks after `after` pieces of text | `after` |
| `stream_stalled` | nothing more comes after `after` pieces | `after` |
| `stream_malformed` | after `after` pieces an event is no JSON | `after` |
| `stream_error` | after `after` pieces comes an event that tells of an error | `after` |
| `stream_unfinished` | the body ends properly, the answer does not | `after` |
| `clock_jump` | the machine was asleep: `seconds` pass at once | `seconds` |
| `model_crash`, `router_crash` | the next message that the actor handles meets a bug, `times` times | `times` |
| `callers_leave` | each caller that waits leaves with this `probability` | `route` |
| `reset_by_hand` | an operator ends the candidate's cooldown | |
"""

from __future__ import annotations

import math
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from attrs import frozen

from ..actors.identity import ModelKey


class FaultKind(StrEnum):
    """What goes wrong; the table in the module's text says what each kind means."""

    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    ERROR_IN_200 = "error_in_200"
    NOT_JSON = "not_json"
    REVOKED = "revoked"
    OUT_OF_CREDIT = "out_of_credit"
    OUT_OF_QUOTA = "out_of_quota"
    WITHDRAWN = "withdrawn"
    MISSTATED = "misstated"
    SLOW = "slow"
    SLOW_START = "slow_start"
    SILENT = "silent"
    RESET = "reset"
    REFUSED = "refused"
    NO_SUCH_NAME = "no_such_name"
    STREAM_CUT = "stream_cut"
    STREAM_STALLED = "stream_stalled"
    STREAM_MALFORMED = "stream_malformed"
    STREAM_ERROR = "stream_error"
    STREAM_UNFINISHED = "stream_unfinished"
    CLOCK_JUMP = "clock_jump"
    MODEL_CRASH = "model_crash"
    ROUTER_CRASH = "router_crash"
    CALLERS_LEAVE = "callers_leave"
    RESET_BY_HAND = "reset_by_hand"


MOMENTS: Final = (
    FaultKind.CLOCK_JUMP,
    FaultKind.MODEL_CRASH,
    FaultKind.ROUTER_CRASH,
    FaultKind.CALLERS_LEAVE,
    FaultKind.RESET_BY_HAND,
)
"""The kinds that happen at one moment, outside any provider."""

DELAYS: Final = (FaultKind.SLOW, FaultKind.SLOW_START)
"""The kinds that let a request succeed after all, but late."""

UNREACHED: Final = (FaultKind.REFUSED, FaultKind.NO_SUCH_NAME)
"""The kinds that let nobody come as far as the provider."""

STREAM_FAULTS: Final = (
    FaultKind.STREAM_CUT,
    FaultKind.STREAM_STALLED,
    FaultKind.STREAM_MALFORMED,
    FaultKind.STREAM_ERROR,
    FaultKind.STREAM_UNFINISHED,
)
"""The kinds that touch only streams."""


class Wait(StrEnum):
    """What a provider that refuses says of how long to wait, if it is not simply a number of seconds."""

    RIGHT = "right"
    SHORT = "short"
    HUGE = "huge"
    MISSING = "missing"
    MALFORMED = "malformed"


def label_of(key: ModelKey) -> str:
    """Return the label of a candidate's credential, as globs and providers know it: ``none`` where there is none."""
    return key.credential or "none"


@frozen
class Fault:
    """Something that is wrong from `at` until `until` (virtual seconds), for whom the globs match.

    `flap` is a number of seconds on and a number of seconds off, again and again. `probability` is the share of the
    requests that it hits. The other fields are particular to some kinds: see the module's text.
    """

    kind: FaultKind
    at: float = 0.0
    until: float = math.inf
    candidate: str = "*"
    provider: str = "*"
    credential: str = "*"
    probability: float = 1.0
    flap: tuple[float, float] | None = None
    wait: Wait | float = Wait.RIGHT
    status: int | None = None
    seconds: float = 0.0
    factor: float = 1.0
    after: int = 2
    left: int = 0
    times: int = 1
    route: str = "*"

    def touches(self, key: ModelKey) -> bool:
        """Whether this is about that candidate."""
        return (
            fnmatchcase(key.name, self.candidate)
            and fnmatchcase(key.provider, self.provider)
            and fnmatchcase(label_of(key), self.credential)
        )

    def is_about(self, route: str) -> bool:
        """Whether this is about callers of that route."""
        return fnmatchcase(route, self.route)

    def is_on(self, now: float) -> bool:
        """Whether it is going on at `now`; one that flaps is on first."""
        if not self.at <= now < self.until:
            return False
        return self.flap is None or (now - self.at) % (self.flap[0] + self.flap[1]) < self.flap[0]

    def on_until(self, now: float) -> float:
        """When what is on at `now` will be off."""
        if self.flap is None:
            return self.until
        on, off = self.flap
        return min(self.until, now + on - (now - self.at) % (on + off))
