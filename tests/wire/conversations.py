"""Conversations as OpenAI's chat completions have them: strategies, and what is told in them one thing after another.

The strategies make well-formed conversations with tools and images. `told` is for the tests of translation: it says
what there is in a conversation, in order, in words of no provider's, so that a test can read a translated request in
its own way and compare.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from understudy import Call, RequestRejected
from understudy.actors.call_checks import check_call

Message = dict[str, Any]
Told = tuple[str, ...]
"""One thing: its kind (``rule``, ``user``, ``image``, ``model``, ``call``, ``result``) and what belongs to it."""

TEXTS = st.text(max_size=12)
NAMES = st.text("abc_012", max_size=6).map(lambda text: f"f{text}")
IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=3)
"""JSON objects that every provider can read."""


@st.composite
def images(draw: st.DrawFn) -> Message:
    """Draw an image that comes with its bytes."""
    data = base64.b64encode(draw(st.binary(min_size=1, max_size=9))).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{draw(st.sampled_from(IMAGE_TYPES))};base64,{data}"}}


def texts() -> st.SearchStrategy[str | list[Message]]:
    """Draw a content that is nothing but text, in one of its two forms."""
    return TEXTS | st.lists(TEXTS.map(lambda text: {"type": "text", "text": text}), min_size=1, max_size=2)


def contents() -> st.SearchStrategy[str | list[Message]]:
    """Draw what a user says: a text, or texts and images."""
    parts = TEXTS.map(lambda text: {"type": "text", "text": text}) | images()
    return TEXTS | st.lists(parts, min_size=1, max_size=3)


@st.composite
def tool_rounds(draw: st.DrawFn, number: int) -> list[Message]:
    """Draw a message that calls tools, and the results in any order. `number` keeps the ids apart from others'."""
    calls = [
        {
            "id": f"call_{number}_{i}",
            "type": "function",
            "function": {"name": draw(NAMES), "arguments": json.dumps(draw(OBJECTS))},
        }
        for i in range(draw(st.integers(1, 3)))
    ]
    said = draw(st.none() | TEXTS)
    results = [{"role": "tool", "tool_call_id": call["id"], "content": draw(texts())} for call in calls]
    return [{"role": "assistant", "content": said, "tool_calls": calls}, *draw(st.permutations(results))]


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """Draw a conversation: instructions, and turns of which each may use tools several times before its answer."""
    rules = st.sampled_from(["system", "developer"])
    messages = [{"role": draw(rules), "content": draw(texts())} for _ in range(draw(st.integers(0, 2)))]
    for turn in range(draw(st.integers(1, 3))):
        messages.append({"role": "user", "content": draw(contents())})
        for n in range(draw(st.integers(0, 2))):
            messages += draw(tool_rounds(10 * turn + n))
        if draw(st.booleans()):
            messages.append({"role": "assistant", "content": draw(texts())})
    return messages


def tools_of(messages: Sequence[Mapping[str, Any]]) -> list[Message]:
    """Declare every function that a conversation calls."""
    calls = (call for message in messages for call in message.get("tool_calls") or ())
    names = dict.fromkeys(call["function"]["name"] for call in calls)
    parameters = {"type": "object", "properties": {}}
    return [
        {"type": "function", "function": {"name": name, "description": f"Does {name}.", "parameters": parameters}}
        for name in names
    ]


def told(messages: Sequence[Mapping[str, Any]]) -> list[Told]:
    """Say what there is in a conversation, one thing after another. Texts of nothing are nothing."""
    kinds = {"system": "rule", "developer": "rule", "user": "user", "assistant": "model"}
    things: list[Told] = []
    for message in messages:
        content = message["content"]
        parts: list[Message] = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        if message["role"] == "tool":
            things.append(("result", message["tool_call_id"], *(part["text"] for part in parts)))
            continue
        for part in parts:
            if part["type"] == "image_url":
                mime, _, data = part["image_url"]["url"].removeprefix("data:").partition(";base64,")
                things.append(("image", mime, data))
            elif part["text"]:
                things.append((kinds[message["role"]], part["text"]))
        for call in message.get("tool_calls") or ():
            function = call["function"]
            things.append(("call", call["id"], function["name"], canonical(json.loads(function["arguments"]))))
    return things


def passes_the_door(body: dict[str, Any]) -> bool:
    """Whether a body can be written as JSON: what has an infinity in it is refused before any dialect sees it."""
    try:
        check_call(Call("a", body))
    except RequestRejected:
        return False
    return True


def canonical(value: object) -> str:
    """Write JSON in one way only."""
    return json.dumps(value, sort_keys=True)
