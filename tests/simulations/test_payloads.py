"""What providers say is understood as what it means, whoever says it and however the wait is stated."""

from __future__ import annotations

from typing import Any

import pytest

from understudy import Reason, Scope, classify
from understudy.simulations.error_words import Family
from understudy.simulations.faults import FaultKind, Wait
from understudy.simulations.payloads import HUGE_WAIT, error_answer
from understudy.simulations.scenario import Flaw

MEANS = {
    FaultKind.RATE_LIMITED: (Reason.RATE_LIMIT, Scope.MODEL),
    FaultKind.OVERLOADED: (Reason.OVERLOADED, Scope.MODEL),
    FaultKind.SERVER_ERROR: (Reason.SERVER_ERROR, Scope.MODEL),
    FaultKind.ERROR_IN_200: (Reason.SERVER_ERROR, Scope.MODEL),
    FaultKind.REVOKED: (Reason.AUTH, Scope.CREDENTIAL),
    FaultKind.OUT_OF_CREDIT: (Reason.BILLING, Scope.CREDENTIAL),
    FaultKind.OUT_OF_QUOTA: (Reason.QUOTA, Scope.CREDENTIAL),
    FaultKind.WITHDRAWN: (Reason.MODEL_NOT_FOUND, Scope.MODEL),
    Flaw.FORMAT: (Reason.FORMAT, Scope.REQUEST),
    Flaw.CONTENT_FILTER: (Reason.CONTENT_FILTER, Scope.REQUEST),
    Flaw.TOO_LONG: (Reason.CONTEXT_OVERFLOW, Scope.REQUEST),
}
FACTS: dict[str, Any] = {"secret": "rehearsal-key", "model": "glm-4.7", "window": 8192, "prompt": 9000}


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("what", MEANS)
def test_an_error_is_understood_as_what_it_means(what: FaultKind | Flaw, family: Family) -> None:
    for wait in (Wait.MISSING, Wait.MALFORMED, 20.0):
        answer = error_answer(what, family, wait=wait, now=100.5, **FACTS)
        failure = classify(answer.status, answer.headers, answer.body)
        assert (failure.reason, failure.scope) == MEANS[what]


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("stated", [0.25, 6.5, 90.0, HUGE_WAIT])
def test_a_stated_wait_is_read_as_it_is_stated(family: Family, stated: float) -> None:
    answer = error_answer(FaultKind.RATE_LIMITED, family, wait=stated, now=100.5)
    read = classify(answer.status, answer.headers, answer.body).retry_after
    assert read is not None
    # A date has whole seconds, and is never too early.
    assert stated <= read <= stated + (2.0 if family is Family.ANTHROPIC else 0.001)


@pytest.mark.parametrize("family", Family)
def test_what_is_no_wait_is_none(family: Family) -> None:
    for wait in (Wait.MISSING, Wait.MALFORMED):
        answer = error_answer(FaultKind.RATE_LIMITED, family, wait=wait)
        assert classify(answer.status, answer.headers, answer.body).retry_after is None


def test_a_gateways_page_and_a_way_elsewhere_are_no_json() -> None:
    for status, reason in ((502, Reason.SERVER_ERROR), (504, Reason.SERVER_ERROR), (302, Reason.UNKNOWN)):
        answer = error_answer(FaultKind.SERVER_ERROR, Family.OPENAI, status=status)
        assert answer.status == status
        assert classify(answer.status, answer.headers, answer.body).reason is reason
