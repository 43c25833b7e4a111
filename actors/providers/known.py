"""Well-known providers: where their endpoint is, and which variable holds its key by custom.

A convenience and no more: every entry can name its own `api_base` and its own key, and a provider that is not
listed here needs nothing else. Where a provider has a region for each side of the world and no name of its own
for each, the international one is listed. Servers that run on one's own machine ask for no key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen


@frozen
class KnownProvider:
    """A provider's defaults. `key_variable` is ``None`` where no key is needed."""

    api_base: str
    key_variable: str | None = None


PROVIDER_DIALECTS: Final[Mapping[str, str]] = {
    "anthropic": "anthropic",
    "azure": "azure",
    "coding-plan-anthropic": "anthropic",
    "gemini": "gemini",
}
"""How those speak who do not speak as OpenAI does."""


def dialect_at(provider: str, api_base: str) -> str:
    """Return how a provider is spoken to at an address, where nobody says otherwise.

    Some have an address at which they speak as OpenAI does, too.

    >>> dialect_at("gemini", "https://generativelanguage.googleapis.com/v1beta/openai")
    'openai'
    """
    return (
        "openai" if api_base.endswith("/openai") and provider != "azure" else PROVIDER_DIALECTS.get(provider, "openai")
    )


KNOWN_PROVIDERS: Final[Mapping[str, KnownProvider]] = {
    "anthropic": KnownProvider("https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    "cerebras": KnownProvider("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "coding-plan": KnownProvider("https://coding-intl.dashscope.aliyuncs.com/v1", "ALIBABA_CODING_PLAN_API_KEY"),
    "coding-plan-anthropic": KnownProvider(
        "https://coding-intl.dashscope.aliyuncs.com/apps/anthropic/v1", "ALIBABA_CODING_PLAN_API_KEY"
    ),
    "cohere": KnownProvider("https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY"),
    "deepinfra": KnownProvider("https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    "deepseek": KnownProvider("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "fireworks": KnownProvider("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "gemini": KnownProvider("https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY"),
    "github-models": KnownProvider("https://models.github.ai/inference", "GITHUB_TOKEN"),
    "groq": KnownProvider("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "huggingface": KnownProvider("https://router.huggingface.co/v1", "HF_TOKEN"),
    "kimi-coding": KnownProvider("https://api.kimi.com/coding/v1", "KIMI_API_KEY"),
    "minimax": KnownProvider("https://api.minimax.io/v1", "MINIMAX_API_KEY"),
    "mistral": KnownProvider("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "modelscope": KnownProvider("https://api-inference.modelscope.cn/v1", "MODELSCOPE_API_KEY"),
    "moonshot": KnownProvider("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    "novita": KnownProvider("https://api.novita.ai/openai/v1", "NOVITA_API_KEY"),
    "nvidia": KnownProvider("https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY"),
    "openai": KnownProvider("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "opencode": KnownProvider("https://opencode.ai/zen/v1", "OPENCODE_API_KEY"),
    "openrouter": KnownProvider("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "perplexity": KnownProvider("https://api.perplexity.ai", "PERPLEXITY_API_KEY"),
    "qwen-intl": KnownProvider("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
    "qwen-portal": KnownProvider("https://dashscope.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
    "qwen-us": KnownProvider("https://dashscope-us.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
    "sambanova": KnownProvider("https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    "siliconflow": KnownProvider("https://api.siliconflow.com/v1", "SILICONFLOW_API_KEY"),
    "stepfun": KnownProvider("https://api.stepfun.com/v1", "STEPFUN_API_KEY"),
    "together": KnownProvider("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "venice": KnownProvider("https://api.venice.ai/api/v1", "VENICE_API_KEY"),
    "volcengine": KnownProvider("https://ark.cn-beijing.volces.com/api/v3", "ARK_API_KEY"),
    "xai": KnownProvider("https://api.x.ai/v1", "XAI_API_KEY"),
    "zai": KnownProvider("https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
    "zhipu": KnownProvider("https://open.bigmodel.cn/api/paas/v4", "ZHIPU_API_KEY"),
    # servers on one's own machine, at the port that each listens on by default
    "litellm": KnownProvider("http://localhost:4000/v1"),
    "llamacpp": KnownProvider("http://localhost:8080/v1"),
    "lmstudio": KnownProvider("http://localhost:1234/v1"),
    "ollama": KnownProvider("http://localhost:11434/v1"),
    "sglang": KnownProvider("http://localhost:30000/v1"),
    "vllm": KnownProvider("http://localhost:8000/v1"),
}
"""By normalised name."""
