"""LiteLLM's ``config.yaml``, of its proxy or its router, as a configuration of ours.

An element of `model_list` there is a *deployment*; those of one `model_name` share its load. `router_settings` and
`litellm_settings` have the fallbacks, tries and timeouts, the former before the latter. `general_settings` is about
the proxy as a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, field

from ..config_fields import ENTRY, TOP
from ..config_mistakes import Steps, show
from . import litellm_words as words
from .draft import Deployment, Draft, Fields
from .foreign import Foreign, Place, names_of
from .litellm_entry import Reading, read_deployment
from .values import number

COOLED_BY_TIME: Final = ("rate_limit", "overloaded", "timeout", "network", "server_error", "model_not_found")
"""The reasons whose cooldown LiteLLM's `cooldown_time` is about."""


def from_litellm(foreign: Foreign, environ: Mapping[str, str]) -> Fields:
    """Return our configuration for LiteLLM's. What is wrong with the file is noted as mistakes.

    `environ` is where addresses come from that are given as ``os.environ/NAME``: an address cannot be left open here.
    """
    settings = _Settings(foreign)
    deployments = _read_deployments(foreign, environ)
    _set_for_all(deployments, settings)
    read = [one for one in deployments if isinstance(one, Deployment)]
    kept = {one.group for one in read}
    gone = dict.fromkeys(one for one in deployments if isinstance(one, str) and one not in kept)
    draft = Draft(read, foreign.report, left_out=gone)
    fallbacks = _Fallbacks(draft, settings)
    fallbacks.apply()
    _add_aliases(draft, settings)
    draft.note_chains()
    _set_top(draft, settings, foreign)
    foreign.settle(lambda path: names_of(path) in words.SECTIONS, explain)
    return draft.config()


def explain(path: Steps) -> str:
    """Say what a part of LiteLLM's file was for, and what to do without it."""
    *section, name = names_of(path).split(".")
    at = ".".join(section)
    if "model_group_alias" in section:
        at = "router_settings"
    table, otherwise = words.TABLES.get(at, ({}, words.NO_COUNTERPART))
    return table.get(name, otherwise)


@define(eq=False)
class _Settings:
    """The two sections of settings; what one shadows in the other is told."""

    foreign: Foreign
    _sections: list[Place] = field(init=False)

    def __attrs_post_init__(self) -> None:
        root = self.foreign.root
        self._sections = [root.section("router_settings"), root.section("litellm_settings")]

    def get(self, *names: str) -> Place | None:
        """Return the first of these settings that is there."""
        found = [place for section in self._sections for name in names if (place := section.get(name)) is not None]
        for shadowed in found[1:]:
            shadowed.drop(f"{show(names_of(found[0].path))} comes before it")
        return found[0] if found else None


def _read_deployments(foreign: Foreign, environ: Mapping[str, str]) -> list[Deployment | str]:
    """Read `model_list`. Of a deployment that cannot be taken over, its name is kept."""
    credentials = {}
    for place in foreign.root.elements("credential_list"):
        name = place.get("credential_name")
        if name is not None and isinstance(name.value, str):
            credentials[name.value] = place
    reading = Reading(environ, credentials)
    found = [read_deployment(place, reading) for place in foreign.root.elements("model_list")]
    return [one for one in found if one is not None]


def _set_for_all(deployments: list[Deployment | str], settings: _Settings) -> None:
    """Give the settings that are for all deployments to those that have none of their own."""
    wanted = {
        ("retries",): settings.get("num_retries"),
        ("request_timeout",): settings.get("timeout", "request_timeout"),
        ("first_event_timeout", "idle_timeout"): settings.get("stream_timeout"),
        ("max_parallel",): settings.get("default_max_parallel_requests"),
    }
    for fields, place in wanted.items():
        value = number(place, fields[0])
        lacking = [one for one in deployments if isinstance(one, Deployment) and fields[0] not in one.fields]
        if place is None or value is None:
            continue
        for one in lacking:
            one.fields.update(dict.fromkeys(fields, value))
        if not lacking:
            place.drop("every entry has a value of its own")


@define(eq=False)
class _Fallbacks:
    draft: Draft
    settings: _Settings

    def apply(self) -> None:
        """Put the fallbacks behind their names, the general ones behind every name without any of its own."""
        everyone: list[Place] = []
        specific: dict[str, list[Place]] = {}
        listed = self.settings.get("fallbacks")
        for item in _listed(listed):
            if isinstance(item.value, str):
                everyone.append(item)
                continue
            for name, targets in self._pairs(item):
                if name == "*":
                    everyone += _listed(targets)
                elif not self.draft.group(name):
                    targets.drop(f"is about {show(name)}, and nobody of this name is among the entries")
                elif name in specific:
                    targets.drop(f"{show(name)} has fallbacks further up, which come first")
                else:
                    specific[name] = _listed(targets)
        everyone += _listed(self.settings.get("default_fallbacks"))
        for group in self.draft.groups():
            places = specific.get(group, everyone)
            self.draft.follow(group, [name for place in places for name in self.draft.find(place)])
        for place in everyone:
            if place.path not in place.foreign.used:
                place.drop("every name has fallbacks of its own")
        self._windows()

    @staticmethod
    def _pairs(item: Place) -> list[tuple[str, Place]]:
        if not isinstance(item.value, Mapping):
            item.drop("must be a mapping of a name to a list of names")
            return []
        return [(str(place.path[-1]), place) for place in item.inside()]

    def _windows(self) -> None:
        """See which fallbacks for long prompts the routes have anyway: those to a window known to be larger."""
        for item in _listed(self.settings.get("context_window_fallbacks")):
            for name, targets in self._pairs(item):
                for place in _listed(targets):
                    if not self._goes_on(name, place):
                        place.drop(
                            f"is for prompts too long for {show(name)}: these go on to a later entry of the route, if"
                            " both have a `context_window`. Give both one, and the one the other as a fallback"
                        )

    def _goes_on(self, name: str, place: Place) -> bool:
        if not isinstance(place.value, str):
            return False
        later = self.draft.group(place.value)
        behind = self.draft.chain(name)
        known = all("context_window" in one.fields for one in [*self.draft.group(name), *later])
        if not later or not known or any(one.name not in behind for one in later):
            return False
        place.use()
        return True


def _listed(place: Place | None) -> list[Place]:
    """Return the places in a list; what is no list counts as one of a single value."""
    if place is None:
        return []
    return place.inside() if isinstance(place.value, list) else [place]


def _add_aliases(draft: Draft, settings: _Settings) -> None:
    aliases = settings.get("model_group_alias")
    for place in aliases.inside() if aliases is not None else []:
        target = place.get("model") if isinstance(place.value, Mapping) else place
        if target is not None:
            draft.alias(place, str(place.path[-1]), target)


def _set_top(draft: Draft, settings: _Settings, foreign: Foreign) -> None:
    most = foreign.root.section("general_settings").get("global_max_parallel_requests")
    limit = number(most, "max_pending", TOP["max_pending"].check)
    if limit is not None:
        draft.top["max_pending"] = limit
    place = settings.get("cooldown_time")
    seconds = number(place, "base", ENTRY["retry_within"].check)
    if place is not None and seconds is not None:
        place.change("is how long each incident cools, unless the provider states a wait: `policy` says so")
        rule = {"base": seconds, "factor": 1, "cap": seconds}
        draft.top["policy"] = {reason: dict(rule) for reason in COOLED_BY_TIME}
