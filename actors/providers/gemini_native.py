"""Gemini's own calls as they are: where they go, whose model they name, how their streams are read.

They are passed through but for the name of the model, in the path and wherever a body repeats it. Answers and events
come back as the provider wrote them, a blocked prompt included; only an error, or an answer that has neither
candidates nor a reason for that, is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from attrs import define, field

from ..demand import estimate_demand, text_tokens
from ..failures import Failure
from ..growing import GrowingText
from ..messages import Answer, Call, Chunk
from .dialect import Untranslatable
from .gemini_answer import NOT_FINISHED, blocked_by, parts_of
from .openai import MAX_CHOICES
from .reading import count, is_error, malformed, read_json
from .sse import SSEEvent

GENERATE: Final = "generateContent"
STREAM: Final = "streamGenerateContent"

_ENDPOINT: Final = re.compile(r"/models/[^:?#]+:(?P<method>[A-Za-z]+)(\?alt=(sse|json))?")


def method_of(call: Call) -> str:
    """Return what a native call asks for. Whether it is streamed, the call says, and not its path.

    Raises:
        Untranslatable: the path is none of Gemini's, or says more than that.

    """
    match = _ENDPOINT.fullmatch(call.endpoint)
    if match is None:
        raise Untranslatable(f"it has no {call.endpoint}")
    if call.form or call.method != "POST":
        raise Untranslatable(f"its {call.endpoint} takes a JSON object")
    method = match["method"]
    if method in (GENERATE, STREAM):
        return STREAM if call.stream else GENERATE
    return method


def address(api_base: str, model: str, method: str) -> str:
    """Return the URL at which a model is asked.

    >>> address("https://host/v1beta", "gemini-2.5-flash", "streamGenerateContent")
    'https://host/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse'
    """
    query = "?alt=sse" if method == STREAM else ""
    return f"{api_base}/{quote(full_name(model), safe='/')}:{method}{query}"


def full_name(model: str) -> str:
    """Return a model's name with the collection that it belongs to."""
    return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


def with_model(body: Mapping[str, Any], model: str) -> Mapping[str, Any]:
    """Return a native body with this model's name wherever it names one; the body itself, where it names none.

    >>> with_model({"requests": [{"model": "models/a", "content": {}}]}, "b")
    {'requests': [{'model': 'models/b', 'content': {}}]}
    """
    named: Mapping[str, Any] = _named(body, model)
    if "generateContentRequest" in named:  # of countTokens
        named = {**named, "generateContentRequest": _named(named["generateContentRequest"], model)}
    if isinstance(named.get("requests"), list | tuple):  # of batchEmbedContents
        named = {**named, "requests": [_named(each, model) for each in named["requests"]]}
    return named


def _named(value: Any, model: str) -> Any:
    return {**value, "model": full_name(model)} if isinstance(value, Mapping) and "model" in value else value


def native_answer(call: Call, headers: Mapping[str, str], body: bytes) -> Answer | Failure:
    """Read the body of a native answer that came as a whole."""
    data = read_json(body)
    if not isinstance(data, dict):
        return malformed(headers, body, "the answer is not a JSON object")
    if is_error(data):
        return malformed(headers, body, "the answer is an error")
    if method_of(call) in (GENERATE, STREAM) and not data.get("candidates") and not blocked_by(data):
        return malformed(headers, body, "the answer has no candidates")
    return Answer(data, _used(data), raw=body)


def native_chunk(data: Mapping[str, Any], raw: str | None = None) -> Chunk:
    """Return an event with the text of its first candidate; `raw` is how the provider wrote it."""
    return Chunk("".join(_texts(candidate) for place, candidate in _candidates(data) if place == 0), data, raw=raw)


