"""What LiteLLM's words mean here: its providers, and what to tell about settings that have no counterpart.

Only what has a place in an address, a key or a route is translated; for everything else there is a sentence about what
it was for and what to do instead. A setting that is not listed gets a general one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen


@frozen
class Known:
    """A provider of LiteLLM's that can be reached here.

    Attributes:
        ours: its name here.
        key_variable: the variable LiteLLM takes its key from, where that is not the customary one here.
        api_base: where LiteLLM expects it, if that is not where it is expected here.
        own_dialect: whether LiteLLM does not speak the OpenAI dialect with it.
        model_prefix: what LiteLLM puts before a model's name if it is not there.

    """

    ours: str
    key_variable: str | None = None
    api_base: str | None = None
    own_dialect: bool = False
    model_prefix: str = ""


PROVIDERS: Final[Mapping[str, Known]] = {
    "anthropic": Known("anthropic", own_dialect=True),
    "azure": Known("azure", key_variable="AZURE_API_KEY"),
    "cerebras": Known("cerebras"),
    "codestral": Known("codestral", key_variable="CODESTRAL_API_KEY", api_base="https://codestral.mistral.ai/v1"),
    "cohere": Known("cohere", own_dialect=True),
    "cohere_chat": Known("cohere", own_dialect=True),
    "custom_openai": Known("openai"),
    "dashscope": Known("qwen-intl"),
    "databricks": Known("databricks", key_variable="DATABRICKS_API_KEY"),
    "deepinfra": Known("deepinfra"),
    "deepseek": Known("deepseek"),
    "fireworks_ai": Known("fireworks", model_prefix="accounts/fireworks/models/"),
    "gemini": Known("gemini", own_dialect=True),
    "github": Known("github-models", key_variable="GITHUB_API_KEY", api_base="https://models.inference.ai.azure.com"),
    "groq": Known("groq"),
    "hosted_vllm": Known("vllm"),
    "litellm_proxy": Known("litellm"),
    "llamafile": Known("llamafile", api_base="http://127.0.0.1:8080/v1"),
    "lm_studio": Known("lmstudio"),
    "meta_llama": Known("meta-llama", key_variable="LLAMA_API_KEY", api_base="https://api.llama.com/compat/v1"),
    "minimax": Known("minimax"),
    "mistral": Known("mistral"),
    "moonshot": Known("moonshot"),
    "novita": Known("novita"),
    "nvidia_nim": Known("nvidia", key_variable="NVIDIA_NIM_API_KEY"),
    "ollama": Known("ollama", own_dialect=True),
    "ollama_chat": Known("ollama", own_dialect=True),
    "openai": Known("openai"),
    "openrouter": Known("openrouter"),
    "perplexity": Known("perplexity", key_variable="PERPLEXITYAI_API_KEY"),
    "sambanova": Known("sambanova"),
    "together_ai": Known("together"),
    "volcengine": Known("volcengine", key_variable="VOLCENGINE_API_KEY"),
    "xai": Known("xai"),
    "zai": Known("zai"),
}
"""By the prefix that a model has there."""

UNREACHABLE: Final[Mapping[str, str]] = {
    "anthropic_text": "it is asked for completions of text, not for chats",
    "azure_ai": "it has addresses of its own; if the endpoint offers `/v1`, write the entry as `openai/…` with it",
    "azure_text": "it is asked for completions of text, not for chats",
    "bedrock": "its requests are signed with AWS credentials",
    "huggingface": "write the entry as `huggingface/…`, with the model's name as its router wants it",
    "replicate": "its answers are fetched piece by piece from an API of its own",
    "sagemaker": "its requests are signed with AWS credentials",
    "sagemaker_chat": "its requests are signed with AWS credentials",
    "text-completion-openai": "it is asked for completions of text, not for chats",
    "vertex_ai": "it signs in with Google Cloud accounts; `gemini/…` with a key of AI Studio has the same models",
    "vertex_ai_beta": "it signs in with Google Cloud accounts; `gemini/…` with a key of AI Studio has the same models",
    "vllm": "it runs the model inside LiteLLM; start a server and write `vllm/…` with its `api_base`",
    "watsonx": "it signs in with IBM Cloud accounts",
}
"""Providers that cannot be reached, and why."""

BY_MODEL: Final[tuple[tuple[str, str], ...]] = (
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("ft:gpt-", "openai"),
    ("claude-", "anthropic"),
    ("command-", "cohere"),
    ("gemini-", "vertex_ai"),
)
"""How LiteLLM takes models that name no provider, by how their names begin."""

SPECIAL_MODELS: Final[Mapping[str, str]] = {
    "o_series/": "",
    "gpt5_series/": "",
    "responses/": "it is asked through the Responses API, which is not offered here",
    "*": "it is a wildcard; here every model has an entry of its own",
}
"""Parts of a model's name that are meant for LiteLLM, and why the entry cannot be taken over; ``""`` if it can."""

SECTIONS: Final = frozenset(
    {
        "",
        "model_list",
        "model_list.litellm_params",
        "model_list.model_info",
        "router_settings",
        "litellm_settings",
        "general_settings",
    }
)
"""Mappings and lists whose values are told one by one."""

_REQUEST = "belongs to a request here: give it with each one (`router.chat(…, {}=…)`)"
_PRICE = "is about prices; nothing is counted in money here"
_PROXY = "is a setting of the proxy server; this is a library, and its host application decides that"
_LOGS = "is about logs and monitoring; listen to `router.events()` instead"
_CACHE = "is about caching replies or sharing state, which is not done here"
_CLOUD = "signs in to a cloud; here a key is needed"
_POLICY = "is about what a failure does: `policy` says for how long each kind cools, and whether the request goes on"
_TAGS = "chooses by a request's tags; make a named route of each choice instead"
_NOT_NEEDED = "is always so here"

