"""One element of picoclaw's `model_list`, or one provider of its older section, as an entry of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from attrs import define, field

from ...actors.identity import ModelRef
from ...actors.providers.known import KNOWN_PROVIDERS
from ..config_mistakes import show
from ..config_secrets import check_header, check_proxy, is_literal
from . import picoclaw_words as words
from .draft import Deployment, Fields
from .foreign import Place
from .values import AZURE, api_base, credential, customary_key, flag, headers, literal, number

NOT_HERE: Final = "[NOT_HERE]"
"""What picoclaw writes where a key is kept in another file."""

_FILE: Final = "file://"
_SEALED: Final = "enc://"


def split_model(written: str, default: str) -> tuple[str, str]:
    """Return the provider and the model, found as picoclaw finds them: an unknown prefix belongs to the model."""
    head, slash, tail = written.strip().partition("/")
    provider = words.ALIASES.get(head.lower(), head.lower())
    if slash and (provider in words.PROVIDERS or provider in words.UNREACHABLE):
        return provider, tail
    default = default.strip().lower()
    return words.ALIASES.get(default, default), written.strip()


def read_entry(place: Place, reading: Entries) -> Deployment | str | None:
    """Return an entry; its name if it cannot be taken over, which is told; ``None`` if it is mistaken."""
    if not isinstance(place.value, Mapping):
        place.note(None, "must be a mapping with `model_name` and `model`")
        return None
    name, written = place.text("model_name"), place.text("model")
    if name is None or written is None:
        return None
    stated = place.get("provider")
    if stated is not None and isinstance(stated.value, str):
        stated.use()
        lower = stated.value.strip().lower()
        return reading.make(place, name, words.ALIASES.get(lower, lower), written)
    return reading.make(place, name, *split_model(written, "openai"))


class _LeftOut(Exception):
    """The entry cannot be taken over."""


@define(eq=False)
class Entries:
    """Makes entries. `folder` is where the files of keys are; `sections` are the older sections that were used."""

    folder: Path
    sections: dict[str, None] = field(factory=dict)

    def make(self, place: Place, name: str, provider: str, model: str) -> Deployment | str:
        """Return an entry that is known by a name; the name alone if it cannot be taken over, which is told."""
        try:
            fields = self._address(place, provider, model)
        except _LeftOut as reason:
            place.drop(f"the entry is left out: {reason}")
            return name
        if self._set_headers(place, fields):
            for key in _keys(place):
                key.drop("its header `authorization` is sent instead")
        else:
            self._set_keys(place, provider, fields)
        proxy = place.get("proxy")
        if proxy is not None and (source := _proxy(proxy)) is not None:
            fields["proxy"] = source
        for ours in ("rpm", "request_timeout"):
            value = number(_unless_zero(place, ours), ours)
            if value is not None:
                fields[ours] = value
        enabled = flag(place.get("enabled"), "enabled")
        if enabled is not None:
            fields["enabled"] = enabled
        return Deployment(place, name, fields)

    def _address(self, place: Place, provider: str, model: str) -> Fields:
        if provider in words.UNREACHABLE:
            raise _LeftOut(f"of the provider {show(provider)}, {words.UNREACHABLE[provider]}")
        if provider not in words.PROVIDERS:
            raise _LeftOut(f"the provider {show(provider)} is not one of picoclaw's")
        method = place.get("auth_method")
        if method is not None and method.value in ("oauth", "token"):
            raise _LeftOut("it signs in with an account that picoclaw keeps; here a key is needed")
        ours = words.OURS.get(provider, provider)
        try:
            ref = ModelRef.parse(f"{ours}/{model}")
        except ValueError:
            raise _LeftOut("it names no model") from None
        url = self._url(place, provider, ref.provider)
        if url is None and (ref.provider == AZURE or ref.provider not in KNOWN_PROVIDERS):
            raise _LeftOut(f"of the provider {show(ref.provider)}, it needs an `api_base`")
        return {"model": str(ref), **({"api_base": url} if url else {})}

    @staticmethod
    def _url(place: Place, provider: str, ours: str) -> str | None:
        stated = place.get("api_base")
        if stated is None:
            return words.PROVIDERS[provider]
        url = api_base(stated, str(stated.value), ours, own_dialect=provider in words.OWN_DIALECT)
        if url is None:
            raise _LeftOut("its address cannot be used")
        return url or None

    def _set_keys(self, place: Place, provider: str, fields: Fields) -> None:
        keys: dict[str, None] = {}
        for one in _keys(place):
            source = credential(one, self._source_of)
            if source is not None:
                keys[source] = None
        if len(keys) == 1:
            fields["api_key"] = next(iter(keys))
        elif keys:
            fields["api_keys"] = list(keys)
        else:
            self._tell_of_no_key(place, provider, fields)

    def _tell_of_no_key(self, place: Place, provider: str, fields: Fields) -> None:
        home = KNOWN_PROVIDERS.get(str(fields["model"]).partition("/")[0])
        if provider == "gpt4free" or (home is not None and home.key_variable is None):
            return
        url = fields.get("api_base")
        variable = customary_key(str(fields["model"]).partition("/")[0], None if url is None else str(url))
        text = "has no key in this file (picoclaw may have it in `.security.yml`); "
        text += f"set {variable}, or give `api_key`" if variable else "give `api_key`"
        place.foreign.note_changed(place.path, text)

    def _source_of(self, place: Place, text: str) -> str | None:
        if text == NOT_HERE:
            place.drop("stands for a key in `.security.yml`, which is not read")
            return None
        if text.startswith(_SEALED):
            place.drop("is a sealed key, which only picoclaw can open; give it as `env:NAME` or `file:PATH`")
            return None
        if text.startswith(_FILE):
            name = text.removeprefix(_FILE).strip().lstrip("/")
            if not name:
                place.drop("names no file")
                return None
            return f"file:{self.folder / name}"
        return literal(place, text)

    @staticmethod
    def _set_headers(place: Place, fields: Fields) -> bool:
        """Set the headers, and say if there is one that stands for a key."""
        agent, taken = place.get("user_agent"), {}
        if agent is not None and isinstance(agent.value, str):
            text = agent.value
            if agent.judge(lambda spot: check_header(spot, spot, "User-Agent"), text) is None and is_literal(text):
                agent.use()
                taken = {"User-Agent": text}
        found = headers(place.get("custom_headers"), literal, taken)
        if found:
            fields["headers"] = found
        return any(name.lower() == "authorization" for name in found)


def _keys(place: Place) -> Iterator[Place]:
    for name in ("api_key", "api_keys"):
        found = place.get(name)
        if found is not None:
            yield from (one for one in (found.inside() or [found]) if one.value)


def _proxy(place: Place) -> str | None:
    text = place.value
    if isinstance(text, str) and "@" in text:
        place.foreign.mistakes.conceal(text)
    wrong = place.judge(check_proxy, text)
    if wrong is not None or not isinstance(text, str):
        place.drop(f"would be `proxy`, which {wrong}")
        return None
    place.use()
    return text


def _unless_zero(place: Place, name: str) -> Place | None:
    """Return a number's place; 0 or less says nothing there: no limit, or the default."""
    found = place.get(name)
    value = None if found is None else found.value
    if found is not None and isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 0:
        found.use()
        return None
    return found
