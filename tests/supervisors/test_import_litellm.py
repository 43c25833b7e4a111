"""LiteLLM's words, one by one: what each becomes, and what is told about those that become nothing."""

from __future__ import annotations

from typing import Any

import pytest

from understudy.actors.errors import ConfigError
from understudy.actors.providers.known import KNOWN_PROVIDERS
from understudy.supervisors.config_mistakes import show_path
from understudy.supervisors.imports import litellm_words
from understudy.supervisors.imports.kinds import Imported, import_config

ENVIRON = {"BASE": "https://base.example/v1"}


def deployment(model: str = "openai/gpt-4o", name: str = "m", info: dict[str, Any] | None = None, **params: Any) -> Any:
    return {"model_name": name, "litellm_params": {"model": model, **params}, "model_info": info or {}}


def take_over(*deployments: Any, **sections: Any) -> Imported:
    return import_config({"model_list": list(deployments), **sections}, "litellm", ENVIRON)


def entry(*args: Any, **params: Any) -> dict[str, Any]:
    listed: Any = take_over(deployment(*args, **params)).config["model_list"]
    return {name: value for name, value in listed[0].items() if name not in ("model_name", "model")}


def left_out(result: Imported) -> dict[str, str]:
    return {show_path(note.path): note.text for note in result.foreign.report.left_out}


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"api_key": "os.environ/KEY"}, {"api_key": "env:KEY"}),
        ({"api_key": "sk-literal"}, {"api_key": "sk-literal"}),
        ({"rpm": 6, "tpm": "1000"}, {"rpm": 6, "tpm": 1000}),
        ({"max_parallel_requests": 4}, {"max_parallel": 4}),
        ({"timeout": 7.5}, {"request_timeout": 7.5}),
        ({"stream_timeout": 5}, {"first_event_timeout": 5, "idle_timeout": 5}),
        ({"num_retries": 2}, {"retries": 2}),
        ({"max_retries": 2}, {"retries": 2}),
        ({"organization": "org-1"}, {"headers": {"OpenAI-Organization": "org-1"}}),
        ({"extra_headers": {"X": "os.environ/H", "Y": "y"}}, {"headers": {"X": "env:H", "Y": "y"}}),
        ({"extra_headers": {"Authorization": "t"}, "api_key": "k"}, {"headers": {"Authorization": "t"}}),
        ({"api_base": "http://host/v1/"}, {"api_base": "http://host/v1"}),
        ({"base_url": "http://host/v1/chat/completions"}, {"api_base": "http://host/v1"}),
        ({"api_base": "os.environ/BASE"}, {"api_base": "https://base.example/v1"}),
        ({"info": {"max_input_tokens": 128000}}, {"context_window": 128000}),
        ({"info": {"supports_vision": False, "supports_function_calling": True}}, {"vision": False, "tools": True}),
        ({"temperature": 0.5, "mock_response": "x", "weight": 2}, {}),
        ({"rpm": 0}, {}),
        ({"rpm": -1, "timeout": 0}, {}),
    ],
)
def test_a_parameter_becomes_the_field_that_means_the_same(params: dict[str, Any], fields: dict[str, Any]) -> None:
    assert entry(**params) == fields


@pytest.mark.parametrize(
    ("written", "model", "fields"),
    [
        ("gpt-4o", "openai/gpt-4o", {}),
        ("claude-3-opus", "anthropic/claude-3-opus", {}),
        ("together_ai/meta-llama/Llama-3-8b", "together/meta-llama/Llama-3-8b", {}),
        ("fireworks_ai/llama-v3", "fireworks/accounts/fireworks/models/llama-v3", {}),
        ("nvidia_nim/meta/llama3", "nvidia/meta/llama3", {"api_key": "env:NVIDIA_NIM_API_KEY"}),
        ("ollama_chat/llama3", "ollama/llama3", {}),
        ("hosted_vllm/m", "vllm/m", {}),
        (
            "github/Llama-3",
            "github-models/Llama-3",
            {"api_base": "https://models.inference.ai.azure.com", "api_key": "env:GITHUB_API_KEY"},
        ),
    ],
)
def test_a_provider_is_reached_where_and_with_the_key_that_it_was(
    written: str, model: str, fields: dict[str, Any]
) -> None:
    result = take_over(deployment(written))
    assert result.config["model_list"] == [{"model_name": "m", "model": model, **fields}]


def test_azure_is_asked_at_its_own_address_or_not_at_all() -> None:
    azure = deployment("azure/o_series/mine", api_base="https://r.openai.azure.com/", api_version="2024-02-01")
    (one,) = take_over(azure).loaded.entries.values()
    assert (str(one.key.ref), one.key.credential) == ("azure/mine", "env:AZURE_API_KEY")
    assert one.endpoint.api_base == "https://r.openai.azure.com"
    told = left_out(take_over(deployment(), deployment("azure/mine", "other")))
    assert "needs an `api_base`" in told["model_list[1]"]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"model": "bedrock/claude"}, "AWS"),
        ({"model": "gemini-pro"}, "Google Cloud"),
        ({"model": "nobody/m"}, "`nobody`, it is not known here"),
        ({"model": "m"}, "names no provider"),
        ({"model": "openai/*"}, "wildcard"),
        ({"model": "openai/responses/gpt-5"}, "Responses API"),
        ({"api_base": "os.environ/NOT_SET"}, "NOT_SET, which is not set"),
        ({"api_base": "https://u:secret-word@host"}, "its address cannot be used"),
        ({"custom_llm_provider": "sagemaker"}, "AWS"),
    ],
)
def test_an_entry_that_cannot_be_reached_is_left_out_with_the_reason(params: dict[str, Any], words: str) -> None:
    result = take_over(deployment(name="other"), deployment(**params))
    assert [one["model_name"] for one in result.config["model_list"]] == ["other"]  # type: ignore[attr-defined]
    assert words in left_out(result)["model_list[1]"]
    assert "secret-word" not in "".join(result.lines)


