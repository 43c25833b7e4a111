"""How OpenAI's messages become Gemini's contents: roles, files, tool calls and their results. Pure.

Gemini has two roles. What the model said is *model*; what it is told is *user*, and so are the results of its tool
calls, which come together right after the calls and name their function again. Instructions stand beside the
contents, so that only those at the beginning of a conversation can be said. What cannot be said, or is no proper
message, raises `Untranslatable` with its place (``messages[2].content``).

A tool call that Gemini made is signed (its *thought signature*), and Gemini 3 wants the signature back. It travels as
Google's own OpenAI-compatible endpoint has it, in ``extra_content.google.thought_signature`` of the tool call. For
calls that another model made Google documents a signature that says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from .dialect import Untranslatable, plain_text
from .gemini_parts import Part, image_of, known_fields, parts_of, text_at, texts_of
from .reading import read_json

UNSIGNED: Final = "skip_thought_signature_validator"
"""The signature of a tool call that has none, as Google documents it for conversations taken over from other models."""

MAX_DEPTH: Final = 90
"""How deep a tool call's arguments may be nested: Google reads no message that is deeper than 100."""

Content = dict[str, Any]
"""What one of the two roles says, in parts."""

_SIGNATURE: Final = re.compile(r"[A-Za-z0-9+/_=-]+")


class Conversation:
    """The contents as far as they have come, and the tool calls that wait for their results.

    Attributes:
        instruction: its parts.
        contents: what was said, without signatures for what has none.
        unsigned: where calls begin that were made at once, and none of which is signed: which content, which part.

    """

    def __init__(self) -> None:
        self.instruction: list[Part] = []
        self.contents: list[Content] = []
        self.unsigned: list[tuple[int, int]] = []
        self._waiting: dict[str, tuple[str, str]] = {}  # by the ids of calls: the function's name, the call's place
        self._results: list[Part] | None = None

    def add(self, message: object, at: str) -> None:
        """Add a message."""
        role = message.get("role") if isinstance(message, (dict, Mapping)) else None
        if role == "tool":
            self._add_result(at, known_fields(message, at, "role", "content", "tool_call_id", "name"))
            return
        self._results = None
        if self._waiting:
            raise Untranslatable(f"{self._unanswered()} has no result before `{at}`")
        if (text := plain_text(message)) is not None and role in ("user", "assistant"):
            self._say("user" if role == "user" else "model", [{"text": text}])
        elif role in ("system", "developer"):
            self._add_instruction(at, known_fields(message, at, "role", "content"))
        elif role == "user":
            said = known_fields(message, at, "role", "content")
            self._say("user", list(parts_of(said.get("content"), f"{at}.content")))
        elif role == "assistant":
            names = ("role", "content", "refusal", "tool_calls", "images", "extra_content")
            self._add_answer(at, known_fields(message, at, *names))
        else:
            raise Untranslatable(f"`{at}.role` is none that it knows")

    def end(self) -> None:
        """See whether the conversation may end here."""
        if self._waiting:
            raise Untranslatable(f"{self._unanswered()} has no result")
        if not self.contents:
            raise Untranslatable("`messages` holds nothing to answer")

    def _unanswered(self) -> str:
        _, at = next(iter(self._waiting.values()))
        return f"the tool call `{at}`"

    def _add_instruction(self, at: str, said: Mapping[str, Any]) -> None:
        if self.contents:
            raise Untranslatable(f"it has no instructions in the middle of a conversation ({at})")
        self.instruction += [{"text": text} for text in texts_of(said.get("content"), f"{at}.content")]

    def _add_answer(self, at: str, said: Mapping[str, Any]) -> None:
        """Add what the model said. What it said in several messages is one content: its calls must come at once."""
        calls = said.get("tool_calls", ())
        if not isinstance(calls, list | tuple):
            raise Untranslatable(f"`{at}.tool_calls` is no list")
        content = said.get("content")
        parts = [] if content in (None, "", []) else list(parts_of(content, f"{at}.content", spoken=True))
        if said.get("refusal", "") != "":
            parts.append({"text": text_at(said, "refusal", at)})
        images = said.get("images", ())
        if not isinstance(images, list | tuple):
            raise Untranslatable(f"`{at}.images` is no list")
        parts += [image_of(image, f"{at}.images[{i}]") for i, image in enumerate(images)]
        signature = _signature(said, at)
        if not parts and (signature or not calls):
            parts.append({"text": ""})
        if parts:
            parts[-1].update(signature)
        self._say("model", parts)
        if calls:
            self._add_calls(calls, f"{at}.tool_calls")

    def _say(self, role: str, parts: list[Part]) -> None:
        if role == "model" and self.contents and self.contents[-1]["role"] == "model":
            self.contents[-1]["parts"] += parts
        else:
            self.contents.append({"role": role, "parts": parts})

    def _add_calls(self, calls: list[Any] | tuple[Any, ...], at: str) -> None:
        parts = [self._call(call, f"{at}[{i}]") for i, call in enumerate(calls)]
        into = self.contents[-1]["parts"]
        if not any("thoughtSignature" in part for part in parts):
            self.unsigned.append((len(self.contents) - 1, len(into)))
        into += parts

    def _call(self, call: object, at: str) -> Part:
        said = known_fields(call, at, "id", "type", "index", "function", "extra_content")
        if said.get("type", "function") != "function":
            raise Untranslatable(f"it has no tool calls such as `{at}`, which is no function's")
        function = known_fields(said.get("function"), f"{at}.function", "name", "arguments")
        call_id, name = text_at(said, "id", at), text_at(function, "name", f"{at}.function")
        if call_id in self._waiting:
            raise Untranslatable(f"`{at}.id` is that of another call")
        self._waiting[call_id] = name, at
        args = _arguments(function.get("arguments", ""), f"{at}.function.arguments")
        return {"functionCall": {"id": call_id, "name": name, "args": args}, **_signature(said, at)}

    def _add_result(self, at: str, said: Mapping[str, Any]) -> None:
        """Add a tool's result; those that follow one another are one content, in their order."""
        call_id = text_at(said, "tool_call_id", at)
        if call_id not in self._waiting:
            raise Untranslatable(f"`{at}.tool_call_id` is that of no tool call before it")
        texts = texts_of(said.get("content"), f"{at}.content")
        response = {"result": texts[0] if len(texts) == 1 else texts}
        if self._results is None:
            self._results = []
            self.contents.append({"role": "user", "parts": self._results})
        name, _ = self._waiting.pop(call_id)
        self._results.append({"functionResponse": {"id": call_id, "name": name, "response": response}})


