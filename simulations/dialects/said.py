"""What a request says, whatever dialect it is written in: a list of items, by which two requests can be compared.

| item | what it is |
|---|---|
| `system`, `user`, `assistant` and a text | a text of that role |
| `image`, a type and its data | a picture of the user's |
| `call`, an id, a name, arguments | a tool that the model has called |
| `result`, an id, a name, a text | what that tool has answered |
| `tool`, a name, a schema | a tool that the model may call |
| `limit` and a number | how many tokens the answer may have |

An empty id is one that the dialect need not have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Item = tuple[str, ...]
"""One of the table's rows."""


def as_text(value: object) -> str:
    """Write JSON so that equal values are equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def arguments_of(text: object) -> str:
    """Write a tool's arguments, which OpenAI's dialect has as a text of JSON."""
    try:
        return as_text(json.loads(text) if isinstance(text, str) else text)
    except ValueError:
        return str(text)


def mapping(value: object) -> Mapping[str, Any]:
    """Return a value that should be an object; what is none has nothing in it."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[Any]:
    """Return a value that should be a list; what is none has nothing in it."""
    return value if isinstance(value, list | tuple) else ()


def differences(asked: Sequence[Item], heard: Sequence[Item]) -> str | None:
    """Say the first thing in which what was heard is not what was asked; ``None`` if there is none.

    >>> differences([("system", "Be brief."), ("user", "Hello")], [("user", "Hello")])
    'where system was asked, user was heard'
    """
    for one, other in zip(asked, heard, strict=False):
        if one[0] != other[0]:
            return f"where {one[0]} was asked, {other[0]} was heard"
        nameless = one[0] in ("call", "result") and other[1] == "" and one[2:] == other[2:]
        if one != other and not nameless:
            return f"{one[0]} was heard otherwise than it was asked"
    if len(asked) > len(heard):
        return f"{asked[len(heard)][0]} was asked and not heard"
    return f"{heard[len(asked)][0]} was heard and not asked" if len(heard) > len(asked) else None
