"""Files of other programs for the import tests: whole ones, generated, and the plain walk over what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

PLANTED = "sk-PLANTED-0123456789"
"""How every literal secret in a generated file begins."""

Tree = Any

NAMES = ["a", "b", "a-1", "a__key_1", "x/y", "gpt-4o", "2024-01-01", "default"]
SECRETS = st.integers(0, 3).map(lambda n: f"{PLANTED}{n}")

SCALARS: st.SearchStrategy[Tree] = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 200), st.floats(allow_nan=True), st.text(max_size=8)
)
TREES: st.SearchStrategy[Tree] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def leaves(tree: Tree, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Tree]]:
    """Every value in a tree that has none inside, with its path."""
    if isinstance(tree, dict) and tree:
        for name, value in tree.items():
            yield from leaves(value, (*path, str(name)))
    elif isinstance(tree, list) and tree:
        for n, value in enumerate(tree):
            yield from leaves(value, (*path, n))
    else:
        yield path, tree


def replaced(tree: Tree, path: tuple[str | int, ...], by: Tree) -> Tree:
    """A copy of a tree with another value at a path."""
    if not path:
        return by
    step, rest = path[0], path[1:]
    if isinstance(tree, dict):
        return {name: replaced(value, rest, by) if str(name) == step else value for name, value in tree.items()}
    return [replaced(value, rest, by) if n == step else value for n, value in enumerate(tree)]


def some(fields: dict[str, st.SearchStrategy[Tree]]) -> st.SearchStrategy[dict[str, Tree]]:
    """A mapping with some of these fields; now and then one of them is anything at all."""
    odd = {name: st.one_of(values, values, values, TREES) for name, values in fields.items()}
    return st.fixed_dictionaries({}, optional=odd)


# --- LiteLLM ------------------------------------------------------------------------------------------------------

MODELS = [
    "openai/gpt-4o",
    "gpt-4o-mini",
    "azure/deployment",
    "azure/o_series/deployment",
    "anthropic/claude-3-5-sonnet",
    "claude-3-opus",
    "together_ai/meta-llama/Llama-3-8b",
    "fireworks_ai/llama-v3",
    "ollama/llama3",
    "nvidia_nim/meta/llama3",
    "meta_llama/llama-4",
    "databricks/dbrx",
    "bedrock/anthropic.claude-v2",
    "vertex_ai/gemini-pro",
    "gemini-pro",
    "nobody-knows/this",
    "this",
    "openai/*",
    "openai/responses/gpt-5",
]
BASES = [
    "https://api.openai.com/v1",
    "https://api.anthropic.com",
    "http://gpu:11434",
    "https://r.openai.azure.com/",
    "http://proxy/v1/chat/completions",
    "os.environ/SOME_BASE",
    "os.environ/NO_BASE",
    "no address",
    f"https://user:{PLANTED}@host/v1",
]
KEYS = st.one_of(SECRETS, st.sampled_from(["os.environ/SOME_KEY", "os.environ/", "env:ODD", "", "two words", "${NO}"]))
HEADERS: st.SearchStrategy[Tree] = st.dictionaries(
    st.sampled_from(["X-Title", "x-title", "Authorization", "X-Secret", "Content-Length", "not a name"]),
    SECRETS | st.sampled_from(["os.environ/SOME_HEADER", 5]),
    max_size=3,
)
LIMITS = st.sampled_from([0, 1, 60, 7.5, "60", "os.environ/RPM", -1])
SECONDS = st.sampled_from([0, 1, 30, 2.5, "10", 1e12])

PARAMS: dict[str, st.SearchStrategy[Tree]] = {
    "api_key": KEYS,
    "api_base": st.sampled_from(BASES),
    "base_url": st.sampled_from(BASES),
    "api_version": st.just("2024-02-01"),
    "organization": st.sampled_from(["org-1", ["org-1", "org-2"]]),
    "extra_headers": HEADERS,
    "custom_llm_provider": st.sampled_from(["openai", "groq", "bedrock", "nobody"]),
    "rpm": LIMITS,
    "tpm": LIMITS,
    "max_parallel_requests": LIMITS,
    "timeout": SECONDS,
    "stream_timeout": SECONDS,
    "num_retries": st.integers(0, 3),
    "max_retries": st.integers(0, 200),
    "order": st.integers(0, 3),
    "weight": st.integers(1, 3),
    "temperature": st.floats(0, 1),
    "mock_response": st.text(max_size=3),
    "litellm_credential_name": st.sampled_from(["cred", "no-cred"]),
    "tags": st.lists(st.just("eu"), max_size=2),
}
INFO: dict[str, st.SearchStrategy[Tree]] = {
    "id": st.sampled_from(["id-1", "id-2", "a"]),
    "max_input_tokens": st.sampled_from([1000, 200_000, 0, "8000"]),
    "supports_vision": st.booleans(),
    "supports_function_calling": st.booleans(),
    "mode": st.sampled_from(["chat", "embedding"]),
    "base_model": st.just("azure/gpt-4o"),
    "nested": st.just({"deep": [1, {"er": None}]}),
}
REFERENCES = st.sampled_from([*NAMES, "sure", "id-1", "openai/gpt-4o", "groq/llama", "nobody", "azure/deployment"])
FALLBACKS: st.SearchStrategy[Tree] = st.lists(
    st.dictionaries(st.sampled_from([*NAMES, "sure", "*", "nobody"]), st.lists(REFERENCES, max_size=3), max_size=2)
    | REFERENCES,
    max_size=3,
)
SETTINGS: dict[str, st.SearchStrategy[Tree]] = {
    "fallbacks": FALLBACKS,
    "context_window_fallbacks": FALLBACKS,
    "content_policy_fallbacks": FALLBACKS,
    "default_fallbacks": st.lists(REFERENCES, max_size=2),
    "num_retries": st.integers(0, 3),
    "timeout": SECONDS,
    "request_timeout": SECONDS,
    "stream_timeout": SECONDS,
    "default_max_parallel_requests": st.integers(1, 5),
    "cooldown_time": SECONDS,
    "allowed_fails": st.just(3),
    "routing_strategy": st.just("simple-shuffle"),
    "model_group_alias": st.dictionaries(
        st.sampled_from(["alias", "a", "sure", " odd", ""]),
        REFERENCES | st.fixed_dictionaries({"model": REFERENCES, "hidden": st.booleans()}),
        max_size=2,
    ),
    "cache_params": st.just({"type": "redis", "password": f"{PLANTED}-redis"}),
    "success_callback": st.just(["langfuse"]),
}
GENERAL: dict[str, st.SearchStrategy[Tree]] = {
    "master_key": SECRETS,
    "database_url": SECRETS,
    "global_max_parallel_requests": st.integers(0, 50),
}


def sections(fields: dict[str, st.SearchStrategy[Tree]]) -> st.SearchStrategy[Tree]:
    return st.none() | some(fields)


@st.composite
def litellm_files(draw: st.DrawFn) -> dict[str, Tree]:
    """A file of LiteLLM's whose shape is right; what is in it need not be. One entry can be taken over for certain."""
    sure = {"model_name": "sure", "litellm_params": {"model": "ollama/llama3"}}
    listed: list[Tree] = [sure]
    for _ in range(draw(st.integers(0, 4))):
        params = {"model": draw(st.sampled_from(MODELS)), **draw(some(PARAMS))}
        one: Tree = {"model_name": draw(st.sampled_from([*NAMES, "a", "a", "any/*"])), "litellm_params": params}
        if draw(st.booleans()):
            one["model_info"] = draw(some(INFO))
        if draw(st.booleans()):
            one["rpm"] = draw(LIMITS)
        listed.append(one)
    spec: dict[str, Tree] = {"model_list": draw(st.permutations(listed))}
    for name, fields in (("litellm_settings", SETTINGS), ("router_settings", SETTINGS), ("general_settings", GENERAL)):
        if draw(st.booleans()):
            spec[name] = draw(sections(fields))
    if draw(st.booleans()):
        spec["environment_variables"] = {"SOME_KEY": draw(SECRETS)}
    if draw(st.booleans()):
        values = draw(some({name: PARAMS[name] for name in ("api_key", "api_base", "api_version")}))
        spec["credential_list"] = [
            {"credential_name": "cred", "credential_values": values, "credential_info": {"description": "mine"}}
        ]
    if draw(st.booleans()):
        spec["unheard_of"] = draw(TREES)
    return spec


