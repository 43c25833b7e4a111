"""Who is who: references as people write them, and keys that are never mistaken for one another."""

from __future__ import annotations

import itertools

import pytest
from attrs import fields
from hypothesis import given
from hypothesis import strategies as st

from understudy.actors.identity import PROVIDER_ALIASES, ModelKey, ModelRef, normalise_provider

ALIASES = {
    "claude": "anthropic",
    "gpt": "openai",
    "google": "gemini",
    "glm": "zhipu",
    "z.ai": "zai",
    "z-ai": "zai",
    "opencode-zen": "opencode",
    "qwen": "qwen-portal",
    "kimi-code": "kimi-coding",
    "alibaba-coding": "coding-plan",
    "qwen-coding": "coding-plan",
    "alibaba-coding-anthropic": "coding-plan-anthropic",
    "qwen-international": "qwen-intl",
    "dashscope-intl": "qwen-intl",
    "dashscope-us": "qwen-us",
}


@pytest.mark.parametrize(("alias", "provider"), ALIASES.items())
def test_every_alias_is_resolved_however_it_is_written(alias: str, provider: str) -> None:
    for written in (alias, alias.upper(), alias.title(), f"  {alias} "):
        assert ModelRef.parse(f"{written}/m") == ModelRef(provider, "m")
        assert ModelRef.parse("m", default_provider=written) == ModelRef(provider, "m")


def test_there_are_no_other_aliases_and_none_leads_to_another() -> None:
    assert ALIASES == PROVIDER_ALIASES
    assert not set(ALIASES) & set(ALIASES.values())


@pytest.mark.parametrize(
    ("text", "default", "provider", "model"),
    [
        ("openai/gpt-4o", None, "openai", "gpt-4o"),
        ("OpenAI/GPT-4o", None, "openai", "GPT-4o"),
        ("openrouter/meta-llama/llama-3.1-8b", None, "openrouter", "meta-llama/llama-3.1-8b"),
        ("claude/claude-haiku-4-5", "openai", "anthropic", "claude-haiku-4-5"),
        ("  glm / glm-4.7  ", None, "zhipu", "glm-4.7"),
        ("llama3", "ollama", "ollama", "llama3"),
        ("llama3", " GPT ", "openai", "llama3"),
        ("/llama3", "ollama", "ollama", "llama3"),
        ("/a/b", "ollama", "ollama", "a/b"),
        ("a//b", None, "a", "/b"),
        ("gpt", "openai", "openai", "gpt"),  # a model, not a provider
    ],
)
def test_the_first_slash_divides_provider_and_model(text: str, default: str | None, provider: str, model: str) -> None:
    assert ModelRef.parse(text, default) == ModelRef(provider, model)


@pytest.mark.parametrize("text", ["", "  ", "openai/", "openai/  ", "/", " / "])
def test_a_reference_without_a_model_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names no model"):
        ModelRef.parse(text, "openai")


@pytest.mark.parametrize(("text", "default"), [("m", None), ("m", ""), ("m", "  "), ("/m", None), ("  /m", "")])
def test_a_reference_without_any_provider_is_refused(text: str, default: str | None) -> None:
    with pytest.raises(ValueError, match="names no provider"):
        ModelRef.parse(text, default)


texts = st.text(st.one_of(st.sampled_from("aB/ .-"), st.characters()), max_size=12)


@given(texts, st.one_of(st.none(), texts))
def test_what_was_parsed_is_parsed_again_to_the_same(text: str, default: str | None) -> None:
    try:
        ref = ModelRef.parse(text, default)
    except ValueError:
        return
    assert ref.provider == normalise_provider(ref.provider)
    assert ref.model == ref.model.strip() != ""
    if "/" not in ref.provider:  # a default provider may be anything that its config lets through
        assert ModelRef.parse(str(ref)) == ref
        assert ModelRef.parse(str(ref), "another") == ref


names = st.sampled_from(["glm-4.7", "glm-4.7__key_1", "zhipu/glm-4.7", "a"])
labels = st.one_of(st.none(), st.sampled_from(["key 1", "key 2"]))
keys = st.builds(ModelKey, names, st.sampled_from(["zhipu", "zai"]), st.sampled_from(["glm-4.7", "m"]), labels)


@given(keys, keys)
def test_keys_are_equal_only_if_nothing_about_them_differs(one: ModelKey, other: ModelKey) -> None:
    same = all(getattr(one, each.name) == getattr(other, each.name) for each in fields(ModelKey))
    assert (one == other) == same
    assert len({one: 1, other: 2}) == (1 if same else 2)


def test_keys_that_share_provider_and_model_are_different() -> None:
    several = [
        ModelKey("glm", "zhipu", "glm-4.7", "key 1"),
        ModelKey("glm__key_1", "zhipu", "glm-4.7", "key 2"),
        ModelKey("alias", "zhipu", "glm-4.7", "key 1"),
        ModelKey("glm", "zai", "glm-4.7", "key 1"),
        ModelKey("glm", "zhipu", "glm-4.7", None),
    ]
    assert all(one != other for one, other in itertools.combinations(several, 2))
    assert len(set(several)) == len(several)
    assert {key.ref for key in several} == {ModelRef("zhipu", "glm-4.7"), ModelRef("zai", "glm-4.7")}


def test_a_key_has_no_place_for_a_secret_and_cannot_be_given_one() -> None:
    assert [each.name for each in fields(ModelKey)] == ["name", "provider", "model", "credential"]
    key = ModelKey("glm", "zhipu", "glm-4.7", "env:ZHIPU_KEY")
    with pytest.raises(AttributeError):
        key.name = "another"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        key.secret = "sk-123"  # type: ignore[attr-defined]


def test_a_key_is_told_with_what_it_asks_for_and_without_its_credential() -> None:
    assert str(ModelKey("glm", "zhipu", "glm-4.7", "env:KEY")) == "glm (zhipu/glm-4.7)"
    assert str(ModelKey("zhipu/glm-4.7", "zhipu", "glm-4.7")) == "zhipu/glm-4.7"


@given(st.lists(st.builds(ModelRef, st.sampled_from("ab"), st.sampled_from("cd"))))
def test_references_sort_by_provider_and_then_model(refs: list[ModelRef]) -> None:
    assert sorted(refs) == sorted(refs, key=lambda ref: (ref.provider, ref.model))
