"""The Anthropic dialect: the Messages API, for calls of its own and for chat completions, which it translates.

Calls of ``/messages`` and what is below it go through as the caller wrote them, but for the model's name, and so do
their answers and events. A chat completion becomes a message (`anthropic_request.py`), and the message that comes back
becomes a completion (`anthropic_answer.py`, `anthropic_stream.py`). Source: Anthropic's reference of the Messages API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import evolve

from ..failures import Failure
from ..identity import ModelKey
from ..messages import Answer, Call, Chunk
from .anthropic_answer import Unreadable, completion, content_of, tokens_of
from .anthropic_events import MessageReader
from .anthropic_request import translate_request
from .anthropic_stream import CompletionReader
from .dialect import Outgoing, StreamReader, Untranslatable
from .endpoint import Endpoint
from .openai import CHAT, OpenAIDialect
from .outgoing import write
from .reading import is_error, malformed, read_json, used_tokens

MESSAGES: Final = "/messages"
COUNT: Final = "/messages/count_tokens"
VERSION: Final = "2023-06-01"
"""The version of the API that is asked for unless the caller, or the config, asks for another."""


class AnthropicDialect:
    """Messages, and chat completions by way of them."""

    def check(self, call: Call) -> None:
        """See whether this call is Anthropic's own, or a chat completion that can be translated in full."""
        _as_its_own(call)

    def outgoing(self, endpoint: Endpoint, key: ModelKey, call: Call) -> Outgoing:
        """Write the request: the caller's own, or its translation."""
        call = _as_its_own(call)
        headers = {} if endpoint.secret is None else {"x-api-key": endpoint.secret.reveal()}
        if "anthropic-version" not in {name.lower() for name in call.headers}:
            headers["anthropic-version"] = VERSION
        base = endpoint.api_base if endpoint.api_base.endswith("/v1") else f"{endpoint.api_base}/v1"
        model = key.model if call.endpoint in (MESSAGES, COUNT) else None
        return write(call, f"{base}{call.endpoint}", endpoint, model, headers)

    def answer(self, call: Call, headers: Mapping[str, str], body: bytes) -> Answer | Failure:
        """Read a 2xx body."""
        data = read_json(body)
        if not isinstance(data, dict):
            return malformed(headers, body, "the answer is not a JSON object")
        if is_error(data):
            return malformed(headers, body, "the answer is an error")
        try:
            if call.dialect != "anthropic":
                answer = completion(data, headers)
                return Answer(answer, used_tokens(answer))
            if call.endpoint == MESSAGES:
                content_of(data)
        except Unreadable as exc:
            return malformed(headers, body, str(exc))
        # To count tokens uses none.
        return Answer(data, 0.0 if call.endpoint == COUNT else tokens_of(data.get("usage")), raw=body)

    def reader(self, call: Call, headers: Mapping[str, str]) -> StreamReader:
        """Return a reader for one stream."""
        return MessageReader(call, headers) if call.dialect == "anthropic" else CompletionReader(call, headers)

    def chunks_of(self, answer: Answer) -> Chunk:
        """Turn a whole answer into one chunk; a message stays what it is."""
        if "choices" in answer.body:
            return COMPLETIONS.chunks_of(answer)
        content = answer.body.get("content")
        blocks = content if isinstance(content, list) else []
        texts = (block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text")
        return Chunk("".join(text for text in texts if isinstance(text, str)), answer.body)


COMPLETIONS: Final = OpenAIDialect()
"""How translated answers are written."""


def _as_its_own(call: Call) -> Call:
    """Return the call as one of Anthropic's own."""
    if call.dialect == "anthropic":
        return call
    if call.endpoint != CHAT or call.method != "POST" or call.form:
        raise Untranslatable(f"it has no {call.endpoint}")
    own: Call | None = call.translations.get("anthropic")
    if own is None:
        own = evolve(call, body=translate_request(call.body), endpoint=MESSAGES, headers={})
        call.translations["anthropic"] = own
    return own
