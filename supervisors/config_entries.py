"""From the fields of an entry to its candidates: one for each of its keys, with all that it takes to use them.

Several keys make ``glm-4.7`` (the first), ``glm-4.7__key_1``, ``glm-4.7__key_2``, each with the entry's limits to
itself. An entry that names no key is sent with the provider's customary one, but only to that provider's own address:
a key never goes to a host that its owner did not mean.
"""

from __future__ import annotations

from contextlib import suppress

from attrs import define, evolve, field, frozen

from ..actors.bucket import Limits
from ..actors.demand import Capabilities
from ..actors.identity import ModelKey, ModelRef
from ..actors.providers.endpoint import Endpoint, Secret, TimeLimits
from ..actors.providers.known import KNOWN_PROVIDERS, dialect_at
from .config_fields import ENTRY, Values, read_fields
from .config_mistakes import Mistaken, Spot, show
from .config_routes import Group, key_name, parse_reference, unknown_provider
from .config_secrets import Vault


@frozen
class Entry:
    """Everything about one candidate: who it is, where it lives, what it may take and what it can.

    `retry_within` is in seconds.
    """

    key: ModelKey
    endpoint: Endpoint
    limits: Limits = Limits()
    capabilities: Capabilities = Capabilities()
    retries: int = 0
    retry_within: float = 0.0
    max_queued: int = 100


@frozen
class _Key:
    """One key of an entry as it was written, and the spot to which what is wrong with it belongs."""

    spot: Spot
    source: str | None
    customary: bool = False


@define(eq=False)
class EntryBook:
    """Collects the entries of a configuration, in order. What is wrong with them is noted."""

    vault: Vault
    default_provider: str | None
    max_pending: int
    entries: dict[ModelKey, Entry] = field(factory=dict, init=False)
    groups: list[Group] = field(factory=list, init=False)
    _names: dict[str, None] = field(factory=dict, init=False)

    def add(self, spot: Spot) -> None:
        """Read one element of `model_list`."""
        try:
            values = read_fields(spot, ENTRY)
        except Mistaken:
            return
        ref = self._reference(spot, values)
        _check_together(spot, values, ref)
        keys = _keys(spot, values, ref)
        names = self._take_names(spot, values["model_name"], len(keys))
        endpoint = self._endpoint(spot, values, ref) if values["enabled"] else None
        model_keys = []
        for n, key in enumerate(keys):
            # An entry whose name or reference is mistaken is carried on without, so that the rest of it is seen too.
            name = names[n] if names else ""
            model_key = self._model_key(name, ref or ModelRef("", ""), key)
            model_keys.append(model_key)
            if endpoint is not None:
                self._enter(model_key, endpoint, values, key)
        if names:
            lists = values["fallbacks"], values["image_fallbacks"]
            self.groups.append(Group(names[0], ref, tuple(model_keys), values["enabled"], *lists))

    def add_implicit(self, spot: Spot, ref: ModelRef) -> ModelKey:
        """Make an entry, with nothing but defaults, of a reference whose provider is known."""
        name = str(ref)
        bare = Spot({"model_name": name, "model": name}, spot.path, spot.mistakes)
        values = read_fields(bare, ENTRY)
        (key,) = _keys(spot, values, ref)
        model_key = self._model_key(name, ref, key)
        self._enter(model_key, self._endpoint(spot, values, ref), values, key)
        return model_key

    def _reference(self, spot: Spot, values: Values) -> ModelRef | None:
        """Return what the entry asks for, and see to it that its address is known."""
        if "model" in values.wrong:
            return None
        here = spot.at("model", values["model"])
        try:
            ref = parse_reference(here, self.default_provider)
            if "api_base" not in values.given and ref.provider not in KNOWN_PROVIDERS:
                raise unknown_provider(here, ref.provider)
        except Mistaken:
            return None
        return ref

    def _take_names(self, spot: Spot, name: str | None, count: int) -> list[str]:
        if name is None:
            return []
        names = [key_name(name, n) for n in range(count)]
        for n, taken in enumerate(names):
            if taken in self._names:
                whose = "" if n == 0 else f"{show(taken)}, the name of its key {n}: "
                spot.at("model_name", name).note(f"{whose}an entry, or a key of one, has this name already")
            self._names[taken] = None
        return names

    def _model_key(self, name: str, ref: ModelRef, key: _Key) -> ModelKey:
        label = None if key.source is None else self.vault.label(key.source)
        return ModelKey(name, ref.provider, ref.model, label)

    def _endpoint(self, spot: Spot, values: Values, ref: ModelRef | None) -> Endpoint:
        """Return where the entry lives; only the credential is still missing."""
        headers: dict[str, str] = {}
        for name, source in values["headers"].items():
            with suppress(Mistaken):
                headers[name] = self.vault.header(spot.at("headers", None).at(name, None), source)
        proxy = None
        with suppress(Mistaken):
            if values["proxy"] is not None:
                proxy = self.vault.proxy(spot.at("proxy", None), values["proxy"])
        return Endpoint(
            api_base=_api_base(values, ref),
            headers=headers,
            proxy=proxy,
            dialect=_dialect(values, ref),
            api_version=values["api_version"],
            limits=TimeLimits(
                connect=values["connect_timeout"],
                first_event=values["first_event_timeout"],
                idle=values["idle_timeout"],
                request=values["request_timeout"],
            ),
        )

    def _enter(self, model_key: ModelKey, endpoint: Endpoint, values: Values, key: _Key) -> None:
        secret = None
        with suppress(Mistaken):
            secret = self._secret(key)
        self.entries[model_key] = Entry(
            key=model_key,
            endpoint=evolve(endpoint, secret=secret),
            limits=Limits(values["rpm"], values["tpm"], values["max_parallel"], values["burst"]),
            capabilities=Capabilities(values["context_window"], values["vision"], values["tools"]),
            retries=values["retries"],
            retry_within=values["retry_within"],
            # A queue without a limit of its own holds at most what the router lets in.
            max_queued=values["max_queued"] or self.max_pending,
        )

    def _secret(self, key: _Key) -> Secret | None:
        if key.source is None:
            return None
        if key.customary and self.vault.is_unset(key.source):
            variable = key.source.removeprefix("env:")
            raise key.spot.wrong(f"names no key, and the environment variable {variable} is not set")
        return Secret(self.vault.credential(key.spot, key.source))


