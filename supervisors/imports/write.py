"""The text of a configuration, with its secrets or without.

A literal secret is a user's own, and belongs into a file of theirs; a terminal, a log or a pipe is no place for it. So
there is a second form, in which each is replaced by ``env:NAME``, with the names for the user to set.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import define, field

from ...actors.masking import presentable
from ..config_mistakes import Mistakes
from ..config_secrets import is_literal
from ..config_yaml import parse_yaml
from .draft import Fields

HARMLESS_HEADERS: Final = frozenset(
    {"accept", "anthropic-beta", "anthropic-version", "content-type", "http-referer", "openai-organization"}
    | {"openai-project", "user-agent", "x-title"}
)
"""Headers whose values are shown unless they look like a key; any other may carry a secret."""

_ENV: Final = "env:"
_NO_NAME: Final = re.compile(r"[^A-Z0-9]+")


def without_secrets(config: Fields, labels: Iterable[str | None]) -> tuple[Fields, list[str]]:
    """Return a configuration with ``env:NAME`` for each literal secret, and the names in order.

    `labels` are those of the credentials in it: a variable that is used already means another secret.
    """
    config = copy.deepcopy(config)
    written = {text.removeprefix(_ENV) for text in _texts(config) if text.startswith(_ENV)}
    hiding = _Hiding(written | {label.removeprefix(_ENV) for label in labels if label is not None})
    entries = config["model_list"]
    assert isinstance(entries, list), "a configuration has a list of entries"
    for entry in entries:
        hiding.hide(entry)
    return config, list(hiding.names.values())


@define(eq=False)
class _Hiding:
    """Finds a variable's name for each secret; the same secret has the same one everywhere."""

    taken: set[str]
    names: dict[str, str] = field(factory=dict)

    def hide(self, entry: Fields) -> None:
        stem = _NO_NAME.sub("_", str(entry["model_name"]).upper()).strip("_") or "MODEL"
        stem = f"MODEL_{stem}" if stem[0].isdigit() else stem
        if isinstance(key := entry.get("api_key"), str):
            entry["api_key"] = self._name(key, f"{stem}_API_KEY")
        if isinstance(keys := entry.get("api_keys"), list):
            entry["api_keys"] = [self._name(key, f"{stem}_API_KEY_{n}") for n, key in enumerate(keys, start=1)]
        if isinstance(proxy := entry.get("proxy"), str) and "@" in proxy:
            entry["proxy"] = self._name(proxy, f"{stem}_PROXY")
        if isinstance(headers := entry.get("headers"), dict):
            entry["headers"] = {name: self._header(name, value, stem) for name, value in headers.items()}

    def _header(self, name: str, value: str, stem: str) -> str:
        if name.lower() in HARMLESS_HEADERS and presentable(value, len(value) + 1) == value:
            return value
        return self._name(value, f"{stem}_{_NO_NAME.sub('_', name.upper()).strip('_')}")

    def _name(self, source: str, wanted: str) -> str:
        if not is_literal(source):
            return source
        if source not in self.names:
            name, n = wanted, 1
            while name in self.taken:
                n += 1
                name = f"{wanted}_{n}"
            self.taken.add(name)
            self.names[source] = name
        return f"env:{self.names[source]}"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for below in value.values() if isinstance(value, dict) else value:
            yield from _texts(below)


def to_yaml(config: Fields, origin: str) -> str:
    """Return a configuration as YAML, under a comment that says where it comes from."""
    import yaml

    body = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, default_flow_style=False, width=10_000)
    text = f"# Imported from {origin}.\n{body}"
    assert parse_yaml(text, Mistakes())[0] == config, "what is written reads as it was meant"
    return text


def to_json(config: Fields) -> str:
    """Return a configuration as JSON."""
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"
