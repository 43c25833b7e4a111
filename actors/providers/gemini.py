"""The Gemini dialect: Google's ``generateContent`` and ``streamGenerateContent``, spoken natively.

Calls that are written in it are passed through (`gemini_native.py`). Chat completions of OpenAI's are translated:
requests in `gemini_request.py` and `gemini_contents.py`, answers and streams in `gemini_answer.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..failures import Failure
from ..identity import ModelKey
from ..masking import presentable
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
from .gemini_request import Translated, translate_request
from .openai import CHAT, OpenAIDialect

SAID_MAX: Final = 200
"""The longest reason for which a call is not said, in characters."""


class GeminiDialect:
    """Google's own API."""

    def check(self, call: Call) -> None:
        """See whether this call can be said to Gemini."""
        if call.dialect == "gemini":
            method_of(call)
        else:
            _translated(call)

    def outgoing(self, endpoint: Endpoint, key: ModelKey, call: Call) -> Outgoing:
        """Write the request for this candidate."""
        if call.dialect == "gemini":
            method, body = method_of(call), with_model(call.body, key.model)
            written = call.written if body is call.body else None
        else:
            translated = _translated(call)
            method, body = (STREAM if call.stream else GENERATE), translated.for_model(key.model)
            written = translated.written if body is translated.body else None
        headers = {name.lower(): value for name, value in call.headers.items()} if call.dialect == "gemini" else {}
        headers["accept"] = "text/event-stream" if method == STREAM else "application/json"
        headers["content-type"] = "application/json"
        if endpoint.secret is not None:
            headers["x-goog-api-key"] = endpoint.secret.reveal()
        headers.update((name.lower(), value) for name, value in endpoint.headers.items())
        return Outgoing("POST", address(endpoint.api_base, key.model, method), headers, body, written=written)

    def answer(self, call: Call, headers: Mapping[str, str], body: bytes) -> Answer | Failure:
        """Read a 2xx body."""
        if call.dialect == "gemini":
            return native_answer(call, headers, body)
        return GeminiReader(call, headers).whole(body)

    def reader(self, call: Call, headers: Mapping[str, str]) -> StreamReader:
        """Return a reader for one stream."""
        return NativeReader(call, headers) if call.dialect == "gemini" else GeminiReader(call, headers)

    def chunks_of(self, answer: Answer) -> Chunk:
        """Turn a whole answer into one chunk."""
        chunk = OpenAIDialect().chunks_of(answer)
        return native_chunk(answer.body) if chunk.body is answer.body else chunk


def _translated(call: Call) -> Translated:
    """Return a chat completion in Gemini's words."""
    if call.endpoint != CHAT or call.form or call.method != "POST":
        raise Untranslatable(f"it does not speak {call.dialect}'s {call.endpoint}")
    done: Translated | None = call.translations.get("gemini")
    if done is None:
        try:
            done = call.translations["gemini"] = translate_request(call.body)
        except Untranslatable as exc:  # it may quote what the caller wrote
            raise Untranslatable(presentable(str(exc), SAID_MAX)) from None
    return done
