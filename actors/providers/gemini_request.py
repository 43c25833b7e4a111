"""How a chat completion is asked for in Gemini's words: parameters, formats, tools. Pure.

What has a counterpart is translated, whatever changes nothing about the answer is left out (`LEFT_OUT`), and the
rest, what nobody has heard of included, raises `Untranslatable` with its name. The messages have a module of their
own. Sources: the reference of ``generateContent``, Google's client for Python, and what Google documents of its own
OpenAI-compatible endpoint.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from attrs import field, frozen

from ..messages import write_json
from .dialect import WITHOUT_EFFECT, Untranslatable
from .gemini_contents import converse, signed
from .gemini_parts import known_fields, text_at

LEFT_OUT: Final = WITHOUT_EFFECT | {"messages", "user"}
"""Parameters that change nothing about what the answer says, and those that are said elsewhere."""

DEFAULTS: Final[Mapping[str, Any]] = {
    "function_call": "none",
    "functions": [],
    "logit_bias": {},
    "logprobs": False,
    "parallel_tool_calls": True,
    "top_logprobs": 0,
    "verbosity": "medium",
}
"""Parameters that have no counterpart, with the value at which they ask for nothing."""

MAX_CANDIDATES: Final = 8
MAX_STOPS: Final = 5

BUDGETS: Final = {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576}
"""The tokens of thought that Google's own OpenAI-compatible endpoint gives Gemini 2.5 for each `reasoning_effort`."""

_FUNCTION_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")


@frozen(slots=False)
class Translated:
    """A chat completion in Gemini's words, but for what the model decides that is asked.

    Attributes:
        body: the request, in which no tool call is signed that was not, and nothing is said of thinking.
        effort: how hard to think, a `reasoning_effort`.
        unsigned: where in the contents a signature is missing, for a model that wants one.

    """

    body: Mapping[str, Any] = field(repr=False)
    effort: str | None
    unsigned: Sequence[tuple[int, int]]

    @cached_property
    def written(self) -> str:
        """The body as JSON; it is written once."""
        return write_json(self.body)

    def for_model(self, model: str) -> Mapping[str, Any]:
        """Return the request for this model.

        >>> said = translate_request({"messages": [{"role": "user", "content": "Hi"}], "reasoning_effort": "low"})
        >>> said.for_model("gemini-3-flash-preview")["generationConfig"]
        {'thinkingConfig': {'thinkingLevel': 'low'}}
        """
        body = self.body
        if self.unsigned and wants_signatures(model):
            body = {**body, "contents": signed(body["contents"], self.unsigned)}
        if self.effort is None:
            return body
        return {**body, "generationConfig": _thinking(self.effort, model) | body.get("generationConfig", {})}


def translate_request(body: Mapping[str, Any]) -> Translated:
    """Translate the body of a chat completion; raises `Untranslatable`.

    >>> translate_request({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}).body
    {'contents': [{'role': 'user', 'parts': [{'text': 'Hi'}]}], 'generationConfig': {'maxOutputTokens': 9}}
    """
    said = {name: value for name, value in body.items() if value is not None and name not in LEFT_OUT}
    conversation = converse(body.get("messages"))
    request: dict[str, Any] = {"contents": conversation.contents}
    if conversation.instruction:
        request["systemInstruction"] = {"parts": conversation.instruction}
    request |= _tools(said.pop("tools", None), said.pop("tool_choice", None))
    effort = _effort(said.pop("reasoning_effort", None))
    config = _longest(said.pop("max_tokens", None), said.pop("max_completion_tokens", None))
    for name, value in said.items():
        if name in CONFIG:
            config |= CONFIG[name](name, value)
        elif name not in DEFAULTS or not _same(value, DEFAULTS[name]):
            raise Untranslatable(f"it has no `{name}`" + (_such(value) if name in DEFAULTS else ""))
    if config:
        request["generationConfig"] = config
    return Translated(request, effort, conversation.unsigned)


