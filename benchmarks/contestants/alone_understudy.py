"""Understudy over a line that answers at once: see `instant`. Nobody listens to what it does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import contest
from instant import config, router


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Ask a route of two candidates; nobody cools, so that the first is asked, and fails, each time."""
    async with router(config(["bad", "good"] if piece.failing else ["good", "spare"])) as it:

        async def ask() -> str:
            reply = await it.chat("m", contest.MESSAGES)
            assert len(reply.attempts) == 1 + piece.failing
            return reply.text

        yield ask


if __name__ == "__main__":
    contest.serve(session, contest.on_trio)
