"""The table of reasons, written out by hand once more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.actors.failures import NATURAL_SCOPE, Reason, Scope
from understudy.actors.policy import CLASSIC, DEFAULT, PRESETS, Next, Policy, Rule

MINUTE, HOUR, DAY = 60, 3600, 86_400

TRANSIENT = (30, 60, 120, 240, 300, 300, 300, 300, 300, 300, 300, 300)
CREDENTIAL = (600, 1200, 2400, 4800, 9600, 19_200, 38_400, 76_800, DAY, DAY, DAY, DAY)
CLASSIC_SHORT = (MINUTE, 5 * MINUTE, 25 * MINUTE, HOUR) + (HOUR,) * 8
CLASSIC_BILLING = (5 * HOUR, 10 * HOUR, 20 * HOUR, DAY) + (DAY,) * 8
NONE = (0,) * 12

BY_DEFAULT = {
    "rate_limit": ("yes", TRANSIENT),
    "overloaded": ("yes", TRANSIENT),
    "timeout": ("yes", TRANSIENT),
    "network": ("yes", TRANSIENT),
    "server_error": ("yes", TRANSIENT),
    "model_not_found": ("yes", TRANSIENT),
    "auth": ("yes", CREDENTIAL),
    "billing": ("yes", CREDENTIAL),
    "quota": ("yes", CREDENTIAL),
    "context_overflow": ("larger", NONE),
    "content_filter": ("no", NONE),
    "format": ("no", NONE),
    "unknown": ("yes", NONE),
}
IN_CLASSIC = {
    "rate_limit": ("yes", CLASSIC_SHORT),
    "overloaded": ("yes", CLASSIC_SHORT),
    "timeout": ("yes", CLASSIC_SHORT),
    "network": ("yes", CLASSIC_SHORT),
    "server_error": ("yes", CLASSIC_SHORT),
    "model_not_found": ("yes", CLASSIC_SHORT),
    "auth": ("yes", CLASSIC_SHORT),
    "billing": ("yes", CLASSIC_BILLING),
    "quota": ("yes", CLASSIC_BILLING),
    "context_overflow": ("no", NONE),
    "content_filter": ("no", NONE),
    "format": ("no", NONE),
    "unknown": ("no", NONE),
}
TABLES = {"default": BY_DEFAULT, "classic": IN_CLASSIC}


@pytest.mark.parametrize("preset", TABLES)
@pytest.mark.parametrize("reason", Reason)
def test_both_presets_are_the_table_to_the_second(preset: str, reason: Reason) -> None:
    rule, (goes_on, waits) = PRESETS[preset][reason], TABLES[preset][reason.value]
    assert rule.next.value == goes_on
    assert rule.cools == any(waits)
    assert [rule.duration(n) if rule.cools else 0 for n in range(1, 13)] == list(waits)


def test_the_presets_are_two_and_cover_every_reason() -> None:
    assert set(PRESETS) == {"default", "classic"}
    assert {reason.value for reason in Reason} == set(BY_DEFAULT) == set(IN_CLASSIC)
    assert PRESETS["default"] is DEFAULT
    assert PRESETS["classic"] is CLASSIC
    assert DEFAULT.forget_after == CLASSIC.forget_after == DAY


def test_a_credential_is_shared_by_default_and_stays_with_its_key_in_classic() -> None:
    for reason, scope in NATURAL_SCOPE.items():
        if scope is Scope.CREDENTIAL:
            assert DEFAULT[reason].shared
            assert not CLASSIC[reason].shared


def test_every_reason_that_cools_goes_on_to_the_next_candidate() -> None:
    for policy in PRESETS.values():
        assert all(policy[reason].next is Next.YES for reason in Reason if policy[reason].cools)


def test_a_policy_with_a_reason_missing_is_refused_and_the_reason_named() -> None:
    rules: dict[Reason, Rule] = {reason: Rule() for reason in Reason if reason is not Reason.QUOTA}
    with pytest.raises(ValueError, match="missing: quota"):
        Policy(rules)


def test_changed_rules_replace_those_and_no_others() -> None:
    changed = DEFAULT.with_rules({Reason.TIMEOUT: Rule(base=1)})
    assert changed[Reason.TIMEOUT] == Rule(base=1)
    assert all(changed[reason] == DEFAULT[reason] for reason in Reason if reason is not Reason.TIMEOUT)
    assert DEFAULT[Reason.TIMEOUT].base == 30


@given(st.floats(0.001, 1e5), st.floats(1, 100), st.floats(0, 1e6), st.integers(0, 100), st.integers(1, 10**9))
def test_cooldowns_never_shrink_with_n_and_never_pass_the_cap(
    base: float, factor: float, cap: float, steps: int, n: int
) -> None:
    rule = Rule(base=base, factor=factor, cap=cap, steps=steps)
    assert 0 <= rule.duration(n) <= rule.duration(n + 1) <= cap
    assert rule.duration(1) == min(base, cap)