def wants_signatures(model: str) -> bool:
    """Whether a model takes no tool calls without a thought signature: all do since Gemini 3.

    >>> [wants_signatures(model) for model in ("gemini-2.5-pro", "gemini-3-flash-preview", "gemini-pro-latest")]
    [False, True, True]
    """
    return not model.removeprefix("models/").startswith(("gemini-1", "gemini-2", "gemma", "learnlm"))


def _such(value: object) -> str:
    """Show what was asked for, where it is neither long nor deep."""
    return f" such as {value!r}" if isinstance(value, str | int | float) else ""


def _same(value: object, default: object) -> bool:
    return type(value) is type(default) and value == default


# -- Parameters ----------------------------------------------------------------------------------------------------


def _number(name: str, value: object) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Untranslatable(f"`{name}` is no number")
    return value


def _whole(name: str, value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Untranslatable(f"its `{name}` is a whole number from {least} to {most}")
    return value


def _sampling(name: str, value: object) -> dict[str, Any]:
    return {{"temperature": "temperature", "top_p": "topP"}[name]: _number(name, value)}


def _penalty(name: str, value: object) -> dict[str, Any]:
    into = {"presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty"}[name]
    return {into: value} if _number(name, value) != 0 else {}


def _seed(name: str, value: object) -> dict[str, Any]:
    return {"seed": _whole(name, value, -(2**31), 2**31 - 1)}


def _candidates(name: str, value: object) -> dict[str, Any]:
    count = _whole(name, value, 1, MAX_CANDIDATES)
    return {} if count == 1 else {"candidateCount": count}


def _stops(name: str, value: object) -> dict[str, Any]:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list | tuple) or not all(isinstance(stop, str) for stop in stops):
        raise Untranslatable(f"`{name}` is neither a text nor a list of texts")
    if len(stops) > MAX_STOPS:
        raise Untranslatable(f"it takes {MAX_STOPS} texts in `{name}`, not {len(stops)}")
    return {"stopSequences": list(stops)} if stops else {}


def _format(name: str, value: object) -> dict[str, Any]:
    """Translate the form that the answer is to have. Where a schema is given, Gemini always holds to it (`strict`)."""
    said = known_fields(value, name, "type", "json_schema")
    kind = said.get("type")
    if kind == "text":
        return {}
    config: dict[str, Any] = {"responseMimeType": "application/json"}
    if kind == "json_schema":
        at = f"{name}.json_schema"
        given = known_fields(said.get("json_schema"), at, "name", "description", "schema", "strict")
        schema = given.get("schema")
        if not isinstance(schema, Mapping):
            raise Untranslatable(f"`{at}.schema` is no object")
        described = {"description": text_at(given, "description", at)} if "description" in given else {}
        config["responseJsonSchema"] = {**described, **schema}
    elif kind != "json_object":
        raise Untranslatable(f"it has no `{name}`{_such(kind)}")
    return config


def _modalities(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, list | tuple) or not value or not all(kind in ("image", "text") for kind in value):
        raise Untranslatable(f"its `{name}` are text and image")
    kinds = [str(kind).upper() for kind in value]
    return {} if kinds == ["TEXT"] else {"responseModalities": kinds}


CONFIG: Final[Mapping[str, Callable[[str, object], dict[str, Any]]]] = {
    "frequency_penalty": _penalty,
    "modalities": _modalities,
    "n": _candidates,
    "presence_penalty": _penalty,
    "response_format": _format,
    "seed": _seed,
    "stop": _stops,
    "temperature": _sampling,
    "top_p": _sampling,
}
"""How each parameter becomes part of the `generationConfig`."""


def _longest(tokens: object, completion: object) -> dict[str, Any]:
    """Translate the longest answer; the newer of the two names counts."""
    name, value = ("max_tokens", tokens) if completion is None else ("max_completion_tokens", completion)
    return {} if value is None else {"maxOutputTokens": _whole(name, value, 1, 2**31 - 1)}


def _effort(effort: object) -> str | None:
    if effort is None or (isinstance(effort, str) and effort in BUDGETS):
        return effort
    raise Untranslatable(f"it has no `reasoning_effort`{_such(effort)}")


