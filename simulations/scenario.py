"""What a rehearsal plays: topology, traffic, providers, faults over time, and what is expected of it all.

A scenario is plain data. Its topology is a config as users write it, or the path of one; its secrets are placeholders.
All times are virtual seconds from the beginning of the run. How a scenario is written in a file is told in
`scenario_files`; how traffic becomes single callers, in `traffic`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from os import PathLike
from typing import Any

from attrs import field, frozen

from ..actors.messages import OnInterrupt
from ..supervisors.config import Config, load_config
from .faults import Fault


class Flaw(StrEnum):
    """How a request can itself be at fault."""

    FORMAT = "format"
    CONTENT_FILTER = "content_filter"
    TOO_LONG = "too_long"


@frozen
class Caller:
    """One request that will be made.

    Attributes:
        at: when.
        route: what is asked for.
        group: the class of callers that it belongs to, for reports and expectations.
        stream: whether the reply is read as it is written.
        timeout: the caller's deadline, in seconds.
        prompt_tokens, answer_tokens: sizes.
        wait_for_cooldown, on_interrupt: as for `Router.chat` and `Router.stream`.
        leaves_after: after how many seconds it cancels, ``None``: it stays.
        reads_every: how many seconds it takes over each piece of a stream.
        flaw: what is wrong with the request itself.
        images, tools: whether the request has any.
        logit_bias: whether it asks for what only OpenAI's dialect has a word for.
        retries, retry_wait: how often it asks again after a failure, and after how many seconds.

    """

    at: float
    route: str
    group: str = "callers"
    stream: bool = False
    timeout: float = 30.0
    prompt_tokens: int = 20
    answer_tokens: int = 5
    wait_for_cooldown: bool = False
    on_interrupt: OnInterrupt = OnInterrupt.RAISE
    leaves_after: float | None = None
    reads_every: float = 0.0
    flaw: Flaw | None = None
    images: bool = False
    tools: bool = False
    logit_bias: bool = False
    retries: int = 0
    retry_wait: float = 1.0


class Arrivals(StrEnum):
    """How callers of one class are spread over time."""

    EVEN = "even"
    RANDOM = "random"


@frozen
class Traffic:
    """A class of callers: what each is like, and how many come when.

    `rate` is in requests a second: points of (time, rate) with straight lines between them, constant after the last.
    `burst` callers come at once at `start`, besides. `stream`, `leave`, `images`, `tools`, `logit_bias` and each flaw's
    are shares between 0 and 1; `prompt_tokens`, `answer_tokens` and `leaves_after` are ranges.
    """

    route: str
    name: str = "callers"
    rate: tuple[tuple[float, float], ...] = ()
    start: float = 0.0
    end: float = 60.0
    burst: int = 0
    arrivals: Arrivals = Arrivals.RANDOM
    stream: float = 0.0
    timeout: float = 30.0
    prompt_tokens: tuple[int, int] = (20, 200)
    answer_tokens: tuple[int, int] = (5, 100)
    wait_for_cooldown: bool = False
    on_interrupt: OnInterrupt = OnInterrupt.RAISE
    leave: float = 0.0
    leaves_after: tuple[float, float] = (0.0, 5.0)
    reads_every: float = 0.0
    flaws: Mapping[Flaw, float] = field(factory=dict)
    images: float = 0.0
    tools: float = 0.0
    logit_bias: float = 0.0
    retries: int = 0
    retry_wait: float = 1.0


class LimitKind(StrEnum):
    """How a provider counts."""

    SLIDING_WINDOW = "sliding_window"
    FIXED_WINDOW = "fixed_window"
    TOKEN_BUCKET = "token_bucket"  # noqa: S105 - it is no password


@frozen
class ProviderScript:
    """How the providers behave that the globs name; for each candidate the first script that fits counts.

    Attributes:
        candidate, provider: whom this is about.
        latency: seconds until an answer begins: points of (quantile, seconds), with straight lines between them.
        per_token: seconds that each token of the answer takes on top.
        limit: how it counts what it lets through.
        rpm, tpm: its own limits for one credential and model; ``None``: as many as the config's entries allow
            together, 0: none.
        capacity: how many requests it can work on at once; beyond that it is overloaded. ``None``: any number.
        slowdown: how much longer each request takes for every other one in work, as a share of its own time.
        states_limits: whether its answers say what is left.

    """

    candidate: str = "*"
    provider: str = "*"
    latency: tuple[tuple[float, float], ...] = ((0.0, 0.2), (0.5, 0.4), (0.9, 0.8), (1.0, 2.0))
    per_token: float = 0.005
    limit: LimitKind = LimitKind.SLIDING_WINDOW
    rpm: float | None = None
    tpm: float | None = None
    capacity: int | None = None
    slowdown: float = 0.0
    states_limits: bool = False


@frozen
class Expectation:
    """What must come true. Whatever is ``None`` or empty is not expected.

    Attributes:
        callers: which classes of callers it is about, a glob.
        start, end: about those who ask in this time.
        availability: the least share of requests that are served. Those that are themselves at fault, and those whose
            callers leave, do not count.
        latency: the longest time until the whole answer is there, by percentile (50, 95, 99 …), in seconds.
        first_content: the same until the first content of a stream.
        share: the least and the largest share of all served requests that candidates (a glob) may serve together.
        spent: the most attempts and tokens that may be spent on candidates (a glob) together.
        recovery: within how many seconds after the end of a fault each candidate that failed by it serves again, if
            it is asked at all.

    """

    callers: str = "*"
    start: float = 0.0
    end: float = math.inf
    availability: float | None = None
    latency: Mapping[float, float] = field(factory=dict)
    first_content: Mapping[float, float] = field(factory=dict)
    share: Mapping[str, tuple[float, float]] = field(factory=dict)
    spent: Mapping[str, tuple[float, float]] = field(factory=dict)
    recovery: float | None = None


@frozen
class Scenario:
    """One play.

    Attributes:
        name: what it is called.
        teaches: what it shows, for people.
        config: the topology: a config as a mapping, or the path of one.
        traffic, callers: who asks: classes of callers, and single ones.
        providers: how the providers behave when nothing is wrong.
        faults: what goes wrong.
        expectations: what must come true all the same.
        seed: what the run's randomness is drawn from, unless another seed is given.
        script: which of the tasks that are ready goes first, see `stage.Schedule`; ``None``: by the seed.
        own_turns: the share of messages that an actor leaves for a turn of its own, rather than handle them at once.
        wire: whether requests go as HTTP; otherwise the providers are reached above it, which is faster.
        healed_at: from when on whoever the faults still touch is dead for good and all others are well; every request
            with time enough that comes later must be served. ``None``: there is no such time.

    """

    name: str
    config: Mapping[str, Any] | str | PathLike[str] = field(repr=False)  # it may hold keys
    teaches: str = ""
    traffic: tuple[Traffic, ...] = ()
    callers: tuple[Caller, ...] = ()
    providers: tuple[ProviderScript, ...] = ()
    faults: tuple[Fault, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    seed: int = 0
    script: tuple[int, ...] | None = None
    own_turns: float = 0.0
    wire: bool = True
    healed_at: float | None = None

    def load(self) -> Config:
        """Return the topology. No secret is looked up: each is a placeholder made of its label.

        Raises:
            ConfigError: the config does not hold.

        """
        return load_config(self.config, secrets=False)
