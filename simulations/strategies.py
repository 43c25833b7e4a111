"""Hypothesis strategies for rehearsals: topologies, traffic, fault storms, schedules, and whole scenarios of them.

Public, for users' own tests::

    from hypothesis import given
    from understudy.simulations import simulate, strategies

    @given(strategies.scenarios("models.yaml"))
    def test_no_storm_breaks_our_policy(scenario):
        assert simulate(scenario).ok

Everything is drawn *swarm style*: each scenario first draws which kinds of fault, which limits and which kinds of
caller it knows at all, so that each is common somewhere and no mixture drowns the rest. Everything shrinks: lists to
shorter ones, times to 0, names to the first, schedules to the order of creation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from os import PathLike
from typing import Any, Final

from attrs import evolve, frozen
from hypothesis import strategies as st

from ..actors.identity import ModelKey
from ..actors.messages import OnInterrupt
from ..supervisors.config import Config, load_config
from .faults import DELAYS, MOMENTS, STREAM_FAULTS, Fault, FaultKind, Wait
from .run import door_of
from .scenario import Caller, Flaw, LimitKind, ProviderScript, Scenario

__all__ = ["callers", "faults", "healed_scenarios", "scenarios", "schedules", "storms", "topologies"]

NAMES: Final = "abcde"
OWN_TURNS: Final = (0.0, 0.5, 1.0)
"""Which share of messages actors leave for a turn of their own: none, as in production, or what turns up races."""
SPEAKERS: Final = (
    ("openai", "openai"),
    ("openai", "openai"),
    ("openai", "openai"),
    ("anthropic", "anthropic"),
    ("gemini", "gemini"),
    ("azure", "azure"),
    ("anthropic", "openai"),
    ("gemini", "openai"),
)
"""Whose provider it is and how it is spoken to: mostly as OpenAI is, and each other dialect often enough."""
CALLERS_MAX: Final = 16
FAULTS_MAX: Final = 6
SCRIPT_MAX: Final = 40

KINDS_MAX: Final = 6
KINDS: Final = (*FaultKind, FaultKind.MODEL_CRASH, FaultKind.ROUTER_CRASH, FaultKind.RATE_LIMITED)
"""What is drawn from; some kinds lead further than others."""

WIRE_KINDS: Final = (*KINDS, *4 * (FaultKind.RESET, FaultKind.STREAM_CUT, FaultKind.CALLERS_LEAVE))
"""The same where requests go as HTTP: there connections break."""

STEP: Final = 5.0
"""Seconds: times are multiples of this, so that many things fall on the same instant."""

SOON: Final = 0.4
"""Steps after which one comes while the connection is kept that has served another."""

HEALED: Final = 400.0
"""When the chaos of a healed scenario is over."""

LONG: Final = 100_000.0
"""Seconds: a deadline that is sufficient for whatever must be waited for."""

Topology = Mapping[str, Any] | str | PathLike[str]
Draw = Callable[..., Any]


@frozen
class _Swarm:
    """What a scenario knows at all; `wire`: that requests go as HTTP."""

    wire: bool
    kinds: tuple[FaultKind, ...]
    streams: bool
    leaves: bool
    flaws: bool
    bursts: bool


# Topologies


@st.composite
def topologies(draw: Draw) -> dict[str, Any]:
    """Draw a config: up to five entries of all dialects that share addresses, credentials and models now and then.

    Their limits are small enough to be reached, and their cooldowns short enough to end within a run, in most.
    """
    limits = draw(st.sets(st.sampled_from(("rpm", "tpm", "max_parallel", "burst", "max_queued"))))
    extras = draw(st.sets(st.sampled_from(("retries", "windows", "vision", "timeouts", "keys"))))
    entries = draw(st.lists(_entries(sorted(limits), sorted(extras)), min_size=1, max_size=len(NAMES)))
    names = NAMES[: len(entries)]
    for name, entry in zip(names, entries, strict=True):
        entry["model_name"] = name
        entry["fallbacks"] = [other for other in names if other != name and other in entry["fallbacks"]]
    config: dict[str, Any] = {"model_list": entries}
    policy = draw(st.sampled_from((None, "classic", "short")))
    if policy is not None:
        config["policy"] = SHORT_POLICY if policy == "short" else policy
    if draw(st.booleans()):
        config["restarts"] = {"intensity": draw(st.integers(0, 4)), "period": 60}
    if draw(st.integers(0, 9)) == 9:
        config["max_pending"] = draw(st.integers(1, 6))
    if draw(st.integers(0, 3)) == 3:
        config["max_retry_after"] = draw(st.sampled_from((0, 10, 60)))
    return config


SHORT_POLICY: Final = {
    "forget_after": 60,
    "rate_limit": {"base": 10, "cap": 40},
    "overloaded": {"base": 5, "cap": 40},
    "auth": {"base": 20, "cap": 80},
    "billing": {"base": 20, "cap": 80},
    "unknown": {"base": 10},
}


@st.composite
def _entries(draw: Draw, limits: Sequence[str], extras: Sequence[str]) -> dict[str, Any]:
    """Draw an entry; which of its fallbacks there are is seen when all entries are there."""
    provider, dialect = draw(st.sampled_from(SPEAKERS))
    entry: dict[str, Any] = {
        "model_name": "",
        "model": f"{provider}/{draw(st.sampled_from(('m', 'n')))}",
        "api_base": f"https://{provider}.example/v1",
        "dialect": dialect,
    }
    credentials = st.sampled_from(("env:K1", "env:K2", "env:K3"))
    if "keys" in extras and draw(st.integers(0, 3)) == 3:
        entry["api_keys"] = sorted(draw(st.sets(credentials, min_size=1)))
    else:
        entry["api_key"] = draw(credentials)
    entry["fallbacks"] = [name for name in NAMES if draw(st.booleans())]
    for limit in limits:
        if draw(st.integers(0, 3)):
            entry[limit] = draw(LIMITS[limit])
    if "rpm" not in entry:
        entry.pop("burst", None)  # it means nothing then
    for extra in extras:
        if draw(st.booleans()):
            entry |= draw(EXTRAS[extra])
    return entry


LIMITS: Final[Mapping[str, st.SearchStrategy[int]]] = {
    "rpm": st.sampled_from((2, 1, 3, 6)),
    "tpm": st.integers(2, 8).map(lambda n: 50 * n),
    "max_parallel": st.integers(1, 3),
    "burst": st.integers(1, 3),
    "max_queued": st.integers(1, 3),
}

EXTRAS: Final[Mapping[str, st.SearchStrategy[dict[str, Any]]]] = {
    "retries": st.fixed_dictionaries({"retries": st.integers(1, 2), "retry_within": st.sampled_from((0, 2, 20))}),
    "windows": st.fixed_dictionaries({"context_window": st.sampled_from((100, 8192, 20_000))}),
    "vision": st.fixed_dictionaries({"vision": st.booleans(), "tools": st.booleans()}),
    "timeouts": st.fixed_dictionaries(
        {
            "first_event_timeout": st.sampled_from((10, 60)),
            "idle_timeout": st.sampled_from((10, 60)),
            "request_timeout": st.sampled_from((20, 300)),
        }
    ),
    "keys": st.just({}),
}


# Callers


def callers(config: Config, *, most: int = CALLERS_MAX) -> st.SearchStrategy[tuple[Caller, ...]]:
    """Draw single callers to the routes of a config: plain and streaming, patient and not, sound and at fault."""
    return _any_swarm().flatmap(lambda swarm: _callers(config, swarm, most))


def _callers(config: Config, swarm: _Swarm, most: int) -> st.SearchStrategy[tuple[Caller, ...]]:
    routes = sorted(config.routes)
    return st.lists(_one_caller(routes, swarm), min_size=1, max_size=most).map(_in_a_row)


def _in_a_row(drawn: Sequence[Caller]) -> tuple[Caller, ...]:
    """Let each come so long after the one before as its own time says."""
    times = accumulate(caller.at for caller in drawn)
    return tuple(evolve(caller, at=at) for caller, at in zip(drawn, times, strict=True))


@st.composite
def _one_caller(draw: Draw, routes: Sequence[str], swarm: _Swarm) -> Caller:
    often = (0, SOON, SOON, 1) if swarm.wire else (0, 1, 2, 6)
    gap = draw(st.sampled_from((0, 0, 0, 1) if swarm.bursts else often))
    route, timeout = draw(st.sampled_from(routes)), draw(st.sampled_from((30.0, 5.0, 90.0, 700.0)))
    caller = Caller(STEP * gap, route, timeout=timeout)
    if swarm.streams and draw(st.integers(0, 3)):
        restart = draw(st.booleans())
        slow = draw(st.integers(0, 3)) == 3
        caller = evolve(
            caller,
            stream=True,
            on_interrupt=OnInterrupt.RESTART if restart else OnInterrupt.RAISE,
            reads_every=STEP if slow else 0.0,
        )
    if draw(st.integers(0, 3)) == 3:
        caller = evolve(caller, wait_for_cooldown=True)
    if swarm.leaves and draw(st.booleans()):
        caller = evolve(caller, leaves_after=draw(st.sampled_from((0.0, 0.5, 1.0, 5.0, 40.0))))
    if draw(st.integers(0, 2)) == 2:
        caller = evolve(caller, prompt_tokens=draw(st.sampled_from((60, 150))), answer_tokens=10)
    return _flawed(draw, caller) if swarm.flaws else caller


def _flawed(draw: Draw, caller: Caller) -> Caller:
    odd = draw(st.sampled_from((None, None, None, None, *Flaw, "images", "tools", "logit_bias")))
    if isinstance(odd, Flaw):
        return evolve(caller, flaw=odd)
    return evolve(caller, images=odd == "images", tools=odd == "tools", logit_bias=odd == "logit_bias")


# Storms


def storms(config: Config, *, most: int = FAULTS_MAX) -> st.SearchStrategy[tuple[Fault, ...]]:
    """Draw what goes wrong: up to `most` faults, of the few kinds that this storm knows."""
    keys = sorted(config.entries)
    return _any_swarm().flatmap(lambda swarm: _storms(keys, swarm, most))


def _storms(keys: Sequence[ModelKey], swarm: _Swarm, most: int) -> st.SearchStrategy[tuple[Fault, ...]]:
    if not swarm.kinds:
        return st.just(())
    one = st.sampled_from(swarm.kinds).flatmap(lambda kind: faults(keys, kind))
    return st.lists(one, max_size=most).map(tuple)


@st.composite
def faults(draw: Draw, keys: Sequence[ModelKey], kind: FaultKind) -> Fault:
    """Draw one fault of a kind that touches one of the `keys` at least: when, for how long, whom, and how."""
    fault = Fault(kind, at=STEP * draw(st.sampled_from((0, 0, 1, 2, 4, 10))))
    if kind in MOMENTS:
        return _moment(draw, keys, fault)
    fault = _aimed(draw, keys, evolve(fault, until=fault.at + STEP * draw(st.sampled_from((6, 1, 20, 60)))))
    if draw(st.integers(0, 3)) == 3:
        fault = evolve(fault, probability=0.5)
    if draw(st.integers(0, 7)) == 7:
        fault = evolve(fault, flap=(STEP, 2 * STEP))
    return evolve(fault, **_particulars(draw, kind))


def _aimed(draw: Draw, keys: Sequence[ModelKey], fault: Fault) -> Fault:
    """Let a fault touch one of the keys, all that have something in common with it, or everybody."""
    key = draw(st.sampled_from(keys))
    match draw(st.sampled_from(("candidate", "candidate", "provider", "credential", "all"))):
        case "candidate":
            return evolve(fault, candidate=key.name)
        case "provider":
            return evolve(fault, provider=key.provider)
        case "credential" if key.credential is not None:
            return evolve(fault, credential=key.credential)
    return fault


def _particulars(draw: Draw, kind: FaultKind) -> dict[str, Any]:
    """Draw the fields that only some kinds have."""
    if kind in (FaultKind.RATE_LIMITED, FaultKind.OVERLOADED):
        return {"wait": draw(st.sampled_from((*Wait, 1.0, 15.0)))}
    if kind is FaultKind.SERVER_ERROR:
        return {"status": draw(st.sampled_from((None, 502, 504, 302)))}
    if kind is FaultKind.MISSTATED:
        return {"left": draw(st.integers(0, 2)), "wait": draw(st.sampled_from((5.0, 30.0)))}
    if kind in DELAYS:
        return {"seconds": draw(st.sampled_from((2.0, 15.0, 70.0)))}
    if kind in STREAM_FAULTS:
        return {"after": draw(st.integers(0, 3))}
    return {}


def _moment(draw: Draw, keys: Sequence[ModelKey], fault: Fault) -> Fault:
    # Not on the very instant of a caller's coming: half a second later there is something under way.
    fault = evolve(fault, at=fault.at + draw(st.sampled_from((0.25, 0.0))))
    match fault.kind:
        case FaultKind.CLOCK_JUMP:
            return evolve(fault, seconds=draw(st.sampled_from((10.0, 45.0, 300.0))))
        case FaultKind.MODEL_CRASH:
            return evolve(fault, candidate=draw(st.sampled_from(keys)).name, times=draw(st.sampled_from((1, 2, 6))))
        case FaultKind.RESET_BY_HAND:
            return evolve(fault, candidate=draw(st.sampled_from(keys)).name)
        case FaultKind.CALLERS_LEAVE:
            return evolve(fault, probability=draw(st.sampled_from((1.0, 0.5))))
    return fault


# Schedules


def schedules(*, most: int = SCRIPT_MAX) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw a script for the scheduler: see `stage.Schedule`. It shrinks to the order of creation."""
    return st.lists(st.integers(0, 5), max_size=most).map(tuple)


