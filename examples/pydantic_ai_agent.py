"""A pydantic-ai agent whose model has failover: its code knows nothing of it.

    pip install "pydantic-ai-slim[openai]"
    python examples/pydantic_ai_agent.py

It starts a provider of its own (`provider.py`) that plays two. Whatever takes an OpenAI client, or an HTTP client for
one, is used in the same way: LangChain's ``ChatOpenAI(http_async_client=…)``, OpenAI's agents SDK, and others.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import httpx2
from openai import AsyncOpenAI
from provider import local_provider
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

import understudy


def config(url: str) -> dict[str, Any]:
    return {
        "model_list": [
            {
                "model_name": "clever",
                "model": "openai/gpt-4o",
                "api_base": f"{url}/first/v1",
                "api_key": "key-one",
                "fallbacks": ["local"],
            },
            {"model_name": "local", "model": "openai/llama3", "api_base": f"{url}/second/v1"},
        ]
    }


async def main(url: str) -> None:
    async with understudy.portal.open_router(config(url)) as router:
        transport: Any = router.transport(understudy.RouterTransport)  # for httpx and for httpx2
        async with httpx2.AsyncClient(transport=transport) as http:
            client = AsyncOpenAI(api_key="unused", http_client=http)
            agent = Agent(OpenAIChatModel("clever", provider=OpenAIProvider(openai_client=client)))

            answer = await agent.run("Who are you?")
            print(answer.output)

            # An outage of the first provider.
            async with httpx.AsyncClient() as operator:
                await operator.post(f"{url}/first/fail")
            answer = await agent.run("Are you still there?", message_history=answer.all_messages())
            print(answer.output)
            async with agent.run_stream("And as a stream?") as stream:
                async for text in stream.stream_text(delta=True):
                    print(text, end="", flush=True)
            print()

        for status in router.snapshot():
            print(f"{status.name:8}{status.state:9}served {status.served}, failures {sum(status.failures.values())}")


if __name__ == "__main__":
    with local_provider() as url:
        asyncio.run(main(url))
