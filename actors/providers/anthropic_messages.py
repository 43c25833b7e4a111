"""OpenAI's messages as Anthropic has them: instructions apart, content in blocks, tools' results in the user's turn.

Nothing is guessed, and nothing that says something is dropped: what has no place over there raises `Untranslatable`,
with where it stands. So does what Anthropic is known to refuse (a tool call without its result, an id with characters
that it does not take): where a candidate is skipped the next one can serve, and one that refuses ends the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from .anthropic_content import ANSWERED, NAME, SAID, SEEN, Block, blocks_of, listed, mapping, matching, only, text_block
from .dialect import Untranslatable, plain_text

ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
"""What Anthropic takes as the id of a tool call."""

ARGUMENTS_DEEP_MAX: Final = 200
"""How deeply the arguments of a tool call may be nested."""

LEFT_OUT_OF_MESSAGES: Final = frozenset(
    {"annotations", "extra_content", "reasoning", "reasoning_content", "reasoning_details"}
)
"""What other providers add to their answers about them, and callers send back: no part of what was said."""

LEFT_OUT_OF_CALLS: Final = frozenset({"index", "extra_content"})
"""The same of their tool calls."""

LEFT_OUT_OF_RESULTS: Final = frozenset({"name"})
"""Whose result it is, its id tells."""


def translate_messages(messages: object) -> tuple[list[Block], list[Block]]:
    """Return the instructions, as blocks of text, and the turns of the conversation.

    Raises:
        Untranslatable: and it says which message it is, and what of it.

    """
    conversation = _Conversation()
    for i, message in enumerate(listed(messages, "messages")):
        where = f"messages[{i}]"
        conversation.add(mapping(message, where), where)
    return conversation.end()


class _Conversation:
    """What has been translated so far, and which tool calls still wait for their results."""

    def __init__(self) -> None:
        self._system: list[Block] = []
        self._turns: list[Block] = []
        self._results: list[Block] | None = None  # the content of the last turn, while that is results of tools
        self._open: list[str] = []
        self._ids: set[str] = set()
        self._begun = False

    def add(self, message: Mapping[str, Any], where: str) -> None:
        role = message.get("role")
        if role == "tool":
            self._add_result(message, where)
            return
        self._see_results(where)
        self._results = None
        if (text := plain_text(message)) is not None and role in ("user", "assistant"):
            self._turn(role, text_block(text, where))
        elif role in ("system", "developer"):
            self._add_instructions(message, where)
        elif role == "user":
            only(message, where, "role", "content")
            self._turn("user", blocks_of(message.get("content"), f"{where}.content", SEEN))
        elif role == "assistant":
            self._add_answer(message, where)
        else:
            raise Untranslatable(f"`{where}.role` is none that it knows")

    def end(self) -> tuple[list[Block], list[Block]]:
        self._see_results("the end")
        if not self._turns:
            raise Untranslatable("it wants a message that says something besides its instructions")
        last = self._turns[-1]
        text = last["content"][-1].get("text", "")
        if last["role"] == "assistant" and text != text.rstrip():
            raise Untranslatable("it takes no answer to go on with that ends in blanks")
        return self._system, self._turns

    def _see_results(self, where: str) -> None:
        if self._open:
            raise Untranslatable(f"it wants the result of each tool call right after it: one is missing before {where}")

    def _turn(self, role: str, content: list[Block]) -> None:
        self._begun = True
        if content:
            self._turns.append({"role": role, "content": content})

    def _add_instructions(self, message: Mapping[str, Any], where: str) -> None:
        if self._begun:
            raise Untranslatable(f"it has no place for instructions in the middle of a conversation ({where})")
        only(message, where, "role", "content")
        self._system += blocks_of(message.get("content"), f"{where}.content", SAID)

    def _add_answer(self, message: Mapping[str, Any], where: str) -> None:
        only(message, where, "role", "content", "refusal", "tool_calls", but=LEFT_OUT_OF_MESSAGES)
        content: list[Block] = []
        if message.get("content") is not None:
            content += blocks_of(message["content"], f"{where}.content", ANSWERED)
        if message.get("refusal") is not None:
            content += text_block(message["refusal"], f"{where}.refusal")
        calls = message.get("tool_calls")
        for i, call in enumerate(listed(() if calls is None else calls, f"{where}.tool_calls")):
            content.append(self._call(mapping(call, f"{where}.tool_calls[{i}]"), f"{where}.tool_calls[{i}]"))
        self._turn("assistant", content)

    def _call(self, call: Mapping[str, Any], where: str) -> Block:
        only(call, where, "id", "type", "function", but=LEFT_OUT_OF_CALLS)
        if call.get("type") not in ("function", None):
            raise Untranslatable(f"it has no tool calls but those of functions ({where})")
        function = mapping(call.get("function"), f"{where}.function")
        only(function, f"{where}.function", "name", "arguments")
        id_ = matching(ID, call.get("id"), f"{where}.id")
        if id_ in self._ids:
            raise Untranslatable(f"it takes each id of a tool call once, and {where}.id has been there before")
        self._ids.add(id_)
        self._open.append(id_)
        name = matching(NAME, function.get("name"), f"{where}.function.name")
        arguments = _arguments(function.get("arguments"), f"{where}.function.arguments")
        return {"type": "tool_use", "id": id_, "name": name, "input": arguments}

    def _add_result(self, message: Mapping[str, Any], where: str) -> None:
        only(message, where, "role", "content", "tool_call_id", but=LEFT_OUT_OF_RESULTS)
        id_ = message.get("tool_call_id")
        if id_ not in self._open:
            raise Untranslatable(f"`{where}.tool_call_id` is that of no tool call right before it")
        self._open.remove(id_)
        result: Block = {"type": "tool_result", "tool_use_id": id_}
        content = blocks_of(message.get("content"), f"{where}.content", SEEN)
        if content:
            result["content"] = content
        if self._results is None:
            self._results = []
            self._turns.append({"role": "user", "content": self._results})
        self._results.append(result)


def _arguments(text: object, where: str) -> Mapping[str, Any]:
    """Return a tool call's arguments, which are written as JSON; no text at all is none of them."""
    if not isinstance(text, str):
        raise Untranslatable(f"`{where}` is no text")
    try:
        value = json.loads(text or "{}", parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Untranslatable(f"`{where}` is not JSON, as it wants it") from None
    if not isinstance(value, dict) or _is_deeper(value, ARGUMENTS_DEEP_MAX):
        raise Untranslatable(f"`{where}` is not a JSON object, as it wants it")
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _is_deeper(value: object, depth: int) -> bool:
    """Whether there is a value below this many levels: what is too deep can be read, and not written again."""
    level = [value]
    while level and depth:
        level = [inner for outer in level for inner in _inside(outer)]
        depth -= 1
    return bool(level)


def _inside(value: Any) -> Sequence[Any]:
    return [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
