"""The OpenAI dialect: chat completions as most providers speak them, plain and streamed.

The body is passed through but for the model's name, so that text, tools, images, JSON mode and whatever a provider
adds reach it as the caller wrote them. A 2xx is not believed blindly: an error object inside it, or an answer without
choices, is a failure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..classify import classify
from ..demand import text_tokens
from ..failures import Failure, Reason
from ..identity import ModelKey
from ..messages import Answer, Call, Chunk
from .dialect import Outgoing, StreamReader, any_json
from .endpoint import Endpoint
from .sse import SSEEvent

CHAT: Final = "/chat/completions"
DONE: Final = "[DONE]"
MAX_CHOICES: Final = 128
MAX_TOOL_CALLS: Final = 1_024


class OpenAIDialect:
    """Chat completions, and any other endpoint whose body is a JSON object."""

    def outgoing(self, endpoint: Endpoint, key: ModelKey, call: Call) -> Outgoing:
        """Write the request: the caller's body, this candidate's model and credential."""
        body = {**call.body, "model": key.model}
        if call.stream:
            body["stream"] = True
        headers = {"content-type": "application/json", "accept": "application/json"}
        if call.stream:
            headers["accept"] = "text/event-stream"
        if endpoint.secret is not None:
            headers["authorization"] = f"Bearer {endpoint.secret.reveal()}"
        headers.update((name.lower(), value) for name, value in endpoint.headers.items())
        url = endpoint.api_base + call.endpoint
        return Outgoing("POST", url, headers, json.dumps(body, separators=(",", ":")).encode())

    def answer(self, call: Call, headers: Mapping[str, str], body: bytes) -> Answer | Failure:
        """Read a 2xx body."""
        data = _read_json(body)
        if not isinstance(data, dict) or data.get("error"):
            return _malformed(headers, body, "the answer is not a JSON object")
        if call.endpoint == CHAT and not _messages(data):
            return _malformed(headers, body, "the answer has no choices")
        return Answer(data, _used(data))

    def reader(self, call: Call, headers: Mapping[str, str]) -> StreamReader:  # noqa: ARG002  # one kind of stream
        """Return a reader for one stream of chunks."""
        return ChatStreamReader(headers)

    def chunks_of(self, answer: Answer) -> Chunk:
        """Turn a whole answer into one chunk: each message becomes a delta."""
        choices = [
            {**{k: v for k, v in choice.items() if k != "message"}, "delta": choice.get("message")}
            for choice in answer.body.get("choices", ())
        ]
        body = {**answer.body, "object": "chat.completion.chunk", "choices": choices}
        return Chunk(_text_of(choices), body)


class ChatStreamReader:
    """Reads a stream of ``chat.completion.chunk`` and adds it up.

    It has *started* with the first delta that says anything besides the role; it is *complete* with ``[DONE]``, or
    when every choice that has appeared has its finish reason.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] | None = None
        self._choices: dict[int, dict[str, Any]] = {}
        self._written = 0.0
        self.started = False
        self.closed = False

    @property
    def complete(self) -> bool:
        """Whether the proper end has been seen."""
        if self.closed:
            return True
        return bool(self._choices) and all(c["finish_reason"] is not None for c in self._choices.values())

    @property
    def text(self) -> str:
        """The first choice's text so far."""
        first = self._choices.get(0)
        return "" if first is None else "".join(first["content"])

    def feed(self, event: SSEEvent) -> Chunk | Failure | None:
        """Take in one event."""
        data = event.data.strip()
        if data == DONE:
            self.closed = True
            return None
        chunk = _read_json(data.encode())
        if not isinstance(chunk, dict) or chunk.get("error") or event.event == "error":
            return _malformed(self._headers, data.encode(), "an event of the stream is not a JSON object")
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            choices = []
        for choice in choices[:MAX_CHOICES]:
            if isinstance(choice, dict):
                self._add(choice)
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        self._head |= {k: chunk[k] for k in ("id", "created", "model", "system_fingerprint") if k in chunk}
        return Chunk(_text_of(choices), chunk)

    def answer(self) -> Answer:
        """Return the whole, in the shape of an answer that was not streamed."""
        choices = [
            {"index": i, "message": _whole(choice), "finish_reason": choice["finish_reason"]}
            for i, choice in sorted(self._choices.items())
        ]
        body: dict[str, Any] = {**self._head, "object": "chat.completion", "choices": choices}
        if self._usage is not None:
            body["usage"] = self._usage
        used = _used(body)
        return Answer(body, self._written if used is None and self.started else used)

    def _add(self, choice: dict[str, Any]) -> None:
        index = choice.get("index")
        index = index if isinstance(index, int) and 0 <= index < MAX_CHOICES else 0
        into = self._choices.setdefault(index, {"content": [], "tools": {}, "others": {}, "finish_reason": None})
        if choice.get("finish_reason") is not None:
            into["finish_reason"] = choice["finish_reason"]
        delta = choice.get("delta")
        for name, value in delta.items() if isinstance(delta, dict) else ():
            if name == "content" and isinstance(value, str):
                into["content"].append(value)
            elif name == "tool_calls" and isinstance(value, list):
                _add_tool_calls(into["tools"], value)
            elif isinstance(value, str) and isinstance(into["others"].get(name), str) and name != "role":
                into["others"][name] += value
            elif value is not None:
                into["others"][name] = value
            if name != "role" and value:
                self.started = True
                self._written += text_tokens(value) if isinstance(value, str) else 1.0


