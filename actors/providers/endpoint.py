"""Where a candidate lives and how it is spoken to: base URL, credential, headers, proxy, dialect, time limits.

An `Endpoint` exists in the config and inside its model actor, and nowhere else: it never travels in a message.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

SECRET_MIN: Final = 6
"""A shorter value of a header is no secret: to strike it out would only make messages unreadable."""


class Secret:
    """A value that no `repr`, format or comparison shows. `reveal` is called where it goes onto the wire."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is never written down; keep its source (env:NAME or file:PATH) instead")


def _show_names(headers: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name!r}: …" for name in headers) + "}"


@frozen
class TimeLimits:
    """Our own limits on one attempt, in seconds; past one of them the provider has timed out.

    `connect` covers the connection; `first_event` a stream until its first content; `idle` a stream between two
    signs of life; `request` the whole attempt.
    """

    connect: float = 10.0
    first_event: float = 60.0
    idle: float = 60.0
    request: float = 300.0


@frozen
class Endpoint:
    """Everything that it takes to send a request to one candidate.

    `api_base` has no trailing slash. `api_version` is for dialects that want one. `headers` are sent besides the
    dialect's own; they and `proxy` may carry secrets and are never shown.
    """

    api_base: str
    secret: Secret | None = None
    headers: Mapping[str, str] = field(factory=dict, repr=_show_names)
    proxy: str | None = field(default=None, repr=lambda proxy: "None" if proxy is None else "'…'")
    dialect: str = "openai"
    api_version: str | None = None
    limits: TimeLimits = TimeLimits()

    def secrets(self) -> tuple[str, ...]:
        """Return every text that must not be shown, the longest first.

        >>> Endpoint("http://host/v1", headers={"x-auth": "Token abcdefgh", "x-n": "1"}).secrets()
        ('Token abcdefgh', 'abcdefgh')
        """
        found = {secret for secret in self._secrets() if secret}
        return tuple(sorted(found, key=lambda secret: (-len(secret), secret)))

    def _secrets(self) -> Iterator[str]:
        if self.secret is not None:
            yield self.secret.reveal()
        for value in self.headers.values():
            yield from (text for text in (value, *value.split()) if len(text) >= SECRET_MIN)
        if self.proxy is not None:
            yield self.proxy
            user, at, _ = urlsplit(self.proxy).netloc.rpartition("@")
            password = user.partition(":")[2]
            yield from (user, password, unquote(password))
            if at:
                yield base64.b64encode(unquote(user).encode()).decode()
