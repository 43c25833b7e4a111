"""What picoclaw's words mean here: its providers, and what to tell about settings that have no counterpart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .litellm_words import NO_COUNTERPART, REQUEST_PARAMETERS

PROVIDERS: Final[Mapping[str, str | None]] = {
    "alibaba-coding": None,
    "alibaba-coding-anthropic": None,
    "anthropic": None,
    "anthropic-messages": None,
    "avian": "https://api.avian.io/v1",
    "azure": None,
    "cerebras": None,
    "deepseek": None,
    "gemini": None,
    "gpt4free": "http://localhost:1337/v1",
    "groq": None,
    "litellm": None,
    "lmstudio": None,
    "longcat": "https://api.longcat.chat/openai",
    "mimo": "https://api.xiaomimimo.com/v1",
    "minimax": "https://api.minimaxi.com/v1",
    "mistral": None,
    "modelscope": None,
    "moonshot": "https://api.moonshot.cn/v1",
    "novita": None,
    "nvidia": None,
    "ollama": None,
    "openai": None,
    "openrouter": None,
    "qwen-intl": None,
    "qwen-portal": None,
    "qwen-us": None,
    "shengsuanyun": "https://router.shengsuanyun.com/api/v1",
    "siliconflow": "https://api.siliconflow.cn/v1",
    "venice": None,
    "vivgrid": "https://api.vivgrid.com/v1",
    "vllm": None,
    "volcengine": None,
    "zai": "https://api.z.ai/api/coding/paas/v4",
    "zhipu": None,
}
"""Its providers, and where it expects them if that is not where they are expected here."""

ALIASES: Final[Mapping[str, str]] = {
    "azure-openai": "azure",
    "claude": "anthropic",
    "claudecli": "claude-cli",
    "codexcli": "codex-cli",
    "coding-plan": "alibaba-coding",
    "coding-plan-anthropic": "alibaba-coding-anthropic",
    "copilot": "github-copilot",
    "dashscope-intl": "qwen-intl",
    "dashscope-us": "qwen-us",
    "doubao": "volcengine",
    "g4f": "gpt4free",
    "github_copilot": "github-copilot",
    "glm": "zhipu",
    "google": "gemini",
    "google-antigravity": "antigravity",
    "gpt": "openai",
    "kimi": "moonshot",
    "qwen": "qwen-portal",
    "qwen-coding": "alibaba-coding",
    "qwen-international": "qwen-intl",
    "tongyi": "qwen-portal",
    "z-ai": "zai",
    "z.ai": "zai",
}
"""Other names of its providers, those of the older `providers` section included."""

OURS: Final[Mapping[str, str]] = {
    "alibaba-coding-anthropic": "coding-plan-anthropic",
    "anthropic-messages": "anthropic",
}
"""Providers that have another name here."""

OWN_DIALECT: Final = frozenset({"alibaba-coding-anthropic", "anthropic", "anthropic-messages", "gemini"})
"""Providers that it does not speak the OpenAI dialect with."""

UNREACHABLE: Final[Mapping[str, str]] = {
    "antigravity": "it signs in with a Google account; `gemini/…` with a key of AI Studio has such models",
    "bedrock": "its requests are signed with AWS credentials",
    "claude-cli": "it runs a program on this machine; `anthropic/…` with a key has the same models",
    "codex-cli": "it runs a program on this machine; `openai/…` with a key has the same models",
    "elevenlabs": "it writes down speech, and holds no chats",
    "github-copilot": "it is reached through a program on this machine; `github-models/…` has some of its models",
}
"""Providers that cannot be reached, and why."""

SECTIONS: Final = frozenset(
    {"", "agents", "agents.defaults", "agents.list", "agents.list.model", "model_list", "providers"}
)
"""Mappings and lists whose values are told one by one."""

_REQUEST = "belongs to a request here: give it with each one (`router.chat(…, {}=…)`)"
_AGENT = "is about the agent, and not about its models"
_SCREEN = "is about channels, and not about models"

ENTRY: Final[Mapping[str, str]] = {
    "_comment": "is a comment",
    "auth_method": "is a way to sign in; here a key is needed",
    "connect_mode": "is for programs on this machine",
    "extra_body": _REQUEST.format("extra_body"),
    "max_tokens_field": "says how the limit of a reply is called; give that field with each request",
    "streaming": "is decided for each request here: `router.chat` or `router.stream`",
    "thinking_level": _REQUEST.format("reasoning_effort"),
    "tool_schema_transform": "changes the schemas of tools; here requests go out as they are",
    "workspace": "is for programs on this machine",
}
"""What is told about a field of an element of `model_list`, or of a provider in the older section."""

DEFAULTS: Final[Mapping[str, str]] = {
    **{name: _REQUEST.format(name) for name in REQUEST_PARAMETERS},
    "context_window": "is the agent's own bound; give `context_window` to each entry of which it is true",
    "llm_retry_backoff_secs": "is the wait before a retry; `retry_within` of an entry is the longest stated wait",
    "max_llm_retries": "is how often the agent asks again; `retries` of an entry is how often its candidate is",
    "provider": "is the provider of models that name none; here each entry names its own",
    "routing": "sends simple tasks to a small model; make a named route of it, and choose it in your program",
}
"""What is told about a field of `agents.defaults`."""

TOP: Final[Mapping[str, str]] = {
    "_comment": "is a comment",
    "agents": _AGENT,
    "bindings": _SCREEN,
    "build_info": "says who wrote the file",
    "channel_list": _SCREEN,
    "channels": _SCREEN,
    "version": "is the version of picoclaw's format",
}
"""What is told about a part of the file."""

PROVIDERS_IGNORED: Final = "is passed over by picoclaw, too, where there is a `model_list`"

TABLES: Final[Mapping[str, tuple[Mapping[str, str], str]]] = {
    "model_list": (ENTRY, NO_COUNTERPART),
    "agents": ({}, _AGENT),
    "agents.defaults": (DEFAULTS, _AGENT),
    "agents.list": ({}, _AGENT),
    "providers": ({}, "names no model, and no model names it; write an entry with a `model`"),
    "": (TOP, "is not about models"),
}
"""Of each section: what is told about its fields, and what about those that are not listed."""
