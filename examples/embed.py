"""A trio program with failover: several questions at once, a stream, and what the router has to say about it.

Run it with nothing at all: it starts two scripted providers of its own, the first of which is having a bad day.

    python examples/embed.py

With your own providers, replace `CONFIG` by the path of a ``models.yaml`` and leave `transport` out.
"""

from __future__ import annotations

import json

import httpx
import trio

import understudy

CONFIG = {
    "model_list": [
        {
            "model_name": "clever",
            "model": "openai/gpt-4o",
            "api_base": "http://first.example/v1",
            "api_keys": ["key-one", "key-two"],
            "rpm": 60,
            "fallbacks": ["local"],
        },
        {"model_name": "local", "model": "openai/llama3", "api_base": "http://second.example/v1"},
    ]
}


async def main() -> None:
    async with understudy.open_router(CONFIG, transport=httpx.MockTransport(provider)) as router:
        # One request. `served_by` says who answered, `attempts` what it took.
        reply = await router.chat("clever", [{"role": "user", "content": "Who are you?"}], timeout=30)
        print(f"{reply.text!r} — {reply.served_by}")
        for attempt in reply.attempts:
            print(f"    {attempt}")

        # Several at once: each caller is a task, and a slow one holds up nobody else.
        async with trio.open_nursery() as nursery:
            for subject in ("oak", "ash", "elm"):
                nursery.start_soon(describe, router, subject)

        # A stream, and what can go wrong with one.
        try:
            async with router.stream("clever", [{"role": "user", "content": "Tell me more"}]) as stream:
                async for chunk in stream:
                    print(chunk.text, end="", flush=True)
            print(f" — {stream.served_by}")
        except understudy.StreamInterrupted as exc:
            print(f"\nbroke off after {exc.text!r}: {exc}")
        except understudy.AllCandidatesFailed as exc:
            print(f"nobody could serve it: {exc}")

        for status in router.snapshot():
            print(f"{status.name:15} {status.state:9} served {status.served}, failures {status.failures}")


async def describe(router: understudy.Router, subject: str) -> None:
    reply = await router.chat("clever", [{"role": "user", "content": f"Describe an {subject}"}])
    print(f"{subject}: {reply.text!r} — {reply.served_by}")


async def provider(request: httpx.Request) -> httpx.Response:
    """Play both providers: the first refuses its first key as exhausted."""
    if request.headers.get("authorization") == "Bearer key-one":
        error = {"message": "Rate limit reached. Please try again in 20s.", "type": "requests"}
        return httpx.Response(429, json={"error": error})
    body = json.loads(request.content)
    text = f"I am {body['model']}."
    if body.get("stream"):
        deltas = [{"content": word + " "} for word in text.split()]
        events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        lines = [f"data: {json.dumps(event)}\n\n" for event in events] + ["data: [DONE]\n\n"]
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, text="".join(lines))
    message = {"role": "assistant", "content": text}
    return httpx.Response(200, json={"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


if __name__ == "__main__":
    trio.run(main)
