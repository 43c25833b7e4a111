"""OpenAI's messages as Anthropic has them: instructions apart, content in blocks, tools' results in the user's turn.

Nothing is guessed, and nothing that says something is dropped: what has no place over there raises `Untranslatable`,
with where it stands. So does what Anthropic is known to refuse (a tool call without its result, an id with characters
that it does not take): where a candidate is skipped the next one can serve, and one that refuses ends the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

from .dialect import Untranslatable

Block = dict[str, Any]
"""One piece of content, or one turn."""

ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
"""What Anthropic takes as the id of a tool call."""

NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
"""What Anthropic takes as the name of a tool."""

IMAGES: Final = {name: name for name in ("image/png", "image/jpeg", "image/gif", "image/webp")} | {
    "image/jpg": "image/jpeg"
}
"""The images that Anthropic takes, and what it calls them."""

ARGUMENTS_DEEP_MAX: Final = 200
"""How deeply the arguments of a tool call may be nested."""

LEFT_OUT_OF_MESSAGES: Final = frozenset({"annotations", "reasoning", "reasoning_content", "reasoning_details"})
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
        conversation.add(mapping(message, f"messages[{i}]"), f"messages[{i}]")
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
        if role in ("system", "developer"):
            self._add_instructions(message, where)
        elif role == "user":
            only(message, where, "role", "content")
            self._turn("user", _blocks(message.get("content"), f"{where}.content", SEEN))
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
        self._system += _blocks(message.get("content"), f"{where}.content", SAID)

    def _add_answer(self, message: Mapping[str, Any], where: str) -> None:
        only(message, where, "role", "content", "refusal", "tool_calls", but=LEFT_OUT_OF_MESSAGES)
        content: list[Block] = []
        if message.get("content") is not None:
            content += _blocks(message["content"], f"{where}.content", ANSWERED)
        if message.get("refusal") is not None:
            content += _said(message["refusal"], f"{where}.refusal")
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
        content = _blocks(message.get("content"), f"{where}.content", SEEN)
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


# ---- content


Parts = Mapping[str, Callable[[Mapping[str, Any], str], list[Block]]]
"""How the parts of a content are written, by their type."""


def _blocks(content: object, where: str, kinds: Parts) -> list[Block]:
    """Return a content as blocks; `kinds` are the parts that may be in it."""
    if isinstance(content, str):
        return _said(content, where)
    blocks: list[Block] = []
    for i, item in enumerate(listed(content, where)):
        part = mapping(item, f"{where}[{i}]")
        kind = part["type"] if isinstance(part.get("type"), str) else ""
        write = kinds.get(kind)
        if write is None:
            raise Untranslatable(f"it has no place there for `{where}[{i}]`" + (f", a {kind}" if kind else ""))
        blocks += write(part, f"{where}[{i}]")
    return blocks


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _said(text: object, where: str) -> list[Block]:
    """Return a text as a block, or none: Anthropic refuses those that have nothing but blanks."""
    if not isinstance(text, str):
        raise Untranslatable(f"`{where}` is no text")
    return [_text(text)] if text.strip() else []


def _text_part(part: Mapping[str, Any], where: str) -> list[Block]:
    only(part, where, "type", "text")
    return _said(part.get("text"), f"{where}.text")


def _refusal_part(part: Mapping[str, Any], where: str) -> list[Block]:
    only(part, where, "type", "refusal")
    return _said(part.get("refusal"), f"{where}.refusal")


def _image_part(part: Mapping[str, Any], where: str) -> list[Block]:
    """Return an image. How closely it is to be looked at (`detail`) is left out."""
    only(part, where, "type", "image_url")
    image = mapping(part.get("image_url"), f"{where}.image_url")
    only(image, f"{where}.image_url", "url", "detail")
    url = image.get("url")
    if not isinstance(url, str):
        raise Untranslatable(f"`{where}.image_url.url` is no text")
    if url[:8].lower() == "https://":
        return [{"type": "image", "source": {"type": "url", "url": url}}]
    kind, data = _inline(url, f"{where}.image_url.url")
    if kind not in IMAGES:
        raise Untranslatable(f"it takes no images but PNG, JPEG, GIF and WebP ({where})")
    return [{"type": "image", "source": {"type": "base64", "media_type": IMAGES[kind], "data": data}}]


def _file_part(part: Mapping[str, Any], where: str) -> list[Block]:
    """Return a PDF; its name becomes its title."""
    only(part, where, "type", "file")
    file = mapping(part.get("file"), f"{where}.file")
    only(file, f"{where}.file", "file_data", "filename")
    data, title = file.get("file_data"), file.get("filename")
    if not isinstance(data, str) or not isinstance(title, str | None):
        raise Untranslatable(f"`{where}.file` is not a file's data, with its name")
    kind, data = _inline(data, f"{where}.file.file_data")
    if kind != "application/pdf":
        raise Untranslatable(f"it takes no files but PDF ({where})")
    source = {"type": "base64", "media_type": kind, "data": data}
    return [{"type": "document", "source": source, **({"title": title} if title else {})}]


def _inline(url: str, where: str) -> tuple[str, str]:
    """Return the media type and the data, in base 64, of a ``data:`` URL."""
    head, comma, data = url.partition(",")
    kind, *marks = head.lower().split(";")
    if not comma or not kind.startswith("data:") or "base64" not in marks or not data:
        raise Untranslatable(f"`{where}` is neither an https: URL nor a data: URL in base64")
    return kind.removeprefix("data:"), data


SAID: Final = {"text": _text_part}
ANSWERED: Final = {"text": _text_part, "refusal": _refusal_part}
SEEN: Final = {"text": _text_part, "image_url": _image_part, "file": _file_part}


# ---- what is expected of a value


def listed(value: object, where: str) -> Sequence[Any]:
    """Return what must be a list."""
    if not isinstance(value, list | tuple):
        raise Untranslatable(f"`{where}` is not a list")
    return value


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """Return what must be an object."""
    if not isinstance(value, Mapping):
        raise Untranslatable(f"`{where}` is not an object")
    return value


def only(value: Mapping[str, Any], where: str, *names: str, but: frozenset[str] = frozenset()) -> None:
    """See that an object says nothing besides `names`, and `but` what is left out."""
    for name, said in value.items():
        if said is not None and name not in names and name not in but:
            raise Untranslatable(f"it has no `{name}` ({where})")


def matching(pattern: re.Pattern[str], value: object, where: str) -> str:
    """Return what must be a text of a certain form."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Untranslatable(f"`{where}` is not made of letters, digits, - and _ alone, as it wants it")
    return value