@define
class _Candidate:
    """One candidate as far as it has come: its parts, and what else it last said.

    Each part comes with the text that it has so far; none, where what follows is a part of its own.
    """

    parts: list[tuple[dict[str, Any], GrowingText | None]] = field(factory=list)
    said: dict[str, Any] = field(factory=dict)

    @property
    def finished(self) -> bool:
        return self.said.get("finishReason") not in NOT_FINISHED

    def add(self, part: dict[str, Any]) -> None:
        """Take in a part, or the next piece of the last one's text; a signature ends a text."""
        said = part.get("text")
        plain = isinstance(said, str) and not part.keys() - {"text", "thought", "thoughtSignature"}
        before, text = self.parts[-1] if self.parts else ({}, None)
        if plain and text is not None and before.get("thought") == part.get("thought"):
            text.add(str(said))
        else:
            text = GrowingText(str(said)) if plain else None
            self.parts.append(({**part}, text))
        if "thoughtSignature" in part:
            whole, _ = self.parts.pop()
            self.parts.append(({**whole, "thoughtSignature": part["thoughtSignature"], **_text(text)}, None))

    def whole(self, index: int) -> dict[str, Any]:
        parts = [{**part, **_text(text)} for part, text in self.parts]
        content = {"content": {"parts": parts, "role": "model"}} if parts else {}
        return {**content, **self.said, "index": index}


class NativeReader:
    """Reads one native stream; its answer is the whole in the shape of an answer that was not streamed."""

    def __init__(self, call: Call, headers: Mapping[str, str]) -> None:
        self._call = call
        self._headers = headers
        config = call.body.get("generationConfig")
        wanted = config.get("candidateCount") if isinstance(config, Mapping) else None
        self._wanted = wanted if isinstance(wanted, int) else 1
        self._candidates: dict[int, _Candidate] = {}
        self._said: dict[str, Any] = {}
        self._blocked = False
        self._written = 0.0
        self.started = False
        self.closed = False

    @property
    def complete(self) -> bool:
        """Whether every candidate has said why it finished, or the prompt is blocked."""
        enough = len(self._candidates) >= self._wanted
        return self._blocked or (enough and all(each.finished for each in self._candidates.values()))

    def feed(self, event: SSEEvent) -> Chunk | Failure | None:
        """Read an event."""
        text = event.data.strip()
        if not text:
            return None
        data = read_json(text)
        if not isinstance(data, dict):
            return malformed(self._headers, text.encode(), "an event of the stream is not a JSON object")
        if is_error(data):
            return malformed(self._headers, text.encode(), "the stream holds an error")
        self._blocked = self._blocked or bool(blocked_by(data))
        self._said |= {name: value for name, value in data.items() if name != "candidates"}
        for place, candidate in _candidates(data):
            self._add(self._candidates.setdefault(place, _Candidate()), candidate)
        return native_chunk(data, text)

    def answer(self) -> Answer:
        """Return the whole, as far as it has come."""
        body = dict(self._said)
        if self._candidates:
            body["candidates"] = [each.whole(place) for place, each in sorted(self._candidates.items())]
        used = _used(body)
        if used is None and self.started:
            used = estimate_demand(self._call.body).prompt_tokens + self._written
        return Answer(body, used)

    def _add(self, into: _Candidate, candidate: Mapping[str, Any]) -> None:
        into.said |= {name: value for name, value in candidate.items() if name not in ("content", "index")}
        for part in parts_of(candidate):
            into.add(part)
            text = part.get("text")
            self._written += text_tokens(text) if isinstance(text, str) else 1.0
            self.started = self.started or bool(text) or bool(part.keys() - {"text", "thought", "thoughtSignature"})


def _candidates(data: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Return the candidates with their places."""
    listed = data.get("candidates")
    found = []
    for i, candidate in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(candidate, dict):
            index = candidate.get("index", i)
            proper = isinstance(index, int) and not isinstance(index, bool) and 0 <= index < MAX_CHOICES
            found.append((index if proper else i % MAX_CHOICES, candidate))
    return found


def _texts(candidate: Mapping[str, Any]) -> str:
    texts = (part.get("text") for part in parts_of(candidate) if part.get("thought") is not True)
    return "".join(text for text in texts if isinstance(text, str))


def _text(text: GrowingText | None) -> dict[str, str]:
    return {} if text is None else {"text": str(text)}


def _used(data: Mapping[str, Any]) -> float | None:
    usage = data.get("usageMetadata")
    return count(usage.get("totalTokenCount")) if isinstance(usage, Mapping) else None
