"""One deployment of LiteLLM's `model_list`, as an entry of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from attrs import define, field

from ...actors.identity import ModelRef
from ...actors.providers.known import KNOWN_PROVIDERS
from ..config_fields import ENTRY
from ..config_mistakes import show
from ..config_secrets import check_header
from . import litellm_words as words
from .draft import Deployment, Fields
from .foreign import Place
from .values import AZURE, api_base, credential, customary_key, flag, headers, literal, number

_ENVIRON: Final = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")

NUMBERS: Final = (
    (("rpm",), ("rpm",)),
    (("tpm",), ("tpm",)),
    (("max_parallel_requests",), ("max_parallel",)),
    (("num_retries", "max_retries"), ("retries",)),
    (("timeout",), ("request_timeout",)),
    (("stream_timeout",), ("first_event_timeout", "idle_timeout")),
)
"""Fields of `litellm_params` that are numbers, and ours. Of several names of one thing, the first counts."""


@define(eq=False)
class Reading:
    """What is needed to read a deployment, besides itself."""

    environ: Mapping[str, str]
    credentials: Mapping[str, Place] = field(factory=dict)


def source_of(place: Place, text: str) -> str | None:
    """Return how a value that may be ``os.environ/NAME`` is written here."""
    if not text.startswith("os.environ/"):
        return literal(place, text)
    match = _ENVIRON.fullmatch(text)
    if match is None:
        place.drop("names no environment variable")
        return None
    return f"env:{match[1]}"


def read_deployment(place: Place, reading: Reading) -> Deployment | str | None:
    """Return a deployment as an entry.

    If it cannot be taken over, that is told and its name returned; if it is mistaken, that is noted.
    """
    if not isinstance(place.value, Mapping):
        place.note(None, "must be a mapping with `model_name` and `litellm_params`")
        return None
    name = place.text("model_name")
    params = _Params(place, reading)
    written = params.place.text("model")
    if name is None or written is None:
        return None
    try:
        known, fields = _address(name, written, params)
    except _LeftOut as reason:
        place.drop(f"the entry is left out: {reason}")
        return name
    _set_version(known, params, fields)
    _set_key(known, params, fields)
    _set_numbers(place, params, fields)
    _set_abilities(place.section("model_info"), fields)
    order = params.get("order")
    rank = number(order, "order", ENTRY["retry_within"].check)
    ident = place.section("model_info").get("id")
    return Deployment(place, name, fields, ident, float("inf") if rank is None else rank)


class _LeftOut(Exception):
    """The deployment cannot be taken over."""


@define(eq=False)
class _Params:
    """`litellm_params`, with what a named credential adds to it."""

    deployment: Place
    reading: Reading
    place: Place = field(init=False)
    _credential: Place | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.place = self.deployment.section("litellm_params")
        name = self.place.get("litellm_credential_name")
        listed = self.reading.credentials.get(str(name.value)) if name is not None else None
        if name is not None and listed is not None:
            name.use()
            listed.at("credential_name", name.value).use()
            self._credential = listed.section("credential_values")

    def get(self, *names: str) -> Place | None:
        """Return the first of these fields that is there."""
        for section in (self.place, self._credential):
            for name in names:
                found = None if section is None else section.get(name)
                if found is not None:
                    return found
        return None


def _address(name: str, written: str, params: _Params) -> tuple[words.Known, Fields]:
    """Return who the provider is, and the fields that say so."""
    custom = params.get("custom_llm_provider")
    prefix, model = _split(written, None if custom is None else str(custom.value), params)
    if "*" in name:
        raise _LeftOut(words.SPECIAL_MODELS["*"])
    if prefix not in words.PROVIDERS:
        why = words.UNREACHABLE.get(
            prefix, "it is not known here; if it offers the OpenAI dialect, write an entry with its `api_base`"
        )
        raise _LeftOut(f"of the provider {show(prefix)}, {why}")
    if custom is not None:
        custom.use()
    known = words.PROVIDERS[prefix]
    for part, why in words.SPECIAL_MODELS.items():
        if part in model:
            if why:
                raise _LeftOut(why)
            model = model.replace(part, "")
    if known.model_prefix and "/" not in model:
        model = known.model_prefix + model
    fields: Fields = {"model": str(_reference(known.ours, model))}
    url = _url(known, params)
    if url:
        fields["api_base"] = url
    return known, fields


def _reference(provider: str, model: str) -> ModelRef:
    try:
        return ModelRef.parse(f"{provider}/{model}")
    except ValueError:
        raise _LeftOut("it names no model") from None


def _split(written: str, custom: str | None, params: _Params) -> tuple[str, str]:
    """Return LiteLLM's provider and the model, found as LiteLLM finds them."""
    head, slash, tail = written.partition("/")
    if custom:
        return custom, tail if head == custom and slash else written
    if slash and (head in words.PROVIDERS or head in words.UNREACHABLE):
        return head, tail
    for beginning, provider in words.BY_MODEL:
        if written.startswith(beginning):
            return provider, written
    place = params.get("api_base", "base_url")
    for prefix, known in words.PROVIDERS.items():
        home = KNOWN_PROVIDERS.get(known.ours)
        if place is not None and home is not None and str(place.value).startswith(home.api_base):
            return prefix, written
    if slash:
        return head, tail
    raise _LeftOut(f"{show(written)} names no provider; write it as provider/model")


