"""pydantic-ai's FallbackModel over two OpenAI models, on trio, asked directly rather than through an agent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import contest
from openai import AsyncOpenAI
from pydantic_ai import direct
from pydantic_ai.messages import (
    ModelRequest,
    PartDeltaEvent,
    PartStartEvent,
    SystemPromptPart,
    TextPart,
    UserPromptPart,
)
from pydantic_ai.messages import TextPartDelta as Delta
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

REQUEST = ModelRequest(
    parts=[SystemPromptPart(contest.MESSAGES[0]["content"]), UserPromptPart(contest.MESSAGES[1]["content"])]
)


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Share one model between all callers."""
    async with AsyncExitStack() as stack:
        models = []
        for base in piece.bases:
            client = await stack.enter_async_context(AsyncOpenAI(base_url=base, api_key=contest.KEY, max_retries=0))
            models.append(OpenAIChatModel("m", provider=OpenAIProvider(openai_client=client)))
        model = FallbackModel(*models)

        async def plain() -> str:
            reply = await direct.model_request(model, [REQUEST], instrument=False)
            return "".join(part.content for part in reply.parts if isinstance(part, TextPart))

        async def streamed() -> str:
            texts = []
            async with direct.model_request_stream(model, [REQUEST], instrument=False) as events:
                async for event in events:
                    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                        texts.append(event.part.content)
                    elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, Delta):
                        texts.append(event.delta.content_delta)
            return "".join(texts)

        yield streamed if piece.stream else plain


if __name__ == "__main__":
    contest.serve(session, contest.on_trio)
