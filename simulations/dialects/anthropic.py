"""Anthropic's dialect: the Messages API, with the rules of its reference as far as rehearsals come near them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from ..error_words import Family
from ..payloads import EPOCH, http_date
from .arrival import Arrival, caller_of
from .said import Item, as_text, mapping, sequence
from .spoken import Left, Spoken, Written, sse

VERSION: Final = "2023-06-01"

FIELDS: Final = frozenset(
    {
        "cache_control",
        "container",
        "context_management",
        "inference_geo",
        "max_tokens",
        "mcp_servers",
        "messages",
        "metadata",
        "model",
        "output_config",
        "service_tier",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)
"""All that a body may have; whatever else is in it is not permitted."""

BLOCKS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text",),
    "image": ("source",),
    "tool_use": ("id", "name", "input"),
    "tool_result": ("tool_use_id",),
}
"""The types of content that rehearsals know, and what each must have."""


class AnthropicSpoken(Spoken):
    """Messages with a key and a version in headers of their own."""

    family: Family | None = Family.ANTHROPIC
    malformed = b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "del\n\n'

    def takes(self, arrival: Arrival) -> bool:
        """They have one path; the version in it belongs to the address or not."""
        return arrival.path == ("messages" if arrival.address.endswith("/v1") else "v1/messages")

    def secret(self, headers: Mapping[str, str]) -> str:
        """It is in a header of its own."""
        return headers.get("x-api-key", "")

    def model(self, arrival: Arrival) -> str:
        """The body names it."""
        return str(arrival.body.get("model"))

    def streams(self, arrival: Arrival) -> bool:
        """The body says so."""
        return bool(arrival.body.get("stream"))

    def amiss(self, arrival: Arrival) -> str | None:
        """The first rule that is broken."""
        return next((words for rule in RULES for words in rule(arrival)), None)

    def said(self, body: Mapping[str, Any]) -> Sequence[Item]:
        """The system first, then messages, tools and the limit."""
        return list(_said(body))

    def ping(self, written: Written) -> bytes:
        """An event of its own."""
        del written
        return _event({"type": "ping"})

    def whole(self, written: Written) -> bytes:
        """The stamp is in the id."""
        content = [{"type": "text", "text": written.text}]
        usage = {"input_tokens": written.prompt_tokens, "output_tokens": written.answer_tokens}
        return json.dumps(_message(written, content, "end_turn", usage)).encode()

    def beginning(self, written: Written) -> Sequence[bytes]:
        """The message without content, its first block, and a ping."""
        usage = {"input_tokens": written.prompt_tokens, "output_tokens": 1}
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        return (
            _event({"type": "message_start", "message": _message(written, [], None, usage)}),
            _event(block),
            self.ping(written),
        )

    def events(self, written: Written) -> Sequence[bytes]:
        """Each is a delta of the one block."""
        return [
            _event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}})
            for piece in written.pieces
        ]

    def end(self, written: Written) -> Sequence[bytes]:
        """The end of the block, the stop reason with the usage, and the end of the message."""
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        return (
            _event({"type": "content_block_stop", "index": 0}),
            _event({"type": "message_delta", "delta": delta, "usage": {"output_tokens": written.answer_tokens}}),
            _event({"type": "message_stop"}),
        )

    def error(self, body: bytes) -> bytes:
        """It has its own name."""
        return b"event: error\ndata: " + body + b"\n\n"

    def statement(self, left: Sequence[Left], now: float) -> Mapping[str, str]:
        """A number and a date, in whole seconds as all of its dates."""
        headers = {"date": http_date(EPOCH + timedelta(seconds=int(now)))} if left else {}
        for each in left:
            again = EPOCH + timedelta(seconds=int(now) + int(each.seconds))
            headers[f"anthropic-ratelimit-{each.what}-remaining"] = f"{each.amount:.0f}"
            headers[f"anthropic-ratelimit-{each.what}-reset"] = again.strftime("%Y-%m-%dT%H:%M:%SZ")
        return headers


def _event(data: Mapping[str, Any]) -> bytes:
    return sse(data, str(data["type"]))


def _message(
    written: Written, content: Sequence[Mapping[str, Any]], stop_reason: str | None, usage: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "id": written.name,
        "type": "message",
        "role": "assistant",
        "model": written.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": usage,
    }


# Its rules


def _check_head(arrival: Arrival) -> Iterator[str]:
    if arrival.headers.get("anthropic-version") != VERSION:
        yield "anthropic-version: header is required"
    if "json" not in arrival.headers.get("content-type", ""):
        yield "content-type: it must be JSON"


def _check_fields(arrival: Arrival) -> Iterator[str]:
    body = arrival.body
    for name in body:
        if name not in FIELDS:
            yield f"{name}: Extra inputs are not permitted"
    limit = body.get("max_tokens")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        yield "max_tokens: Field required"
    if "system" in body and not _is_text(body["system"]):
        yield "system: Input should be a valid string or list of text blocks"
    if caller_of(body) >= 0 and mapping(body.get("metadata")).get("user_id") not in (None, f"caller-{caller_of(body)}"):
        yield "metadata.user_id: it is another's"


def _is_text(value: object) -> bool:
    return isinstance(value, str) or all(mapping(part).get("type") == "text" for part in sequence(value) or (None,))


def _check_messages(arrival: Arrival) -> Iterator[str]:
    messages = sequence(arrival.body.get("messages"))
    if not messages:
        yield "messages: at least one message is required"
    elif mapping(messages[0]).get("role") != "user":
        yield "messages: first message must use the user role"
    open_calls: list[str] = []
    for i, message in enumerate(messages):
        role, content = mapping(message).get("role"), mapping(message).get("content")
        if role not in ("user", "assistant"):
            yield f"messages.{i}.role: Input should be 'user' or 'assistant'"
        blocks = ({"type": "text", "text": content},) if isinstance(content, str) else sequence(content)
        yield from _check_blocks(f"messages.{i}.content", blocks)
        given = [str(block.get("tool_use_id")) for block in blocks if mapping(block).get("type") == "tool_result"]
        if sorted(given) != sorted(open_calls):
            yield f"messages.{i}: each `tool_use` must have its `tool_result` in the next message, and no other has one"
        open_calls = [str(block.get("id")) for block in blocks if mapping(block).get("type") == "tool_use"]


def _check_blocks(where: str, blocks: Sequence[Any]) -> Iterator[str]:
    if not blocks:
        yield f"{where}: Input should not be empty"
    for i, block in enumerate(blocks):
        needed = BLOCKS.get(str(mapping(block).get("type")))
        if needed is None or any(name not in block for name in needed):
            yield f"{where}.{i}: it is no block of content"
        elif block.get("type") == "text" and not block["text"]:
            yield f"{where}.{i}: text content blocks must be non-empty"


def _check_tools(arrival: Arrival) -> Iterator[str]:
    for i, tool in enumerate(sequence(arrival.body.get("tools"))):
        if not isinstance(mapping(tool).get("name"), str):
            yield f"tools.{i}.name: Field required"
        if mapping(mapping(tool).get("input_schema")).get("type") != "object":
            yield f"tools.{i}.input_schema: Field required"


RULES: Final[Sequence[Callable[[Arrival], Iterator[str]]]] = (_check_head, _check_fields, _check_messages, _check_tools)


# What is said


def _said(body: Mapping[str, Any]) -> Iterator[Item]:
    yield from _texts("system", body.get("system"))
    names: dict[str, str] = {}
    for message in sequence(body.get("messages")):
        content = message.get("content")
        for block in ({"type": "text", "text": content},) if isinstance(content, str) else sequence(content):
            yield _block(str(message.get("role")), block, names)
    for tool in sequence(body.get("tools")):
        yield ("tool", str(tool.get("name")), as_text(tool.get("input_schema")))
    yield ("limit", str(body.get("max_tokens")))


def _texts(role: str, content: object) -> Iterator[Item]:
    if isinstance(content, str):
        yield (role, content)
    else:
        yield from ((role, str(block.get("text"))) for block in sequence(content))


def _block(role: str, block: Mapping[str, Any], names: dict[str, str]) -> Item:
    match block.get("type"):
        case "image":
            source = mapping(block.get("source"))
            return ("image", str(source.get("media_type")), str(source.get("data")))
        case "tool_use":
            names[str(block["id"])] = str(block["name"])
            return ("call", str(block["id"]), str(block["name"]), as_text(block["input"]))
        case "tool_result":
            called = str(block["tool_use_id"])
            return (
                "result",
                called,
                names.get(called, ""),
                "".join(text for _, text in _texts("", block.get("content"))),
            )
    return (role, str(block.get("text")))