def converse(messages: object) -> Conversation:
    """Return the conversation that these messages are.

    >>> said = converse([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    >>> said.instruction, said.contents
    ([{'text': 'Be brief.'}], [{'role': 'user', 'parts': [{'text': 'Hi'}]}])
    """
    if not isinstance(messages, list | tuple):
        raise Untranslatable("`messages` is no list")
    conversation = Conversation()
    for i, message in enumerate(messages):
        conversation.add(message, f"messages[{i}]")
    conversation.end()
    return conversation


# -- Tool calls ----------------------------------------------------------------------------------------------------


def signed(contents: Sequence[Content], unsigned: Iterable[tuple[int, int]]) -> list[Content]:
    """Return the contents with a signature for what is `unsigned`: of calls that are made at once, only the first."""
    contents = [*contents]
    for i, j in unsigned:
        parts = [*contents[i]["parts"]]
        parts[j] = {**parts[j], "thoughtSignature": UNSIGNED}
        contents[i] = {**contents[i], "parts": parts}
    return contents


def _signature(said: Mapping[str, Any], at: str) -> Part:
    """Return the thought signature that came with what the model said, if there is one."""
    extra = said.get("extra_content")
    google = extra.get("google") if isinstance(extra, Mapping) else None
    signature = google.get("thought_signature") if isinstance(google, Mapping) else None
    if signature is None:
        return {}
    if not isinstance(signature, str) or not _SIGNATURE.fullmatch(signature):
        raise Untranslatable(f"`{at}.extra_content.google.thought_signature` is no signature")
    return {"thoughtSignature": signature}


def _arguments(text: object, at: str) -> dict[str, Any]:
    """Return a tool call's arguments, which are none where the text is empty."""
    args = read_json(text) if isinstance(text, str) and text.strip() else {} if text == "" else None
    if not isinstance(args, dict):
        raise Untranslatable(f"`{at}` is no JSON object")
    if not _writable(args):
        raise Untranslatable(f"`{at}` is nested too deeply, or has a number that JSON does not know")
    return args


def _writable(value: object) -> bool:
    """Whether this can be written as JSON again: what is read may be ``NaN``, or so large that it is infinite."""
    level = [value]
    for _ in range(MAX_DEPTH):
        if not level:
            return True
        if any(isinstance(item, float) and not math.isfinite(item) for item in level):
            return False
        inner = [item for item in level if isinstance(item, dict | list)]
        level = [part for item in inner for part in (item.values() if isinstance(item, dict) else item)]
    return not level
