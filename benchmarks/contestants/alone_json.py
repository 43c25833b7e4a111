"""No router at all: the standard library writes the JSON of the request and reads that of the answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import contest
from upstream import OVERLOADED, WHOLE


def exchange(answer: bytes) -> Any:
    """Write a request, read its answer."""
    assert json.dumps({"model": "m", "messages": contest.MESSAGES}).encode()
    return json.loads(answer)


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Write and read once, or twice where the first refuses."""

    async def ask() -> str:
        if piece.failing:
            exchange(OVERLOADED)
        return str(exchange(WHOLE)["choices"][0]["message"]["content"])

    yield ask


if __name__ == "__main__":
    contest.serve(session, contest.on_trio)
