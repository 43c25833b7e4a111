"""LiteLLM's Router with answers of its own (`mock_response`), as `litellm_router`; no JSON is written or read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import contest
from litellm_router import ask, router_over


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Ask the one, then the other."""
    answer = contest.EXPECTED[False]
    first = "litellm.InternalServerError" if piece.failing else answer
    yield partial(ask, router_over("mock_response", (first, answer)))


if __name__ == "__main__":
    contest.serve(session, contest.on_asyncio)
