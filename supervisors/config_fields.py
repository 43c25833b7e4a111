"""The fields of a configuration: one table for each mapping in it, and the checks of what is particular to them.

A field that is wrong does not stop its neighbours from being read: all mistakes are told at once. What a value means
together with others (names that collide, references that lead nowhere) is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import Factory, define, evolve, frozen

from ..actors.failures import Reason
from ..actors.identity import normalise_provider
from ..actors.policy import PRESETS, Next, Policy
from ..actors.providers.dialects import DIALECTS
from .config_checks import (
    Check,
    boolean,
    list_of,
    members,
    number,
    one_of,
    seconds,
    seconds_or_none,
    text,
    whole,
)
from .config_mistakes import Mistaken, Spot, show
from .config_secrets import check_credential, check_header, check_proxy
from .config_urls import check_api_base

FOREIGN_NAMES: Final = {
    "base_url": "api_base",
    "url": "api_base",
    "key": "api_key",
    "keys": "api_keys",
    "token": "api_key",
    "name": "model_name",
    "timeout": "request_timeout",
    "max_retries": "retries",
    "num_retries": "retries",
    "max_parallel_requests": "max_parallel",
    "max_restarts": "intensity",
    "models": "model_list",
    "provider": "default_provider",
}
"""What other programs call our fields, where the spelling alone would not lead there."""


@frozen
class Field:
    """One field: how its value is checked, and what it is if it is not given."""

    check: Check
    default: Any = None
    required: bool = False


@define(eq=False)
class Values:
    """The fields of one mapping. `given` names those that are there, `wrong` those of them that are mistaken."""

    values: dict[str, Any]
    given: list[str] = Factory(list)
    wrong: list[str] = Factory(list)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def read_fields(spot: Spot, fields: Mapping[str, Field]) -> Values:
    """Read a mapping by its table; names that the table does not have are mistakes."""
    read = Values({name: item.default for name, item in fields.items()})
    for name, here in spot.items():
        if name not in fields:
            here.note(f"there is no such field{_meant(here, name, fields)}")
            continue
        read.given.append(name)
        try:
            read.values[name] = fields[name].check(here)
        except Mistaken:
            read.wrong.append(name)
    for name, item in fields.items():
        if item.required and name not in read.given:
            spot.note(f"`{name}` is missing")
            read.wrong.append(name)
    return read


def _meant(spot: Spot, name: str, fields: Mapping[str, Field]) -> str:
    ours = FOREIGN_NAMES.get(name.lower())
    return f"; did you mean `{ours}`?" if ours in fields else spot.mistakes.suggest(name, fields)


# --- checks of larger things --------------------------------------------------------------------------------------


def default_provider(spot: Spot) -> str:
    """Check the provider of references that name none."""
    name = text(spot)
    if "/" in name:
        raise spot.wrong(f"{show(name)} is no provider's name; it ends before the `/`")
    return normalise_provider(name)


def api_key(spot: Spot) -> str:
    """Check a credential: a literal, or where it is to be found."""
    if isinstance(spot.value, (list, tuple)):
        raise spot.wrong("must be text, not a list; did you mean `api_keys`?")
    return check_credential(spot)


def api_keys(spot: Spot) -> tuple[str, ...]:
    """Check a list of credentials, none of them twice."""
    if isinstance(spot.value, str):
        spot.mistakes.conceal(spot.value)
        raise spot.wrong("must be a list, not text; did you mean `api_key`?")
    keys: tuple[str, ...] = list_of("keys", api_key, empty=False)(spot)
    first: dict[str, int] = {}
    for n, element in enumerate(spot.elements("keys")):
        if isinstance(element.value, str) and first.setdefault(element.value, n) != n:
            element.note(f"this key is already at [{first[element.value]}]")
    return keys


def api_version(spot: Spot) -> str:
    """Check the version of an API, which becomes part of an address."""
    version = text(spot)
    if not version.isascii() or not version.replace("-", "").replace(".", "").isalnum():
        raise spot.wrong(f"{show(version)} is no version; write it as 2024-10-21")
    return version


def headers(spot: Spot) -> dict[str, str]:
    """Check additional headers; two names that differ in upper and lower case only are the same name."""
    values: dict[str, str] = {}
    seen: dict[str, None] = {}
    for name, here in spot.items():
        here.mistakes.conceal(here.value)
        try:
            values[name] = check_header(spot, here, name)
        except Mistaken:
            continue
        if name.lower() in seen:
            here.note("this header is given twice; upper and lower case make no difference")
        seen[name.lower()] = None
    return values


def restarts(spot: Spot) -> tuple[int, float]:
    """Check how often actors may be restarted: how many times, in how many seconds."""
    read = read_fields(spot, RESTARTS)
    return read["intensity"], read["period"]


def policy(spot: Spot) -> Policy:
    """Check a policy: a preset's name, or a table that changes a preset."""
    if isinstance(spot.value, str):
        return PRESETS[one_of(*PRESETS)(spot)]
    if not isinstance(spot.value, Mapping):
        raise spot.must_be("the name of a preset or a mapping of reasons to rules")
    read = read_fields(spot, POLICY)
    base = PRESETS[read["preset"]]
    changes = {reason: evolve(base[reason], **read[reason]) for reason in Reason if read[reason]}
    forget_after = base.forget_after if read["forget_after"] is None else read["forget_after"]
    return evolve(base.with_rules(changes), forget_after=forget_after)


