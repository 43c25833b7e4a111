"""A request as it comes to a provider, before anything is made of it; and who is behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen

NOBODY: Final = -1
"""The number of a caller whom nobody knows."""

INTRODUCED: Final = re.compile(r"caller-([0-9]{1,9}): ")


@frozen
class Arrival:
    """A request at its provider.

    `address` is the provider's own (host and path of its API), `path` and `query` are what the request has below it;
    names of `headers` are in lower case.
    """

    address: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


def introduction(number: int) -> str:
    """Return how a caller says who it is, at the beginning of its prompt.

    >>> introduction(7)
    'caller-7: '
    """
    return f"caller-{number}: "


def caller_of(body: Mapping[str, Any]) -> int:
    """Return the number of the caller behind a request, as the request itself tells; `NOBODY` if it does not.

    OpenAI's dialect has a field for it; where there is none, it stands at the beginning of the prompt.

    >>> caller_of({"contents": [{"role": "user", "parts": [{"text": "caller-7: word"}]}]})
    7
    >>> caller_of({"user": "caller-3"})
    3
    """
    name = body.get("user")
    if isinstance(name, str):
        number = name.removeprefix("caller-")
        return int(number) if number.isdecimal() else NOBODY
    found = (INTRODUCED.match(text) for text in _prompts(body))
    return next((int(match[1]) for match in found if match is not None), NOBODY)


def _prompts(body: Mapping[str, Any]) -> Iterator[str]:
    """Return the first text of each of a user's messages, in any dialect."""
    messages = body.get("messages") or body.get("contents")
    for message in messages if isinstance(messages, list | tuple) else ():
        if not isinstance(message, Mapping) or message.get("role", "user") != "user":
            continue
        content = message.get("content") or message.get("parts")
        if isinstance(content, list | tuple):
            content = next((part["text"] for part in content if isinstance(part, Mapping) and "text" in part), None)
        if isinstance(content, str):
            yield content
