"""An answer says the same in every shape, and nothing that it might say breaks its reading."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy import ModelKey, Usage
from understudy.actors.reply import Reply

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USE = {"type": "tool_use", "id": "c", "name": "f", "input": {}}

SHAPES: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
    (
        {
            "choices": [{"message": {"content": "Hi", "tool_calls": [CALL]}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        },
        ("Hi", (CALL,), Usage(1, 2, 3), "stop"),
    ),
    (
        {
            "type": "message",
            "content": [{"type": "text", "text": "H"}, USE, {"type": "text", "text": "i"}],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 1, "output_tokens": 2},
        },
        ("Hi", (USE,), Usage(1, 2, None), "tool_use"),
    ),
    (
        {
            "candidates": [
                {
                    "content": {
                        "parts": [
                            {"text": "hm", "thought": True},
                            {"text": "Hi"},
                            {"functionCall": {"name": "f", "args": {}}},
                        ]
                    },
                    "finishReason": "STOP",
                }
            ],
            "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3},
        },
        ("Hi", ({"name": "f", "args": {}},), Usage(1, 2, 3), "STOP"),
    ),
    (
        {
            "output": [
                {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]},
                {"type": "function_call", "name": "f"},
            ],
            "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        },
        ("Hi", ({"type": "function_call", "name": "f"},), Usage(1, 2, 3), None),
    ),
    ({"text": "Hi"}, ("Hi", (), Usage(), None)),
    ({"choices": [{"text": "Hi", "finish_reason": "length"}]}, ("Hi", (), Usage(), "length")),
    ({}, ("", (), Usage(), None)),
]


def said(body: dict[str, Any]) -> tuple[Any, ...]:
    reply = Reply(body, ModelKey("a", "p", "m"), ())
    return reply.text, reply.tool_calls, reply.usage, reply.finish_reason


@pytest.mark.parametrize(("body", "expected"), SHAPES)
def test_an_answer_of_any_endpoint_is_understood(body: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert said(body) == expected


NAMES = ["choices", "message", "content", "candidates", "parts", "output", "usage", "usageMetadata", "text", "type"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*NAMES, "stop_reason"]), anything, max_size=4))
def test_nothing_that_an_answer_holds_breaks_its_reading(body: dict[str, Any]) -> None:
    text, calls, usage, reason = said(body)
    assert isinstance(text, str)
    assert all(isinstance(call, dict) for call in calls)
    assert isinstance(usage, Usage)
    assert reason is None or isinstance(reason, str)
