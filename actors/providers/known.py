"""Well-known providers: where their endpoint is, and which variable holds its key by custom.

A convenience and no more: every entry can name its own `api_base` and its own key, and a provider that is not
listed here needs nothing else. Where a provider has a platform for each side of the world, the plain name is the
international one's. Servers that run on one's own machine ask for no key. Azure is not listed, since each of its
resources has an address of its own. The sources are the providers' own documentation and, for most, the catalogue of
models.dev as well.
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
    "baseten": KnownProvider("https://inference.baseten.co/v1", "BASETEN_API_KEY"),
    "cerebras": KnownProvider("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "chutes": KnownProvider("https://llm.chutes.ai/v1", "CHUTES_API_KEY"),
    "coding-plan": KnownProvider("https://coding-intl.dashscope.aliyuncs.com/v1", "ALIBABA_CODING_PLAN_API_KEY"),
    "coding-plan-anthropic": KnownProvider(
        "https://coding-intl.dashscope.aliyuncs.com/apps/anthropic/v1", "ALIBABA_CODING_PLAN_API_KEY"
    ),
    "cohere": KnownProvider("https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY"),
    "deepinfra": KnownProvider("https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    "deepseek": KnownProvider("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "digitalocean": KnownProvider("https://inference.do-ai.run/v1", "DIGITALOCEAN_ACCESS_TOKEN"),
    "featherless": KnownProvider("https://api.featherless.ai/v1", "FEATHERLESS_API_KEY"),
    "fireworks": KnownProvider("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "friendli": KnownProvider("https://api.friendli.ai/serverless/v1", "FRIENDLI_TOKEN"),
    "gemini": KnownProvider("https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY"),
    "github-models": KnownProvider("https://models.github.ai/inference", "GITHUB_TOKEN"),
    "groq": KnownProvider("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "huggingface": KnownProvider("https://router.huggingface.co/v1", "HF_TOKEN"),
    "hyperbolic": KnownProvider("https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY"),
    "inception": KnownProvider("https://api.inceptionlabs.ai/v1", "INCEPTION_API_KEY"),
    "kimi-coding": KnownProvider("https://api.kimi.com/coding/v1", "KIMI_API_KEY"),
    "minimax": KnownProvider("https://api.minimax.io/v1", "MINIMAX_API_KEY"),
    "mistral": KnownProvider("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "modelscope": KnownProvider("https://api-inference.modelscope.cn/v1", "MODELSCOPE_API_KEY"),
    "moonshot": KnownProvider("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    "moonshot-cn": KnownProvider("https://api.moonshot.cn/v1", "MOONSHOT_API_KEY"),
    "nebius": KnownProvider("https://api.tokenfactory.nebius.com/v1", "NEBIUS_API_KEY"),
    "novita": KnownProvider("https://api.novita.ai/openai/v1", "NOVITA_API_KEY"),
    "nvidia": KnownProvider("https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY"),
    "ollama-cloud": KnownProvider("https://ollama.com/v1", "OLLAMA_API_KEY"),
    "openai": KnownProvider("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "opencode": KnownProvider("https://opencode.ai/zen/v1", "OPENCODE_API_KEY"),
    "openrouter": KnownProvider("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "ovhcloud": KnownProvider("https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", "OVHCLOUD_API_KEY"),
    "perplexity": KnownProvider("https://api.perplexity.ai", "PERPLEXITY_API_KEY"),
    "poe": KnownProvider("https://api.poe.com/v1", "POE_API_KEY"),
    "qwen-intl": KnownProvider("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
    "qwen-portal": KnownProvider("https://dashscope.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
    "qwen-us": KnownProvider("https://dashscope-us.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
    "requesty": KnownProvider("https://router.requesty.ai/v1", "REQUESTY_API_KEY"),
    "sambanova": KnownProvider("https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    "scaleway": KnownProvider("https://api.scaleway.ai/v1", "SCALEWAY_API_KEY"),
    "siliconflow": KnownProvider("https://api.siliconflow.com/v1", "SILICONFLOW_API_KEY"),
    "siliconflow-cn": KnownProvider("https://api.siliconflow.cn/v1", "SILICONFLOW_CN_API_KEY"),
    "stepfun": KnownProvider("https://api.stepfun.ai/v1", "STEPFUN_API_KEY"),
    "stepfun-cn": KnownProvider("https://api.stepfun.com/v1", "STEPFUN_API_KEY"),
    "together": KnownProvider("https://api.together.ai/v1", "TOGETHER_API_KEY"),
    "upstage": KnownProvider("https://api.upstage.ai/v1", "UPSTAGE_API_KEY"),
    "venice": KnownProvider("https://api.venice.ai/api/v1", "VENICE_API_KEY"),
    "vercel": KnownProvider("https://ai-gateway.vercel.sh/v1", "AI_GATEWAY_API_KEY"),
    "volcengine": KnownProvider("https://ark.cn-beijing.volces.com/api/v3", "ARK_API_KEY"),
    "wandb": KnownProvider("https://api.inference.wandb.ai/v1", "WANDB_API_KEY"),
    "xai": KnownProvider("https://api.x.ai/v1", "XAI_API_KEY"),
    "xiaomi": KnownProvider("https://api.xiaomimimo.com/v1", "XIAOMI_API_KEY"),
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
