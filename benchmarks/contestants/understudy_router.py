"""Understudy: a route of two candidates. Nobody cools, so that the first is asked, and fails, each time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import contest

import understudy


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Share one router between all callers."""
    config = {
        "model_list": [
            {"model_name": name, "model": f"openai/{name}", "api_base": base, "api_key": contest.KEY}
            for name, base in zip(("first", "second"), piece.bases, strict=True)
        ],
        "routes": {"m": ["first", "second"]},
        "policy": {reason: {"base": 0} for reason in ("overloaded", "server_error", "rate_limit")},
    }
    async with understudy.open_router(config) as router:

        async def plain() -> str:
            reply = await router.chat("m", contest.MESSAGES)
            assert len(reply.attempts) == 1 + piece.failing
            return reply.text

        async def streamed() -> str:
            async with router.stream("m", contest.MESSAGES) as chunks:
                return "".join([chunk.text async for chunk in chunks])

        yield streamed if piece.stream else plain


if __name__ == "__main__":
    contest.serve(session, contest.on_trio)
