"""A rehearsal with `wire` runs the lean line's own code, so that a fault in it is found there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings

from understudy.actors.providers.lean import reader
from understudy.actors.providers.lean.connection import Connection
from understudy.actors.providers.lean.quick_reader import QuickReader
from understudy.actors.providers.lean.reader import H11Reader
from understudy.simulations import strategies
from understudy.simulations.faults import Fault, FaultKind
from understudy.simulations.fuzz import QUIET
from understudy.simulations.rehearsal import rehearse
from understudy.simulations.scenario import Caller, Scenario
from understudy.simulations.simulation import Report, simulate
from understudy.simulations.wire import SERVED_MAX

CONFIG = {
    "model_list": [
        {"model_name": "first", "model": "openai/m-1", "api_base": "https://one.test/v1", "api_key": "env:ONE",
         "fallbacks": ["second"]},
        {"model_name": "second", "model": "openai/m-2", "api_base": "https://two.test/v1", "api_key": "env:TWO"},
    ]
}  # fmt: skip
REQUESTS = 8 * SERVED_MAX


def play(*faults: Fault) -> Report:
    """Callers one after another, soon enough for connections to be kept."""
    callers = tuple(Caller(3.0 * n, "first", stream=n % 2 == 0) for n in range(REQUESTS))
    return simulate(Scenario("a test", CONFIG, callers=callers, faults=faults, seed=3))


def resets() -> Report:
    return play(
        *(Fault(FaultKind.RESET, at=3.0 * n, until=3.0 * n + 0.5, candidate="first") for n in range(1, REQUESTS, 6))
    )


def counted(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[Any]:
    """Count the calls of a method by what they return."""
    returned: list[Any] = []
    method: Callable[..., Any] = getattr(owner, name)

    def count(*args: Any) -> Any:
        returned.append(method(*args))
        return returned[-1]

    monkeypatch.setattr(owner, name, count)
    return returned


def test_connections_are_kept_found_closed_and_requests_sent_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    alive, dead = counted(monkeypatch, Connection, "is_alive"), counted(monkeypatch, Connection, "was_dead")
    report = play()
    assert not report.violations
    assert alive.count(True) > REQUESTS / 2
    assert alive.count(False) >= 3
    assert dead.count(True) >= 3


def test_with_broken_connections_every_promise_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = counted(monkeypatch, Connection, "was_dead")
    assert not resets().violations
    assert dead.count(False) >= 2


def test_a_line_that_asks_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "was_dead", lambda *_: True)
    assert any("no attempt under way" in str(violation) for violation in resets().violations)


def test_a_line_that_gives_up_a_kept_connection_too_soon_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "was_dead", lambda *_: False)
    assert play().violations, "it says that a request was sent that nobody has seen"


@settings(max_examples=60, database=None, deadline=None, suppress_health_check=QUIET)
@given(strategies.scenarios().map(lambda scenario: evolve(scenario, wire=True)))
def test_whoever_reads_the_answers_the_trace_is_the_same(scenario: Scenario) -> None:
    digests = []
    for new_reader in (H11Reader, QuickReader):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reader, "new_reader", new_reader)
            digests.append(rehearse(scenario).trace.digest())
    assert digests[0] == digests[1]
