"""What a rehearsal plays: topology, traffic, and faults over time. One scenario is built in.

A scenario's topology is a config as users write it; only the secrets are the rehearsal's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen

from .faults import Fault, FaultKind
from .world import Host

MINUTE: Final = 60.0


@frozen
class Traffic:
    """Steady traffic to one route: a request every `every` seconds, moved by up to `jitter` seconds either way.

    Every `stream_each`-th request is a stream (0: none). `timeout` is each caller's deadline in seconds.
    """

    route: str
    every: float
    duration: float
    jitter: float = 0.0
    stream_each: int = 0
    timeout: float = 30.0


@frozen
class Scenario:
    """One play: `lesson` tells what it shows."""

    name: str
    lesson: str
    config: Mapping[str, Any]
    environ: Mapping[str, str] = field(repr=False)
    hosts: Sequence[Host]
    traffic: Traffic
    faults: Sequence[Fault]


BUILT_IN: Final = Scenario(
    name="a bad hour",
    lesson=(
        "Two keys of one model and a fallback at another provider. The first key is rate-limited for ten minutes and"
        " later revoked, which its sibling covers; then the whole provider is down for five, which the fallback covers."
    ),
    config={
        "model_list": [
            {
                "model_name": "glm-4.7",
                "model": "zhipu/glm-4.7",
                "api_base": "https://zhipu.example/v4",
                "api_keys": ["env:ZHIPU_KEY_1", "env:ZHIPU_KEY_2"],
                "rpm": 60,
                "max_parallel": 8,
                "fallbacks": ["claude-haiku"],
            },
            {
                "model_name": "claude-haiku",
                "model": "anthropic/claude-haiku-4-5",
                "api_base": "https://anthropic.example/v1",
                "api_key": "env:ANTHROPIC_KEY",
            },
        ]
    },
    environ={
        "ZHIPU_KEY_1": "rehearsal-secret-z1",
        "ZHIPU_KEY_2": "rehearsal-secret-z2",
        "ANTHROPIC_KEY": "rehearsal-secret-a",
    },
    hosts=[
        Host(
            "zhipu.example",
            {"rehearsal-secret-z1": "env:ZHIPU_KEY_1", "rehearsal-secret-z2": "env:ZHIPU_KEY_2"},
            ["glm-4.7"],
        ),
        Host("anthropic.example", {"rehearsal-secret-a": "env:ANTHROPIC_KEY"}, ["claude-haiku-4-5"], (0.4, 1.5)),
    ],
    traffic=Traffic("glm-4.7", every=2.0, duration=60 * MINUTE, jitter=0.9, stream_each=4),
    faults=[
        Fault(FaultKind.RATE_LIMITED, 5 * MINUTE, 15 * MINUTE, "zhipu.*", "env:ZHIPU_KEY_1"),
        Fault(FaultKind.REVOKED, 25 * MINUTE, 60 * MINUTE, "zhipu.*", "env:ZHIPU_KEY_1"),
        Fault(FaultKind.UNREACHABLE, 40 * MINUTE, 45 * MINUTE, "zhipu.*"),
    ],
)
