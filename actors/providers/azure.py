"""Azure OpenAI: OpenAI's dialect at addresses of Azure's own.

A candidate's model is a *deployment*, and most endpoints stand below it; the others take its name in the body. The key
goes into ``api-key``, and each request names the version of the API that it is written for. Source: Azure's reference
of the data-plane API, and the list of endpoints below a deployment in OpenAI's own client.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from ..identity import ModelKey
from ..messages import Call
from .dialect import Outgoing
from .endpoint import Endpoint
from .openai import OpenAIDialect
from .outgoing import write

DEFAULT_API_VERSION: Final = "2024-10-21"
"""The latest version that is generally available and still names deployments in its paths."""

BELOW_A_DEPLOYMENT: Final = frozenset(
    {
        "/chat/completions",
        "/completions",
        "/embeddings",
        "/audio/speech",
        "/audio/transcriptions",
        "/audio/translations",
        "/images/edits",
        "/images/generations",
    }
)


class AzureDialect(OpenAIDialect):
    """Chat completions and its neighbours at one deployment."""

    def outgoing(self, endpoint: Endpoint, key: ModelKey, call: Call) -> Outgoing:
        """Write the request: below the deployment where Azure has it so."""
        self.check(call)
        secret = {} if endpoint.secret is None else {"api-key": endpoint.secret.reveal()}
        if endpoint.api_base.endswith("/v1"):  # Azure's newer API, which is OpenAI's but for the key
            return write(call, f"{endpoint.api_base}{call.endpoint}", endpoint, key.model, secret)
        where = f"/deployments/{quote(key.model, safe='')}" if call.endpoint in BELOW_A_DEPLOYMENT else ""
        version = quote(endpoint.api_version or DEFAULT_API_VERSION, safe="")
        url = f"{endpoint.api_base.removesuffix('/openai')}/openai{where}{call.endpoint}?api-version={version}"
        return write(call, url, endpoint, key.model, secret)
