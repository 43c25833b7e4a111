"""A provider that plays a script in virtual time, and remembers everything that reached it.

The script sees each request as it arrives and says what becomes of it. Nothing of the simulation's own world is used
here, so that the two can be compared.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from unittest.mock import patch

import httpx
import trio
from attrs import define, field, frozen

from understudy.simulations.hesitation import Hesitation
from understudy.simulations.stage import perform, stream
from understudy.supervisors import runtime

T = TypeVar("T")
Json = dict[str, Any]

HELLO = [{"role": "user", "content": "Hello"}]


@define(eq=False)
class Received:
    """One request as it reached the provider."""

    number: int
    at: float
    host: str
    secret: str
    model: str
    body: Json = field(repr=False)
    ended_at: float | None = None
    cancelled: bool = False

    @property
    def identity(self) -> str:
        return f"{self.host}|{self.secret}|{self.model}"


@frozen
class Part:
    """A piece of a streamed body: after a pause the bytes come, or an error."""

    pause: float
    data: bytes = b""
    error: bool = False


@frozen
class Deal:
    """What becomes of one request."""

    after: float = 0.1
    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)
    body: Mapping[str, Any] | None = None
    parts: Sequence[Part] | None = None
    unreachable: bool = False
    tokens: int = 10


Script = Callable[[Received], Deal]


def fail(status: int, *, after: float = 0.1, retry_after: float | None = None, kind: str = "") -> Deal:
    """An error as providers send it."""
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return Deal(after, status, headers, {"error": {"message": f"no ({status})", "type": kind, "code": kind or None}})


def words(*texts: str, pause: float = 0.1, cut: bool = False, error: bool = False, tokens: int = 10) -> Deal:
    """A stream of these words; `cut` ends it before its end, `error` breaks the connection there."""
    parts = [_event({"delta": {"role": "assistant", "content": ""}}, pause)]
    parts += [_event({"delta": {"content": text}}, pause) for text in texts]
    if error:
        parts.append(Part(pause, error=True))
    elif not cut:
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"total_tokens": tokens}}
        parts.append(Part(pause, b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n"))
    return Deal(pause, parts=parts)


def _event(choice: Json, pause: float) -> Part:
    return Part(pause, b"data: " + json.dumps({"choices": [{"index": 0, **choice}]}).encode() + b"\n\n")


@define(eq=False)
class Provider(httpx.AsyncBaseTransport):
    """All providers of a test in one transport. `in_flight` counts what has begun and not ended, by identity."""

    script: Script = field(default=lambda _: Deal())
    log: list[Received] = field(factory=list)
    in_flight: dict[str, int] = field(factory=dict)
    most_in_flight: dict[str, int] = field(factory=dict)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body: Json = json.loads(request.content)
        secret = request.headers.get("authorization", "").removeprefix("Bearer ")
        received = Received(len(self.log), trio.current_time(), request.url.host, secret, str(body.get("model")), body)
        self.log.append(received)
        self._enter(received)
        streams = False
        try:
            deal = self.script(received)
            await trio.sleep(deal.after)
            if deal.unreachable:
                raise httpx.ConnectError("refused", request=request)
            if deal.parts is not None:
                streams = True
                stream = _Stream(self, received, deal.parts)
                return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)
            answer = deal.body if deal.body is not None else self._answer(received, deal)
            return httpx.Response(deal.status, headers=dict(deal.headers), json=answer)
        except trio.Cancelled:
            received.cancelled = True
            raise
        finally:
            if not streams:
                self.leave(received)

    def _answer(self, received: Received, deal: Deal) -> Json:
        return {
            "id": str(received.number),
            "system_fingerprint": received.identity,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
            "usage": {"total_tokens": deal.tokens},
        }

    def _enter(self, received: Received) -> None:
        now = self.in_flight[received.identity] = self.in_flight.get(received.identity, 0) + 1
        self.most_in_flight[received.identity] = max(now, self.most_in_flight.get(received.identity, 0))

    def leave(self, received: Received) -> None:
        if received.ended_at is None:
            received.ended_at = trio.current_time()
            self.in_flight[received.identity] -= 1

    def at(self, host: str) -> list[Received]:
        """What reached one host."""
        return [received for received in self.log if received.host == host]


class _Stream(httpx.AsyncByteStream):
    def __init__(self, provider: Provider, received: Received, parts: Sequence[Part]) -> None:
        self._provider = provider
        self._received = received
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for part in self._parts:
                await trio.sleep(part.pause)
                if part.error:
                    raise httpx.ReadError("cut")
                yield part.data
        except trio.Cancelled:
            self._received.cancelled = True
            raise

    async def aclose(self) -> None:
        self._provider.leave(self._received)


def entry(name: str, *, model: str | None = None, host: str | None = None, key: str | None = "", **more: Any) -> Json:
    """An entry of a config. By default each has a host and a key of its own."""
    made: Json = {
        "model_name": name,
        "model": model or f"maker/{name}-model",
        "api_base": f"https://{host or name + '.example'}/v1",
        **more,
    }
    if key is not None and "api_keys" not in more:
        made["api_key"] = key or f"secret-of-{name}"
    return made


def config(*entries: Json, **top: Any) -> Json:
    """A whole config."""
    return {"model_list": list(entries), **top}


def run(play: Callable[[], Awaitable[T]], *, seed: int = 0, longest: float = 100_000.0) -> T:
    """Perform a play in virtual time. By the seed actors handle all messages at once, or half, or none of them."""
    prompter = partial(Hesitation, seed % 3 / 2, stream(seed, "own turns"))
    with patch.object(runtime, "Prompter", prompter):
        return perform(play, seed=seed, longest=longest)


async def idle(seconds: float = 1.0) -> None:
    """Let everything happen that is about to."""
    await trio.sleep(seconds)


def below(nursery_task: trio.lowlevel.Task | None = None) -> int:
    """How many tasks there are below a task, by default the root of the run."""
    task = nursery_task or trio.lowlevel.current_root_task()
    count, stack = 0, [task]
    while stack:
        current = stack.pop()
        if current is None:
            continue
        for nursery in current.child_nurseries:
            for child in nursery.child_tasks:
                count += 1
                stack.append(child)
    return count