# Scenarios


def scenarios(config: Topology | None = None) -> st.SearchStrategy[Scenario]:
    """Draw a whole scenario, over a given topology or one that is drawn as well.

    `config` is what `understudy.open_router` takes: the path of a config, or a mapping. No secret is looked up.
    """
    return _topology(config).flatmap(_scenarios)


def healed_scenarios(config: Topology | None = None) -> st.SearchStrategy[Scenario]:
    """Draw a scenario of two phases: chaos, and then a core that is well while all others are dead for good.

    Whoever comes in the second phase and has time enough must be served.
    """
    return _topology(config).flatmap(_healed)


def _topology(config: Topology | None) -> st.SearchStrategy[Topology]:
    return topologies() if config is None else st.just(config)


def _load(config: Topology) -> Config:
    return load_config(config, secrets=False)


@st.composite
def _scenarios(draw: Draw, topology: Topology) -> Scenario:
    config = _load(topology)
    swarm = draw(_any_swarm())
    asking = draw(_callers(config, swarm, CALLERS_MAX))
    # Trouble where nobody goes is none.
    visited = dict.fromkeys(key for caller in asking for key in config.routes[caller.route])
    return Scenario(
        "a storm",
        topology,
        callers=asking,
        providers=(draw(_providers()),),
        faults=draw(_storms(tuple(visited), swarm, FAULTS_MAX)),
        seed=draw(st.integers(0, 255)),
        script=draw(schedules()),
        own_turns=draw(st.sampled_from(OWN_TURNS)),
        wire=swarm.wire,
    )


