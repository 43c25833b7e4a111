"""What the transport answers by itself: the routes, as the SDK's list of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from ..errors import UnknownModel
from ..identity import ModelKey

MODELS: Final = "/models"
UNDATED: Final = "1970-01-01T00:00:00Z"
"""When a route came into being, which nobody notes."""

Routes = Mapping[str, Sequence[ModelKey]]


def is_listing(method: str, endpoint: str) -> bool:
    """Whether the routes are asked for, all or one."""
    return method == "GET" and (endpoint == MODELS or endpoint.startswith(f"{MODELS}/"))


def listed(endpoint: str, dialect: str, routes: Routes) -> dict[str, Any]:
    """Return the list of models, or the one that the path names, in the dialect's shape.

    Raises:
        UnknownModel: no route has this name.

    """
    if endpoint == MODELS:
        return _list([_model(name, keys, dialect) for name, keys in routes.items()], dialect)
    name = unquote(endpoint.removeprefix(f"{MODELS}/"))
    if name not in routes:
        raise UnknownModel(name, routes)
    return _model(name, routes[name], dialect)


def _model(name: str, keys: Sequence[ModelKey], dialect: str) -> dict[str, Any]:
    if dialect == "anthropic":
        return {"type": "model", "id": name, "display_name": name, "created_at": UNDATED}
    if dialect == "gemini":
        methods = ["generateContent", "streamGenerateContent"]
        return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}
    return {"id": name, "object": "model", "created": 0, "owned_by": keys[0].provider}


def _list(models: list[dict[str, Any]], dialect: str) -> dict[str, Any]:
    if dialect == "gemini":
        return {"models": models}
    if dialect == "anthropic":
        ids = [model["id"] for model in models]
        return {"data": models, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}
    return {"object": "list", "data": models}
