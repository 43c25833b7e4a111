"""What an answer says, in whichever shape its endpoint gives it: text, tool calls, usage, why it ended.

A shape is told by the answer itself: OpenAI's chat completions have `choices`, its responses `output`, Anthropic's
messages `content`, Gemini's answers `candidates`. Whatever is not there, or not as documented, is nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .messages import Usage

COUNTS: Final = (
    ("usage", "prompt_tokens", "completion_tokens", "total_tokens"),
    ("usage", "input_tokens", "output_tokens", "total_tokens"),
    ("usageMetadata", "promptTokenCount", "candidatesTokenCount", "totalTokenCount"),
)
"""Where the tokens are counted: prompt, completion, total."""


def text_of(body: Mapping[str, Any]) -> str:
    """Return the text of the first choice; ``""`` if it has none."""
    return "".join(_texts(body))


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    if "choices" in body:
        choice = _first(body["choices"])
        content = _mapping(choice.get("message")).get("content", choice.get("text"))
        parts = content if isinstance(content, list) else [content]
        yield from (text for part in parts for text in _text(part))
    elif "candidates" in body:
        for part in _parts(body):
            if not part.get("thought"):
                yield from _text(part)
    elif isinstance(body.get("output"), list):
        for item in _mappings(body["output"]):
            yield from (text for part in _mappings(item.get("content")) for text in _text(part))
    elif isinstance(body.get("content"), list):
        yield from (text for block in _mappings(body["content"]) for text in _text(block))
    else:
        yield from _text(body)


def _text(part: object) -> Iterator[str]:
    said = part.get("text") if isinstance(part, dict) else part
    if isinstance(said, str):
        yield said


def tool_calls_of(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the tool calls of the first choice, as the provider wrote them."""
    if "choices" in body:
        return tuple(_mappings(_mapping(_first(body["choices"]).get("message")).get("tool_calls")))
    if "candidates" in body:
        return tuple(part["functionCall"] for part in _parts(body) if isinstance(part.get("functionCall"), dict))
    if isinstance(body.get("output"), list):
        return tuple(item for item in _mappings(body["output"]) if item.get("type") == "function_call")
    return tuple(block for block in _mappings(body.get("content")) if block.get("type") == "tool_use")


def usage_of(body: Mapping[str, Any]) -> Usage:
    """Return the tokens that the provider counted."""
    for where, prompt, completion, total in COUNTS:
        counted = _mapping(body.get(where))
        if prompt in counted or completion in counted:
            return Usage(_count(counted.get(prompt)), _count(counted.get(completion)), _count(counted.get(total)))
    return Usage(total_tokens=_count(_mapping(body.get("usage")).get("total_tokens")))


def finish_reason_of(body: Mapping[str, Any]) -> str | None:
    """Return why the first choice ended, in the provider's word."""
    reason = (
        _first(body.get("choices")).get("finish_reason")
        or _first(body.get("candidates")).get("finishReason")
        or body.get("stop_reason")
    )
    return reason if isinstance(reason, str) else None


def _parts(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return _mappings(_mapping(_first(body["candidates"]).get("content")).get("parts"))


def _first(items: object) -> Mapping[str, Any]:
    return _mapping(items[0]) if isinstance(items, list) and items else {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(items: object) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _count(count: object) -> int | None:
    return count if isinstance(count, int) and not isinstance(count, bool) else None
