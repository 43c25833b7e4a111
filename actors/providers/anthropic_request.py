"""A request for a chat completion, in OpenAI's shape, as a request for a message, in Anthropic's.

Sources: Anthropic's reference of the Messages API and the types of its Python client. Which model takes what is
Anthropic's to say (older ones know no `output_config`, newer ones no `temperature`): a dialect does not know models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .anthropic_content import NAME, listed, mapping, matching, only
from .anthropic_messages import translate_messages
from .dialect import WITHOUT_EFFECT, Untranslatable

DEFAULT_MAX_TOKENS: Final = 4_096
"""The most tokens of an answer where the caller says nothing: Anthropic wants to be told."""

DEFAULTS: Final[Mapping[str, tuple[Any, ...]]] = {
    "frequency_penalty": (0,),
    "function_call": ("auto", "none"),
    "functions": ([], ()),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"], ("text",)),
    "n": (1,),
    "parallel_tool_calls": (True,),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
    "stop": ([], ()),
    "temperature": (1,),
    "tools": ([], ()),
    "top_logprobs": (0,),
    "top_p": (1,),
    "verbosity": ("medium",),
}
"""Values that say no more than silence does."""

EFFORTS: Final = ("low", "medium", "high", "xhigh")
"""The efforts that both sides call by the same name."""

VALUES: Final = ("enum", "const", "default", "examples")
"""What of a schema holds values, and no schemas."""

NAMED: Final = ("properties", "patternProperties", "$defs", "definitions")
"""What of a schema holds schemas by name."""


def translate_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request in Anthropic's shape, without model and stream.

    >>> translate_request({"messages": [{"role": "user", "content": "Hi"}], "stop": "."})["stop_sequences"]
    ['.']

    Raises:
        Untranslatable: something of it has no counterpart, and what.

    """
    given = {
        name: value
        for name, value in body.items()
        if value is not None and name not in WITHOUT_EFFECT and not _is_default(name, value)
    }
    for name in given:
        if name not in KNOWN:
            raise Untranslatable(f"it has no `{name}`")
    system, turns = translate_messages(given.get("messages"))
    request: dict[str, Any] = {"max_tokens": _max_tokens(given), "messages": turns}
    if system:
        request["system"] = system
    for name, write in PARAMETERS.items():
        if name in given:
            request |= write(given[name])
    config: dict[str, Any] = {}
    for name, write in OUTPUT_CONFIG.items():
        if name in given:
            config |= write(given[name])
    if config:
        request["output_config"] = config
    return request | _tools_and_choice(given)


def _is_default(name: str, value: object) -> bool:
    """Whether a parameter says what goes without saying. To Python, `True` is 1."""
    return any(
        value == usual and isinstance(value, bool) is isinstance(usual, bool) for usual in DEFAULTS.get(name, ())
    )


def _max_tokens(given: Mapping[str, Any]) -> int:
    said = [given[name] for name in LIMITS if name in given]
    for limit in said:
        if not _is_whole(limit) or limit < 1:
            raise Untranslatable(f"`{next(name for name in LIMITS if name in given)}` is not a whole number above 0")
    return min(said, default=DEFAULT_MAX_TOKENS)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _share(name: str) -> Callable[[object], dict[str, Any]]:
    def write(value: object) -> dict[str, Any]:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise Untranslatable(f"it takes a `{name}` from 0 to 1")
        return {name: value}

    return write


def _top_k(value: Any) -> dict[str, Any]:
    if not _is_whole(value) or value < 1:
        raise Untranslatable("it takes a `top_k` above 0")
    return {"top_k": value}


def _stop(value: object) -> dict[str, Any]:
    stops = [value] if isinstance(value, str) else listed(value, "stop")
    if not all(isinstance(stop, str) and stop.strip() for stop in stops):
        raise Untranslatable("it takes no `stop` that is blank, or no text")
    return {"stop_sequences": [*stops]}


def _user(value: object) -> dict[str, Any]:
    if not isinstance(value, str):
        raise Untranslatable("`user` is no text")
    return {"metadata": {"user_id": value}}


# ---- how the answer is to be


def _effort(value: object) -> dict[str, Any]:
    if value not in EFFORTS:
        raise Untranslatable(f"it takes a `reasoning_effort` of {', '.join(EFFORTS)}")
    return {"effort": value}