def _add_tool_calls(into: dict[int, dict[str, Any]], deltas: list[Any]) -> None:
    """Add up tool calls: each delta names its place, and its arguments come in pieces."""
    for delta in deltas:
        if not isinstance(delta, dict):
            continue
        index = delta.get("index")
        place = index if isinstance(index, int) and 0 <= index < MAX_TOOL_CALLS else len(into)
        call = into.setdefault(place, {"type": "function", "function": {"name": "", "arguments": ""}})
        call.update({k: v for k, v in delta.items() if k not in ("index", "function") and v is not None})
        function = delta.get("function")
        for name, value in function.items() if isinstance(function, dict) else ():
            if isinstance(value, str) and isinstance(call["function"].get(name), str):
                call["function"][name] += value
            elif value is not None:
                call["function"][name] = value


def _whole(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message that a choice's deltas have amounted to."""
    message: dict[str, Any] = {"role": "assistant", **choice["others"]}
    message["content"] = "".join(choice["content"]) if choice["content"] or not choice["tools"] else None
    if choice["tools"]:
        message["tool_calls"] = [call for _, call in sorted(choice["tools"].items())]
    return message


def _text_of(choices: Iterable[Any]) -> str:
    """Return the first choice's text in a chunk."""
    for choice in choices:
        if isinstance(choice, dict) and choice.get("index", 0) == 0:
            delta = choice.get("delta")
            content = delta.get("content") if isinstance(delta, dict) else None
            return content if isinstance(content, str) else ""
    return ""


def _messages(data: Mapping[str, Any]) -> bool:
    choices = data.get("choices")
    return (
        isinstance(choices, list)
        and bool(choices)
        and all(isinstance(choice, dict) and isinstance(choice.get("message"), dict) for choice in choices)
    )


def _used(data: Mapping[str, Any]) -> float | None:
    usage = any_json(data.get("usage"))
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    if isinstance(total, int) and not isinstance(total, bool) and 0 <= total < 1e12:
        return float(total)
    return None


def _read_json(body: bytes) -> Any:
    """Return what the body says, or ``None`` for whatever is not JSON, too deep or too odd."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _malformed(headers: Mapping[str, str], body: bytes, what: str) -> Failure:
    """Tell an error inside a 200 from an answer that is simply not one; the latter is the server's error."""
    failure = classify(200, headers, body)
    if failure.reason is not Reason.UNKNOWN:
        return failure
    said = f"{what}: {failure.message}" if failure.message else what
    return Failure.of(Reason.SERVER_ERROR, said, status=200, retry_after=failure.retry_after)