# --- picoclaw -----------------------------------------------------------------------------------------------------

PICOCLAW_MODELS = [
    "openai/gpt-5.4",
    "gpt-5.4",
    "meta/llama",
    "anthropic/claude-sonnet-4.6",
    "anthropic-messages/claude-opus-4-6",
    "zhipu/glm-4.7",
    "glm/glm-4.7",
    "moonshot/kimi",
    "lmstudio/openai/gpt-oss-20b",
    "azure/deployment",
    "antigravity/gemini-2.0-flash",
    "claude-cli/claude",
    "gemini/gemini-pro",
]
PICOCLAW_KEYS = st.one_of(
    SECRETS, st.sampled_from(["file://some.key", "file://", "enc://abcdef", "[NOT_HERE]", "", "env:ODD"])
)
PICOCLAW_ENTRY: dict[str, st.SearchStrategy[Tree]] = {
    "provider": st.sampled_from(["openai", "Claude", "nobody", "bedrock", "openrouter"]),
    "api_key": PICOCLAW_KEYS,
    "api_keys": st.lists(PICOCLAW_KEYS, max_size=3),
    "api_base": st.sampled_from([*BASES[:5], "no address"]),
    "proxy": st.sampled_from(["http://proxy:8080", f"http://user:{PLANTED}@proxy:8080", "no address"]),
    "rpm": st.sampled_from([0, 60, "60", -1]),
    "request_timeout": st.sampled_from([0, 120]),
    "enabled": st.booleans(),
    "auth_method": st.sampled_from(["oauth", "key"]),
    "connect_mode": st.just("grpc"),
    "thinking_level": st.just("high"),
    "max_tokens_field": st.just("max_completion_tokens"),
    "custom_headers": HEADERS,
    "user_agent": st.sampled_from(["Mine/1.0", "env:ODD"]),
    "extra_body": st.just({"a": {"b": 1}}),
    "fallbacks": st.lists(REFERENCES, max_size=3),
    "_comment": st.just("mine"),
}
DEFAULTS: dict[str, st.SearchStrategy[Tree]] = {
    "model_name": REFERENCES,
    "model": REFERENCES,
    "provider": st.sampled_from(["openai", "gpt"]),
    "model_fallbacks": st.lists(REFERENCES, max_size=3),
    "image_model": REFERENCES,
    "image_model_fallbacks": st.lists(REFERENCES, max_size=2),
    "max_tokens": st.just(8192),
    "context_window": st.just(131072),
    "routing": st.just({"enabled": True, "light_model": "a", "threshold": 0.3}),
    "workspace": st.just("~/work"),
}
AGENT: dict[str, st.SearchStrategy[Tree]] = {
    "id": st.sampled_from(["coder", "a", " ", "two\nlines"]),
    "model": REFERENCES | st.fixed_dictionaries({"primary": REFERENCES, "fallbacks": st.lists(REFERENCES, max_size=2)}),
    "skills": st.just(["x"]),
}


@st.composite
def picoclaw_files(draw: st.DrawFn) -> dict[str, Tree]:
    """A file of picoclaw's, of which the same is true."""
    listed: list[Tree] = [{"model_name": "sure", "model": "ollama/llama3"}]
    for _ in range(draw(st.integers(0, 4))):
        name, model = draw(st.sampled_from([*NAMES, "a", "a"])), draw(st.sampled_from(PICOCLAW_MODELS))
        listed.append({"model_name": name, "model": model, **draw(some(PICOCLAW_ENTRY))})
    agents: dict[str, Tree] = {"defaults": draw(some(DEFAULTS))}
    if draw(st.booleans()):
        agents["list"] = draw(st.lists(some(AGENT), max_size=2))
    spec: dict[str, Tree] = {"version": 3, "agents": agents, "model_list": draw(st.permutations(listed))}
    if draw(st.booleans()):
        spec["channel_list"] = {"telegram": {"enabled": True, "settings": {"token": draw(SECRETS)}}}
    if draw(st.booleans()):
        spec["providers"] = {"openai": {"api_key": draw(SECRETS)}}
    if draw(st.booleans()):
        spec["unheard_of"] = draw(TREES)
    return spec
