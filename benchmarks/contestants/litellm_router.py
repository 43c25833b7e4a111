"""LiteLLM's Router: one deployment, one to fall back to; no retries, no cooldowns, nothing fetched, nothing logged."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import contest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it fetches one from the network

import litellm  # type: ignore[import-not-found, unused-ignore]


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Share one router between all callers."""
    litellm.suppress_debug_info = True
    router = litellm.Router(
        model_list=[
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{name}", "api_base": base, "api_key": contest.KEY},
            }
            for name, base in zip(("first", "second"), piece.bases, strict=True)
        ],
        fallbacks=[{"first": ["second"]}],
        num_retries=0,
        disable_cooldowns=True,
    )

    async def plain() -> str:
        reply = await router.acompletion(model="first", messages=contest.MESSAGES, max_retries=0)
        return str(reply.choices[0].message.content)

    async def streamed() -> str:
        stream = await router.acompletion(model="first", messages=contest.MESSAGES, max_retries=0, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    yield streamed if piece.stream else plain


if __name__ == "__main__":
    contest.serve(session, contest.on_asyncio)
