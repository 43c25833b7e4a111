"""How Gemini's answers are read, whole or event by event, and said in the shape of OpenAI's chat completions.

An event of a stream and a whole answer have the same form, so that a whole answer is read as a stream of one event.
Each becomes a chunk; `ChatStreamReader` adds the chunks up. A stream has no last event by itself: it is complete when
every candidate that was asked for has said why it finished.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from attrs import define, field

from ..failures import Failure, Reason
from ..masking import presentable
from ..messages import Answer, Call, Chunk
from .openai import MAX_CHOICES, ChatStreamReader
from .reading import count, created, is_error, malformed, read_json
from .sse import SSEEvent

MESSAGE_MAX: Final = 300

FINISHES: Final = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}
"""What Gemini's reasons for the end are called at OpenAI. Any other (a malformed call, for one) is a failure."""

NOT_FINISHED: Final = (None, "", "FINISH_REASON_UNSPECIFIED")


class _Unsayable(Exception):
    """An answer cannot be said as a chat completion; the message says what of it."""


@define
class _Candidate:
    """What is remembered of a candidate from event to event."""

    begun: bool = False
    calls: int = 0
    ids: set[str] = field(factory=set)  # asked for members only


class GeminiReader:
    """Reads one answer to a chat completion, and says it in OpenAI's shape."""

    def __init__(self, call: Call, headers: Mapping[str, str]) -> None:
        self._call = call
        self._headers = headers
        self._sum = ChatStreamReader(call.body, headers)
        self._candidates: dict[int, _Candidate] = {}
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] | None = None
        self.closed = False

    @property
    def started(self) -> bool:
        """Whether the first content has been read."""
        return self._sum.started

    @property
    def complete(self) -> bool:
        """Whether every candidate has said why it finished."""
        return self._sum.complete

    def feed(self, event: SSEEvent) -> Chunk | Failure | None:
        """Read an event."""
        return self.take(event.data) if event.data.strip() else None

    def take(self, text: str | bytes) -> Chunk | Failure:
        """Read an event, or a whole answer."""
        body = text.encode() if isinstance(text, str) else text
        data = read_json(text)
        if not isinstance(data, dict):
            return malformed(self._headers, body, "the answer is not a JSON object")
        if is_error(data):
            return malformed(self._headers, body, "the answer is an error")
        candidates = data.get("candidates")
        if blocked := blocked_by(data):
            return Failure.of(Reason.CONTENT_FILTER, f"the prompt is blocked: {blocked}", status=200)
        if not isinstance(candidates, list):
            candidates = []
        self._usage = read_usage(data.get("usageMetadata")) or self._usage
        self._head = self._head or self._read_head(data)
        try:
            choices = [self._choice(candidate, i) for i, candidate in enumerate(candidates)]
        except _Unsayable as exc:
            return Failure.of(Reason.SERVER_ERROR, presentable(str(exc), MESSAGE_MAX), status=200)
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": choices}
        read = self._sum.take(chunk)
        if self.complete and self._usage is not None:
            chunk["usage"] = self._usage  # Gemini counts in every event; OpenAI in the last one
        return read

    def whole(self, body: bytes) -> Answer | Failure:
        """Read an answer that came as a whole. One that does not say why it is at its end has simply stopped."""
        read = self.take(body)
        if isinstance(read, Failure):
            return read
        if not self._candidates:
            return malformed(self._headers, body, "the answer has no candidates")
        answer = self.answer()
        for choice in answer.body["choices"]:
            if choice["finish_reason"] is None:
                choice["finish_reason"] = "tool_calls" if choice["message"].get("tool_calls") else "stop"
        return answer

    def answer(self) -> Answer:
        """Return what there is of the answer so far."""
        if self._usage is None:
            return self._sum.answer()
        return Answer({**self._sum.body(), "usage": self._usage}, float(self._usage["total_tokens"]))

    # -- One event

    def _read_head(self, data: Mapping[str, Any]) -> dict[str, Any]:
        said, model = data.get("responseId"), data.get("modelVersion")
        return {
            "id": said if isinstance(said, str) and said else f"chatcmpl-{self._told_by_the_request()}",
            "created": created(self._headers),
            "model": model if isinstance(model, str) and model else self._call.model,
        }

    def _told_by_the_request(self) -> str:
        """Return a name for an answer that has none. With each turn of a conversation the request is another."""
        return sha256(json.dumps(self._call.body, default=str).encode()).hexdigest()[:24]

    def _choice(self, candidate: object, place: int) -> dict[str, Any]:
        """Translate what a candidate has said."""
        if not isinstance(candidate, dict):
            raise _Unsayable("a candidate is not a JSON object")
        index = candidate.get("index", place)
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < MAX_CHOICES:
            index = place % MAX_CHOICES
        known = self._candidates.setdefault(index, _Candidate())
        delta: dict[str, Any] = {} if known.begun else {"role": "assistant"}
        known.begun = True
        for name, value in self._pieces(candidate, index, known):
            if isinstance(value, str):
                delta[name] = delta.get(name, "") + value
            elif isinstance(value, list):
                delta.setdefault(name, []).extend(value)
            else:
                delta[name] = value
        return {"index": index, "delta": delta, "finish_reason": _finish(candidate, known)}

    def _pieces(self, candidate: Mapping[str, Any], index: int, known: _Candidate) -> Iterator[tuple[str, Any]]:
        """Return what the parts of a candidate say, as fields of a delta."""
        for part in parts_of(candidate):
            signature = part.get("thoughtSignature")
            extra = {"google": {"thought_signature": signature}} if isinstance(signature, str) and signature else None
            if "functionCall" in part:
                call = self._tool_call(part["functionCall"], index, known)
                yield "tool_calls", [call if extra is None else {**call, "extra_content": extra}]
                continue
            if "text" in part:
                if not isinstance(part["text"], str):
                    raise _Unsayable("a text of the answer is none")
                if part["text"]:
                    yield "reasoning_content" if part.get("thought") is True else "content", part["text"]
            elif "inlineData" in part:
                if part.get("thought") is not True:
                    yield "images", [_image(part["inlineData"])]
            elif part.keys() - {"thought", "thoughtSignature", "partMetadata"}:
                raise _Unsayable(f"a chat completion has no place for the answer's {', '.join(sorted(part))[:100]}")
            if extra is not None:
                yield "extra_content", extra

    def _tool_call(self, call: object, index: int, known: _Candidate) -> dict[str, Any]:
        """Translate a call of a function. Where Gemini gives it no id of its own, its place makes one."""
        name = call.get("name") if isinstance(call, dict) else None
        if not isinstance(call, dict) or not isinstance(name, str) or not name:
            raise _Unsayable("the model called a function without naming it")
        args = call.get("args")
        if not isinstance(args, dict | None):
            raise _Unsayable(f"the model called {name} with arguments that are no object")
        place, known.calls = known.calls, known.calls + 1
        call_id = call.get("id")
        if not isinstance(call_id, str) or not call_id or call_id in known.ids:
            call_id = "call_" + sha256(f"{self._head['id']}/{index}/{place}".encode()).hexdigest()[:24]
        known.ids.add(call_id)
        arguments = json.dumps(args or {}, ensure_ascii=False, separators=(",", ":"))
        function = {"name": name, "arguments": arguments}
        return {"index": place, "id": call_id, "type": "function", "function": function}


