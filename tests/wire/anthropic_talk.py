"""Conversations in OpenAI's shape and answers in Anthropic's, drawn at random, and what tells whether they were kept.

What is said is written down twice, from the caller's messages (`said_to_openai`) and from the request that Anthropic
gets (`said_to_anthropic`), by readers that know nothing of the translation: as a flat list of who said what, in order.
`broken_rules` knows what Anthropic refuses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from hypothesis import strategies as st

Said = list[tuple[Any, ...]]

WORDS: Final = st.text(min_size=1, max_size=12).filter(lambda text: text.strip() == text)
IDS: Final = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
NAMES: Final = st.from_regex(r"[a-zA-Z0-9_-]{1,8}", fullmatch=True)
LEAVES: Final = st.none() | st.booleans() | st.integers(-5, 1500) | st.floats(allow_nan=False, allow_infinity=False)
JSONS: Final = st.recursive(
    LEAVES | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
INPUTS: Final = st.dictionaries(st.text(max_size=8), JSONS, max_size=3)
DATA: Final = st.binary(min_size=1, max_size=6).map(lambda data: data.hex().upper() + "==")

# ---- what callers say


@st.composite
def images(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["image/png", "image/jpeg", "image/gif", "image/webp"]))
    url = f"data:{kind};base64,{draw(DATA)}" if draw(st.booleans()) else f"https://host/{draw(NAMES)}.png"
    detail = draw(st.sampled_from([None, "auto", "high"]))
    return {"type": "image_url", "image_url": {"url": url} if detail is None else {"url": url, "detail": detail}}


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    file = {"file_data": f"data:application/pdf;base64,{draw(DATA)}", "filename": f"{draw(NAMES)}.pdf"}
    return {"type": "file", "file": file}


TEXT_PARTS: Final = st.builds(lambda text: {"type": "text", "text": text}, WORDS | st.just(""))
CONTENTS: Final = WORDS | st.lists(TEXT_PARTS | images() | files(), min_size=1, max_size=3)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return a conversation that any provider would take: instructions, then turns, tool calls with their results."""
    ids = iter(draw(st.lists(IDS, unique=True, min_size=9, max_size=9)))
    messages: list[dict[str, Any]] = [
        {"role": role, "content": content}
        for role, content in draw(st.lists(st.tuples(st.sampled_from(["system", "developer"]), WORDS), max_size=2))
    ]
    for kind in draw(st.lists(st.sampled_from(["user", "assistant", "tools"]), max_size=3)):
        if kind == "user":
            messages.append({"role": "user", "content": draw(CONTENTS)})
        elif kind == "assistant":
            messages.append({"role": "assistant", "content": draw(WORDS | st.lists(TEXT_PARTS, max_size=2))})
        else:
            messages += draw(rounds([next(ids) for _ in range(draw(st.integers(1, 3)))]))
    return [*messages, {"role": "user", "content": draw(WORDS)}]


@st.composite
def rounds(draw: st.DrawFn, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return a call of several tools at once, and their results in any order."""
    calls = [
        {"id": id_, "type": "function", "function": {"name": draw(NAMES), "arguments": json.dumps(draw(INPUTS))}}
        for id_ in ids
    ]
    text = draw(st.none() | st.just("") | WORDS)
    results = [
        {"role": "tool", "tool_call_id": id_, "content": draw(CONTENTS | st.just(""))}
        for id_ in draw(st.permutations(ids))
    ]
    return [{"role": "assistant", "content": text, "tool_calls": calls}, *results]


def tools() -> st.SearchStrategy[dict[str, Any]]:
    parameters = st.sampled_from([{}, {"type": "object", "properties": {"a": {"type": "string"}}}])
    function = st.fixed_dictionaries({"name": NAMES}, optional={"description": WORDS, "parameters": parameters})
    return st.builds(lambda told: {"type": "function", "function": told}, function)


CHOICES: Final = st.sampled_from(["auto", "none", "required"]) | st.builds(
    lambda name: {"type": "function", "function": {"name": name}}, NAMES
)
PARAMS: Final = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 1),
        "top_p": st.floats(0, 1),
        "max_tokens": st.integers(1, 9000),
        "max_completion_tokens": st.integers(1, 9000),
        "stop": WORDS | st.lists(WORDS, max_size=2),
        "user": WORDS,
        "n": st.none() | st.just(1),
        "logprobs": st.just(False),
        "stream_options": st.just({"include_usage": True}),
        "reasoning_effort": st.sampled_from(["low", "medium", "high"]),
    },
)
USING_TOOLS: Final = st.fixed_dictionaries(
    {"tools": st.lists(tools(), min_size=1, max_size=3)},
    optional={"tool_choice": CHOICES, "parallel_tool_calls": st.booleans()},
)


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, Any]:
    """Return what else a request may say that Anthropic has a word for."""
    return {**draw(PARAMS), **(draw(USING_TOOLS) if draw(st.booleans()) else {})}


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """Return a request for a chat completion that Anthropic has a word for, all of it."""
    return {**draw(parameters()), "messages": draw(conversations())}


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """Return a request of which one value, wherever it stands, is something else than it was."""
    request = json.loads(json.dumps(draw(requests())))
    holders = [*_holders(request)]
    holder = holders[draw(st.integers(0, len(holders) - 1))]
    places = [*holder] if isinstance(holder, dict) else [*range(len(holder))]
    if isinstance(holder, dict) and (not places or draw(st.integers(0, 3)) == 0):
        holder[draw(st.text(max_size=5))] = draw(JSONS)
    elif places:
        holder[draw(st.sampled_from(places))] = draw(JSONS)
    return {str(name): value for name, value in request.items()}


def _holders(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _holders(inner)


# ---- what was said


def said_to_openai(messages: Sequence[Mapping[str, Any]]) -> Said:
    """Return what the caller's messages say."""
    said: Said = []
    for message in messages:
        role = "system" if message["role"] == "developer" else message["role"]
        content = message.get("content") or ""
        parts = [("text", content)] if isinstance(content, str) else [_openai_part(part) for part in content]
        told = [part for part in parts if part[1]]
        if role == "tool":
            said.append(("result", message["tool_call_id"], told))
            continue
        said += [(role, *part) for part in told]
        for call in message.get("tool_calls", ()):
            said.append(("call", call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])))
    return said


