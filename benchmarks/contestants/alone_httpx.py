"""An httpx client on trio over a mock transport, with the loop over two base URLs of `httpx_loop`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import contest
import httpx
from httpx_loop import ask
from instant import JSON
from upstream import OVERLOADED, WHOLE


def answer(request: httpx.Request) -> httpx.Response:
    """Answer at once."""
    if request.url.path.startswith("/bad/"):
        return httpx.Response(503, headers=JSON, content=OVERLOADED)
    return httpx.Response(200, headers=JSON, content=WHOLE)


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Share one client between all callers."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        yield partial(ask, client, replace(piece, origin="http://nowhere.example"))


if __name__ == "__main__":
    contest.serve(session, contest.on_trio)
