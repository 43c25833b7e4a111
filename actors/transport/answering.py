"""How an answer of the router is written for an SDK: who served, the body as the provider wrote it, a stream's events.

``x-understudy-served-by`` is the name of the candidate, ``x-understudy-attempts`` all that were asked, in order:
``glm-4.7=failed:rate_limit, claude-haiku=served``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from ..identity import ModelKey
from ..messages import AttemptRecord, Chunk, Outcome
from ..reply import Reply

SERVED_BY: Final = "x-understudy-served-by"
ATTEMPTS: Final = "x-understudy-attempts"
JSON_TYPE: Final = "application/json"
EVENTS_TYPE: Final = "text/event-stream"

ENDS_WITH_DONE: Final = ("/chat/completions", "/completions")
"""The endpoints whose streams end with ``[DONE]``."""

write_json: Final = json.JSONEncoder(separators=(",", ":")).encode


def whole(reply: Reply) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a whole reply."""
    told = {**said_of(reply.attempts), SERVED_BY: _name(reply.served_by)}
    if reply.content is not None:
        return {**told, "content-type": reply.content_type}, reply.content
    return {**told, "content-type": JSON_TYPE}, _body(reply)


def _body(reply: Reply) -> bytes:
    """Return the body as the provider wrote it, or write it.

    To write embeddings takes ten times as long as all else that the router does for them (``benchmarks/run.py --only
    carried``).
    """
    raw = reply.raw
    # JSON in UTF-8 that begins at once has no zero byte; what is in another encoding has one here.
    if raw is not None and raw.startswith(b"{") and b"\0" not in raw[:4]:
        return raw
    return write_json(reply.body).encode()


def stream_head(served_by: ModelKey, attempts: Iterable[AttemptRecord], first: Chunk | None) -> dict[str, str]:
    """Return the headers of a stream that has begun. Who serves it has not finished, and is told all the same."""
    kind = (first and first.content_type) or EVENTS_TYPE
    return {**said_of(attempts, served_by), SERVED_BY: _name(served_by), "content-type": kind}


def said_of(attempts: Iterable[AttemptRecord], serving: ModelKey | None = None) -> dict[str, str]:
    """Return the header that says what was attempted."""
    said = [_attempt(attempt) for attempt in attempts]
    if serving is not None:
        said.append(f"{_name(serving)}={Outcome.SERVED}")
    return {ATTEMPTS: ", ".join(said)} if said else {}


def write_event(chunk: Chunk, dialect: str, endpoint: str) -> bytes:
    """Write an event of a stream, named where the dialect names its events: they say by their type what they are.

    Its data are written as the provider wrote them, if that is one line to everybody.
    """
    kind, raw = chunk.body.get("type"), chunk.raw
    names = dialect != "gemini" and endpoint not in ENDS_WITH_DONE
    name = f"event: {kind}\n" if names and isinstance(kind, str) and kind.isprintable() else ""
    data = raw if raw is not None and len(raw.splitlines()) == 1 else write_json(chunk.body)
    return f"{name}data: {data}\n\n".encode()


def last_event(endpoint: str) -> bytes:
    """Return what a stream ends with that has come to its end."""
    return b"data: [DONE]\n\n" if endpoint in ENDS_WITH_DONE else b""


def _attempt(attempt: AttemptRecord) -> str:
    why = "" if attempt.reason is None else f":{attempt.reason}"
    return f"{_name(attempt.key)}={attempt.outcome}{why}"


def _name(key: ModelKey) -> str:
    """Write a name so that it can stand in a header, and in a list there."""
    return quote(key.name, safe="!#$&'()*+-./:;<>?@[]^_`{|}~ ")
