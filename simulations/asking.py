"""What a rehearsal's callers write: each one's messages and parameters, in OpenAI's shape.

Who the caller is stands in `user`. Where some candidate's dialect is not OpenAI's, there may be no such field in what
that candidate is sent; so callers there say it in their prompt as well. They also write what translations go wrong
with: a system message, and with `tools` a conversation in which two of them have been called already.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from .dialects.arrival import introduction
from .scenario import Caller

IMAGE: Final = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
TOOL: Final = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
SYSTEM: Final = "Answer in words."
LOGIT_BIAS: Final = {"50256": -100}


def request_of(number: int, caller: Caller, *, introduces: bool) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return messages and parameters; `introduces`: whether some candidate's dialect is not OpenAI's."""
    content: Any = "word" * caller.prompt_tokens
    if introduces:
        content = introduction(number) + content
    if caller.images:
        content = [{"type": "text", "text": content}, IMAGE]
    messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
    params: dict[str, Any] = {"user": f"caller-{number}", "max_tokens": 2 * caller.answer_tokens}
    if caller.tools:
        params["tools"] = [TOOL]
    if caller.logit_bias:
        params["logit_bias"] = LOGIT_BIAS
    if introduces:
        talk = _tool_talk(number) if caller.tools else ()
        messages = [{"role": "system", "content": SYSTEM}, *messages, *talk]
    return messages, params


def _tool_talk(number: int) -> Sequence[dict[str, Any]]:
    """Return a call of two tools at once, and what they have answered."""
    ids = [f"call_{number}_{place}" for place in range(2)]
    calls = [
        {
            "id": called,
            "type": "function",
            "function": {"name": "look_up", "arguments": json.dumps({"word": f"{number} {place}"})},
        }
        for place, called in enumerate(ids)
    ]
    results = [
        {"role": "tool", "tool_call_id": called, "content": f"found {number} {place}"}
        for place, called in enumerate(ids)
    ]
    return ({"role": "assistant", "content": None, "tool_calls": calls}, *results)
