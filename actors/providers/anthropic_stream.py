"""Anthropic's streams: events that build a message, block by block. Handed on as they are, or as OpenAI's chunks.

::

    message_start, then for each block: content_block_start, content_block_delta …, content_block_stop,
    then message_delta (why it stopped, what it used), message_stop; pings and an error at any time

`MessageReader` is for callers who speak Anthropic: it hands on each event and adds the message up. `CompletionReader`
is for all others: it turns each event into a chunk and leaves the adding up to the reader of OpenAI's chunks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from ..demand import estimate_demand, text_tokens
from ..failures import Failure
from ..messages import Answer, Call, Chunk
from .anthropic_answer import (
    Unreadable,
    arguments_of,
    finish_reason,
    head,
    refusal_of,
    text_of,
    tokens_of,
    tool_call,
    usage_of,
)
from .dialect import any_json
from .openai import ChatStreamReader
from .reading import is_error, malformed, read_json
from .sse import SSEEvent

DELTAS: Mapping[str, str] = {
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
    delta = _inner(data, "delta")
    kind = delta.get("type")
    name = DELTAS.get(kind, "") if isinstance(kind, str) else ""
    text = delta.get(name)
    return (name, text) if isinstance(text, str) else ("", "")


def _inner(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = data.get(name)
    return inner if isinstance(inner, dict) else {}


def _place(data: Mapping[str, Any]) -> int:
    index = data.get("index")
    return index if isinstance(index, int) else -1


# ---- as they are


@define
class _Block:
    """A block as it began, and the texts that have come since, in their pieces."""

    began: Mapping[str, Any]
    texts: dict[str, list[str]] = field(factory=dict)
    citations: list[Any] = field(factory=list)

    def add(self, data: Mapping[str, Any]) -> None:
        name, text = delta_of(data)
        if name:
            self.texts.setdefault(name, []).append(text)
        delta = _inner(data, "delta")
        if delta.get("type") == "citations_delta":
            self.citations.append(delta.get("citation"))

    def told(self) -> dict[str, Any]:
        block = dict(self.began)
        for name, pieces in self.texts.items():
            text = "".join(pieces)
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
        return Chunk(text, data)

    def _take(self, kind: object, data: Mapping[str, Any]) -> str:
        """Keep what an event says, and return the text that it brings."""
        match kind:
            case "message_start":
                self._message = {**_inner(data, "message")}
                self._usage |= _inner(self._message, "usage")
            case "content_block_start":
                block = _inner(data, "content_block")
                self._blocks[_place(data)] = _Block(block)
                text = block.get("text")
                self.started = self.started or block.get("type") not in ("text", "thinking") or bool(text)
                return text if isinstance(text, str) else ""
            case "content_block_delta":
                return self._add(data)
            case "message_delta":
                self._message |= _inner(data, "delta")
                self._usage |= {name: n for name, n in _inner(data, "usage").items() if n is not None}
            case "message_stop":
                self.closed = True
        return ""

    def _add(self, data: Mapping[str, Any]) -> str:
        self._blocks.setdefault(_place(data), _Block({})).add(data)
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


# ---- as chunks of a completion


class CompletionReader:
    """Turns Anthropic's events into chunks of a chat completion.

    It has *started* and is *complete* when the chunks are, or with ``message_stop``.
    """

    def __init__(self, call: Call, headers: Mapping[str, str]) -> None:
        self._chunks = ChatStreamReader(call.body, headers)
        self._headers = headers
        self._head = head({}, headers)
        self._begun = False
        self._usage: dict[str, Any] = {}
        self._calls: dict[int, _Call] = {}
        self.closed = False

    @property
    def started(self) -> bool:
        """Whether the first content has been read."""
        return self._chunks.started

    @property
    def complete(self) -> bool:
        """Whether the proper end has been seen."""
        return self.closed or self._chunks.complete

    def feed(self, event: SSEEvent) -> Chunk | Failure | None:
        """Take in one event."""
        data = read_event(event, self._headers)
        if data is None or isinstance(data, Failure):
            return data
        try:
            return self._read(kind_of(event, data), data)
        except Unreadable as exc:
            return malformed(self._headers, event.data.encode(), str(exc))

    def answer(self) -> Answer:
        """Return the whole completion."""
        return self._chunks.answer()

    def _read(self, kind: object, data: Mapping[str, Any]) -> Chunk | None:
        """Return the chunk that an event makes; a ping makes none, nor does what is yet to be invented."""
        chunk: Chunk | None = None
        match kind:
            case "message_start":
                chunk = self._start(_inner(data, "message"))
            case "content_block_start":
                chunk = self._block(data)
            case "content_block_delta":
                chunk = self._delta(data)
            case "content_block_stop":
                chunk = self._block_end(data)
            case "message_delta":
                chunk = self._end(data)
            case "message_stop":
                chunk = self._stop()
        return chunk

    def _start(self, message: Mapping[str, Any]) -> Chunk:
        self._head = head(message, self._headers)
        self._usage |= _inner(message, "usage")
        return self._chunk({"role": "assistant"})

    def _block(self, data: Mapping[str, Any]) -> Chunk | None:
        block = _inner(data, "content_block")
        if block.get("type") == "tool_use":
            call = self._calls[_place(data)] = _Call(len(self._calls), block)
            return self._chunk({"tool_calls": [{"index": call.place, **tool_call(block, "")}]})
        said = text_of(block)
        return self._chunk({said[0]: said[1]}) if said is not None and said[1] else None

    def _delta(self, data: Mapping[str, Any]) -> Chunk | None:
        name, text = delta_of(data)
        if not text:
            return None
        if name == "partial_json":
            call = self._calls.get(_place(data))
            if call is None:
                raise Unreadable("a tool call goes on that has not begun")
            return self._arguments(call, text)
        said = text_of({"type": name, name: text})
        return None if said is None else self._chunk({said[0]: said[1]})

    def _block_end(self, data: Mapping[str, Any]) -> Chunk | None:
        """End a block; a tool's input that did not come bit by bit stood in the block from the beginning."""
        call = self._calls.get(_place(data))
        return None if call is None or call.told else self._arguments(call, arguments_of(call.block))

    def _arguments(self, call: _Call, text: str) -> Chunk:
        call.told = True
        return self._chunk({"tool_calls": [{"index": call.place, "function": {"arguments": text}}]})

    def _end(self, data: Mapping[str, Any]) -> Chunk | None:
        self._usage |= {name: n for name, n in _inner(data, "usage").items() if n is not None}
        delta = _inner(data, "delta")
        if delta.get("stop_reason") is None:
            return None
        refusal = refusal_of(delta)
        return self._chunk({} if refusal is None else {"refusal": refusal}, finish_reason(delta["stop_reason"]))

    def _stop(self) -> Chunk | None:
        """End the stream; what did not say why it ended has ended all the same."""
        if not self._begun:
            raise Unreadable("the stream has no message")
        last = None if self._chunks.complete else self._chunk({}, "tool_calls" if self._calls else "stop")
        self.closed = True
        return last

    def _chunk(self, delta: Mapping[str, Any], finish: str | None = None) -> Chunk:
        self._begun = True
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": [choice]}
        usage = None if finish is None else usage_of(self._usage)
        return self._chunks.take(chunk if usage is None else {**chunk, "usage": usage})


@define
class _Call:
    """A tool call of a stream: its place among the calls, its block as it began, whether its arguments have come."""

    place: int
    block: Mapping[str, Any]
    told: bool = False
