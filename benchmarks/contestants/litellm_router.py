"""LiteLLM's Router: one deployment, one to fall back to; no retries, no cooldowns, nothing fetched, nothing logged."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import contest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it fetches one from the network

import litellm  # type: ignore[import-not-found, unused-ignore]


def router_over(param: str, values: Sequence[str]) -> Any:
    """Return a router of two deployments, which differ in one parameter: the second takes over from the first."""
    litellm.suppress_debug_info = True
    return litellm.Router(
        model_list=[
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{name}", "api_key": contest.KEY, param: value},
            }
            for name, value in zip(("first", "second"), values, strict=True)
        ],
        fallbacks=[{"first": ["second"]}],
        num_retries=0,
        disable_cooldowns=True,
    )


async def ask(router: Any) -> str:
    """Ask the first, and return the text of the answer."""
    reply = await router.acompletion(model="first", messages=contest.MESSAGES, max_retries=0)
    return str(reply.choices[0].message.content)


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Share one router between all callers."""
    router = router_over("api_base", piece.bases)

    async def streamed() -> str:
        stream = await router.acompletion(model="first", messages=contest.MESSAGES, max_retries=0, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    yield streamed if piece.stream else partial(ask, router)


if __name__ == "__main__":
    contest.serve(session, contest.on_asyncio)
