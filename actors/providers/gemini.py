"""The Gemini dialect: Google's ``generateContent`` and ``streamGenerateContent``, spoken natively.

Calls that are written in it are passed through (`gemini_native.py`). Chat completions of OpenAI's are translated:
requests in `gemini_request.py` and `gemini_contents.py`, answers and streams in `gemini_answer.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..failures import Failure
from ..identity import ModelKey
from ..messages import Answer, Call, Chunk
from .dialect import Outgoing, StreamReader, Untranslatable
from .endpoint import Endpoint
from .gemini_answer import GeminiReader
from .gemini_native import (
    GENERATE,
    STREAM,
    NativeReader,
    address,
    method_of,
    native_answer,
    native_chunk,
    with_model,
)
from .gemini_request import write_request
from .openai import CHAT, OpenAIDialect


class GeminiDialect:
    """Google's own API."""

    def check(self, call: Call) -> None:
        """See whether this call can be said to Gemini."""
        _write(call, "")

    def outgoing(self, endpoint: Endpoint, key: ModelKey, call: Call) -> Outgoing:
        """Write the request for this candidate."""
        method, body = _write(call, key.model)
        headers = {name.lower(): value for name, value in call.headers.items()} if call.dialect == "gemini" else {}
        headers["accept"] = "text/event-stream" if method == STREAM else "application/json"
        headers["content-type"] = "application/json"
        if endpoint.secret is not None:
            headers["x-goog-api-key"] = endpoint.secret.reveal()
        headers.update((name.lower(), value) for name, value in endpoint.headers.items())
        return Outgoing("POST", address(endpoint.api_base, key.model, method), headers, body)

    def answer(self, call: Call, headers: Mapping[str, str], body: bytes) -> Answer | Failure:
        """Read a 2xx body."""
        if call.dialect == "gemini":
            return native_answer(call, headers, body)
        return GeminiReader(call, headers).whole(body)

    def reader(self, call: Call, headers: Mapping[str, str]) -> StreamReader:
        """Return a reader for one stream."""
        return NativeReader(call, headers) if call.dialect == "gemini" else GeminiReader(call, headers)

    def chunks_of(self, answer: Answer) -> Chunk:
        """Turn a whole answer into one chunk. The tool calls of a chunk are numbered."""
        if "choices" not in answer.body:
            return native_chunk(dict(answer.body))
        chunk = OpenAIDialect().chunks_of(answer)
        for choice in chunk.body["choices"]:
            delta = choice["delta"]
            if "tool_calls" in delta:
                numbered = [{"index": i, **call} for i, call in enumerate(delta["tool_calls"])]
                choice["delta"] = {**delta, "tool_calls": numbered}
        return chunk


def _write(call: Call, model: str) -> tuple[str, dict[str, Any]]:
    """Return what is asked for, and the body to ask with."""
    if call.dialect == "gemini":
        return method_of(call), with_model(call.body, model)
    if call.endpoint != CHAT or call.form or call.method != "POST":
        raise Untranslatable(f"it does not speak {call.dialect}'s {call.endpoint}")
    return (STREAM if call.stream else GENERATE), write_request(call.body, model)
