"""What the path of a request says: the endpoint below the API's base, and the model where a path names it.

SDKs put a base of their own before the endpoint: ``/v1``, ``/openai/v1``, ``/v1beta``, ``/api/paas/v4``. All of it up
to the version belongs to the base; where there is no version, all that comes before a known endpoint. Azure and Gemini
name the model in the path.

>>> Place.of("/openai/v1/chat/completions")
Place(endpoint='/chat/completions', model=None)
>>> Place.of("/openai/deployments/gpt-4o/chat/completions")
Place(endpoint='/chat/completions', model='gpt-4o')
>>> Place.of("/v1beta/models/gemini-2.5-flash:generateContent")
Place(endpoint='/models/gemini-2.5-flash:generateContent', model='gemini-2.5-flash')
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from attrs import frozen

_BASE: Final = re.compile(r"/(?:[^/]+/)*?v\d+[a-z0-9]*(?=/)")
_OPENAI: Final = re.compile(r"/openai(?=/)")
_DEPLOYMENT: Final = re.compile(r"(?:/openai)?/deployments/([^/]+)(/.+)")
_VERTEX: Final = re.compile(r"/projects/.+/publishers/google(?=/models/)")
_KNOWN: Final = re.compile(
    r"/(?:chat/completions|completions|responses|embeddings|moderations|messages|models|audio|images)(?=[/:]|$)"
)
_GEMINI: Final = re.compile(r"/models/(.+):\w+")


@frozen
class Place:
    """Where a request is addressed to. `model` is what the path names, if it names one."""

    endpoint: str
    model: str | None = None

    @classmethod
    def of(cls, path: str) -> Place:
        """Read a path as it stands in a URL, with its escapes and without its query."""
        deployment = _DEPLOYMENT.search(path)
        if deployment is not None:
            return cls(deployment[2], unquote(deployment[1]))
        if _BASE.match(path) is None:
            known = _KNOWN.search(path)
            path = path if known is None else path[known.start() :]
        for before in (_BASE, _OPENAI, _VERTEX):
            found = before.match(path)
            if found is not None:
                path = path[found.end() :]
        gemini = _GEMINI.fullmatch(path)
        return cls(path, None if gemini is None else unquote(gemini[1]))