def parts_of(candidate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a candidate's parts; there are none where it was stopped before it said anything."""
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def blocked_by(data: Mapping[str, Any]) -> str:
    """Return why a prompt was not answered at all; ``""`` if it was."""
    feedback = data.get("promptFeedback")
    if data.get("candidates") or not isinstance(feedback, dict) or not feedback.get("blockReason"):
        return ""
    said = feedback.get("blockReasonMessage")
    return presentable(f"{feedback['blockReason']}" + (f" ({said})" if said else ""), MESSAGE_MAX)


def _finish(candidate: Mapping[str, Any], known: _Candidate) -> str | None:
    reason = candidate.get("finishReason")
    if reason in NOT_FINISHED:
        return None
    finish = FINISHES.get(reason) if isinstance(reason, str) else None
    if finish is None:
        said = candidate.get("finishMessage")
        raise _Unsayable(f"the model ended with {reason}" + (f": {said}" if isinstance(said, str) else ""))
    return "tool_calls" if finish == "stop" and known.calls else finish


def _image(data: object) -> dict[str, Any]:
    """Translate an image that the model made into a part of `images`, as gateways have it."""
    mime, content = (data.get("mimeType"), data.get("data")) if isinstance(data, dict) else (None, None)
    if not isinstance(mime, str) or not mime.startswith("image/") or not isinstance(content, str):
        raise _Unsayable(f"a chat completion has no place for the answer's {mime or 'inlineData'}")
    return {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{content}"}}


def read_usage(said: object) -> dict[str, Any] | None:
    """Translate the tokens that Gemini counted. Its thoughts are part of what it wrote, as OpenAI counts them.

    >>> read_usage({"promptTokenCount": 7, "candidatesTokenCount": 3, "thoughtsTokenCount": 2})["completion_tokens"]
    5
    """
    if not isinstance(said, dict):
        return None
    counts = {name: int(tokens) for name, value in said.items() if (tokens := count(value)) is not None}
    prompt = counts.get("promptTokenCount", 0) + counts.get("toolUsePromptTokenCount", 0)
    thoughts = counts.get("thoughtsTokenCount", 0)
    completion = counts.get("candidatesTokenCount", 0) + thoughts
    total = counts.get("totalTokenCount", prompt + completion)
    if not total:
        return None
    usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    if "cachedContentTokenCount" in counts:
        usage["prompt_tokens_details"] = {"cached_tokens": counts["cachedContentTokenCount"]}
    if thoughts:
        usage["completion_tokens_details"] = {"reasoning_tokens": thoughts}
    return usage
