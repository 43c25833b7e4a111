"""A scenario in which everything happens at once, for whoever wants to see whether that is repeatable."""

from __future__ import annotations

from typing import Any

from understudy.simulations.faults import Fault, FaultKind
from understudy.simulations.scenario import Arrivals, Flaw, Scenario, Traffic

CONFIG: dict[str, Any] = {
    "model_list": [
        {
            "model_name": "first",
            "model": "openai/large",
            "api_base": "https://first.example/v1",
            "api_key": "env:FIRST",
            "fallbacks": ["second"],
            "first_event_timeout": 10,
            "idle_timeout": 10,
            "request_timeout": 40,
        },
        {
            "model_name": "second",
            "model": "anthropic/small",
            "api_base": "https://second.example/v1",
            "api_key": "env:SECOND",
        },
    ]
}

STORM = Scenario(
    "everything at once",
    {**CONFIG, "restarts": {"intensity": 3, "period": 60}},
    traffic=(
        Traffic("first", "plain", rate=((0.0, 2.0), (60.0, 6.0)), end=90.0, leave=0.1),
        Traffic("second", "streams", rate=((0.0, 1.0),), end=90.0, stream=1.0, flaws={Flaw.FORMAT: 0.05}, retries=1),
        Traffic("first", "all at once", burst=20, start=30.0, end=30.0, arrivals=Arrivals.EVEN, wait_for_cooldown=True),
    ),
    faults=(
        *(Fault(kind, at=4.0 * i, until=4.0 * i + 8, probability=0.5) for i, kind in enumerate(FaultKind)),
        Fault(FaultKind.MODEL_CRASH, at=20.0, candidate="second", times=2),
    ),
    seed=7,
)