def _url(known: words.Known, params: _Params) -> str | None:
    """Return the base URL to state, ``None`` if the provider's own is meant. Without a usable one there is no entry."""
    place = params.get("api_base", "base_url")
    if place is None:
        if known.api_base is None and (known.ours == AZURE or known.ours not in KNOWN_PROVIDERS):
            raise _LeftOut(f"of the provider {show(known.ours)}, it needs an `api_base`")
        return known.api_base
    text = str(place.value)
    variable = _ENVIRON.fullmatch(text)
    if variable is not None:
        found = params.reading.environ.get(variable[1], "")
        if not found.strip():
            raise _LeftOut(f"its address is in the variable {variable[1]}, which is not set; set it, and import again")
        text = found
    url = api_base(place, text, known.ours, own_dialect=known.own_dialect)
    if url is None:
        raise _LeftOut("its address cannot be used")
    if variable is not None and url:
        place.change(f"is what the variable {variable[1]} holds now: an address is written out here")
    return url or None


def _set_key(known: words.Known, params: _Params, fields: Fields) -> None:
    place = params.get("api_key")
    key = None if place is None else credential(place, source_of)
    found = headers(params.get("extra_headers", "headers"), source_of, _organization(params))
    if found:
        fields["headers"] = found
    if any(name.lower() == "authorization" for name in found):
        if place is not None:
            place.drop("its header `authorization` is sent instead")
    elif key is not None:
        fields["api_key"] = key
    elif place is None:
        _set_customary_key(known, params, fields)


def _set_version(known: words.Known, params: _Params, fields: Fields) -> None:
    """Take over the version of Azure's API, as far as entries can state one."""
    place = params.get("api_version")
    if place is None or known.ours != AZURE or "api_version" not in ENTRY or _ENVIRON.match(str(place.value)):
        return
    if place.judge(ENTRY["api_version"].check, place.value) is None:
        fields["api_version"] = place.use()


def _set_customary_key(known: words.Known, params: _Params, fields: Fields) -> None:
    """Take the key from the variable that LiteLLM takes it from, where it goes to the provider that it is for."""
    if known.key_variable is not None and (known.ours == AZURE or fields.get("api_base") == known.api_base):
        fields["api_key"] = f"env:{known.key_variable}"
        return
    url = fields.get("api_base")
    home = KNOWN_PROVIDERS.get(known.ours)
    if url is not None and home is not None and home.key_variable and customary_key(known.ours, str(url)) is None:
        params.deployment.foreign.note_changed(
            params.place.path,
            f"names no key, and none is sent to an address of its own; if it needs one, give `api_key`"
            f" (LiteLLM would send {home.key_variable})",
        )


def _organization(params: _Params) -> dict[str, str]:
    place = params.get("organization")
    if place is None or not isinstance(place.value, str):
        return {}
    source = source_of(place, place.value)
    if source is None:
        return {}
    wrong = place.judge(lambda spot: check_header(spot, spot, "OpenAI-Organization"), source)
    if wrong is not None:
        place.drop(f"would be a header, but {wrong}")
        return {}
    place.use()
    return {"OpenAI-Organization": source}


def _set_numbers(deployment: Place, params: _Params, fields: Fields) -> None:
    for theirs, ours in NUMBERS:
        places = [place for name in theirs if (place := params.get(name)) is not None]
        if not places and (beside := deployment.get(theirs[0])) is not None:
            places = [beside]
        for shadowed in places[1:]:
            shadowed.drop(f"{show(theirs[0])} comes before it")
        place = places[0] if places else None
        if place is not None and place.value == 0 and ours[0] in ("rpm", "tpm"):
            place.drop(
                "lets nothing through there, and everything here, so it is left out; `enabled: false` is what it means"
            )
            continue
        value = number(place, ours[0])
        if value is not None:
            fields.update(dict.fromkeys(ours, value))


def _set_abilities(info: Place, fields: Fields) -> None:
    window = number(info.get("max_input_tokens"), "context_window")
    if window is not None:
        fields["context_window"] = window
    for theirs, ours in (("supports_vision", "vision"), ("supports_function_calling", "tools")):
        value = flag(info.get(theirs), ours)
        if value is not None:
            fields[ours] = value
    mode = info.get("mode")
    if mode is not None and mode.value == "chat":
        mode.use()
