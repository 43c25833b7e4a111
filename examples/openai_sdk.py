"""Code that uses the `openai` SDK, with failover: only the client is made differently.

    pip install openai
    python examples/openai_sdk.py

It starts a provider of its own (`provider.py`) that plays two, and breaks the first one on the way. With your own,
pass the path of a ``models.yaml`` to `open_router` and leave the provider out.
"""

from __future__ import annotations

from typing import Any

import httpx
import httpx2
import openai
import trio
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
    async with understudy.open_router(config(url)) as router:
        # openai 3 stands on httpx2. For an older one: httpx.AsyncClient(transport=understudy.RouterTransport(router))
        http = httpx2.AsyncClient(transport=understudy.RouterTransport.of(httpx2, router))
        client = openai.AsyncOpenAI(api_key="unused", http_client=http)

        # From here on nothing is of understudy but the two headers that are shown.
        await ask(client, "Who are you?")
        async with httpx.AsyncClient() as outage:
            await outage.post(f"{url}/first/fail")
        await ask(client, "Are you still there?")

        stream = await client.chat.completions.create(model="clever", messages=user("And as a stream?"), stream=True)
        async for chunk in stream:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
        print(f"\n    {stream.response.headers['x-understudy-attempts']}")

        async with httpx.AsyncClient() as outage:
            await outage.post(f"{url}/second/fail")
        try:
            await ask(client, "And now?")
        except openai.APIStatusError as exc:
            print(f"{type(exc).__name__}: {exc.message}")


async def ask(client: openai.AsyncOpenAI, question: str) -> None:
    raw = await client.chat.completions.with_raw_response.create(model="clever", messages=user(question))
    print(raw.parse().choices[0].message.content)
    print(f"    {raw.headers['x-understudy-served-by']} served; {raw.headers['x-understudy-attempts']}")


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


if __name__ == "__main__":
    with local_provider() as url:
        trio.run(main, url)
