"""Streams of OpenAI's other endpoints: responses, completions, transcripts, images. Events are handed on as they are.

Most of them say themselves when they are at their end. Source: the events of OpenAI's API reference; whatever is not
known here goes through untouched, and its stream is complete where the body is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ..failures import Failure
from ..growing import GrowingText
from ..messages import Answer, Call, Chunk
from .reading import is_error, malformed, read_json, used_tokens
from .sse import SSEEvent

LAST: Final = (
    "response.completed",
    "response.incomplete",
    "transcript.text.done",
    "speech.audio.done",
    "image_generation.completed",
    "image_edit.completed",
)
"""The events with which a stream is at its end."""

NOT_YET: Final = ("response.created", "response.queued", "response.in_progress")
"""Events that say that there will be content."""

TEXTS: Final = ("response.output_text.delta", "transcript.text.delta")
"""Events that bring text."""


class EventReader:
    """Reads a stream of events, each of which says by its `type` what it is.

    For responses the proper end is one of `LAST`, for completions the finish reason of every choice.
    """

    def __init__(self, call: Call, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self._must_say_its_end = call.endpoint.startswith(("/responses", "/completions"))
        self._last: Mapping[str, Any] = {}
        self._whole: Mapping[str, Any] | None = None
        self._choices: dict[int, _Choice] = {}
        self.started = False
        self.closed = False

    @property
    def complete(self) -> bool:
        """Whether the proper end has been seen, as far as this kind of stream has one."""
        if self.closed:
            return True
        if self._choices:
            return all(choice.finish_reason is not None for choice in self._choices.values())
        return self.started and not self._must_say_its_end

    def feed(self, event: SSEEvent) -> Chunk | Failure | None:
        """Take in one event."""
        text = event.data.strip()
        if not text:
            return None
        if text == "[DONE]":
            self.closed = self.started
            return None if self.closed else malformed(self._headers, b"", "the stream has no content")
        data = read_json(text)
        if not isinstance(data, dict):
            return malformed(self._headers, text.encode(), "an event of the stream is not a JSON object")
        kind = str(data.get("type") or event.event or "")
        if kind in ("error", "response.failed") or is_error(data):
            return malformed(self._headers, _error_of(data, text), "the stream holds an error")
        self._last = data
        if kind in LAST:
            whole = data.get("response")
            self._whole = whole if isinstance(whole, dict) else data
            self.closed = True
        text = self._take(kind, data)
        self.started = self.started or self.closed or bool(text) or _is_content(kind, data)
        return Chunk(text, data, raw=event.data)

    def answer(self) -> Answer:
        """Return the whole: what the last event holds of it, or the choices put together."""
        body = dict(self._last if self._whole is None else self._whole)
        if self._choices:
            body["choices"] = [choice.told(i) for i, choice in sorted(self._choices.items())]
        return Answer(body, used_tokens(body))

    def _take(self, kind: str, data: Mapping[str, Any]) -> str:
        """Return the text that an event brings, and keep what belongs to a choice."""
        if kind in TEXTS:
            return str(data.get("delta") or "")
        first = ""
        choices = data.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            index = choice.get("index")
            place = index if isinstance(index, int) and 0 <= index < 128 else 0
            text = choice.get("text")
            text = text if isinstance(text, str) else ""
            kept = self._choices.setdefault(place, _Choice())
            kept.text.add(text)
            kept.finish_reason = choice.get("finish_reason") or kept.finish_reason
            first += text if place == 0 else ""
        return first


def _is_content(kind: str, data: Mapping[str, Any]) -> bool:
    """Whether an event without text is content: neither an announcement, nor a delta or a choice that is empty."""
    return kind not in NOT_YET and "choices" not in data and ("delta" not in data or bool(data["delta"]))


class _Choice:
    """One choice of a completion, as far as it has come."""

    def __init__(self) -> None:
        self.text = GrowingText()
        self.finish_reason: Any = None

    def told(self, index: int) -> dict[str, Any]:
        return {"index": index, "text": str(self.text), "finish_reason": self.finish_reason}


def _error_of(data: Mapping[str, Any], text: str) -> bytes:
    """Return the error that an event tells of, where the classifier looks for one."""
    response = data.get("response")
    inner = response.get("error") if isinstance(response, dict) else None
    return json.dumps({"error": inner}).encode() if inner else text.encode()