def _openai_part(part: Mapping[str, Any]) -> tuple[Any, ...]:
    if part["type"] == "text":
        return "text", part["text"]
    if part["type"] == "file":
        return "pdf", part["file"]["file_data"], part["file"]["filename"]
    return "image", part["image_url"]["url"]


def said_to_anthropic(request: Mapping[str, Any]) -> Said:
    """Return what a request of Anthropic's says."""
    said: Said = [("system", "text", block["text"]) for block in request.get("system", [])]
    for turn in request["messages"]:
        for block in turn["content"]:
            if block["type"] == "tool_use":
                said.append(("call", block["id"], block["name"], block["input"]))
            elif block["type"] == "tool_result":
                inner = [_anthropic_block(inner) for inner in block.get("content", [])]
                said.append(("result", block["tool_use_id"], inner))
            else:
                said.append((turn["role"], *_anthropic_block(block)))
    return said


def _anthropic_block(block: Mapping[str, Any]) -> tuple[Any, ...]:
    if block["type"] == "text":
        return "text", block["text"]
    source = block["source"]
    url = source["url"] if source["type"] == "url" else f"data:{source['media_type']};base64,{source['data']}"
    return ("pdf", url, block["title"]) if block["type"] == "document" else ("image", url)


def broken_rules(request: Mapping[str, Any]) -> list[str]:
    """Return which of Anthropic's rules a request breaks."""
    broken = [] if isinstance(request["max_tokens"], int) and request["max_tokens"] > 0 else ["no max_tokens"]
    turns = request["messages"]
    broken += [] if turns else ["no messages"]
    seen: set[str] = set()
    waiting: set[str] = set()
    for turn in turns:
        blocks = turn["content"]
        broken += [] if blocks else ["an empty turn"]
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if set(results) != waiting or len(results) != len(waiting):
            broken.append("calls and results that do not match")
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        waiting = set(calls)
        broken += ["an id that is not its own"] if seen & waiting or len(waiting) < len(calls) else []
        seen |= waiting
        broken += [f"a bad id: {id_}" for id_ in calls if not re.fullmatch(r"[a-zA-Z0-9_-]+", id_)]
        if (turn["role"] == "user") < bool(results) or (turn["role"] == "assistant") < bool(calls):
            broken.append("a block in the wrong turn")
        texts = [inner for block in blocks for inner in (block, *block.get("content", ())) if inner["type"] == "text"]
        broken += ["a blank text" for block in texts if not block["text"].strip()]
    return broken + (["a call without a result"] if waiting else [])


# ---- what Anthropic answers

COUNTS: Final = st.integers(0, 9999)
USAGES: Final = st.fixed_dictionaries(
    {"input_tokens": COUNTS, "output_tokens": COUNTS},
    optional={"cache_read_input_tokens": COUNTS | st.none(), "cache_creation_input_tokens": COUNTS | st.none()},
)
STOPS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
BLOCKS: Final = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, st.text(max_size=20)),
    st.builds(lambda text: {"type": "thinking", "thinking": text, "signature": "c2ln"}, st.text(max_size=20)),
    st.just({"type": "redacted_thinking", "data": "c2VjcmV0"}),
    st.builds(
        lambda id_, name, given: {"type": "tool_use", "id": id_, "name": name, "input": given}, IDS, NAMES, INPUTS
    ),
)


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """Return a message of Anthropic's."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": draw(st.lists(BLOCKS, max_size=4)),
        "stop_reason": draw(st.sampled_from([*STOPS])),
        "stop_sequence": None,
        "usage": draw(USAGES),
    }


@st.composite
def written(draw: st.DrawFn, message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a stream that amounts to a message, its texts cut anywhere."""
    first = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": first}]
    for index, block in enumerate(message["content"]):
        began, deltas = draw(_pieces(block))
        events.append({"type": "content_block_start", "index": index, "content_block": began})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    usage = {"output_tokens": message["usage"]["output_tokens"]}
    events += [{"type": "message_delta", "delta": stop, "usage": usage}, {"type": "message_stop"}]
    for at in sorted(draw(st.lists(st.integers(0, len(events) - 1), max_size=2)), reverse=True):
        events.insert(at, {"type": "ping"})
    return events


@st.composite
def _pieces(draw: st.DrawFn, block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "text":
        pieces = draw(cuts(block["text"]))
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in draw(cuts(block["thinking"]))]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signature]
    if block["type"] == "tool_use":
        text = json.dumps(block["input"], ensure_ascii=draw(st.booleans()))
        pieces = [] if not block["input"] and draw(st.booleans()) else draw(cuts(text))
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return dict(block), []


def cuts(text: str) -> st.SearchStrategy[list[str]]:
    """Cut a text into pieces, some of them empty."""
    places = st.lists(st.integers(0, len(text)), max_size=4).map(sorted)
    return places.map(lambda at: [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)])


def sse(event: Mapping[str, Any]) -> bytes:
    """Write an event as Anthropic does, under its name."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
