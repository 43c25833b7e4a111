"""The words of OpenTelemetry's semantic conventions for GenAI, which are still in development.

They are at https://github.com/open-telemetry/semantic-conventions-genai, under ``docs/gen-ai/client-inference.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opentelemetry.util.types import AttributeValue

from ..identity import ModelKey

OPERATIONS: Final[Mapping[str, str]] = {
    "/chat/completions": "chat",
    "/messages": "chat",
    "/responses": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
}
"""What the conventions call what an endpoint does; another endpoint's operation is its own last word."""

PROVIDERS: Final[Mapping[str, str]] = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""What the conventions call a provider; all others go by their own name."""

NOBODY: Final = "understudy"
"""The provider of a request that no candidate has answered."""

Attributes = dict[str, AttributeValue]


def operation_of(endpoint: str) -> str:
    """Return what the conventions call what an endpoint does."""
    return OPERATIONS.get(endpoint, endpoint.rpartition("/")[2])


def identity(key: ModelKey) -> Attributes:
    """Return who a candidate is."""
    told: Attributes = {
        "gen_ai.provider.name": PROVIDERS.get(key.provider, key.provider),
        "understudy.model_key": key.name,
    }
    if key.credential is not None:
        told["understudy.credential"] = key.credential
    return told
