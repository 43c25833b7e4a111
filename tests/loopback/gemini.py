"""Good answers of Gemini's: whole or as events, as the path asks for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from .answer import JSON, Behaviour
from .exchange import Exchange, sse

USAGE = {"promptTokenCount": 7, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 12}


@frozen
class GeminiAnswer(Behaviour):
    """A good answer: thoughts, text word by word, and calls of functions, each with its signature if it has one.

    A stream is cut off after so many `events`, or ends with an `error` object instead of its last event.
    """

    text: str = "Hello from Gemini."
    thought: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any], str | None]] = ()
    finish: str = "STOP"
    events: int | None = None
    error: Mapping[str, Any] | None = None

    async def play(self, exchange: Exchange) -> None:
        path, model = exchange.seen.path, exchange.seen.path.partition("/models/")[2].partition(":")[0]
        responses = [{**response, "modelVersion": model} for response in self.responses()]
        if ":streamGenerateContent" not in path:
            parts = [part for each in responses for part in each["candidates"][0]["content"]["parts"]]
            whole = {**responses[-1], "candidates": [{**responses[-1]["candidates"][0], "content": content(parts)}]}
            await exchange.reply(200, JSON, json.dumps(whole).encode())
            return
        assert path.endswith("?alt=sse")
        if self.error is not None:
            responses[-1] = {"error": self.error}
        await exchange.begin_stream({})
        await exchange.events([sse(response) for response in responses[: self.events]])
        if self.events is not None:
            exchange.hang_up()
            return
        await exchange.end()

    def responses(self) -> list[dict[str, Any]]:
        """The answer as the events of a stream."""
        parts = list(self._parts())
        events: list[dict[str, Any]] = []
        for i, part in enumerate(parts):
            candidate: dict[str, Any] = {"content": content([part]), "index": 0}
            if i == len(parts) - 1:
                candidate["finishReason"] = self.finish
            events.append({"candidates": [candidate], "usageMetadata": USAGE, "responseId": "gemini-1"})
        return events

    def _parts(self) -> Iterator[dict[str, Any]]:
        if self.thought:
            yield {"text": self.thought, "thought": True}
        for i, word in enumerate(self.text.split(" ") if self.text else ()):
            yield {"text": f" {word}" if i else word}
        for name, args, signature in self.calls:
            call: dict[str, Any] = {"functionCall": {"name": name, "args": args}}
            yield call if signature is None else {**call, "thoughtSignature": signature}


def content(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """What a model says."""
    return {"role": "model", "parts": parts}
