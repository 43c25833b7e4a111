"""A provider on this machine for the other examples: answers, plain and streamed, and a switch to break it.

It answers chat completions and, under ``/messages``, messages as Anthropic's API has them.

    python examples/provider.py

It prints its URL and serves until it is interrupted. Everything below the first part of a path is one provider of its
own: with ``http://127.0.0.1:PORT/first/v1`` and ``http://127.0.0.1:PORT/second/v1`` as base URLs there are two. A POST
to ``/first/fail`` lets the first answer with 503 until there is one to ``/first/recover``.

The examples start it with `local_provider`, as a process beside them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import h11
import trio

MAX_BYTES = 65536
PAUSE_S = 0.05
"""Between the words of a stream."""


@contextmanager
def local_provider() -> Iterator[str]:
    """Run this file beside the program for the time of the block; its URL."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


async def main() -> None:
    failing: set[str] = set()
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    await trio.serve_listeners(partial(serve, failing), listeners)


async def serve(failing: set[str], stream: trio.SocketStream) -> None:
    """Serve one connection, request after request."""
    connection = h11.Connection(h11.SERVER)
    try:
        while True:
            target, body = await receive(connection, stream)
            async for event in answer(failing, target, body):
                await stream.send_all(connection.send(event) or b"")
            connection.start_next_cycle()
    except (h11.ProtocolError, trio.BrokenResourceError, ConnectionClosed):
        pass  # whoever was there has left
    finally:
        with trio.move_on_after(1, shield=True):
            await stream.aclose()


class ConnectionClosed(Exception):
    """There is no further request."""


async def receive(connection: h11.Connection, stream: trio.SocketStream) -> tuple[str, bytes]:
    """Wait for a whole request; its path and its body."""
    target, body = "", b""
    while True:
        event = connection.next_event()
        match event:
            case h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(MAX_BYTES))
            case h11.Request():
                target = event.target.decode("ascii")
            case h11.Data():
                body += event.data
            case h11.EndOfMessage():
                return target, body
            case _:
                raise ConnectionClosed


async def answer(failing: set[str], target: str, body: bytes) -> Any:
    """Say in h11's events what the provider whose path this is answers."""
    name, _, action = target.strip("/").partition("/")
    if action in ("fail", "recover"):
        (failing.add if action == "fail" else failing.discard)(name)
        parts = plain(200, {"failing": sorted(failing)})
    elif name in failing:
        parts = plain(503, {"error": {"message": f"{name} is overloaded", "type": "overloaded_error"}})
    else:
        request = json.loads(body)
        text = f"I am {request['model']} of the {name} provider, and you said: {request['messages'][-1]['content']}"
        if action.endswith("/messages"):
            async for event in message(request, text):
                yield event
            return
        if request.get("stream"):
            async for event in streamed(request, text):
                yield event
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        parts = plain(200, {**head(request), "object": "chat.completion", "choices": [choice]})
    for event in parts:
        yield event


def plain(status: int, content: object) -> Iterator[h11.Event]:
    data = json.dumps(content).encode()
    headers = [("content-type", "application/json"), ("content-length", str(len(data)))]
    yield h11.Response(status_code=status, headers=headers)
    yield h11.Data(data=data)
    yield h11.EndOfMessage()


def head(request: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "created": 0, "model": request["model"]}


async def streamed(request: Any, text: str) -> Any:
    chunk = {**head(request), "object": "chat.completion.chunk"}
    yield h11.Response(status_code=200, headers=[("content-type", "text/event-stream")])
    for word in text.split(" "):
        yield sse(chunk, {"index": 0, "delta": {"content": word + " "}})
        await trio.sleep(PAUSE_S)
    yield sse(chunk, {"index": 0, "delta": {}, "finish_reason": "stop"})
    yield h11.Data(data=b"data: [DONE]\n\n")
    yield h11.EndOfMessage()


async def message(request: Any, text: str) -> Any:
    usage = {"input_tokens": 1, "output_tokens": len(text.split())}
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": request["model"], "usage": usage}
    if not request.get("stream"):
        for event in plain(200, {**start, "content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}):
            yield event
        return
    yield h11.Response(status_code=200, headers=[("content-type", "text/event-stream")])
    yield named({"type": "message_start", "message": {**start, "content": [], "stop_reason": None}})
    yield named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    for word in text.split(" "):
        yield named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word + " "}})
        await trio.sleep(PAUSE_S)
    yield named({"type": "content_block_stop", "index": 0})
    yield named({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})
    yield named({"type": "message_stop"})
    yield h11.EndOfMessage()


def named(event: dict[str, Any]) -> h11.Data:
    return h11.Data(data=f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())


def sse(chunk: dict[str, Any], choice: object) -> h11.Data:
    return h11.Data(data=b"data: " + json.dumps({**chunk, "choices": [choice]}).encode() + b"\n\n")


if __name__ == "__main__":
    try:
        trio.run(main)
    except* KeyboardInterrupt:
        pass