def _format(value: object) -> dict[str, Any]:
    """Return the schema of the answer. Its name is a label; what it is for goes into the schema itself."""
    form = mapping(value, "response_format")
    if form.get("type") != "json_schema":
        raise Untranslatable("it has no `response_format` but `json_schema`")
    only(form, "response_format", "type", "json_schema")
    told = mapping(form.get("json_schema"), "response_format.json_schema")
    only(told, "response_format.json_schema", "schema", "description", but=frozenset({"name", "strict"}))
    schema = mapping(told.get("schema"), "response_format.json_schema.schema")
    _see_closed(schema, "response_format.json_schema.schema")
    about = told.get("description")
    if about and "description" in schema:
        raise Untranslatable("it has one place for the two descriptions of `response_format.json_schema`")
    return {"format": {"type": "json_schema", "schema": {**schema, **({"description": about} if about else {})}}}


def _see_closed(schema: Mapping[str, Any], where: str) -> None:
    """See that each object of a schema excludes what it does not name: Anthropic holds answers to no other."""
    stack: list[Any] = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, list | tuple):
            stack.extend(node)
        elif isinstance(node, Mapping):
            kind = node.get("type")
            if (kind == "object" or (isinstance(kind, list) and "object" in kind)) and (
                node.get("additionalProperties") is not False
            ):
                raise Untranslatable(f"it wants `additionalProperties: false` in each object of `{where}`")
            for name, inner in node.items():
                if name in NAMED and isinstance(inner, Mapping):
                    stack.extend(inner.values())
                elif name not in VALUES:
                    stack.append(inner)


# ---- tools


def _tools_and_choice(given: Mapping[str, Any]) -> dict[str, Any]:
    choice = _choice(given.get("tool_choice"))
    one_by_one = "parallel_tool_calls" in given
    if one_by_one and given["parallel_tool_calls"] is not False:
        raise Untranslatable("`parallel_tool_calls` is true or false")
    if "tools" not in given:
        if choice is not None and choice["type"] in ("any", "tool"):
            raise Untranslatable("`tool_choice` wants a tool to be called, and there are no `tools`")
        return {}
    tools = [_tool(tool, f"tools[{i}]") for i, tool in enumerate(listed(given["tools"], "tools"))]
    if one_by_one and (choice is None or choice["type"] != "none"):
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return {"tools": tools} if choice is None else {"tools": tools, "tool_choice": choice}


CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}


def _choice(value: object) -> dict[str, Any] | None:
    if value is None:
        return None
    if isinstance(value, str) and value in CHOICES:
        return {"type": CHOICES[value]}
    if not isinstance(value, Mapping) or value.get("type") != "function":
        raise Untranslatable("it has no `tool_choice` but auto, none, required, or a function")
    only(value, "tool_choice", "type", "function")
    function = mapping(value.get("function"), "tool_choice.function")
    only(function, "tool_choice.function", "name")
    return {"type": "tool", "name": matching(NAME, function.get("name"), "tool_choice.function.name")}


def _tool(tool: object, where: str) -> dict[str, Any]:
    tool = mapping(tool, where)
    if tool.get("type") != "function":
        raise Untranslatable(f"it has no tools but functions ({where})")
    only(tool, where, "type", "function")
    function = mapping(tool.get("function"), f"{where}.function")
    only(function, f"{where}.function", "name", "description", "parameters", "strict")
    written = {"name": matching(NAME, function.get("name"), f"{where}.function.name")}
    about, strict = function.get("description"), function.get("strict")
    if not isinstance(about, str | None) or not isinstance(strict, bool | None):
        raise Untranslatable(f"`{where}.function` has a `description` that is no text, or an odd `strict`")
    if about:
        written["description"] = about
    schema = _input_schema(function.get("parameters"), f"{where}.function.parameters")
    if strict:
        _see_closed(schema, f"{where}.function.parameters")
        return {**written, "input_schema": schema, "strict": True}
    return {**written, "input_schema": schema}


def _input_schema(value: object, where: str) -> dict[str, Any]:
    """Return what a tool is called with: always an object, so that this may go unsaid."""
    schema = dict(mapping({} if value is None else value, where))
    if schema.setdefault("type", "object") != "object" or schema.keys() & {"oneOf", "anyOf", "allOf"}:
        raise Untranslatable(f"it takes no `{where}` but those of an object, without a choice at their top")
    return schema


PARAMETERS: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = {
    "temperature": _share("temperature"),
    "top_p": _share("top_p"),
    "top_k": _top_k,
    "stop": _stop,
    "user": _user,
}
OUTPUT_CONFIG: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = {
    "reasoning_effort": _effort,
    "response_format": _format,
}
LIMITS: Final = ("max_completion_tokens", "max_tokens")
KNOWN: Final = frozenset(
    {"messages", "tools", "tool_choice", "parallel_tool_calls", *LIMITS, *PARAMETERS, *OUTPUT_CONFIG}
)
"""All that is translated."""