def next_step(spot: Spot) -> Next:
    """Check whether a request goes on. YAML makes true and false of ``yes`` and ``no``: both are understood."""
    if isinstance(spot.value, bool):
        return Next.YES if spot.value else Next.NO
    return Next(one_of(*Next)(spot))


def rule(spot: Spot) -> dict[str, Any]:
    """Check what one reason does; what is not given stays as in the preset."""
    read = read_fields(spot, RULE)
    return {name: read[name] for name in read.given if name not in read.wrong}


def _anything(spot: Spot) -> Spot:
    return spot


# --- the tables ---------------------------------------------------------------------------------------------------

ENTRY: Final[Mapping[str, Field]] = {
    "model_name": Field(text, required=True),
    "model": Field(text, required=True),
    "api_base": Field(check_api_base),
    "api_key": Field(api_key),
    "api_keys": Field(api_keys),
    "headers": Field(headers, {}),
    "proxy": Field(check_proxy),
    "dialect": Field(one_of(*DIALECTS)),
    "api_version": Field(api_version),
    "rpm": Field(number(1, zero=True)),
    "tpm": Field(number(1, zero=True)),
    "max_parallel": Field(whole(1, zero=True)),
    "burst": Field(number(1, zero=True)),
    "max_queued": Field(whole(), 100),
    "fallbacks": Field(members, ()),
    "image_fallbacks": Field(members),
    "context_window": Field(whole(1)),
    "vision": Field(boolean),
    "tools": Field(boolean),
    "retries": Field(whole(most=100), 0),
    "retry_within": Field(seconds_or_none, 0.0),
    # Name, TCP and TLS (to a proxy, too) each have this long; past a minute in all, `rpm` could not be kept.
    "connect_timeout": Field(number(most=20, above=True), 10.0),
    "first_event_timeout": Field(seconds, 60.0),
    "idle_timeout": Field(seconds, 60.0),
    "request_timeout": Field(seconds, 300.0),
    "enabled": Field(boolean, default=True),
}
"""An element of `model_list`."""

RESTARTS: Final[Mapping[str, Field]] = {
    "intensity": Field(whole(), 5),
    "period": Field(seconds, 60.0),
}

RULE: Final[Mapping[str, Field]] = {
    "base": Field(seconds_or_none),
    "factor": Field(number(1, 100)),
    "cap": Field(seconds_or_none),
    "next": Field(next_step),
    # With a factor of 100, more steps than this would not fit into a floating-point number.
    "steps": Field(whole(0, 100)),
    "shared": Field(boolean),
}

POLICY: Final[Mapping[str, Field]] = {
    "preset": Field(one_of(*PRESETS), "default"),
    "forget_after": Field(seconds),
    **{reason.value: Field(rule) for reason in Reason},
}

TOP: Final[Mapping[str, Field]] = {
    "model_list": Field(list_of("entries", _anything, empty=False), (), required=True),
    "routes": Field(lambda spot: tuple(spot.items()), ()),
    "default_provider": Field(default_provider),
    "policy": Field(policy, PRESETS["default"]),
    "default_timeout": Field(seconds, 600.0),
    "max_pending": Field(whole(1), 1000),
    "max_retry_after": Field(seconds_or_none, 600.0),
    "mix_embeddings": Field(boolean, default=False),
    "shutdown_timeout": Field(seconds_or_none, 5.0),
    "restarts": Field(restarts, (5, 60.0)),
}
"""The whole file."""
