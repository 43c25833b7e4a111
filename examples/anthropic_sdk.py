"""Code that uses the `anthropic` SDK, with failover: only the client is made differently.

    pip install anthropic
    python examples/anthropic_sdk.py

It starts a provider of its own (`provider.py`) that plays two, and breaks the first one on the way. With your own,
pass the path of a ``models.yaml`` to `open_router` and leave the provider out.
"""

from __future__ import annotations

from typing import Any

import anthropic
import httpx
import httpx2
import trio
from provider import local_provider

import understudy


def config(url: str) -> dict[str, Any]:
    return {
        "model_list": [
            {
                "model_name": "sonnet",
                "model": "anthropic/claude-sonnet-4-5",
                "api_base": f"{url}/first/v1",
                "api_keys": ["key-one"],
                "fallbacks": ["haiku"],
            },
            {
                "model_name": "haiku",
                "model": "anthropic/claude-haiku-4-5",
                "api_base": f"{url}/second/v1",
                "api_key": "key-two",
            },
        ]
    }


async def main(url: str) -> None:
    async with understudy.open_router(config(url)) as router:
        http = httpx2.AsyncClient(transport=understudy.RouterTransport.of(httpx2, router))
        client = anthropic.AsyncAnthropic(api_key="unused", http_client=http)

        # From here on nothing is of understudy but the two headers that are shown.
        await ask(client, "Who are you?")
        async with httpx.AsyncClient() as outage:
            await outage.post(f"{url}/first/fail")
        await ask(client, "Are you still there?")

        async with client.messages.stream(model="sonnet", max_tokens=100, messages=user("A stream?")) as stream:
            async for text in stream.text_stream:
                print(text, end="", flush=True)
            print(f"\n    {stream.response.headers['x-understudy-attempts']}")


async def ask(client: anthropic.AsyncAnthropic, question: str) -> None:
    raw = await client.messages.with_raw_response.create(model="sonnet", max_tokens=100, messages=user(question))
    message = await raw.parse()
    print(*(block.text for block in message.content if block.type == "text"))
    print(f"    {raw.headers['x-understudy-served-by']} served; {raw.headers['x-understudy-attempts']}")


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


if __name__ == "__main__":
    with local_provider() as url:
        trio.run(main, url)
