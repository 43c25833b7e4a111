"""What Anthropic and Gemini answer: one small text, or a stream of one word an event. Both are translated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from upstream import WORDS


def anthropic_message(text: str) -> dict[str, Any]:
    """Return a whole message."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 2},
    }


def anthropic_stream() -> Iterator[dict[str, Any]]:
    """Yield the events of a stream."""
    yield {"type": "message_start", "message": {**anthropic_message(""), "content": [], "stop_reason": None}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for number in range(WORDS):
        delta = {"type": "text_delta", "text": f"word{number} "}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": WORDS}}
    yield {"type": "message_stop"}


def gemini_response(text: str, finish: str | None = "STOP") -> dict[str, Any]:
    """Return a whole response, or an event of a stream, of which only the last says why it finished."""
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    return {
        "candidates": [candidate if finish is None else {**candidate, "finishReason": finish}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11},
        "modelVersion": "m",
        "responseId": "1",
    }


def gemini_stream() -> Iterator[dict[str, Any]]:
    """Yield the events of a stream."""
    for number in range(WORDS):
        yield gemini_response(f"word{number} ", "STOP" if number == WORDS - 1 else None)


ANSWERS: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "anthropic": anthropic_message,
    "gemini": gemini_response,
}


def _written(events: Iterator[dict[str, Any]]) -> tuple[bytes, ...]:
    return tuple(
        (f"event: {event['type']}\n" if "type" in event else "").encode()
        + b"data: "
        + json.dumps(event).encode()
        + b"\n\n"
        for event in events
    )


STREAMS: Final = {"anthropic": _written(anthropic_stream()), "gemini": _written(gemini_stream())}
"""The events of their streams as they come."""
