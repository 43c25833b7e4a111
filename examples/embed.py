"""A trio program with failover: questions at once, an outage, a stream, and what the router has to say about it.

    python examples/embed.py

It starts a provider of its own (`provider.py`) that plays two. With your own, pass the path of a ``models.yaml``
to `open_router` and leave the provider out.
"""

from __future__ import annotations

from typing import Any

import httpx
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
                "api_keys": ["key-one", "key-two"],
                "rpm": 60,
                "fallbacks": ["local"],
            },
            {"model_name": "local", "model": "openai/llama3", "api_base": f"{url}/second/v1"},
        ]
    }


async def main(url: str) -> None:
    async with understudy.open_router(config(url)) as router:
        # Several at once: each caller is a task, and a slow one holds up nobody else.
        async with trio.open_nursery() as nursery:
            for subject in ("oak", "ash", "elm"):
                nursery.start_soon(describe, router, subject)

        # An outage of the first provider. `served_by` says who answered, `attempts` what it took.
        async with httpx.AsyncClient() as operator:
            await operator.post(f"{url}/first/fail")
        reply = await router.chat("clever", [{"role": "user", "content": "Who are you?"}], timeout=30)
        print(f"{reply.text} — {reply.served_by}")
        for attempt in reply.attempts:
            print(f"    {attempt}")

        # A stream, and what can go wrong with one.
        try:
            async with router.stream("clever", [{"role": "user", "content": "Tell me more"}]) as stream:
                async for chunk in stream:
                    print(chunk.text, end="", flush=True)
            print(f"— {stream.served_by}")
        except understudy.StreamInterrupted as exc:
            print(f"\nbroke off after {exc.text!r}: {exc}")
        except understudy.AllCandidatesFailed as exc:
            print(f"nobody could serve it: {exc}")

        for status in router.snapshot():
            print(f"{status.name:15} {status.state:9} served {status.served}, failures {sum(status.failures.values())}")


async def describe(router: understudy.Router, subject: str) -> None:
    reply = await router.chat("clever", [{"role": "user", "content": f"Describe an {subject}"}])
    print(f"{reply.text} — {reply.served_by}")


if __name__ == "__main__":
    with local_provider() as url:
        trio.run(main, url)
