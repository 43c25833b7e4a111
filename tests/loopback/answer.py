"""What a behaviour is, and the first of them: the good answer of an OpenAI-compatible provider."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from attrs import field, frozen

from .exchange import Exchange, Seen, sse

JSON: Final = {"content-type": "application/json"}
DONE: Final = sse("[DONE]")
USAGE: Final = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
CREATED: Final = 1_700_000_000
CHUNK: Final = "chat.completion.chunk"

Point = Literal["request", "headers"] | int
"""Where something happens: once the request is read, once the headers are sent, or after so many events."""


class Behaviour(ABC):
    """What is done with one request."""

    @abstractmethod
    async def play(self, exchange: Exchange) -> None:
        """Answer the request, or do not."""


@frozen
class Answer(Behaviour):
    """A good answer, streamed if the request asks for it.

    Attributes:
        text: what the model says.
        model: the model that is said to have answered; the one that was asked for, if `None`.
        usage: the tokens used. A stream tells them if the request asks for it (`stream_options`).
        headers: response headers, beside or instead of the usual ones.
        extra: further fields of the body, and of each chunk of a stream.
        tool_calls: `(name, arguments)` for each call of a tool, the arguments being JSON text.
        finish_reason: why the model stopped; by default `"tool_calls"` if there are any, else `"stop"`.
        until_close: end a stream with the connection alone, so that HTTP cannot tell an end from a cut.

    """

    text: str = "Hello from the loopback."
    model: str | None = None
    usage: Mapping[str, Any] = USAGE
    headers: Mapping[str, str] = field(factory=dict)
    extra: Mapping[str, Any] = field(factory=dict)
    tool_calls: Sequence[tuple[str, str]] = ()
    finish_reason: str | None = None
    until_close: bool = False

    async def play(self, exchange: Exchange) -> None:
        if not exchange.seen.wants_stream:
            await exchange.reply(200, JSON | dict(self.headers), self.plain(exchange.seen))
            return
        await self.begin_stream(exchange)
        await exchange.events(self.blocks(exchange.seen))
        await exchange.end()

    async def begin_stream(self, exchange: Exchange) -> None:
        await exchange.begin_stream(self.headers, until_close=self.until_close)

    async def play_part(self, exchange: Exchange, after: Point) -> None:
        """Send the answer as far as `after`, and leave it unfinished."""
        if after == "request":
            return
        count = 0 if after == "headers" else after
        if exchange.seen.wants_stream:
            await self.begin_stream(exchange)
            await exchange.events(self.blocks(exchange.seen)[:count])
            return
        body = self.plain(exchange.seen)
        await exchange.begin(200, JSON | dict(self.headers), length=len(body))
        await exchange.send(body[: len(body) // 2] if count else b"")

    def plain(self, seen: Seen) -> bytes:
        """The body of a reply that is not streamed."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.tool_calls:
            message |= {"content": self.text or None, "tool_calls": self._calls(seen)}
        choice = {"index": 0, "message": message, "finish_reason": self._finish()}
        body = self._envelope(seen, "chat.completion") | {"choices": [choice], "usage": self.usage}
        return json.dumps(body, ensure_ascii=False).encode()

    def blocks(self, seen: Seen) -> list[bytes]:
        """The events of a streamed reply, from the role to `[DONE]`."""
        usage = (seen.body.get("stream_options") or {}).get("include_usage") is True
        return [
            *self.opening(seen),
            self._chunk(seen, {}, self._finish()),
            *([sse(self._envelope(seen, CHUNK) | {"choices": [], "usage": self.usage})] if usage else []),
            DONE,
        ]

    def opening(self, seen: Seen) -> list[bytes]:
        """The events that come before the one with the reason for the finish."""
        words = [word + " " for word in self.text.split(" ")] if self.text else []
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": word} for word in [*words[:-1], *(word[:-1] for word in words[-1:])]]
        for index, call in enumerate(self._calls(seen)):
            arguments = call["function"]["arguments"]
            half = len(arguments) // 2
            function = call["function"] | {"arguments": ""}
            deltas.append({"tool_calls": [call | {"index": index, "function": function}]})
            for part in (arguments[:half], arguments[half:]):
                deltas.append({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
        return [self._chunk(seen, delta, None) for delta in deltas]

    def empty_delta(self, seen: Seen) -> bytes:
        """An event that brings nothing."""
        return self._chunk(seen, {"content": ""}, None)

    def _chunk(self, seen: Seen, delta: Mapping[str, Any], finish_reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return sse(self._envelope(seen, CHUNK) | {"choices": [choice]})

    def _envelope(self, seen: Seen, kind: str) -> dict[str, Any]:
        model = seen.model if self.model is None else self.model
        answer_id = f"chatcmpl-{seen.number}"
        return {"id": answer_id, "object": kind, "created": CREATED, "model": model} | dict(self.extra)

    def _calls(self, seen: Seen) -> list[dict[str, Any]]:
        return [
            {
                "id": f"call_{seen.number}_{index}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for index, (name, arguments) in enumerate(self.tool_calls)
        ]

    def _finish(self) -> str:
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")
