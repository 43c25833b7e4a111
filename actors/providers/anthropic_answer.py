"""What Anthropic answers, as a chat completion: text, thoughts and tool calls of a message, why it stopped, its usage.

The pieces here are those that a message and a stream have in common, and a whole message put together from them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from .reading import count, created

FINISH_REASONS: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Why a message stopped, and what a completion calls it; what is not known here is a ``stop``."""

CACHED: Final = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""What of a prompt came from the cache and went into it: Anthropic counts that apart from the rest."""

_write: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Unreadable(Exception):
    """A message or an event is not what Anthropic documents; says what of it."""


def completion(message: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """Return a whole message as a whole completion.

    Raises:
        Unreadable: it has blocks that make no sense.

    """
    said: dict[str, list[str]] = {"content": [], "reasoning_content": []}
    calls: list[dict[str, Any]] = []
    for block in content_of(message):
        if block.get("type") == "tool_use":
            calls.append(tool_call(block, arguments_of(block)))
        elif (told := text_of(block)) is not None:
            said[told[0]].append(told[1])
    text, thoughts = ("".join(said[name]) for name in said)
    answer: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
    if thoughts:
        answer["reasoning_content"] = thoughts
    if calls:
        answer["tool_calls"] = calls
    if refusal := refusal_of(message):
        answer["refusal"] = refusal
    choice = {"index": 0, "message": answer, "finish_reason": finish_reason(message.get("stop_reason"))}
    body = {**head(message, headers), "object": "chat.completion", "choices": [choice]}
    usage = usage_of(message.get("usage"))
    return body if usage is None else {**body, "usage": usage}


def head(message: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """Return what a completion and all of its chunks begin with."""
    named = {name: message[name] if isinstance(message.get(name), str) else "" for name in ("id", "model")}
    return {"id": named["id"], "created": created(headers), "model": named["model"]}


def content_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the blocks of a message."""
    content = message.get("content")
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise Unreadable("the answer has no content")
    return [*content]


def text_of(block: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what a block says, and where that goes in a completion; ``None`` for what says nothing that can be shown.

    That is thinking which was struck out, and whatever only native calls can ask for.
    """
    for kind, name in (("text", "content"), ("thinking", "reasoning_content")):
        if block.get("type") == kind:
            text = block.get(kind)
            if not isinstance(text, str):
                raise Unreadable(f"a block of {kind} has none")
            return name, text
    return None


def tool_call(block: Mapping[str, Any], arguments: str) -> dict[str, Any]:
    """Return a tool call, under the id that Anthropic gave it."""
    id_, name = block.get("id"), block.get("name")
    if not isinstance(id_, str) or not isinstance(name, str):
        raise Unreadable("a tool call has no id or no name")
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def arguments_of(block: Mapping[str, Any]) -> str:
    """Return what a tool is called with, as text."""
    given = block.get("input")
    if not isinstance(given, dict):
        raise Unreadable("a tool call has no input")
    try:
        return _write(given)
    except RecursionError:
        raise Unreadable("a tool call's input is too deep") from None


def finish_reason(stop_reason: object) -> str:
    """Return what a completion calls the reason for which a message stopped."""
    return FINISH_REASONS.get(stop_reason, "stop") if isinstance(stop_reason, str) else "stop"


def refusal_of(message: Mapping[str, Any]) -> str | None:
    """Return what is said of a refusal, if anything is."""
    details = message.get("stop_details")
    told = details.get("explanation") if isinstance(details, dict) else None
    return told if isinstance(told, str) else None


def usage_of(usage: Any) -> dict[str, Any] | None:
    """Return the tokens that were used, ``None`` where they make no sense.

    >>> usage_of({"input_tokens": 3, "cache_read_input_tokens": 100, "output_tokens": 5})["prompt_tokens"]
    103
    """
    if not isinstance(usage, dict):
        return None
    asked, answered = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    if asked is None or answered is None:
        return None
    cached, written = (int(count(usage.get(name)) or 0) for name in CACHED)
    asked = int(asked) + cached + written
    told: dict[str, Any] = {
        "prompt_tokens": asked,
        "completion_tokens": int(answered),
        "total_tokens": asked + int(answered),
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    details = usage.get("output_tokens_details")
    thought = count(details.get("thinking_tokens")) if isinstance(details, dict) else None
    return told if thought is None else {**told, "completion_tokens_details": {"reasoning_tokens": int(thought)}}


def tokens_of(usage: Any) -> float | None:
    """Return how many tokens were used in all."""
    told = usage_of(usage)
    return None if told is None else float(told["total_tokens"])
