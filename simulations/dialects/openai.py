"""OpenAI's dialect, and the same at Azure's addresses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from ..error_words import Family
from .arrival import Arrival
from .said import Item, arguments_of, as_text, mapping, sequence
from .spoken import Left, Spoken, Written, sse

BELOW_A_DEPLOYMENT: Final = re.compile(r"(?:openai/)?deployments/([^/]+)/chat/completions")
DATED: Final = re.compile(r"api-version=[0-9]{4}-[0-9]{2}-[0-9]{2}(?:-preview)?")
DATA_URL: Final = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)
ROLES: Final = ("system", "developer", "user", "assistant", "tool")


class OpenAISpoken(Spoken):
    """Chat completions with a bearer's key."""

    family: Family | None = None
    malformed = b'data: {"choices": [{"index": 0, "del\n\n'

    def takes(self, arrival: Arrival) -> bool:
        """They have one path."""
        return arrival.path == "chat/completions"

    def secret(self, headers: Mapping[str, str]) -> str:
        """It is a bearer's."""
        return headers.get("authorization", "").removeprefix("Bearer ")

    def model(self, arrival: Arrival) -> str:
        """The body names it."""
        return str(arrival.body.get("model"))

    def streams(self, arrival: Arrival) -> bool:
        """The body says so."""
        return bool(arrival.body.get("stream"))

    def amiss(self, arrival: Arrival) -> str | None:
        """There must be messages, of roles that there are."""
        messages = arrival.body.get("messages")
        if not isinstance(messages, list | tuple) or not messages:
            return "messages: there must be some"
        if any(mapping(message).get("role") not in ROLES for message in messages):
            return "messages: a role that there is not"
        return None

    def said(self, body: Mapping[str, Any]) -> Sequence[Item]:
        """Messages first, then tools and the limit."""
        return list(_said(body))

    def ping(self, written: Written) -> bytes:
        """A comment."""
        del written
        return b": keep-alive\n\n"

    def whole(self, written: Written) -> bytes:
        """The stamp is the fingerprint of the system."""
        message = {"role": "assistant", "content": written.text}
        return json.dumps(
            {
                **_head(written, "chat.completion"),
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": _usage(written),
            }
        ).encode()

    def beginning(self, written: Written) -> Sequence[bytes]:
        """First comes the role."""
        return (_event(written, {"role": "assistant", "content": ""}),)

    def events(self, written: Written) -> Sequence[bytes]:
        """Each is a delta of the content."""
        return [_event(written, {"content": piece}) for piece in written.pieces]

    def end(self, written: Written) -> Sequence[bytes]:
        """The finish reason, the usage, and a word that is no JSON."""
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": _usage(written)}
        return (sse({**_head(written, "chat.completion.chunk"), **last}), b"data: [DONE]\n\n")

    def error(self, body: bytes) -> bytes:
        """An error's body is an event as it is."""
        return b"data: " + body + b"\n\n"

    def statement(self, left: Sequence[Left], now: float) -> Mapping[str, str]:
        """A number and a duration."""
        del now
        return {
            name: value
            for each in left
            for name, value in (
                (f"x-ratelimit-remaining-{each.what}", f"{each.amount:.0f}"),
                (f"x-ratelimit-reset-{each.what}", f"{each.seconds:g}s"),
            )
        }


class AzureSpoken(OpenAISpoken):
    """The same below deployments, or with the path of OpenAI's own, and in either case with an ``api-key``."""

    family: Family | None = Family.AZURE

    def takes(self, arrival: Arrival) -> bool:
        """A deployment is in the path; the newer form is told by the header of its key."""
        if BELOW_A_DEPLOYMENT.fullmatch(arrival.path):
            return True
        return "api-key" in arrival.headers and super().takes(arrival)

    def secret(self, headers: Mapping[str, str]) -> str:
        """It is in a header of its own."""
        return headers.get("api-key", "")

    def model(self, arrival: Arrival) -> str:
        """The deployment, or what the body names."""
        below = BELOW_A_DEPLOYMENT.fullmatch(arrival.path)
        return super().model(arrival) if below is None else unquote(below[1])

    def amiss(self, arrival: Arrival) -> str | None:
        """The version of the API must be there, where the path has a deployment."""
        if BELOW_A_DEPLOYMENT.fullmatch(arrival.path) and not DATED.fullmatch(arrival.query):
            return "api-version: it must be there"
        return super().amiss(arrival)


def _usage(written: Written) -> dict[str, int]:
    prompt, answer = written.prompt_tokens, written.answer_tokens
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def _event(written: Written, delta: Mapping[str, Any]) -> bytes:
    return sse({**_head(written, "chat.completion.chunk"), "choices": [{"index": 0, "delta": delta}]})


def _head(written: Written, kind: str) -> dict[str, Any]:
    return {"id": str(written.number), "object": kind, "model": written.model, "system_fingerprint": written.stamp}


# What is said


def _said(body: Mapping[str, Any]) -> Iterator[Item]:
    names: dict[str, str] = {}
    for message in sequence(body.get("messages")):
        role, content = str(message.get("role")), message.get("content")
        if role == "tool":
            called = str(message.get("tool_call_id"))
            yield ("result", called, names.get(called, ""), str(content))
            continue
        for part in (content,) if isinstance(content, str) else sequence(content):
            yield _part(role, part)
        for call in sequence(message.get("tool_calls")):
            function = mapping(call.get("function"))
            names[str(call.get("id"))] = str(function.get("name"))
            yield ("call", str(call.get("id")), str(function.get("name")), arguments_of(function.get("arguments")))
    for tool in sequence(body.get("tools")):
        function = mapping(tool.get("function"))
        yield ("tool", str(function.get("name")), as_text(function.get("parameters")))
    if body.get("max_tokens") is not None:
        yield ("limit", str(body["max_tokens"]))


def _part(role: str, part: Any) -> Item:
    if isinstance(part, str):
        return (role, part)
    if part.get("type") == "image_url":
        found = DATA_URL.fullmatch(str(mapping(part.get("image_url")).get("url")))
        return ("image", "", "") if found is None else ("image", found[1], found[2])
    return (role, str(part.get("text")))
