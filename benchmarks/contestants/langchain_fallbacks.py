"""LangChain: a ChatOpenAI `with_fallbacks` to another, on asyncio."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import contest

os.environ["LANGSMITH_TRACING"] = "false"

from langchain_openai import ChatOpenAI


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Share one runnable between all callers."""
    first, second = (
        ChatOpenAI(model="m", base_url=base, api_key=lambda: contest.KEY, max_retries=0) for base in piece.bases
    )
    model = first.with_fallbacks([second])

    async def plain() -> str:
        return str((await model.ainvoke(contest.MESSAGES)).content)

    async def streamed() -> str:
        return "".join([str(chunk.content) async for chunk in model.astream(contest.MESSAGES)])

    yield streamed if piece.stream else plain


if __name__ == "__main__":
    contest.serve(session, contest.on_asyncio)
