"""Scripted providers: they know who really called them, take their time, count, fail, lie and break off.

A request arrives at a *door*: one address, one credential, one model. The provider checks the key it was called with,
keeps its own count of what it lets through, meets the faults of the scenario, and stamps every answer with the identity
that truly produced it, which is what the router's own word for it is compared with.

How requests get here is not decided here: as HTTP (`wire`), or by a shorter way (`lines`). Everything that a provider
sees is written into the trace.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import pairwise
from typing import Any

import trio
from attrs import define, field

from ..actors.identity import ModelKey
from ..actors.providers.endpoint import Endpoint
from ..supervisors.config import Config, Entry
from .counting import Doorkeeper
from .dialects import SPOKEN, Arrival, spoken_by
from .error_words import Family
from .exchange import FOREIGN, OWN_WINDOW, Exchange
from .faults import MOMENTS, UNREACHED, Fault
from .payloads import FAMILIES
from .run import Run, door_of, host_of
from .scenario import ProviderScript
from .stage import stream
from .trace import Scene, Sight


@define(eq=False)
class Door:
    """One address, credential and model: where requests for one candidate arrive, or for several that share them.

    `dialects` are those in which it is spoken to; `compatible` is the family that it belongs to in OpenAI's. `barriers`
    are the faults for which nobody comes as far as here, `faults` all others.
    """

    host: str
    credential: str
    model: str
    script: ProviderScript
    keeper: Doorkeeper
    window: int
    sees: bool
    dialects: Sequence[str]
    compatible: Family
    random: random.Random
    barriers: Sequence[Fault]
    faults: Sequence[Fault]

    @cached_property
    def stamp(self) -> str:
        """Who answers here."""
        return f"{self.host}|{self.credential}|{self.model}"

    def family(self, dialect: str) -> Family:
        """Return whose envelope errors come in, where requests are in this dialect."""
        return SPOKEN[dialect].family or self.compatible

    def latency(self) -> float:
        """Draw how many seconds an answer takes to begin."""
        points = self.script.latency
        chance = self.random.random()
        for (q0, s0), (q1, s1) in pairwise(points):
            if chance <= q1:
                return s0 + (s1 - s0) * (chance - q0) / (q1 - q0) if q1 > q0 and chance >= q0 else s0
        return points[-1][1]


@define(eq=False)
class World:
    """All the providers of one run."""

    run: Run
    seed: int
    record: Callable[[Sight], None]
    doors: dict[tuple[str, str, str], Door] = field(init=False)
    in_work: Counter[tuple[str, str]] = field(factory=Counter, init=False)
    received: int = field(default=0, init=False)
    written: dict[str, tuple[int, str, str, int]] = field(factory=dict, init=False)
    """What was written in answer to which request: for which caller, the text, why it ends, and what it used."""
    _open: frozenset[str] = field(init=False)
    """The addresses that can always be reached."""
    _labels: dict[tuple[str, str], str] = field(factory=dict, init=False)
    _places: dict[str, tuple[str, str, str]] = field(factory=dict, init=False)
    _dialects: dict[tuple[str, bool], str | None] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.doors = _doors(self.run.config, self.run.scenario.providers, self._faults(), self.seed)
        barred = {door.host for door in self.doors.values() if door.barriers}
        self._open = frozenset(host for host, _, _ in self.doors if host not in barred)
        for entry in self.run.config.entries.values():
            host, label, _ = door_of(entry)
            self._labels[host, _token(entry.endpoint)] = label

    def _faults(self) -> Sequence[Fault]:
        return [fault for fault in self.run.scenario.faults if fault.kind not in MOMENTS]

    def exchange(
        self, url: str, headers: Mapping[str, str], body: Mapping[str, Any], amiss: str | None = None
    ) -> Exchange:
        """Return the exchange that a request begins.

        `headers` has names in lower case; `amiss` is what is known already to be wrong with how it is put.
        """
        arrival = Arrival(*self._place(url), headers, body)
        how = url, "api-key" in headers  # nothing else tells the dialect
        if how not in self._dialects:
            self._dialects[how] = spoken_by(arrival)
        dialect = self._dialects[how]
        secret = SPOKEN[dialect or "openai"].secret(headers)
        label = self._labels.get((arrival.address, secret), FOREIGN)
        return Exchange(self, arrival, dialect, label, secret, amiss)

    def _place(self, url: str) -> tuple[str, str, str]:
        """Return the address that a URL is below, the path there, and the query. An unknown address is all there is."""
        if url not in self._places:
            place, _, query = host_of(url).partition("?")
            hosts = sorted({host for host, _, _ in self.doors}, key=len, reverse=True)
            host = next((host for host in hosts if place.startswith(f"{host}/")), place)
            self._places[url] = host, place[len(host) + 1 :], query
        return self._places[url]

    def is_open(self, url: str) -> bool:
        """Whether whoever comes to this URL is sure to get as far as a provider."""
        return self._place(url)[0] in self._open

    def is_known(self, host: str) -> bool:
        """Whether there is anybody at this address."""
        return any(known == host for known, _, _ in self.doors)

    def see(self, scene: Scene, caller: int | None, **details: str | int | float | None) -> None:
        """Write a sight into the trace."""
        self.record(Sight(trio.current_time(), scene, caller, None, details))


def _token(endpoint: Endpoint) -> str:
    """Return what a candidate is authorized with: its credential, or a header of its own."""
    if endpoint.secret is not None:
        return endpoint.secret.reveal()
    headers = {name.lower(): value for name, value in endpoint.headers.items()}
    return SPOKEN[endpoint.dialect].secret(headers)


def _doors(
    config: Config, scripts: Sequence[ProviderScript], faults: Sequence[Fault], seed: int
) -> dict[tuple[str, str, str], Door]:
    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in config.entries.values():
        groups.setdefault(door_of(entry), []).append(entry)
    return {where: _door(where, entries, scripts, faults, seed) for where, entries in groups.items()}


def _door(
    where: tuple[str, str, str],
    entries: Sequence[Entry],
    scripts: Sequence[ProviderScript],
    faults: Sequence[Fault],
    seed: int,
) -> Door:
    first = entries[0]
    met = [fault for fault in faults if any(fault.touches(entry.key) for entry in entries)]
    script = next((script for script in scripts if _fits(script, first.key)), ProviderScript())
    host, credential, model = where
    return Door(
        host,
        credential,
        model,
        script,
        Doorkeeper.of(
            script.limit,
            _own(script.rpm, [entry.limits.rpm for entry in entries]),
            _own(script.tpm, [entry.limits.tpm for entry in entries]),
        ),
        window=first.capabilities.context_window or OWN_WINDOW,
        sees=first.capabilities.vision is not False,
        dialects=list(dict.fromkeys(entry.endpoint.dialect for entry in entries)),
        compatible=FAMILIES.get(first.key.provider, Family.OPENAI),
        random=stream(seed, f"provider {host}|{credential}|{model}"),
        barriers=[fault for fault in met if fault.kind in UNREACHED],
        faults=[fault for fault in met if fault.kind not in UNREACHED],
    )


def _fits(script: ProviderScript, key: ModelKey) -> bool:
    return fnmatchcase(key.name, script.candidate) and fnmatchcase(key.provider, script.provider)


def _own(stated: float | None, ours: Sequence[float | None]) -> float | None:
    """Return a provider's own limit: what is stated (0: none), or what the entries allow together."""
    if stated is not None:
        return stated or None
    return None if None in ours else sum(limit for limit in ours if limit is not None)
