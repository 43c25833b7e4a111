"""A rehearsal whose callers use OpenAI's SDK: all invariants hold, in every dialect behind it."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import httpx2
import openai
import pytest

from tests.sdk.common import SDKS_OWN, told
from understudy import Reply, Router, RouterTransport
from understudy.actors.errors import UnderstudyError
from understudy.simulations import Fault, FaultKind, Scenario, Traffic, simulate
from understudy.simulations.asking import request_of
from understudy.simulations.expectations import asks
from understudy.simulations.rehearsal import _Play
from understudy.simulations.scenario import Caller, Flaw

pytestmark = SDKS_OWN

CONFIG: dict[str, Any] = {
    "default_timeout": 30,
    "model_list": [
        {
            "model_name": "first",
            "model": "openai/m",
            "api_base": "https://one.example/v1",
            "api_keys": ["env:K1", "env:K2"],
            "rpm": 40,
            "fallbacks": ["claude", "flash"],
        },
        {"model_name": "claude", "model": "anthropic/c", "api_key": "env:K3"},
        {"model_name": "flash", "model": "gemini/g", "api_key": "env:K4"},
    ],
}
NAMES = {
    openai.APITimeoutError: "DeadlineExceeded",
    openai.BadRequestError: "RequestRejected",
    openai.APIConnectionError: "StreamInterrupted",
}
"""What the checkers know an end by. Whatever else the SDK raises is that nobody could serve."""


def as_ours(error: openai.OpenAIError) -> UnderstudyError:
    """Return what the SDK raised under the name that the trace has for it."""
    name = NAMES.get(type(error), "AllCandidatesFailed")
    kind: type[UnderstudyError] = type(name, (UnderstudyError,), {})
    return kind(str(error))


async def get(play: _Play, router: Router, number: int, caller: Caller) -> tuple[Reply, str]:
    """Ask as a rehearsal's caller does, through the SDK."""
    messages, params = request_of(number, caller, introduces=play.run.introduces)
    http = httpx2.AsyncClient(transport=RouterTransport.of(httpx2, router))
    client = openai.AsyncOpenAI(api_key="unused", http_client=http, timeout=caller.timeout)
    client._platform = "Unknown"  # else the SDK asks for it in a thread, and a stage has none
    ask: Any = client.chat.completions.with_raw_response.create
    body: dict[str, Any] = {}
    try:
        raw = await ask(model=caller.route, messages=messages, stream=caller.stream, **params)
        if caller.stream:
            async for chunk in raw.parse():
                add(body, chunk.model_dump())
        else:
            body = raw.parse().model_dump()
    except openai.OpenAIError as error:
        raise as_ours(error) from error
    name, _ = told(raw.headers)
    key = next(key for key in play.run.config.entries if key.name == name)
    reply = Reply(body, key, ())
    return reply, reply.text


def add(body: dict[str, Any], chunk: dict[str, Any]) -> None:
    """Add up what matters of a stream."""
    body |= {name: chunk[name] for name in ("id", "system_fingerprint", "usage") if chunk.get(name)}
    (whole,) = body.setdefault("choices", [{"message": {"content": ""}, "finish_reason": None}])
    for choice in chunk["choices"]:
        whole["message"]["content"] += choice["delta"].get("content") or ""
        whole["finish_reason"] = choice["finish_reason"] or whole["finish_reason"]


@pytest.mark.parametrize("seed", [0, 1])
def test_all_invariants_hold_where_callers_use_the_sdk(seed: int) -> None:
    scenario = Scenario(
        "an SDK in a storm",
        CONFIG,
        traffic=(Traffic("first", rate=((0.0, 1.5),), end=90.0, stream=0.3, flaws={Flaw.FORMAT: 0.05}),),
        faults=(
            Fault(FaultKind.RATE_LIMITED, 10.0, until=30.0, credential="env:K1"),
            Fault(FaultKind.OVERLOADED, 20.0, until=50.0, provider="openai"),
            Fault(FaultKind.REVOKED, 25.0, until=40.0, candidate="claude"),
            Fault(FaultKind.STREAM_CUT, 50.0, until=70.0, provider="openai", probability=0.5),
            Fault(FaultKind.SERVER_ERROR, 60.0, until=80.0, probability=0.5),
        ),
        seed=seed,
    )
    with patch.object(_Play, "_get", get):
        report = simulate(scenario, check_determinism=True)
    assert not report.violations, [str(violation) for violation in report.violations]
    ends = [ask.outcome for ask in asks(report.run)]
    assert ends.count("served") > len(ends) / 2
    assert {"served", "RequestRejected", "StreamInterrupted"} <= set(ends)
    assert {ask.told.key.name for ask in asks(report.run) if ask.told and ask.told.key} >= {"first", "claude", "flash"}
