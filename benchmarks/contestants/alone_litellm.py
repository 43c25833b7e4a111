"""LiteLLM's Router with answers of its own (`mock_response`), as `litellm_router`; no JSON is written or read."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import contest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it fetches one from the network

import litellm  # type: ignore[import-not-found, unused-ignore]


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Ask the one, then the other."""
    litellm.suppress_debug_info = True
    answers = ("litellm.InternalServerError" if piece.failing else contest.EXPECTED[False], contest.EXPECTED[False])
    router = litellm.Router(
        model_list=[
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{name}", "api_key": contest.KEY, "mock_response": answer},
            }
            for name, answer in zip(("first", "second"), answers, strict=True)
        ],
        fallbacks=[{"first": ["second"]}],
        num_retries=0,
        disable_cooldowns=True,
    )

    async def ask() -> str:
        reply = await router.acompletion(model="first", messages=contest.MESSAGES, max_retries=0)
        return str(reply.choices[0].message.content)

    yield ask


if __name__ == "__main__":
    contest.serve(session, contest.on_asyncio)
