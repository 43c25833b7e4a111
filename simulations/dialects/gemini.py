"""Gemini's dialect: generateContent, with the rules of its reference as far as rehearsals come near them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from ..error_words import Family
from .arrival import Arrival
from .openai import OpenAISpoken
from .said import Item, as_text, mapping, sequence
from .spoken import Left, Spoken, Written, sse

METHOD: Final = re.compile(r"models/(.+):(generateContent|streamGenerateContent)")

FIELDS: Final = frozenset(
    {"cachedContent", "contents", "generationConfig", "safetySettings", "systemInstruction", "toolConfig", "tools"}
)
"""All that a body may have; another name is unknown."""

SETTINGS: Final = frozenset(
    {
        "candidateCount",
        "frequencyPenalty",
        "logprobs",
        "maxOutputTokens",
        "mediaResolution",
        "presencePenalty",
        "responseJsonSchema",
        "responseLogprobs",
        "responseMimeType",
        "responseModalities",
        "responseSchema",
        "seed",
        "speechConfig",
        "stopSequences",
        "temperature",
        "thinkingConfig",
        "topK",
        "topP",
    }
)
"""All that a `generationConfig` may have."""

PARTS: Final = ("text", "inlineData", "functionCall", "functionResponse", "fileData")
"""What a part is one of; what else stands in it belongs to that."""


class GeminiSpoken(Spoken):
    """Contents with the model and the method in the path, and a key in a header of its own."""

    family: Family | None = Family.GOOGLE
    malformed = b'data: {"candidates": [{"content": {"par\n\n'

    def takes(self, arrival: Arrival) -> bool:
        """The path has a model and a method."""
        return METHOD.fullmatch(arrival.path) is not None

    def secret(self, headers: Mapping[str, str]) -> str:
        """It is in a header of its own."""
        return headers.get("x-goog-api-key", "")

    def model(self, arrival: Arrival) -> str:
        """The path names it."""
        found = METHOD.fullmatch(arrival.path)
        return "" if found is None else unquote(found[1])

    def streams(self, arrival: Arrival) -> bool:
        """The method says so."""
        return arrival.path.endswith(":streamGenerateContent")

    def amiss(self, arrival: Arrival) -> str | None:
        """The first rule that is broken."""
        return next((words for rule in RULES for words in rule(arrival)), None)

    def said(self, body: Mapping[str, Any]) -> Sequence[Item]:
        """The system first, then contents, tools and the limit."""
        return list(_said(body))

    def ping(self, written: Written) -> bytes:
        """A response without a word, as while the model thinks."""
        return sse(_response(written, ""))

    def whole(self, written: Written) -> bytes:
        """The stamp is in the id."""
        return json.dumps(_response(written, written.text, is_last=True)).encode()

    def beginning(self, written: Written) -> Sequence[bytes]:
        """A stream begins with its content."""
        del written
        return ()

    def events(self, written: Written) -> Sequence[bytes]:
        """Each is a response with a part of the text."""
        return [sse(_response(written, piece)) for piece in written.pieces]

    def end(self, written: Written) -> Sequence[bytes]:
        """A last response, with the finish reason and the usage."""
        return (sse(_response(written, "", is_last=True)),)

    def error(self, body: bytes) -> bytes:
        """An error's body is an event as it is."""
        return b"data: " + body + b"\n\n"

    def statement(self, left: Sequence[Left], now: float) -> Mapping[str, str]:
        """Google states nothing; the gateways before it do as OpenAI does."""
        return OpenAISpoken().statement(left, now)


def _response(written: Written, text: str, *, is_last: bool = False) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    response: dict[str, Any] = {"candidates": [candidate], "modelVersion": written.model, "responseId": written.name}
    if is_last:
        candidate["finishReason"] = "STOP"
        prompt, answer = written.prompt_tokens, written.answer_tokens
        usage = {"promptTokenCount": prompt, "candidatesTokenCount": answer, "totalTokenCount": prompt + answer}
        response["usageMetadata"] = usage
    return response


