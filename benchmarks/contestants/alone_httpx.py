"""An httpx client on trio over a mock transport, with the loop over two base URLs of `httpx_loop`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import contest
import httpx
from httpx_loop import plain
from instant import REFUSAL, WHOLE

JSON = {"content-type": "application/json"}


def answer(request: httpx.Request) -> httpx.Response:
    """Answer at once."""
    if request.url.host == "bad.example":
        return httpx.Response(503, headers=JSON, content=REFUSAL)
    return httpx.Response(200, headers=JSON, content=WHOLE)


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Ask one URL after another."""
    hosts = ("bad", "good") if piece.failing else ("good", "spare")
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:

        async def ask() -> str:
            for host in hosts:
                text = await plain(client, f"http://{host}.example/v1/chat/completions")
                if text is not None:
                    return text
            raise AssertionError("nobody answered")

        yield ask


if __name__ == "__main__":
    contest.serve(session, contest.on_trio)
