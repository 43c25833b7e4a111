"""The OpenAI dialect: chat completions as most providers speak them, plain and streamed.

The body is passed through but for the model's name, so that text, tools, images, JSON mode and whatever a provider
adds reach it as the caller wrote them. A 2xx is not believed blindly: an error object inside it, or an answer without
choices, is a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field

from ..classify import classify
from ..demand import estimate_demand, text_tokens
from ..failures import Failure, Reason
from ..growing import GrowingText
from ..identity import ModelKey
from ..messages import Answer, Call, Chunk
from .dialect import Outgoing, StreamReader, Untranslatable
from .endpoint import Endpoint
from .openai_events import EventReader
from .outgoing import write
from .reading import content_type, is_error, is_opaque, malformed, read_json, used_tokens
from .sse import SSEEvent

CHAT: Final = "/chat/completions"
DONE: Final = "[DONE]"
MAX_CHOICES: Final = 128
MAX_TOOL_CALLS: Final = 1_024
HEAD: Final = ("id", "created", "model", "system_fingerprint")
"""Fields that each chunk has, and the whole answer once."""
NO_CONTENT: Final = ("role", "extra_content")
"""Fields of a delta that do not begin an answer."""


class OpenAIDialect:
    """Chat completions, and whatever else OpenAI has."""

    def check(self, call: Call) -> None:
        """Nothing is translated into this dialect."""
        if call.dialect != "openai":
            raise Untranslatable(f"it does not speak {call.dialect}'s {call.endpoint}")

    def outgoing(self, endpoint: Endpoint, key: ModelKey, call: Call) -> Outgoing:
        """Write the request: the caller's body, this candidate's model and credential."""
        self.check(call)
        secret = {} if endpoint.secret is None else {"authorization": f"Bearer {endpoint.secret.reveal()}"}
        # Whatever the caller names is a path: it never becomes part of the host that the credential is sent to.
        url = f"{endpoint.api_base}/{call.endpoint.lstrip('/')}"
        return write(call, url, endpoint, key.model, secret)

    def answer(self, call: Call, headers: Mapping[str, str], body: bytes) -> Answer | Failure:
        """Read a 2xx body."""
        if call.endpoint != CHAT and is_opaque(kind := content_type(headers)):
            return Answer({}, content=body, content_type=kind)
        data = read_json(body)
        if not isinstance(data, dict):
            return malformed(headers, body, "the answer is not a JSON object")
        if is_error(data):
            return malformed(headers, body, "the answer is an error")
        if call.endpoint == CHAT and not _messages(data):
            return malformed(headers, body, "the answer has no choices")
        return Answer(data, used_tokens(data), raw=body)

    def reader(self, call: Call, headers: Mapping[str, str]) -> StreamReader:
        """Return a reader for one stream of chunks, or of events."""
        return ChatStreamReader(call.body, headers) if call.endpoint == CHAT else EventReader(call, headers)

    def chunks_of(self, answer: Answer) -> Chunk:
        """Turn a whole answer into one chunk: each message becomes a delta."""
        if not _messages(answer.body):
            return Chunk("", answer.body)  # of another endpoint than chat
        choices = [
            {**{k: v for k, v in choice.items() if k != "message"}, "delta": _delta(choice["message"])}
            for choice in answer.body["choices"]
        ]
        body = {**answer.body, "object": "chat.completion.chunk", "choices": choices}
        text = "".join(_text_of(choice["delta"]) for choice in choices if _place(choice) == 0)
        return Chunk(text, body)


class ChatStreamReader:
    """Reads a stream of ``chat.completion.chunk`` and adds it up.

    It has *started* with the first delta that says anything besides the role; it is *complete* with ``[DONE]``, or
    when all the choices that the request asked for have their finish reasons. `request` is the request's body.
    """

    def __init__(self, request: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self._request = request
        self._wanted = request["n"] if isinstance(request.get("n"), int) else 1
        self._headers = headers
        self._head: dict[str, Any] = {}
        self._usage: dict[str, Any] | None = None
        self._choices: dict[int, Choice] = {}
        self._finished = 0
        self._written = 0.0
        self.started = False
        self.closed = False

    @property
    def complete(self) -> bool:
        """Whether the proper end has been seen."""
        if self.closed:
            return True
        return self._finished >= self._wanted and self._finished == len(self._choices)

    def feed(self, event: SSEEvent) -> Chunk | Failure | None:
        """Take in one event."""
        data = event.data.strip()
        if not data:
            return None
        if data == DONE:
            self.closed = bool(self._choices)
            return None if self.closed else malformed(self._headers, b"", "the stream has no choices")
        chunk = read_json(data)
        failure = self._fault(chunk, event)
        return self.take(chunk, data) if failure is None else failure

    def take(self, chunk: Mapping[str, Any], raw: str | None = None) -> Chunk:
        """Take in one chunk, whoever wrote it; `raw` is how, if the provider did."""
        text, choices = "", chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                text += self._add(choice)
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        for name in HEAD:
            if name in chunk:
                self._head[name] = chunk[name]
        return Chunk(text, chunk, raw=raw)

    def _fault(self, chunk: Any, event: SSEEvent) -> Failure | None:
        """Say what is wrong with an event, if anything is."""
        if not isinstance(chunk, dict):
            return malformed(self._headers, event.data.encode(), "an event of the stream is not a JSON object")
        if is_error(chunk) or event.event == "error":
            return malformed(self._headers, event.data.encode(), "the stream holds an error")
        if not self.started and not isinstance(chunk.get("choices"), list):
            # Some say what is wrong without calling it an error: {"base_resp": {"status_code": 1008}}
            failure = classify(200, self._headers, event.data.encode())
            return None if failure.reason is Reason.UNKNOWN else failure
        return None

    def answer(self) -> Answer:
        """Return the whole, in the shape of an answer that was not streamed, and what it used."""
        body = self.body()
        used = used_tokens(body)
        if used is None and self.started:
            used = estimate_demand(self._request).prompt_tokens + self._written
        return Answer(body, used)

    def body(self) -> dict[str, Any]:
        """Return the body of the whole."""
        choices = [
            {"index": i, "message": choice.message(), "finish_reason": choice.finish_reason}
            for i, choice in sorted(self._choices.items())
        ]
        body: dict[str, Any] = {**self._head, "object": "chat.completion", "choices": choices}
        if self._usage is not None:
            body["usage"] = self._usage
        return body

    def _add(self, choice: dict[str, Any]) -> str:
        """Take in a choice's part of a chunk, and return its text if it is the first one's."""
        place = _place(choice)
        into = self._choices.get(place)
        if into is None:
            into = self._choices[place] = Choice()
        reason = choice.get("finish_reason")
        if reason is not None:
            self._finished += into.finish_reason is None
            into.finish_reason = reason
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return ""
        for name, value in delta.items():
            into.add(name, value)
            if value and name not in NO_CONTENT:
                self.started = True
                self._written += text_tokens(value) if isinstance(value, str) else 1.0
        return "" if place else _text_of(delta)


@define
class Choice:
    """One choice of a stream, as far as it has come. `content` has texts and what is none, in turn."""

    content: list[Any] = field(factory=list)
    tools: dict[int, dict[str, Any]] = field(factory=dict)
    others: dict[str, Any] = field(factory=dict)
    finish_reason: Any = None

    def add(self, name: str, value: Any) -> None:
        """Take in one field of a delta."""
        if name == "content" and isinstance(value, str):
            self._write(value)
        elif name == "content" and isinstance(value, list):
            for part in value:
                text = _plain_text(part)
                self.content.append(part) if text is None else self._write(text)
        elif name == "tool_calls" and isinstance(value, list):
            for delta in value[:MAX_TOOL_CALLS]:
                if isinstance(delta, dict):
                    self._add_tool_call(delta)
        elif name == "images" and isinstance(value, list):
            self.others[name] = [*self.others.get(name, ()), *value]
        elif name == "role":
            self.others[name] = value
        else:
            _append(self.others, name, value)

    def message(self) -> dict[str, Any]:
        """Return the message that the deltas have amounted to."""
        message: dict[str, Any] = {"role": "assistant", **_joined(self.others)}
        message["content"] = self._content() if self.content or not self.tools else None
        if self.tools:
            message["tool_calls"] = [
                {**_joined(call), "function": _joined(call["function"])} for _, call in sorted(self.tools.items())
            ]
        return message

    def _write(self, text: str) -> None:
        if self.content and isinstance(self.content[-1], GrowingText):
            self.content[-1].add(text)
        else:
            self.content.append(GrowingText(text))

    def _content(self) -> Any:
        """Return the content: a text, or a list of parts if any of them was more than text."""
        if all(isinstance(part, GrowingText) for part in self.content):
            return "".join(map(str, self.content))
        return [{"type": "text", "text": str(part)} if isinstance(part, GrowingText) else part for part in self.content]

    def _add_tool_call(self, delta: Mapping[str, Any]) -> None:
        """Take in a piece of a tool call: it names its place, and the arguments come bit by bit."""
        call = self.tools.setdefault(self._place_of(delta), {"type": "function", "function": {}})
        for name, value in delta.items():
            if name not in ("index", "function") and value is not None:
                call[name] = value
        function = delta.get("function")
        if isinstance(function, dict):
            for name in ("name", "arguments"):
                _append(call["function"], name, "")
            for name, value in function.items():
                _append(call["function"], name, value)

    def _place_of(self, delta: Mapping[str, Any]) -> int:
        """Return the place that a piece of a tool call names. Some name none: an id begins a call, the rest goes on."""
        index = delta.get("index")
        if isinstance(index, int) and 0 <= index < MAX_TOOL_CALLS:
            return index
        last = max(self.tools, default=-1)
        if last < 0 or not delta.get("id"):
            return max(0, last)
        return next((place for place, call in self.tools.items() if call.get("id") == delta["id"]), last + 1)


def _append(into: dict[str, Any], name: str, value: Any) -> None:
    """Add a delta's value to what there is under its name: texts are continued, anything else is replaced."""
    if isinstance(value, str):
        if not isinstance(into.get(name), GrowingText):
            into[name] = GrowingText()
        into[name].add(value)
    elif value is not None:
        into[name] = value


def _joined(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, GrowingText) else value for name, value in values.items()}


def _plain_text(piece: object) -> str | None:
    """Return the text of a piece of content that is nothing else."""
    if isinstance(piece, dict) and piece.keys() == {"type", "text"} and piece["type"] == "text":
        piece = piece["text"]
    return piece if isinstance(piece, str) else None


def _delta(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a whole message as a delta, in which each tool call says which one it is."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return message
    return {**message, "tool_calls": [{"index": i, **c} if isinstance(c, dict) else c for i, c in enumerate(calls)]}


def _place(choice: Mapping[str, Any]) -> int:
    """Return which choice this is; what does not say so properly is the first."""
    index = choice.get("index")
    return index if isinstance(index, int) and 0 <= index < MAX_CHOICES else 0


def _text_of(delta: Mapping[str, Any]) -> str:
    """Return the text of a delta: its content, or the texts of the parts that this is a list of."""
    content = delta.get("content")
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, dict) else part for part in content)
        return "".join(text for text in parts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def _messages(data: Mapping[str, Any]) -> bool:
    choices = data.get("choices")
    if not isinstance(choices, list):
        return False
    for choice in choices:
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            return False
    return bool(choices)