# Its rules


def _check_head(arrival: Arrival) -> Iterator[str]:
    if "json" not in arrival.headers.get("content-type", ""):
        yield "content-type: it must be JSON"
    if arrival.query != ("alt=sse" if arrival.path.endswith(":streamGenerateContent") else ""):
        yield "alt: a stream of events is asked for with alt=sse, and nothing else with anything"


def _check_fields(arrival: Arrival) -> Iterator[str]:
    names = [(name, FIELDS) for name in arrival.body]
    names += [(name, SETTINGS) for name in mapping(arrival.body.get("generationConfig"))]
    for name, known in names:
        if name not in known:
            yield f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
    if "systemInstruction" in arrival.body:
        parts = sequence(mapping(arrival.body["systemInstruction"]).get("parts"))
        if not parts or any("text" not in mapping(part) for part in parts):
            yield "systemInstruction: it has text only, and some"


def _check_contents(arrival: Arrival) -> Iterator[str]:
    contents = sequence(arrival.body.get("contents"))
    if not contents:
        yield "GenerateContentRequest.contents: contents is not specified"
    called: list[str] = []
    for content in contents:
        role, parts = mapping(content).get("role"), sequence(mapping(content).get("parts"))
        if role not in ("user", "model"):
            yield "Please use a valid role: user, model."
        if not parts or any(sum(name in mapping(part) for name in PARTS) != 1 for part in parts):
            yield "GenerateContentRequest.contents.parts: each is one of the kinds of data"
            return
        answered = [str(mapping(part["functionResponse"]).get("name")) for part in parts if "functionResponse" in part]
        if answered != called:
            yield "the function response parts must be those of the function call parts of the turn before"
        called = [str(mapping(part["functionCall"]).get("name")) for part in parts if "functionCall" in part]


def _check_tools(arrival: Arrival) -> Iterator[str]:
    for tool in sequence(arrival.body.get("tools")):
        for function in sequence(mapping(tool).get("functionDeclarations")):
            if not isinstance(mapping(function).get("name"), str):
                yield "tools.functionDeclarations: each has a name"


RULES: Final[Sequence[Callable[[Arrival], Iterator[str]]]] = (_check_head, _check_fields, _check_contents, _check_tools)


# What is said


def _said(body: Mapping[str, Any]) -> Iterator[Item]:
    for part in sequence(mapping(body.get("systemInstruction")).get("parts")):
        yield ("system", str(part.get("text")))
    for content in sequence(body.get("contents")):
        role = "assistant" if content.get("role") == "model" else "user"
        for part in sequence(content.get("parts")):
            yield _part(role, part)
    for tool in sequence(body.get("tools")):
        for function in sequence(mapping(tool).get("functionDeclarations")):
            schema = function.get("parametersJsonSchema", function.get("parameters"))
            yield ("tool", str(function.get("name")), as_text(_lower(schema)))
    limit = mapping(body.get("generationConfig")).get("maxOutputTokens")
    if limit is not None:
        yield ("limit", str(limit))


def _lower(schema: object) -> object:
    """Return a schema with the types as everybody else writes them."""
    if isinstance(schema, Mapping):
        return {
            name: value.lower() if name == "type" and isinstance(value, str) else _lower(value)
            for name, value in schema.items()
        }
    return schema


def _part(role: str, part: Mapping[str, Any]) -> Item:
    if "inlineData" in part:
        data = mapping(part["inlineData"])
        return ("image", str(data.get("mimeType")), str(data.get("data")))
    if "functionCall" in part:
        call = mapping(part["functionCall"])
        return ("call", str(call.get("id", "")), str(call.get("name")), as_text(call.get("args")))
    if "functionResponse" in part:
        result = mapping(part["functionResponse"])
        texts = [value for value in mapping(result.get("response")).values() if isinstance(value, str)]
        return ("result", str(result.get("id", "")), str(result.get("name")), "".join(texts))
    return (role, str(part.get("text")))
