"""From what was read to a configuration of ours: names for the entries, routes, and who falls back to whom.

There several entries may have one name, and share the load; here a name means one entry, or a route over several, asked
in order. So a name that one entry has stays that entry's; a name that several have becomes a route, and they are called
``name-1``, ``name-2`` and so on. References are spelled out: an entry's name as it is, a route's as its members.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import Factory, define, field

from ...actors.identity import ModelRef
from ...actors.providers.known import KNOWN_PROVIDERS
from ..config_checks import text
from ..config_fields import ENTRY
from ..config_mistakes import show
from ..config_routes import key_name
from .foreign import Place
from .report import Report

Fields = dict[str, object]

IN_ORDER = (
    "Several entries of one name share the load there; here a route asks them in order, the first as long as it can."
)
NOT_FOLLOWED = "The fallbacks of a fallback are not followed here: each list is the whole way of its route."


@define(eq=False)
class Deployment:
    """One entry of the foreign file: what it is called there, and its fields here.

    `ident` is what else it may be called by, `order` what it is sorted by among those of its name.
    """

    place: Place
    group: str
    fields: Fields
    ident: Place | None = None
    order: float = 0.0
    name: str = ""

    @property
    def key_names(self) -> list[str]:
        """The names of its candidates."""
        return self._expand(self.name)

    def _expand(self, name: str) -> list[str]:
        keys = self.fields.get("api_keys")
        return [key_name(name, n) for n in range(len(keys) if isinstance(keys, list) else 1)]

    def fits(self, name: str, taken: Mapping[str, None], own: str | None = None) -> bool:
        """Whether it could have this name; `own` is one that is kept free for it."""
        return not any(candidate in taken and candidate != own for candidate in self._expand(name))


@define(eq=False)
class Draft:
    """Entries with their names. Routes are added one by one; `config` is the whole."""

    deployments: list[Deployment]
    report: Report
    left_out: dict[str, None] = Factory(dict)
    """Names of the foreign file all of whose entries were left out."""
    default_provider: str | None = None
    """Whose models are meant by references that name no provider; `default_used` says if that was needed."""
    top: Fields = Factory(dict)
    default_used: bool = field(default=False, init=False)
    routes: dict[str, list[str]] = field(factory=dict, init=False)
    _groups: dict[str, list[Deployment]] = field(factory=dict, init=False)
    _aliases: dict[str, list[str]] = field(factory=dict, init=False)
    _chains: dict[str, list[str]] = field(factory=dict, init=False)
    _taken: dict[str, None] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        for one in self.deployments:
            self._groups.setdefault(one.group, []).append(one)
        self._taken = dict.fromkeys(self._groups)
        for group, members in self._groups.items():
            members.sort(key=lambda one: one.order)
            if len(members) == 1 and members[0].fits(group, self._taken, own=group):
                members[0].name = group
                self._take(members[0])
        for group, members in self._groups.items():
            self._name_members(group, members)

    def _take(self, one: Deployment) -> None:
        self._taken.update(dict.fromkeys(one.key_names))

    def _name_members(self, group: str, members: list[Deployment]) -> None:
        if members[0].name:
            return
        if len(members) > 1:
            self.report.remark(IN_ORDER)
        for n, one in enumerate(members, start=1):
            one.name = self._free_name(one, f"{group}-{n}")
            self._take(one)
        self.routes[group] = [one.name for one in members]

    def _free_name(self, one: Deployment, wanted: str) -> str:
        name, n = wanted, 1
        while not one.fits(name, self._taken):
            n += 1
            name = f"{wanted}-{n}"
        return name

    def is_taken(self, name: str) -> bool:
        """Whether an entry, a route or one of the foreign file's names is called this."""
        return name in self._taken or name in self.routes

    def group(self, name: str) -> list[Deployment]:
        """Return the entries of a name, in order."""
        return self._groups.get(name, [])

    def members(self, name: str) -> list[str]:
        """Return the names of the entries that a name of the foreign file means, none if it means nobody."""
        if name in self._groups:
            return [one.name for one in self._groups[name]]
        return self._aliases.get(name, [])

    def groups(self) -> list[str]:
        """Return the foreign file's names, in order."""
        return list(self._groups)

    def chain(self, name: str) -> list[str]:
        """Return who follows after the entries of a name."""
        return self._chains.get(name, [])

    def find(self, place: Place) -> list[str]:
        """Return the entries that a reference means; it is accounted for, and told if there are none."""
        name = place.value
        if not isinstance(name, str):
            place.drop("is no name of an entry; what a request is to contain is given with the request")
            return []
        found = self.members(name) or self._by_ident(name) or self._by_reference(name)
        if found:
            place.use()
        elif name in self.left_out:
            place.drop(f"{show(name)} was left out, so that it cannot be a fallback")
        else:
            place.drop(f"nobody is called {show(name)}")
        return found

    def _by_ident(self, name: str) -> list[str]:
        for one in self.deployments:
            if one.ident is not None and one.ident.value == name:
                one.ident.use()
                return [one.name]
        return []

    def _by_reference(self, name: str) -> list[str]:
        """Look for ``provider/model``: the first entry that asks for it, else what a known provider has under it."""
        asked_for: dict[str, str] = {}
        for one in self.deployments:
            asked_for.setdefault(str(one.fields["model"]), one.name)
        if self.default_provider is not None and (whole := f"{self.default_provider}/{name}") in asked_for:
            self.default_used = True
            return [asked_for[whole]]
        try:
            ref = ModelRef.parse(name)
        except ValueError:
            return []
        if str(ref) in asked_for:
            return [asked_for[str(ref)]]
        plain = str(ref) == str(ref).strip() and str(ref).isprintable()
        return [str(ref)] if plain and ref.provider in KNOWN_PROVIDERS else []

    def follow(self, group: str, names: Iterable[str]) -> None:
        """Have entries asked after those of a name, in this order; whoever is there already keeps the first place."""
        own = self.members(group)
        chain = [name for name in dict.fromkeys([*self.chain(group), *names]) if name not in own]
        if not chain:
            return
        self._chains[group] = chain
        if group in self.routes:
            self.routes[group] = [*own, *chain]
        else:
            self._groups[group][0].fields["fallbacks"] = chain

    def alias(self, place: Place, name: str, target: Place) -> None:
        """Give the entries of a name, and who follows them, one more name."""
        found = self.find(target)
        if not found:
            return
        if place.judge(text, name) is not None:
            place.drop("would be the name of a route, which must be text without white space around it")
        elif self.is_taken(name):
            place.drop(f"would be a route called {show(name)}, which is the name of something else")
        else:
            self.add_route(name, [*found, *self.chain(str(target.value))])

    def add_route(self, name: str, names: Iterable[str]) -> None:
        """Add a named route, whose name must be free."""
        assert not self.is_taken(name), "a name means one thing"
        self.routes[name] = self._aliases[name] = list(dict.fromkeys(names))

    def note_chains(self) -> None:
        """Tell, once, that fallbacks of fallbacks are not followed, if there are any that would lead on."""
        first_of = {one.name: one.group for one in self.deployments}
        for group, chain in self._chains.items():
            reach = {*self.members(group), *chain}
            if any(name not in reach for link in chain for name in self.chain(first_of.get(link, ""))):
                self.report.remark(NOT_FOLLOWED)

    def config(self) -> Fields:
        """Return the configuration as a mapping."""
        entries = [{"model_name": one.name, **_in_order(one.fields)} for one in self.deployments]
        config: Fields = {"model_list": entries}
        if self.routes:
            config["routes"] = dict(self.routes)
        return {**config, **self.top}


def _in_order(fields: Fields) -> Fields:
    return {name: fields[name] for name in ENTRY if name in fields}
