"""picoclaw's words, one by one, in its present format and in its older one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from understudy.actors.errors import ConfigError
from understudy.supervisors.config_mistakes import show_path
from understudy.supervisors.imports.kinds import Imported, import_config

HERE = Path().absolute()


def one(model: str = "openai/gpt-5.4", name: str = "m", **fields: Any) -> dict[str, Any]:
    return {"model_name": name, "model": model, **fields}


def take_over(*entries: Any, defaults: dict[str, Any] | None = None, **sections: Any) -> Imported:
    return import_config({"agents": {"defaults": defaults or {}}, "model_list": list(entries), **sections}, environ={})


def fields_of(result: Imported) -> dict[str, Any]:
    listed: Any = result.config["model_list"]
    return {name: value for name, value in listed[0].items() if name not in ("model_name", "model")}


def left_out(result: Imported) -> dict[str, str]:
    return {show_path(note.path): note.text for note in result.foreign.report.left_out}


def names(result: Imported, route: str) -> list[str]:
    return [key.name for key in result.loaded.routes[route]]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"api_key": "sk-1"}, {"api_key": "sk-1"}),
        ({"api_keys": ["sk-1", "sk-2", "sk-1"]}, {"api_keys": ["sk-1", "sk-2"]}),
        ({"api_key": "sk-1", "api_keys": ["sk-2"]}, {"api_keys": ["sk-1", "sk-2"]}),
        ({"api_key": "file://some.key"}, {"api_key": f"file:{HERE / 'some.key'}"}),
        ({"api_keys": ["enc://abc", "[NOT_HERE]"]}, {}),
        ({"proxy": "http://proxy:8080"}, {"proxy": "http://proxy:8080"}),
        ({"rpm": 60, "request_timeout": 20}, {"rpm": 60, "request_timeout": 20}),
        ({"rpm": 0, "request_timeout": 0}, {}),
        ({"enabled": True}, {"enabled": True}),
        ({"custom_headers": {"X": "x"}, "user_agent": "Mine"}, {"headers": {"User-Agent": "Mine", "X": "x"}}),
        ({"thinking_level": "high", "max_tokens_field": "max_tokens", "extra_body": {"a": 1}}, {}),
    ],
)
def test_a_field_becomes_the_one_that_means_the_same(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    assert fields_of(take_over(one(**theirs))) == ours


@pytest.mark.parametrize(
    ("written", "ref", "api_base"),
    [
        ({"model": "gpt-5.4"}, "openai/gpt-5.4", "https://api.openai.com/v1"),
        ({"model": "meta/llama"}, "openai/meta/llama", "https://api.openai.com/v1"),
        ({"provider": "OpenRouter", "model": "google/x"}, "openrouter/google/x", "https://openrouter.ai/api/v1"),
        ({"model": "glm/glm-4.7"}, "zhipu/glm-4.7", "https://open.bigmodel.cn/api/paas/v4"),
        ({"model": "moonshot/kimi"}, "moonshot/kimi", "https://api.moonshot.cn/v1"),
        ({"model": "longcat/l"}, "longcat/l", "https://api.longcat.chat/openai"),
        ({"model": "anthropic-messages/c", "api_base": "https://api.anthropic.com"}, "anthropic/c", "https://api.anthropic.com/v1"),
        ({"model": "anthropic-messages/c", "api_base": "http://other/"}, "anthropic/c", "http://other"),
    ],
)  # fmt: skip
def test_a_model_is_asked_for_where_it_was(written: dict[str, Any], ref: str, api_base: str) -> None:
    (entry,) = take_over({"model_name": "m", "api_key": "k", **written}).loaded.entries.values()
    assert (str(entry.key.ref), entry.endpoint.api_base) == (ref, api_base)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "antigravity/gemini"}, "Google account"),
        ({"model": "claude-cli/x"}, "program on this machine"),
        ({"model": "openai/x", "auth_method": "oauth"}, "signs in"),
        ({"model": "x", "provider": "nobody"}, "not one of picoclaw's"),
        ({"model": "azure/x"}, "needs an `api_base`"),
        ({"model": "openai/x", "api_base": "localhost:1"}, "its address cannot be used"),
    ],
)
def test_an_entry_that_cannot_be_reached_is_left_out_with_the_reason(fields: dict[str, Any], words: str) -> None:
    result = take_over(one(name="other"), {"model_name": "m", **fields})
    assert words in left_out(result)["model_list[1]"]
    assert list(result.loaded.routes) == ["other"]


def test_the_agents_choice_is_the_route_default() -> None:
    result = take_over(
        one(name="a", api_keys=["k1", "k2"], fallbacks=["c"]), one("zhipu/glm", "b"), one("deepseek/d", "c"),
        defaults={"model_name": "a", "model_fallbacks": ["b", "zhipu/glm", "nobody"]},
    )  # fmt: skip
    assert names(result, "default") == ["a", "a__key_1", "c", "b"]
    assert names(result, "a") == ["a", "a__key_1", "c"]
    assert left_out(result) == {"agents.defaults.model_fallbacks[2]": "nobody is called `nobody`"}


def test_a_reference_without_a_provider_means_the_agents_provider() -> None:
    entries = one("openai/gpt", "a"), one("zhipu/glm", "b"), one("zhipu/glm", "c")
    stated = take_over(*entries, defaults={"model_name": "glm", "provider": "glm", "model_fallbacks": ["gpt"]})
    assert names(stated, "default") == ["b"]
    assert list(left_out(stated)) == ["agents.defaults.model_fallbacks[0]"]
    implied = take_over(*entries, defaults={"model_name": "gpt"})
    assert names(implied, "default") == ["a"]


def test_requests_with_images_go_to_the_model_for_images() -> None:
    result = take_over(
        one(name="a"), one("zhipu/glm", "b"),
        defaults={"model": "a", "image_model": "b", "image_model_fallbacks": ["a"]},
    )  # fmt: skip
    assert [key.name for key in result.loaded.image_routes["a"]] == ["a", "b"]
    assert "vision" not in fields_of(result)
    blind = take_over(one(name="a"), one("zhipu/glm", "b"), defaults={"model": "a", "image_model": "b"})
    assert fields_of(blind) == {"image_fallbacks": ["b"], "vision": False}


def test_an_entry_that_takes_the_name_of_the_route_keeps_it() -> None:
    result = take_over(one(name="default"), defaults={"model_name": "default"})
    assert names(result, "default-route") == ["default"]


def test_entries_of_one_name_become_a_route_and_so_does_an_agents_own_choice() -> None:
    agents = {"list": [{"id": "coder", "model": {"primary": "b", "fallbacks": ["a"]}, "skills": ["x"]}]}
    result = import_config(
        {"agents": agents, "model_list": [one("openai/x", "a"), one("openai/y", "a"), one("openai/z", "b")]}, environ={}
    )
    assert names(result, "a") == ["a-1", "a-2"]
    assert names(result, "coder") == ["b", "a-1", "a-2"]
    assert list(left_out(result)) == ["agents.list[0].skills"]


def test_names_that_keys_would_get_are_given_to_nobody_else() -> None:
    result = take_over(one(name="a", api_keys=["k1", "k2"]), one("openai/x", "a__key_1"))
    assert names(result, "a") == ["a-1", "a-1__key_1"]
    assert [str(key.ref) for key in result.loaded.routes["a__key_1"]] == ["openai/x"]


def test_the_older_format_has_an_entry_for_each_model_that_the_agent_names() -> None:
    result = import_config(
        {
            "agents": {"defaults": {"provider": "openai", "model": "gpt-5.4", "model_fallbacks": ["claude/sonnet"]}},
            "providers": {
                "openai": {"api_key": "k", "api_base": "http://host/v1", "web_search": True},
                "anthropic": {"api_key": "l"},
                "groq": {"api_key": "unused-key"},
            },
        },
        environ={},
    )
    assert [str(key.ref) for key in result.loaded.routes["default"]] == ["openai/gpt-5.4", "anthropic/sonnet"]
    assert fields_of(result) == {"api_base": "http://host/v1", "api_key": "k"}
    assert list(left_out(result)) == ["providers.groq", "providers.openai.web_search"]
    assert "unused-key" not in "".join(result.lines)


def test_both_sections_together_mean_the_newer_one() -> None:
    result = take_over(one(), providers={"openai": {"api_key": "k"}})
    assert "passed over by picoclaw, too" in left_out(result)["providers"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"model_list": [one()]}, "of Understudy already"),
        ({"model_list": []}, "neither litellm"),
        ({"something": 1}, "neither litellm"),
        ({"agents": {}, "litellm_settings": {}}, "say which with `--from`"),
        ({"agents": {}, "model_list": {"a": 1}}, "model_list: must be a list, not a mapping"),
        ({"agents": {}, "model_list": [one(enabled=False)]}, "every entry is disabled"),
    ],
)
def test_a_file_of_another_kind_is_told_apart(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        import_config(spec, environ={})
    assert words in str(caught.value)


def test_what_it_is_can_be_said() -> None:
    assert import_config({"model_list": [one()]}, "picoclaw", {}).kind == "picoclaw"