def _thinking(effort: str, model: str) -> dict[str, Any]:
    """Translate how hard to think, as Google's own endpoint does: in tokens for Gemini 2.5, as a level since then."""
    model = model.removeprefix("models/")
    if model.startswith("gemini-2.5"):
        return {"thinkingConfig": {"thinkingBudget": BUDGETS[effort]}}
    if effort == "minimal" and "pro" in model:
        effort = "low"  # there is nothing below
    return {"thinkingConfig": {"thinkingLevel": effort}}


# -- Tools ---------------------------------------------------------------------------------------------------------


def _tools(tools: object, choice: object) -> dict[str, Any]:
    """Translate the functions that may be called, and which of them are to be."""
    if tools is not None and not isinstance(tools, list | tuple):
        raise Untranslatable("`tools` is no list")
    declared = [_declaration(tool, f"tools[{i}]") for i, tool in enumerate(tools or ())]
    config = _choice(choice, [each["name"] for each in declared])
    if not declared:
        return {}
    request: dict[str, Any] = {"tools": [{"functionDeclarations": declared}]}
    if config:
        request["toolConfig"] = {"functionCallingConfig": config}
    return request


def _declaration(tool: object, at: str) -> dict[str, Any]:
    said = known_fields(tool, at, "type", "function")
    if said.get("type") != "function":
        raise Untranslatable(f"it has no tools such as `{at}`, which is no function")
    function = known_fields(said.get("function"), f"{at}.function", "name", "description", "parameters", "strict")
    name = text_at(function, "name", f"{at}.function")
    if not _FUNCTION_NAME.fullmatch(name):
        raise Untranslatable(f"it has no functions with a name such as {name!r} ({at})")
    declared: dict[str, Any] = {"name": name}
    if "description" in function:
        declared["description"] = function["description"]
        if not isinstance(function["description"], str):
            raise Untranslatable(f"`{at}.function.description` is no text")
    if "parameters" in function:
        declared["parametersJsonSchema"] = function["parameters"]
        if not isinstance(function["parameters"], Mapping):
            raise Untranslatable(f"`{at}.function.parameters` is no object")
    return declared


def _choice(choice: object, declared: list[str]) -> dict[str, Any]:
    """Translate which tools are to be called. Gemini's mode *validated* is *auto* among those that are named."""
    if choice is None or choice == "auto":
        return {}
    if choice == "none":
        return {"mode": "NONE"}
    if choice == "required":
        mode, names = "ANY", declared
    elif isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        said = known_fields(choice, "tool_choice", "type", "allowed_tools")
        mode, names = _allowed(said.get("allowed_tools"))
    else:
        mode, names = "ANY", [_named(choice, "tool_choice")]
    for name in names:
        if name not in declared:
            raise Untranslatable(f"`tool_choice` names {name!r}, which is none of `tools`")
    if not names:
        raise Untranslatable("`tool_choice` wants a tool, and there is none")
    return {"mode": mode} if choice == "required" else {"mode": mode, "allowedFunctionNames": names}


def _allowed(allowed: object) -> tuple[str, list[str]]:
    at = "tool_choice.allowed_tools"
    said = known_fields(allowed, at, "mode", "tools")
    mode, tools = said.get("mode"), said.get("tools")
    if mode not in ("auto", "required") or not isinstance(tools, list | tuple):
        raise Untranslatable(f"`{at}` is none that it knows")
    names = [_named(tool, f"{at}.tools[{i}]") for i, tool in enumerate(tools)]
    return ("ANY" if mode == "required" else "VALIDATED"), names


def _named(tool: object, at: str) -> str:
    """Return the name of the function that is chosen."""
    if not isinstance(tool, Mapping) or tool.get("type") != "function":
        raise Untranslatable(f"`{at}` is none that it knows")
    function = known_fields(known_fields(tool, at, "type", "function").get("function"), f"{at}.function", "name")
    return text_at(function, "name", f"{at}.function")