@st.composite
def _healed(draw: Draw, topology: Topology) -> Scenario:
    chaos = draw(_scenarios(topology))
    config = _load(topology)
    route = draw(st.sampled_from(sorted(config.routes)))
    core = draw(st.sampled_from(config.routes[route])).name
    # Nobody is there to put a router up again that has crashed too often.
    storm = tuple(fault for fault in chaos.faults if fault.kind is not FaultKind.ROUTER_CRASH)
    storm = tuple(fault if fault.kind in MOMENTS else evolve(fault, until=min(fault.until, HEALED)) for fault in storm)
    dead = [
        Fault(draw(st.sampled_from(DEADLY)), at=HEALED, candidate=key.name)
        for key in config.routes[route]
        if key.name != core and not _same_door(config, key.name, core)
    ]
    revived = Fault(FaultKind.RESET_BY_HAND, at=HEALED, candidate=core)
    late = tuple(
        Caller(HEALED + STEP * (i + 1), route, group="late", timeout=LONG, wait_for_cooldown=True, stream=streams)
        for i, streams in enumerate(draw(st.lists(st.booleans(), min_size=1, max_size=3)))
    )
    scenario: Scenario = evolve(
        chaos,
        callers=chaos.callers + late,
        faults=(*storm, *dead, revived),
        healed_at=HEALED + STEP,
    )
    return scenario


