"""From entries to routes: what a reference in a configuration means, and the candidates behind each name.

A reference is looked up in this order, and the first that fits counts:

1. an entry's name, or the name of one of its further keys;
2. the full ``provider/model``, aliases resolved, or without a ``/`` that of the default provider;
3. the bare model name.

Where several entries fit the second or the third, the first in the file is meant. The plan is finite: what a member
of a list brings are its own keys, and never the list that it may have itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from attrs import define, field, frozen

from ..actors.identity import ModelKey, ModelRef
from ..actors.providers.known import KNOWN_PROVIDERS
from .config_mistakes import Mistaken, Spot, show

CANDIDATES_MAX: Final = 2_000
"""How many candidates, and how many named routes, a configuration may have."""


def key_name(name: str, n: int) -> str:
    """Return the name of an entry's n-th key, counted from 0."""
    return name if n == 0 else f"{name}__key_{n}"


@frozen(eq=False)
class Group:
    """One configured entry after expansion: its keys, and the lists that it has, as they were written.

    `ref` is ``None`` where its reference is mistaken; it is kept so that its name is known all the same.
    """

    name: str
    ref: ModelRef | None
    keys: tuple[ModelKey, ...]
    enabled: bool
    fallbacks: tuple[Spot, ...]
    image_fallbacks: tuple[Spot, ...] | None


@define(eq=False)
class Directory:
    """Finds the name that a reference means."""

    names: Iterable[str]
    refs: Iterable[tuple[str, ModelRef]]
    default_provider: str | None
    _names: dict[str, None] = field(init=False)
    _by_ref: dict[ModelRef, str] = field(factory=dict, init=False)
    _by_model: dict[str, str] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._names = dict.fromkeys(self.names)
        for name, ref in self.refs:
            self._by_ref.setdefault(ref, name)
            self._by_model.setdefault(ref.model, name)

    def find(self, text: str) -> str | None:
        """Return the name that a reference means, ``None`` if there is none."""
        if text in self._names:
            return text
        try:
            ref = ModelRef.parse(text, self.default_provider)
        except ValueError:
            return self._by_model.get(text)
        if str(ref) in self._names:
            return str(ref)
        return self._by_ref.get(ref) or self._by_model.get(text)

    def known(self) -> list[str]:
        """Return everything that can be found, in the order of looking."""
        return list(dict.fromkeys([*self._names, *map(str, self._by_ref), *self._by_model]))


@define(eq=False)
class Planner:
    """Makes the routes. `implicit` makes a candidate of a reference that no entry configures."""

    groups: Sequence[Group]
    default_provider: str | None
    implicit: Callable[[Spot, ModelRef], ModelKey]
    routes: dict[str, tuple[ModelKey, ...]] = field(factory=dict, init=False)
    image_routes: dict[str, tuple[ModelKey, ...]] = field(factory=dict, init=False)
    idle: list[str] = field(factory=list, init=False)
    _keys: dict[str, tuple[ModelKey, ...]] = field(factory=dict, init=False)
    _named: dict[str, None] = field(factory=dict, init=False)
    _implicit: dict[str, tuple[ModelKey, ...]] = field(factory=dict, init=False)
    _directory: Directory = field(init=False)

    def __attrs_post_init__(self) -> None:
        for group in self.groups:
            shown = group.keys if group.enabled else ()
            self._keys.setdefault(group.name, shown)
            for key in group.keys[1:]:
                self._keys.setdefault(key.name, (key,) if group.enabled else ())
        # An entry that is enabled is preferred to one that is not, whatever their order.
        by_use = sorted(self.groups, key=lambda group: not group.enabled)
        refs = [(group.name, group.ref) for group in by_use if group.ref is not None]
        self._directory = Directory(self._keys, refs, self.default_provider)

    def plan(self, named: Sequence[tuple[str, Sequence[Spot]]]) -> None:
        """Make the routes of all entries, then the named ones."""
        self._named = dict.fromkeys(name for name, _ in named)
        for group in self.groups:
            self._plan_group(group)
        for name, spots in named:
            self._put(name, self._members(spots))
        for name, keys in self._implicit.items():
            self.routes.setdefault(name, keys)

    def is_taken(self, name: str) -> bool:
        """Whether an entry, or one of its keys, has this name."""
        return name in self._keys

    def _plan_group(self, group: Group) -> None:
        # Members are looked up for a disabled entry too: a mistake in it is one whether it is enabled or not.
        fallbacks = self._members(group.fallbacks)
        images = None if group.image_fallbacks is None else self._members(group.image_fallbacks)
        for key in group.keys:
            own = group.keys if key.name == group.name else (key,)
            self._put(key.name, (*own, *fallbacks) if group.enabled else ())
            if group.enabled and images is not None:
                self.image_routes[key.name] = _distinct((*own, *images))

    def _put(self, name: str, keys: Sequence[ModelKey]) -> None:
        if keys:
            self.routes[name] = _distinct(keys)
        else:
            self.idle.append(name)

    def _members(self, spots: Sequence[Spot]) -> tuple[ModelKey, ...]:
        found: dict[str, tuple[ModelKey, ...]] = {}
        for spot in spots:
            assert isinstance(spot.value, str), "members were checked to be text"
            name = self._directory.find(spot.value)
            if name is not None:
                found.setdefault(name, self._keys[name])
                continue
            try:
                key = self._bring_in(spot, spot.value)
            except Mistaken:
                continue
            found.setdefault(key.name, (key,))
        return _distinct([key for keys in found.values() for key in keys])

    def _bring_in(self, spot: Spot, text: str) -> ModelKey:
        """Make a candidate of a reference that no entry configures, if its provider is known."""
        choices = self._directory.known()
        if "/" not in text:
            if text in self._named:
                raise spot.wrong(f"{show(text)} is a route; only entries can be named here")
            hint = spot.mistakes.suggest(text, choices)
            raise spot.wrong(f"no entry is called {show(text)}{hint}")
        try:
            ref = ModelRef.parse(text, self.default_provider)
        except ValueError:
            raise spot.wrong(f"{show(text)} is no reference; write it as provider/model") from None
        if ref.provider not in KNOWN_PROVIDERS:
            near = spot.mistakes.suggest(text, [*choices, *(f"{name}/{ref.model}" for name in KNOWN_PROVIDERS)])
            raise spot.wrong(f"no entry is called {show(text)}, and no provider {show(ref.provider)} is known{near}")
        if str(ref) not in self._implicit:
            self._implicit[str(ref)] = (self.implicit(spot, ref),)
        return self._implicit[str(ref)][0]


def _distinct(keys: Iterable[ModelKey]) -> tuple[ModelKey, ...]:
    return tuple(dict.fromkeys(keys))


def parse_reference(spot: Spot, default_provider: str | None) -> ModelRef:
    """Read the reference of an entry."""
    assert isinstance(spot.value, str), "references were checked to be text"
    for provider in (default_provider, "provider"):
        try:
            ref = ModelRef.parse(spot.value, provider)
        except ValueError:
            continue
        if provider == default_provider:
            return ref
        raise spot.wrong(
            f"{show(spot.value)} names no provider, and there is no `default_provider`; write it as provider/model"
        )
    raise spot.wrong(f"{show(spot.value)} names no model; write it as provider/model")


def unknown_provider(spot: Spot, provider: str) -> Mistaken:
    """Note that a provider is not known and its base URL therefore not either."""
    near = spot.mistakes.suggest(provider, KNOWN_PROVIDERS)
    text = f"the provider {show(provider)} is not a known one, so that it needs an `api_base`{near}"
    return spot.wrong(text)