def test_an_address_of_its_own_gets_no_key_that_was_not_named() -> None:
    result = take_over(deployment(api_base="http://somewhere/v1"))
    assert next(iter(result.loaded.entries)).credential is None
    assert "LiteLLM would send OPENAI_API_KEY" in "".join(result.lines)


def test_a_credential_is_taken_from_the_list_it_is_kept_in() -> None:
    listed = [{"credential_name": "c", "credential_values": {"api_key": "os.environ/K", "api_base": "http://h/v1"}}]
    result = take_over(deployment(litellm_credential_name="c"), credential_list=listed)
    assert result.config["model_list"][0]["api_key"] == "env:K"  # type: ignore[index]
    assert left_out(result) == {}


def test_several_deployments_of_a_name_become_a_route_in_order() -> None:
    result = take_over(
        deployment("openai/x", "a", order=2), deployment("openai/y", "a", order=1), deployment("openai/z", "b"),
        litellm_settings={"fallbacks": [{"b": ["a"]}, {"a": ["b", "nobody"]}]},
    )  # fmt: skip
    assert result.config["routes"] == {"a": ["a-1", "a-2", "b"]}
    assert [str(key.ref) for key in result.loaded.routes["a"]] == ["openai/y", "openai/x", "openai/z"]
    assert [str(key.ref) for key in result.loaded.routes["b"]] == ["openai/z", "openai/y", "openai/x"]
    assert left_out(result) == {"litellm_settings.fallbacks[1].a[1]": "nobody is called `nobody`"}
    assert len([line for line in result.lines if "share the load" in line]) == 1


def test_a_model_id_may_be_a_fallback() -> None:
    result = take_over(
        deployment(name="a"),
        deployment("openai/y", "b", {"id": "id-1"}),
        router_settings={"fallbacks": [{"a": ["id-1"]}]},
    )
    assert [key.name for key in result.loaded.routes["a"]] == ["a", "b"]
    assert left_out(result) == {}


def test_the_settings_of_the_router_come_before_those_of_the_library() -> None:
    result = take_over(
        deployment(num_retries=1), deployment(name="n"),
        router_settings={"num_retries": 2, "timeout": 30}, litellm_settings={"num_retries": 3, "request_timeout": 60},
    )  # fmt: skip
    assert [(one.retries, one.endpoint.limits.request) for one in result.loaded.entries.values()] == [(1, 30), (2, 30)]
    assert left_out(result) == {
        "litellm_settings.num_retries": "`router_settings.num_retries` comes before it",
        "litellm_settings.request_timeout": "`router_settings.timeout` comes before it",
    }


def test_a_fallback_for_long_prompts_is_there_already_if_the_windows_are_known() -> None:
    small, large = (
        deployment(name="s", info={"max_input_tokens": 10}),
        deployment(name="l", info={"max_input_tokens": 20}),
    )
    wanted = {"fallbacks": [{"s": ["l"]}], "context_window_fallbacks": [{"s": ["l"]}]}
    assert left_out(take_over(small, large, litellm_settings=wanted)) == {}
    unknown = take_over(small, deployment(name="l"), litellm_settings=wanted)
    assert "`context_window`" in left_out(unknown)["litellm_settings.context_window_fallbacks[0].s[0]"]


def test_an_alias_is_a_route_and_the_other_settings_go_where_they_belong() -> None:
    result = take_over(
        deployment(name="a"), deployment("openai/y", "b"),
        router_settings={"model_group_alias": {"c": "a", "d": {"model": "b"}, "b": "a"}, "cooldown_time": 10},
        litellm_settings={"default_fallbacks": ["b"]},
        general_settings={"global_max_parallel_requests": 9, "master_key": "sk-1234"},
    )  # fmt: skip
    assert result.config["routes"] == {"c": ["a", "b"], "d": ["b"]}
    assert result.loaded.max_pending == 9
    assert {result.loaded.policy["rate_limit"].duration(n) for n in (1, 2, 9)} == {10}  # type: ignore[index]
    assert set(left_out(result)) == {"general_settings.master_key", "router_settings.model_group_alias.b"}
    assert "is the name of something else" in left_out(result)["router_settings.model_group_alias.b"]
    assert "sk-1234" not in "".join(result.lines)


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    spec = {
        "model_list": [{"litellm_params": {}}, 5, deployment(name=" a")],
        "router_settings": [],
        "litellm_settings": 5,
    }
    with pytest.raises(ConfigError) as caught:
        import_config(spec)
    told = "\n".join(caught.value.problems)
    for words in (
        "model_list[0]: `model_name` is missing",
        "model_list[0].litellm_params: `model` is missing",
        "model_list[1]: must be a mapping",
        "model_list[2].model_name: has white space around it",
        "litellm_settings: must be a mapping of names to values, not a number",
    ):
        assert words in told


def test_a_file_with_nothing_to_take_over_is_an_error_with_the_reasons() -> None:
    with pytest.raises(ConfigError, match="nothing in it can be taken over") as caught:
        take_over(deployment("bedrock/x"))
    assert "AWS" in str(caught.value)


def test_every_provider_that_is_translated_has_an_address_or_must_be_given_one() -> None:
    without = [name for name, known in litellm_words.PROVIDERS.items() if not known.api_base]
    unknown = {name for name in without if litellm_words.PROVIDERS[name].ours not in KNOWN_PROVIDERS}
    assert unknown <= {"azure", "databricks"}