DEADLY: Final = (
    FaultKind.SERVER_ERROR,
    FaultKind.REFUSED,
    FaultKind.SILENT,
    FaultKind.WITHDRAWN,
    FaultKind.RATE_LIMITED,
)
"""How a candidate is dead for good, without that touching whoever shares its credential."""


def _same_door(config: Config, one: str, other: str) -> bool:
    """Whether two candidates are the same to their provider, and so fail together."""
    doors = {key.name: door_of(entry) for key, entry in config.entries.items()}
    return doors[one] == doors[other]


@st.composite
def _providers(draw: Draw) -> ProviderScript:
    slow = draw(st.sampled_from((0.5, 2.0, 8.0)))
    return ProviderScript(
        latency=((0.0, slow / 2), (1.0, slow)) if draw(st.booleans()) else ((0.0, slow), (1.0, slow)),
        limit=draw(st.sampled_from(LimitKind)),
        states_limits=draw(st.booleans()),
    )


@st.composite
def _any_swarm(draw: Draw) -> _Swarm:
    """Draw what a scenario knows at all."""
    count = draw(st.integers(0, KINDS_MAX))
    wire = draw(st.booleans())
    kinds = draw(st.lists(st.sampled_from(WIRE_KINDS if wire else KINDS), min_size=count, max_size=count, unique=True))
    yes = st.booleans()
    streams = draw(yes) or any(kind in STREAM_FAULTS or kind is FaultKind.SLOW_START for kind in kinds)
    return _Swarm(wire, tuple(kinds), streams, draw(yes), draw(yes), draw(yes))
