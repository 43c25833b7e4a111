"""Anthropic's streams as chunks of a chat completion: each event becomes a chunk, or none.

The adding up is left to the reader of OpenAI's chunks, so that there is one rule for when a stream has begun, when it
is complete, and what it amounts to. Which events there are is told in `anthropic_events.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define

from ..failures import Failure
from ..messages import Answer, Call, Chunk
from .anthropic_answer import Unreadable, arguments_of, finish_reason, head, refusal_of, text_of, tool_call, usage_of
from .anthropic_events import delta_of, inner, kind_of, place_of, read_event
from .openai import ChatStreamReader
from .reading import malformed
from .sse import SSEEvent


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
        self._calls_begun = 0
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
                chunk = self._start(inner(data, "message"))
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
        self._usage |= inner(message, "usage")
        return self._chunk({"role": "assistant"})

    def _block(self, data: Mapping[str, Any]) -> Chunk | None:
        block = inner(data, "content_block")
        if block.get("type") == "tool_use":
            call = self._calls[place_of(data)] = _Call(self._calls_begun, block)
            self._calls_begun += 1
            return self._chunk({"tool_calls": [{"index": call.place, **tool_call(block, "")}]})
        said = text_of(block)
        return self._chunk({said[0]: said[1]}) if said is not None and said[1] else None

    def _delta(self, data: Mapping[str, Any]) -> Chunk | None:
        name, text = delta_of(data)
        if not text:
            return None
        if name == "partial_json":
            call = self._calls.get(place_of(data))
            if call is None:
                raise Unreadable("a tool call goes on that has not begun")
            return self._arguments(call, text)
        said = text_of({"type": name, name: text})
        return None if said is None else self._chunk({said[0]: said[1]})

    def _block_end(self, data: Mapping[str, Any]) -> Chunk | None:
        """End a block; a tool's input that did not come bit by bit stood in the block from the beginning."""
        call = self._calls.get(place_of(data))
        return None if call is None or call.told else self._arguments(call, arguments_of(call.block))

    def _arguments(self, call: _Call, text: str) -> Chunk:
        call.told = True
        return self._chunk({"tool_calls": [{"index": call.place, "function": {"arguments": text}}]})

    def _end(self, data: Mapping[str, Any]) -> Chunk | None:
        self._usage |= {name: n for name, n in inner(data, "usage").items() if n is not None}
        delta = inner(data, "delta")
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
