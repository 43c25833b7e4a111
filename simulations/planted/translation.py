"""Bugs between dialects: what is lost or mixed up where a request, an answer or a stream is said in other words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve

from ...actors.messages import Answer
from ...actors.providers import anthropic as anthropic_dialect
from ...actors.providers.anthropic import AnthropicDialect
from ...actors.providers.anthropic_stream import CompletionReader
from ...actors.providers.gemini import GeminiDialect
from ...actors.providers.gemini_answer import GeminiReader
from .bug import ORDER, PROVENANCE, SECRECY, Patch, bug, instead
from .identity import with_the_primarys

TRANSLATING = (AnthropicDialect, GeminiDialect)


def _sent_otherwise(dialect: type, change: Callable[[dict[str, Any]], object]) -> Patch:
    """Change the body of every request that is sent in a dialect."""

    def make(original: Any) -> Any:
        def outgoing(self: Any, endpoint: Any, key: Any, call: Any) -> Any:
            sent = original(self, endpoint, key, call)
            body = dict(sent.body)
            change(body)
            return evolve(sent, body=body, written=None)

        return outgoing

    return dialect, "outgoing", make


def _with_headers(dialect: type, change: Callable[[dict[str, str]], object]) -> Patch:
    """Change the headers of every request that is sent in a dialect."""

    def make(original: Any) -> Any:
        def outgoing(self: Any, endpoint: Any, key: Any, call: Any) -> Any:
            sent = original(self, endpoint, key, call)
            headers = dict(sent.headers)
            change(headers)
            return evolve(sent, headers=headers)

        return outgoing

    return dialect, "outgoing", make


@bug("translation", "a candidate of Anthropic's is sent the primary's key", PROVENANCE, SECRECY)
def anthropics_candidate_with_the_primarys_key() -> list[Patch]:
    def change(entry: Any, first: Any) -> Any:
        if entry.endpoint.dialect != "anthropic":
            return entry
        return evolve(entry, endpoint=evolve(entry.endpoint, secret=first.endpoint.secret))

    return [with_the_primarys(change)]


@bug("translation", "a fallback is spoken to in the primary's dialect", PROVENANCE, ORDER)
def fallback_in_the_primarys_dialect() -> list[Patch]:
    def change(entry: Any, first: Any) -> Any:
        return evolve(entry, endpoint=evolve(entry.endpoint, dialect=first.endpoint.dialect))

    return [with_the_primarys(change)]


@bug("translation", "a key of Anthropic's is sent as a bearer's", PROVENANCE)
def key_in_another_dialects_header() -> list[Patch]:
    def change(headers: dict[str, str]) -> None:
        headers["authorization"] = f"Bearer {headers.pop('x-api-key', '')}"

    return [_with_headers(AnthropicDialect, change)]


@bug("translation", "Anthropic is not told which version of its API is meant", PROVENANCE)
def version_left_out() -> list[Patch]:
    return [_with_headers(AnthropicDialect, lambda headers: headers.pop("anthropic-version", None))]


@bug("translation", "the tools are lost on the way into Anthropic's dialect", PROVENANCE)
def tools_lost_in_translation() -> list[Patch]:
    return [_sent_otherwise(AnthropicDialect, lambda body: body.pop("tools", None))]


@bug("translation", "what the system says is lost on the way into Gemini's dialect", PROVENANCE)
def system_lost_in_translation() -> list[Patch]:
    return [_sent_otherwise(GeminiDialect, lambda body: body.pop("systemInstruction", None))]


@bug("translation", "images are lost on the way into Gemini's dialect", PROVENANCE)
def images_lost_in_translation() -> list[Patch]:
    def change(body: dict[str, Any]) -> None:
        body["contents"] = [
            {**content, "parts": [part for part in content["parts"] if "inlineData" not in part]}
            for content in body["contents"]
        ]

    return [_sent_otherwise(GeminiDialect, change)]


@bug("translation", "the results of two tools are given each under the other's id", PROVENANCE)
def tool_results_mixed_up() -> list[Patch]:
    def change(body: dict[str, Any]) -> None:
        body["messages"] = [{**message, "content": _mixed_up(message["content"])} for message in body["messages"]]

    return [_sent_otherwise(AnthropicDialect, change)]


def _mixed_up(content: Any) -> Any:
    blocks: list[Mapping[str, Any]] = [] if isinstance(content, str) else content
    ids = iter([block["tool_use_id"] for block in blocks if block["type"] == "tool_result"][::-1])
    return [
        {**block, "tool_use_id": next(ids)} if block["type"] == "tool_result" else block for block in blocks
    ] or content


@bug("translation", "what a dialect has no word for is dropped without a word", ORDER, PROVENANCE)
def unfit_for_the_dialect_ignored() -> list[Patch]:
    def make(original: Any) -> Any:
        def lenient(self: Any, *args: Any) -> Any:
            call = args[-1]
            body = {name: value for name, value in call.body.items() if name != "logit_bias"}
            return original(self, *args[:-1], evolve(call, body=body))

        return lenient

    return [(dialect, name, make) for dialect in TRANSLATING for name in ("check", "outgoing")]


@bug("translation", "a stream of Anthropic's without `message_stop` is taken for a complete answer", PROVENANCE)
def message_without_a_stop_is_a_success() -> list[Patch]:
    return [(CompletionReader, "complete", instead(property(lambda self: self.closed or self.started)))]


@bug("translation", "a stream of Gemini's without a finish reason is taken for a complete answer", PROVENANCE)
def content_without_a_finish_is_a_success() -> list[Patch]:
    return [(GeminiReader, "complete", instead(property(lambda self: self.started)))]


@bug("translation", "an answer of Anthropic's is given a name of ours", PROVENANCE)
def name_of_the_answer_made_up() -> list[Patch]:
    def make(original: Any) -> Any:
        def answer(self: Any, call: Any, headers: Any, body: bytes) -> Any:
            read = original(self, call, headers, body)
            return Answer({**read.body, "id": "chatcmpl-1"}, read.tokens) if isinstance(read, Answer) else read

        return answer

    return [(AnthropicDialect, "answer", make)]


@bug("translation", "of what Anthropic counts only the answer is counted", PROVENANCE)
def prompt_not_counted() -> list[Patch]:
    return [(anthropic_dialect, "used_tokens", instead(lambda answer: float(answer["usage"]["completion_tokens"])))]


@bug("translation", "why an answer of Gemini's ended is not told", PROVENANCE)
def finish_reason_lost() -> list[Patch]:
    def make(original: Any) -> Any:
        def answer(self: Any) -> Any:
            told = original(self)
            choices = [{**choice, "finish_reason": "length"} for choice in told.body["choices"]]
            return evolve(told, body={**told.body, "choices": choices})

        return answer

    return [(GeminiReader, "answer", make)]
