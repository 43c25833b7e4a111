"""A synchronous script with failover: a question, a stream, many questions from a pool of threads, an outage.

    python examples/script.py

It starts a provider of its own (`provider.py`) that plays two. With your own, pass the path of a ``models.yaml``
to `open_blocking` and leave the provider out.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
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


def main(url: str) -> None:
    with understudy.portal.open_blocking(config(url)) as router:
        reply = router.chat("clever", user("Who are you?"), timeout=30)
        print(f"{reply.text} — {reply.served_by}")

        with router.stream("clever", user("Tell me more")) as stream:
            for chunk in stream:
                print(chunk.text, end="", flush=True)
        print(f"— {stream.served_by}")

        # An outage of the first provider: threads share the router, and what it has learnt.
        httpx.post(f"{url}/first/fail")
        with ThreadPoolExecutor() as pool:
            for answer in pool.map(lambda tree: router.chat("clever", user(f"Describe an {tree}")), ("oak", "ash")):
                print(f"{answer.text} — {answer.served_by}")

        # What would happen now? The first cools; `reset` ends that by hand, once it is well again.
        httpx.post(f"{url}/first/recover")
        for prospect in router.explain("clever"):
            print(f"{prospect.key.name:7} {'admits' if prospect.admits else prospect.detail}")
        router.reset("clever")
        print(router.chat("clever", user("Welcome back")).served_by)


def user(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]


if __name__ == "__main__":
    with local_provider() as provider_url:
        main(provider_url)
