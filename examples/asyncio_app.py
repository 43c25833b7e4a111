"""An asyncio program with failover: several questions at once, a time limit, a stream that is left early, an outage.

    python examples/asyncio_app.py

It starts a provider of its own (`provider.py`) that plays two. With your own, pass the path of a ``models.yaml``
to `open_router` and leave the provider out.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from provider import local_provider

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
        # Several at once: a failure of one task cancels the others, and with them their requests.
        async with asyncio.TaskGroup() as group:
            for tree in ("oak", "ash", "elm"):
                group.create_task(ask(router, f"Describe an {tree}"))

        # asyncio's own time limits work; what they end has truly ended.
        try:
            async with asyncio.timeout(0.2):
                async with router.stream("clever", user("Tell me a long story")) as stream:
                    async for chunk in stream:
                        print(chunk.text, end="", flush=True)
        except TimeoutError:
            print("… that is enough; the provider's connection is closed.")

        # An outage of the first provider.
        async with httpx.AsyncClient() as client:
            await client.post(f"{url}/first/fail")
        await ask(router, "Are you still there?")
        async with router.stream("clever", user("And as a stream?")) as stream:
            async for chunk in stream:
                print(chunk.text, end="", flush=True)
        print(f"— {stream.served_by}")

        for status in router.snapshot():
            print(f"{status.name:7} {status.state:8} served {status.served}, failures {sum(status.failures.values())}")


async def ask(router: understudy.portal.AsyncioRouter, question: str) -> None:
    reply = await router.chat("clever", user(question), timeout=30)
    print(f"{reply.text} — {reply.served_by}")
    for attempt in reply.attempts:
        print(f"    {attempt}")


def user(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]


if __name__ == "__main__":
    with local_provider() as provider_url:
        asyncio.run(main(provider_url))
