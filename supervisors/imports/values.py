"""Single values of a foreign configuration, in the shape that our fields want.

Each function takes the place of a value. It returns what belongs into the entry and has the value accounted for, or
returns ``None`` after telling why nothing of it can be used. Whether a value is fine is decided by the checks that
`load_config` has, so that what passes here passes there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from ...actors.identity import normalise_provider
from ...actors.providers.known import KNOWN_PROVIDERS, PROVIDER_DIALECTS
from ..config_checks import Check
from ..config_fields import ENTRY
from ..config_mistakes import Spot
from ..config_secrets import check_credential, check_header, is_literal
from ..config_urls import ENDPOINT_PATHS
from .foreign import Place, is_empty

SourceOf = Callable[[Place, str], str | None]
"""From how a secret is written there to how it is written here; ``None`` if it cannot be had, which is then told."""

AZURE: Final = "azure"
"""The provider that has another address for each of its users, so that every entry must state one."""

_NUMBER: Final = re.compile(r"\s*\d+(\.\d+)?\s*", re.ASCII)


def number(place: Place | None, ours: str, check: Check | None = None) -> float | None:
    """Return a number for a field of ours. Text that is a number counts as one, as it does there."""
    if place is None:
        return None
    value = place.value
    if isinstance(value, str) and len(value) < 20 and _NUMBER.fullmatch(value):
        value = float(value)
    wrong = place.judge(check or ENTRY[ours].check, value)
    if wrong is not None:
        place.drop(f"would be `{ours}`, which {wrong}")
        return None
    place.use()
    assert isinstance(value, (int, float)), "only numbers pass the check of a number"
    return int(value) if math.isfinite(value) and value == int(value) else value


def flag(place: Place | None, ours: str) -> bool | None:
    """Return true or false for a field of ours."""
    if place is None:
        return None
    wrong = place.judge(ENTRY[ours].check, place.value)
    if wrong is not None:
        place.drop(f"would be `{ours}`, which {wrong}")
        return None
    return bool(place.use())


def credential(place: Place, source_of: SourceOf) -> str | None:
    """Return a key, written our way."""
    if not isinstance(place.value, str):
        place.drop("is no text, and so no key; the entry has none")
        return None
    source = source_of(place, place.value.strip())
    if source is None:
        return None
    if is_literal(source):
        place.foreign.mistakes.conceal(source)
    wrong = place.judge(check_credential, source)
    if wrong is not None:
        place.drop(f"would be the key, which {wrong}; the entry has none")
        return None
    place.use()
    return source


def headers(place: Place | None, source_of: SourceOf, taken: dict[str, str]) -> dict[str, str]:
    """Return additional headers, those that are `taken` already included."""
    found = dict(taken)
    for one in place.inside() if place is not None else []:
        name, value = str(one.path[-1]), one.value
        if is_empty(value):
            continue
        if not isinstance(value, (str, int, float)):
            one.drop("would be a header, which must be text")
            continue
        source = source_of(one, str(value))
        if source is None:
            continue
        if is_literal(source):
            one.foreign.mistakes.conceal(source)
        wrong = _judge_header(one, name, source)
        if wrong is not None:
            one.drop(f"would be a header, but {wrong}")
        elif name.lower() in [other.lower() for other in found]:
            one.drop("this header is there already; upper and lower case make no difference")
        else:
            one.use()
            found[name] = source
    if place is not None and not place.inside():
        place.drop("would be headers, which must be a mapping of names to values")
    return found


def literal(place: Place, text: str) -> str | None:
    """Return a text that means itself there, and has to mean itself here."""
    if is_literal(text):
        return text
    place.drop("looks like a reference to a variable or a file here, and means itself there")
    return None


def _judge_header(place: Place, name: str, source: str) -> str | None:
    def check(spot: Spot) -> str:
        return check_header(spot, spot, name)

    return place.judge(check, source)


def api_base(place: Place, url: str, provider: str, *, own_dialect: bool) -> str | None:
    """Return a base URL; ``""`` if it is that of the provider, which needs not be said.

    `own_dialect` says that the other program would not speak the OpenAI dialect at this address; neither do we, if the
    provider has a dialect of its own here, too.
    """
    url = _without_endpoint(url.strip())
    wrong = place.judge(ENTRY["api_base"].check, url)
    if wrong is not None:
        place.foreign.mistakes.conceal(url)
        place.drop(f"would be `api_base`, which {wrong}")
        return None
    known = KNOWN_PROVIDERS.get(normalise_provider(provider))
    same_host = known is not None and urlsplit(known.api_base).netloc == urlsplit(url).netloc
    if own_dialect and same_host:
        place.use()
        return ""
    if not own_dialect or normalise_provider(provider) in PROVIDER_DIALECTS:
        place.use()
    elif known is not None and known.key_variable is None and urlsplit(url).path in ("", "/"):
        place.change("`/v1` is added, where this server offers the OpenAI dialect")
        return url.rstrip("/") + "/v1"
    else:
        place.change("is spoken to in the OpenAI dialect; see to it that this address offers it")
    return url.rstrip("/")


def _without_endpoint(url: str) -> str:
    for path in ENDPOINT_PATHS:
        url = url.rstrip("/").removesuffix(path)
    return url


def customary_key(provider: str, url: str | None) -> str | None:
    """Return the variable that an entry without a key is sent with, ``None`` if it is sent without one."""
    known = KNOWN_PROVIDERS.get(normalise_provider(provider))
    if known is None or (url and url != known.api_base):
        return None
    return known.key_variable