NO_COUNTERPART: Final = "has no counterpart here"

REQUEST_PARAMETERS: Final = (
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "top_p",
    "top_k",
    "n",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "user",
    "tools",
    "tool_choice",
    "response_format",
    "logit_bias",
    "reasoning_effort",
    "thinking",
    "extra_body",
    "metadata",
    "stream",
)

PARAMETERS: Final[Mapping[str, str]] = {
    **{name: _REQUEST.format(name) for name in REQUEST_PARAMETERS},
    "api_version": "is the version of Azure's API, which this entry cannot state",
    "azure_ad_token": _CLOUD,
    "budget_duration": _PRICE,
    "client_id": _CLOUD,
    "client_secret": _CLOUD,
    "cooldown_time": _POLICY,
    "drop_params": "drops what a provider does not know; here requests go out as they are",
    "input_cost_per_second": _PRICE,
    "input_cost_per_token": _PRICE,
    "litellm_credential_name": "names a credential that is not in `credential_list`",
    "max_budget": _PRICE,
    "mock_response": "is for tests; `understudy simulate` plays scripted providers instead",
    "organization": "must be one organisation; write an entry for each, with the header `OpenAI-Organization`",
    "output_cost_per_second": _PRICE,
    "output_cost_per_token": _PRICE,
    "region_name": "filters by region; make a named route of the entries in a region instead",
    "tag_regex": _TAGS,
    "tags": _TAGS,
    "tenant_id": _CLOUD,
    "weight": "says how much of the load it takes; here the order of the entries decides, so put the preferred first",
}
"""What is told about a field of `litellm_params`."""

MODEL_INFO: Final[Mapping[str, str]] = {
    "access_groups": _PROXY,
    "base_model": "names the model for its price and window; give `context_window` instead",
    "cost_per_query": _PRICE,
    "id": "is a second name; here the entry is known by its own",
    "input_cost_per_token": _PRICE,
    "max_output_tokens": _REQUEST.format("max_tokens"),
    "max_tokens": "may mean the window or the reply; if it is the window, give `context_window`",
    "mode": "is not `chat`: such an endpoint is reached through `router.request`, as far as the provider has it",
    "output_cost_per_token": _PRICE,
}
"""What is told about a field of `model_info`."""

SETTINGS: Final[Mapping[str, str]] = {
    "allowed_fails": "is how many failures it takes to cool; here the first one does, for as long as `policy` says",
    "allowed_fails_policy": _POLICY,
    "cache": _CACHE,
    "cache_kwargs": _CACHE,
    "cache_params": _CACHE,
    "cache_responses": _CACHE,
    "callbacks": _LOGS,
    "content_policy_fallbacks": "names who is asked after a content filter;"
    " `policy: {content_filter: {next: yes}}` lets a route go on then, to whoever is next",
    "cooldown_time": _POLICY,
    "debug_level": _LOGS,
    "default_litellm_params": "is added to every request there; give it with each one here",
    "disable_cooldowns": "turns cooling off; `policy` with `base: 0` for a reason does",
    "drop_params": "drops what a provider does not know; here requests go out as they are",
    "hidden": "keeps a name out of a list of models; there is no such list here",
    "enable_pre_call_check": _NOT_NEEDED,
    "enable_pre_call_checks": _NOT_NEEDED,
    "enable_tag_filtering": _TAGS,
    "failure_callback": _LOGS,
    "json_logs": _LOGS,
    "max_fallbacks": "bounds how far a request goes; here a route is as long as its list",
    "model_group_retry_policy": "is a number of tries for each error; here `retries` of an entry is one for all",
    "redis_host": _CACHE,
    "redis_password": _CACHE,
    "redis_port": _CACHE,
    "redis_url": _CACHE,
    "retry_after": "is how long to wait before a retry; `retry_within` of an entry is the longest stated wait",
    "retry_policy": "is a number of tries for each error; here `retries` of an entry is one for all",
    "routing_strategy": "says how the load is shared; here a route asks its entries in order",
    "routing_strategy_args": "says how the load is shared; here a route asks its entries in order",
    "service_callbacks": _LOGS,
    "set_verbose": _LOGS,
    "success_callback": _LOGS,
    "tag_filtering_match_any": _TAGS,
    "turn_off_message_logging": _LOGS,
}
"""What is told about a field of `router_settings` or `litellm_settings`."""

TOP: Final[Mapping[str, str]] = {
    "assistant_settings": _PROXY,
    "callback_settings": _LOGS,
    "credential_list": "holds credentials; those that an entry names are taken over",
    "environment_variables": "sets variables for the proxy; set them yourself before the config is loaded",
    "guardrails": _PROXY,
    "include": "names further files, which were not read: put their entries into this one, and import it again",
    "mcp_servers": _PROXY,
    "pass_through_endpoints": _PROXY,
    "vector_store_registry": _PROXY,
}
"""What is told about a part of the file."""

TABLES: Final[Mapping[str, tuple[Mapping[str, str], str]]] = {
    "model_list.litellm_params": (PARAMETERS, NO_COUNTERPART),
    "model_list.model_info": (MODEL_INFO, NO_COUNTERPART),
    "router_settings": (SETTINGS, NO_COUNTERPART),
    "litellm_settings": (SETTINGS, NO_COUNTERPART),
    "general_settings": ({}, _PROXY),
    "": (TOP, NO_COUNTERPART),
}
"""Of each section: what is told about its fields, and what about those that are not listed."""
