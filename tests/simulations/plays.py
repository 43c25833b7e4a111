"""Plays that reports and pictures are tried on: each performed once, and small."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from understudy.simulations.faults import Fault, FaultKind
from understudy.simulations.scenario import Caller, Expectation, ProviderScript, Scenario
from understudy.simulations.simulation import Report, simulate
from understudy.simulations.trace import Trace

CONFIG: dict[str, Any] = {
    "model_list": [
        {
            "model_name": "glm",
            "model": "zhipu/glm-4.7",
            "api_base": "https://zhipu.example/v4",
            "api_keys": ["env:FIRST", "env:SECOND"],
            "rpm": 60,
            "max_parallel": 4,
            "fallbacks": ["haiku"],
        },
        {
            "model_name": "haiku",
            "model": "anthropic/claude-haiku",
            "api_base": "https://anthropic.example/v1",
            "api_key": "env:THIRD",
        },
    ]
}


def _callers(count: int, every: float, **more: Any) -> tuple[Caller, ...]:
    return tuple(
        Caller(i * every, "glm", group="readers" if i % 4 == 3 else "askers", stream=i % 4 == 3, **more)
        for i in range(count)
    )


def limited() -> Scenario:
    """The model is rate-limited for two minutes of five."""
    return Scenario(
        "limited",
        CONFIG,
        teaches="The fallback serves\nwhile the model cannot.",
        callers=_callers(300, 1.0),
        faults=(Fault(FaultKind.RATE_LIMITED, 60.0, 180.0, candidate="glm*"),),
        expectations=(
            Expectation(availability=1.0, latency={99.0: 4.0}),
            Expectation(share={"haiku": (0.3, 0.5)}),
        ),
        wire=False,
    )


def outage() -> Scenario:
    """Nobody can serve for a minute."""
    return Scenario(
        "outage",
        CONFIG,
        callers=_callers(240, 0.5),
        faults=(Fault(FaultKind.OVERLOADED, 30.0, 90.0), Fault(FaultKind.STREAM_CUT, 100.0, 110.0, candidate="haiku")),
        expectations=(Expectation(availability=0.99),),
        seed=5,
        wire=False,
    )


def crashes() -> Scenario:
    """Actors crash, one of them for good until somebody brings it back; credentials are shared."""
    return Scenario(
        "crashes",
        CONFIG,
        callers=_callers(200, 0.5, timeout=10.0),
        faults=(
            Fault(FaultKind.MODEL_CRASH, 20.2, candidate="glm"),
            Fault(FaultKind.MODEL_CRASH, 30.2, candidate="glm", times=8),
            Fault(FaultKind.ROUTER_CRASH, 50.2),
            Fault(FaultKind.RESET_BY_HAND, 70.0, candidate="glm"),
        ),
        wire=False,
    )


def crowd() -> Scenario:
    """There is one slow model, so that callers queue, leave and run out of time; it flaps as well."""
    alone = {**CONFIG["model_list"][0], "fallbacks": [], "api_keys": ["env:FIRST"], "max_parallel": 2}
    return Scenario(
        "crowd",
        {"model_list": [alone]},
        callers=tuple(
            Caller(i * 0.5, "glm", stream=i % 3 == 0, timeout=12.0, leaves_after=2.0 if i % 7 == 0 else None)
            for i in range(240)
        ),
        providers=(ProviderScript(latency=((0.0, 0.5), (1.0, 2.0))),),
        faults=(Fault(FaultKind.SERVER_ERROR, 60.0, 100.0, flap=(5.0, 10.0)),),
        wire=False,
    )


PLAYS: tuple[Callable[[], Scenario], ...] = (limited, outage, crashes, crowd)
NAMES = tuple(play.__name__ for play in PLAYS)


@cache
def played(name: str) -> Report:
    """Return the report of a play."""
    return simulate(next(play for play in PLAYS if play.__name__ == name)())


def facts_alone(trace: Trace, clock: float = 0.0) -> Trace:
    """Return what production would have recorded, on a clock that shows so much more."""
    import attrs

    moved: list[Any] = []
    for fact in trace.facts():
        details = {
            name: value + clock if name in ("until", "ready_at", "deadline") and isinstance(value, float) else value
            for name, value in fact.details.items()
        }
        moved.append(attrs.evolve(fact, at=fact.at + clock, details=details))
    return Trace(records=moved)
