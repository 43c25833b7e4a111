"""Scenarios on which the invariants are tried: small ones in which much goes wrong, each in its own way."""

from __future__ import annotations

from functools import cache
from typing import Any

from attrs import evolve

from understudy.actors.messages import OnInterrupt
from understudy.simulations.faults import Fault, FaultKind, Wait
from understudy.simulations.rehearsal import rehearse
from understudy.simulations.run import Run
from understudy.simulations.scenario import Caller, Flaw, LimitKind, ProviderScript, Scenario, Traffic
from understudy.simulations.trace import Trace

TIMEOUTS = {"first_event_timeout": 5, "idle_timeout": 5, "request_timeout": 10}

ENTRIES: list[dict[str, Any]] = [
    {
        "model_name": "small",
        "model": "openai/small",
        "api_base": "https://one.example/v1",
        "api_key": "env:SHARED",
        "rpm": 30,
        "burst": 6,
        "tpm": 4000,
        "max_parallel": 3,
        "max_queued": 4,
        "retries": 1,
        "retry_within": 2,
        "context_window": 2000,
        "vision": False,
        "fallbacks": ["kin", "large"],
        **TIMEOUTS,
    },
    {
        "model_name": "kin",
        "model": "anthropic/kin",
        "api_base": "https://two.example/v1",
        "api_key": "env:SHARED",
        "rpm": 20,
        "max_parallel": 2,
        "fallbacks": ["large"],
        **TIMEOUTS,
    },
    {
        "model_name": "large",
        "model": "gemini/large",
        "api_base": "https://three.example/v1",
        "api_keys": ["env:THIRD", "env:FOURTH"],
        "rpm": 40,
        "context_window": 40_000,
        **TIMEOUTS,
    },
    {"model_name": "local", "model": "openai/llama", "api_base": "http://localhost:11434/v1", "max_parallel": 1},
]

POLICY = {
    "forget_after": 60,
    "rate_limit": {"base": 5, "cap": 20},
    "overloaded": {"base": 4, "cap": 20},
    "server_error": {"base": 6, "cap": 30},
    "network": {"base": 3, "cap": 30},
    "auth": {"base": 8, "cap": 40},
}

CONFIG: dict[str, Any] = {
    "model_list": ENTRIES,
    "policy": POLICY,
    "restarts": {"intensity": 2, "period": 20},
    "max_pending": 40,
    "max_retry_after": 30,
}


def storm(seed: int) -> Scenario:
    """Many callers of every kind, and one fault after another."""
    return Scenario(
        "storm",
        CONFIG,
        traffic=(
            Traffic("small", "askers", rate=((0, 1.0),), end=120, leave=0.1, timeout=20, flaws={Flaw.FORMAT: 0.05}),
            Traffic("small", "readers", rate=((0, 0.7),), end=120, stream=1.0, timeout=20, leave=0.1),
            Traffic("kin", "patient", rate=((0, 0.3),), end=120, wait_for_cooldown=True, timeout=60, stream=0.5),
            Traffic("small", "odd", rate=((0, 0.2),), end=120, images=0.3, flaws={Flaw.TOO_LONG: 0.5}, stream=0.5),
            Traffic(
                "local", "crowd", burst=4, start=15, end=15, on_interrupt=OnInterrupt.RESTART, stream=0.5, timeout=5
            ),
        ),
        providers=(
            ProviderScript("large*", limit=LimitKind.FIXED_WINDOW, states_limits=True, rpm=30),
            ProviderScript("local", latency=((0, 1.0), (1, 3.0))),
            ProviderScript(latency=((0, 0.3), (1, 2.0)), states_limits=True),
        ),
        faults=(
            Fault(FaultKind.SERVER_ERROR, 5, 15, candidate="small", probability=0.5),
            Fault(FaultKind.RESET_BY_HAND, 13, candidate="small"),
            Fault(FaultKind.RATE_LIMITED, 17, 21, candidate="small", probability=0.6, wait=Wait.SHORT),
            Fault(FaultKind.RATE_LIMITED, 21, 30, candidate="small", probability=0.7, wait=Wait.MISSING),
            Fault(FaultKind.RATE_LIMITED, 30, 34, candidate="kin", probability=0.5, wait=Wait.HUGE),
            Fault(FaultKind.RESET_BY_HAND, 37, candidate="kin"),
            Fault(FaultKind.OVERLOADED, 34, 38, candidate="large*", probability=0.5, wait=7),
            Fault(FaultKind.OVERLOADED, 34, 38, candidate="large*", probability=0.5, wait=2),
            Fault(FaultKind.STREAM_CUT, 25, 40, probability=0.6, after=1),
            Fault(FaultKind.REVOKED, 40, 50, candidate="small"),
            Fault(FaultKind.MODEL_CRASH, 55, candidate="small", times=2),
            Fault(FaultKind.SILENT, 60, 66, candidate="kin", probability=0.8),
            Fault(FaultKind.ROUTER_CRASH, 70),
            Fault(FaultKind.MISSTATED, 72, 80, candidate="kin", wait=9, left=1),
            Fault(FaultKind.MODEL_CRASH, 75, candidate="kin", times=3),
            Fault(FaultKind.RESET_BY_HAND, 90, candidate="kin"),
            Fault(FaultKind.REFUSED, 85, 95, candidate="small", probability=0.7),
            Fault(FaultKind.CLOCK_JUMP, 100, seconds=25),
            Fault(FaultKind.CALLERS_LEAVE, 110, probability=0.5),
            Fault(FaultKind.OVERLOADED, 112, 118, wait=Wait.MISSING),
        ),
        seed=seed,
        wire=False,
    )


def crowd(seed: int) -> Scenario:
    """More callers than the limits let through: lines, and nothing else."""
    return Scenario(
        "crowd",
        CONFIG,
        traffic=(
            Traffic("small", burst=38, start=1, end=1, timeout=90, leave=0.2, leaves_after=(0.0, 30.0)),
            Traffic("local", burst=5, start=2, end=2, timeout=12),
            Traffic("small", rate=((0, 2.5),), end=60, timeout=30, answer_tokens=(5, 400)),
        ),
        seed=seed,
        wire=False,
    )


def healed(seed: int) -> Scenario:
    """Chaos, and then one candidate is well and the others are dead."""
    chaos = storm(seed)
    late = tuple(Caller(400.0 + 3 * i, "small", "late", timeout=90.0, stream=bool(i % 2)) for i in range(10))
    dead = tuple(Fault(FaultKind.SERVER_ERROR, 300, candidate=name) for name in ("small", "kin", "local"))
    return evolve(chaos, callers=late, faults=(*chaos.faults, *dead), healed_at=395.0)


def wired(seed: int) -> Scenario:
    """A short storm that goes as HTTP."""
    return evolve(
        storm(seed),
        traffic=tuple(evolve(traffic, end=min(traffic.end, 45)) for traffic in storm(seed).traffic),
        faults=storm(seed).faults[:5],
        wire=True,
    )


@cache
def stormy(seed: int = 3) -> Run:
    """A storm that was performed."""
    return rehearse(storm(seed))


@cache
def crowded(seed: int = 3) -> Run:
    """A crowd that was served."""
    return rehearse(crowd(seed))


def with_records(run: Run, records: list[Any], **changes: Any) -> Run:
    """The same run, with another trace."""
    return evolve(run, trace=Trace(run.trace.header, records), **changes)
