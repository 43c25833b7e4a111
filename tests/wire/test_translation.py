"""What the dialects that translate have in common: a call is translated once, and whoever is asked cannot tell."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.conversations import OBJECTS, TEXTS, VALUES, conversations
from understudy import Call, ModelKey
from understudy.actors.providers import anthropic, gemini
from understudy.actors.providers.dialect import Outgoing, Untranslatable
from understudy.actors.providers.dialects import DIALECTS, unspoken
from understudy.actors.providers.endpoint import Endpoint, Secret

ENDPOINT = Endpoint("https://host/v1beta", Secret("open-sesame"))
KEYS = [
    ModelKey(f"{dialect}-{i}", dialect, model, "literal:1")
    for dialect, models in {
        "anthropic": ("claude-a", "claude-b"),
        "gemini": ("gemini-2.5-flash", "gemini-3-pro-preview", "gemini-3-flash-preview"),
        "openai": ("gpt-x",),
    }.items()
    for i, model in enumerate(models)
]
TRANSLATING = ("anthropic", "gemini")
HI = {"messages": [{"role": "user", "content": "Hi"}]}
PARAMETERS = st.fixed_dictionaries(
    {}, optional={"reasoning_effort": st.sampled_from(["low", "high"]), "max_tokens": st.integers(1, 99)}
)


def outgoing(key: ModelKey, call: Call) -> Outgoing | str:
    """Return what is sent, or why nothing can be."""
    try:
        return DIALECTS[key.provider].outgoing(ENDPOINT, key, call)
    except Untranslatable as exc:
        return str(exc)


@given(conversations(), PARAMETERS, st.booleans(), st.lists(st.sampled_from(KEYS), min_size=1, max_size=5))
def test_whoever_was_asked_before_each_is_asked_as_if_nobody_had_been(
    messages: list[dict[str, Any]], parameters: dict[str, Any], stream: bool, asked: list[ModelKey]
) -> None:
    body = {**parameters, "messages": messages}
    before = deepcopy(body)
    call = Call("r", body, stream=stream)
    said = unspoken(call, TRANSLATING)
    for key in asked:
        sent, alone = outgoing(key, call), outgoing(key, Call("r", before, stream=stream))
        assert sent == alone
        if isinstance(sent, Outgoing) and isinstance(alone, Outgoing):
            assert sent.content == alone.content
            assert json.loads(sent.content) == json.loads(json.dumps(sent.body))
        else:
            assert sent == said[key.provider]
    assert body == before


@pytest.mark.parametrize(("module", "dialect"), [(anthropic, "anthropic"), (gemini, "gemini")])
def test_a_call_is_translated_once_however_many_are_asked(
    module: Any, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    translated: list[Any] = []
    translate = module.translate_request

    def noted(body: Any) -> Any:
        translated.append(body)
        return translate(body)

    monkeypatch.setattr(module, "translate_request", noted)
    call = Call("r", HI)
    assert unspoken(call, [dialect]) == {}
    sent = [outgoing(key, call) for key in KEYS if key.provider == dialect]
    assert len(sent) > 1
    assert translated == [HI]


ROLES = st.sampled_from(["user", "assistant", "system", "developer", "tool"]) | OBJECTS | VALUES
ODD = st.lists(st.fixed_dictionaries({"role": ROLES, "content": TEXTS | VALUES}), max_size=3)


@given(conversations() | ODD, st.sampled_from([key for key in KEYS if key.provider in TRANSLATING]))
def test_a_message_that_is_only_text_is_read_like_any_other(messages: list[dict[str, Any]], key: ModelKey) -> None:
    # What is null is as good as absent, and takes a message the longer way.
    longer = [{**message, "name": None} for message in messages]
    short, long = (outgoing(key, Call("r", {"messages": given})) for given in (messages, longer))
    assert short == long