def _api_base(values: Values, ref: ModelRef | None) -> str:
    if values["api_base"] is not None:
        return str(values["api_base"])
    known = KNOWN_PROVIDERS.get(ref.provider) if ref else None
    return known.api_base if known else ""


def _dialect(values: Values, ref: ModelRef | None) -> str:
    """Return how an entry is spoken to: as it says, else as its provider speaks at this address."""
    if values["dialect"] is not None:
        return str(values["dialect"])
    return dialect_at(ref.provider if ref else "", _api_base(values, ref))


def _check_together(spot: Spot, values: Values, ref: ModelRef | None) -> None:
    """Note fields that are fine on their own and not together."""
    given = values.given
    if "api_key" in given and "api_keys" in given:
        spot.note("has both `api_key` and `api_keys`; put all keys into `api_keys`")
    if _has_authorization(values) and ("api_key" in given or "api_keys" in given):
        spot.note("has both a key and an `authorization` header; leave one of them out")
    if "api_version" in given and _dialect(values, ref) != "azure" and not {"model", "dialect"} & {*values.wrong}:
        spot.at("api_version", None).note("is for Azure only")
    if "burst" in given and not values["rpm"] and not {"rpm", "burst"} & {*values.wrong}:
        spot.at("burst", None).note("means nothing without `rpm`")


def _has_authorization(values: Values) -> bool:
    return any(name.lower() == "authorization" for name in values["headers"])


def _keys(spot: Spot, values: Values, ref: ModelRef | None) -> list[_Key]:
    """Return the keys of an entry, at least one: a candidate without a credential is a candidate too."""
    if values["api_keys"]:
        here = spot.at("api_keys", None)
        return [_Key(here.at(n, None), source) for n, source in enumerate(values["api_keys"])]
    if values["api_key"] is not None:
        return [_Key(spot.at("api_key", None), values["api_key"])]
    known = KNOWN_PROVIDERS.get(ref.provider) if ref else None
    if (
        known is not None
        and known.key_variable is not None
        and _api_base(values, ref) == known.api_base
        and not _has_authorization(values)
        and not {"api_key", "api_keys", "api_base", "headers"} & {*values.wrong}
    ):
        return [_Key(spot, f"env:{known.key_variable}", customary=True)]
    return [_Key(spot, None)]
