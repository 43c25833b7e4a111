"""The rehearsal: the real runtime in a virtual world, deterministic from its seed.

`simulate` performs a scenario and checks it; `load_scenario` reads one from a file. Strategies for Hypothesis are in
`understudy.simulations.strategies`, and `understudy.simulations.fuzz` searches with them for a storm that breaks an
invariant; both need the extra ``cli``.
"""

from __future__ import annotations

from .expectations import Verdict
from .faults import Fault, FaultKind, Wait
from .invariants import INVARIANTS, Violation, violations
from .recast import recast
from .rehearsal import rehearse
from .run import Run
from .scenario import Arrivals, Caller, Expectation, Flaw, LimitKind, ProviderScript, Scenario, Traffic
from .scenario_files import ScenarioError, built_in_scenarios, find_scenario, load_scenario, write_scenario
from .simulation import Report, simulate
from .stage import Schedule, StageError
from .trace import Scene, Sight, Trace, TraceError, TraceWriter, read_trace

__all__ = [
    "INVARIANTS",
    "Arrivals",
    "Caller",
    "Expectation",
    "Fault",
    "FaultKind",
    "Flaw",
    "LimitKind",
    "ProviderScript",
    "Report",
    "Run",
    "Scenario",
    "ScenarioError",
    "Scene",
    "Schedule",
    "Sight",
    "StageError",
    "Trace",
    "TraceError",
    "TraceWriter",
    "Traffic",
    "Verdict",
    "Violation",
    "Wait",
    "built_in_scenarios",
    "find_scenario",
    "load_scenario",
    "read_trace",
    "recast",
    "rehearse",
    "simulate",
    "violations",
    "write_scenario",
]
