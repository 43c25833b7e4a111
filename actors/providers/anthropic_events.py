"""The events of Anthropic's streams, which build a message block by block, and their reader for native calls.

::

    message_start, then for each block: content_block_start, content_block_delta …, content_block_stop,
    then message_delta (why it stopped, what it used), message_stop; pings and an error at any time

`MessageReader` hands each event on as it is and adds the message up. For chat completions see `anthropic_stream.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field

from ..demand import estimate_demand, text_tokens
from ..failures import Failure
from ..growing import GrowingText
from ..messages import Answer, Call, Chunk
from .anthropic_answer import tokens_of
from .dialect import any_json
from .reading import is_error, malformed, read_json
from .sse import SSEEvent

DELTAS: Final[Mapping[str, str]] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
    "signature_delta": "signature",
}
"""The deltas that bring text, and under which name."""


def read_event(event: SSEEvent, headers: Mapping[str, str]) -> dict[str, Any] | Failure | None:
    """Return what an event says, the failure that it tells of, or nothing if it is empty."""
    text = event.data.strip()
    if not text:
        return None
    data = any_json(read_json(text))
    if not isinstance(data, dict):
        return malformed(headers, text.encode(), "an event of the stream is not a JSON object")
    if is_error(data) or event.event == "error":
        return malformed(headers, text.encode(), "the stream holds an error")
    return data


def kind_of(event: SSEEvent, data: Mapping[str, Any]) -> object:
    """Return an event's type: it says so itself, and its name does."""
    return data.get("type") or event.event


def delta_of(data: Mapping[str, Any]) -> tuple[str, str]:
    """Return which text a delta continues, and with what; two empty texts where it brings none."""
    delta = inner(data, "delta")
    kind = delta.get("type")
    name = DELTAS.get(kind, "") if isinstance(kind, str) else ""
    text = delta.get(name)
    return (name, text) if isinstance(text, str) else ("", "")


def inner(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object within another; an empty one where there is none."""
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def place_of(data: Mapping[str, Any]) -> int:
    """Return which block an event is about; -1 where it does not say so properly."""
    index = data.get("index")
    return index if isinstance(index, int) else -1


@define
class _Block:
    """A block as it began, and the texts that have come since."""

    began: Mapping[str, Any]
    texts: dict[str, GrowingText] = field(factory=dict)
    citations: list[Any] = field(factory=list)

    def add(self, data: Mapping[str, Any]) -> None:
        name, text = delta_of(data)
        if name:
            self.texts.setdefault(name, GrowingText()).add(text)
        delta = inner(data, "delta")
        if delta.get("type") == "citations_delta":
            self.citations.append(delta.get("citation"))

    def told(self) -> dict[str, Any]:
        block = dict(self.began)
        for name, written in self.texts.items():
            text = str(written)
            if name != "partial_json":
                before = block.get(name)
                block[name] = before + text if isinstance(before, str) else text
            elif isinstance(given := read_json(text), dict):
                block["input"] = given
        return {**block, "citations": self.citations} if self.citations else block


class MessageReader:
    """Hands on Anthropic's events, and adds the message up.

    It has *started* with the first text or thought, or the beginning of any other block; it is *complete* with
    ``message_stop``, or once the message has said why it stopped.
    """

    def __init__(self, call: Call, headers: Mapping[str, str]) -> None:
        self._request = call.body
        self._headers = headers
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, _Block] = {}
        self._usage: dict[str, Any] = {}
        self._written = 0.0
        self.started = False
        self.closed = False

    @property
    def complete(self) -> bool:
        """Whether the proper end has been seen."""
        return self.closed or self._message.get("stop_reason") is not None

    def feed(self, event: SSEEvent) -> Chunk | Failure | None:
        """Take in one event."""
        data = read_event(event, self._headers)
        if data is None or isinstance(data, Failure):
            return data
        text = self._take(kind_of(event, data), data)
        if self.closed and not self._message:
            return malformed(self._headers, b"", "the stream has no message")
        return Chunk(text, data, raw=event.data)

    def _take(self, kind: object, data: Mapping[str, Any]) -> str:
        """Keep what an event says, and return the text that it brings."""
        match kind:
            case "message_start":
                self._message = {**inner(data, "message")}
                self._usage |= inner(self._message, "usage")
            case "content_block_start":
                block = inner(data, "content_block")
                self._blocks[place_of(data)] = _Block(block)
                text = block.get("text")
                self.started = self.started or block.get("type") not in ("text", "thinking") or bool(text)
                return text if isinstance(text, str) else ""
            case "content_block_delta":
                return self._add(data)
            case "message_delta":
                self._message |= inner(data, "delta")
                self._usage |= {name: n for name, n in inner(data, "usage").items() if n is not None}
            case "message_stop":
                self.closed = True
        return ""

    def _add(self, data: Mapping[str, Any]) -> str:
        self._blocks.setdefault(place_of(data), _Block({})).add(data)
        name, text = delta_of(data)
        self.started = self.started or (bool(text) and name != "signature")
        self._written += text_tokens(text)
        return text if name == "text" else ""

    def answer(self) -> Answer:
        """Return the whole message."""
        content = [block.told() for _, block in sorted(self._blocks.items())]
        body: dict[str, Any] = {**self._message, "content": content}
        if self._usage:
            body["usage"] = dict(self._usage)
        used = tokens_of(self._usage) if self.complete else None
        if used is None and self.started:
            used = estimate_demand(self._request).prompt_tokens + self._written
        return Answer(body, used)
