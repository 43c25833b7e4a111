"""Scripted providers behind an httpx transport: they speak the wire format, and know who really called them.

Each host knows the keys it accepts and the models it has. It checks the key that it is called with, takes its time,
has its faults, and stamps every answer with the identity that truly produced it (`Stamp`, in ``system_fingerprint``),
which is what the router's own word for it is compared with.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import trio
from attrs import define, field, frozen

from .faults import BAD_KEY, NO_SUCH_MODEL, ErrorAnswer, Fault, FaultKind, rate_limited
from .stage import stream


@frozen
class Stamp:
    """Who truly received a request: host, credential label and model."""

    host: str
    credential: str
    model: str

    def __str__(self) -> str:
        return f"{self.host}|{self.credential}|{self.model}"


@frozen
class Host:
    """One scripted provider: the keys it accepts (secret → label), its models, its latency in seconds."""

    name: str
    keys: Mapping[str, str] = field(repr=False)
    models: Sequence[str]
    latency: tuple[float, float] = (0.2, 0.8)


@frozen
class Received:
    """One request that reached a provider."""

    at: float
    stamp: Stamp
    status: int | None


@define
class World:
    """All providers of one run, and what they have received."""

    hosts: Mapping[str, Host]
    faults: Sequence[Fault]
    seed: int
    received: list[Received] = field(factory=list)
    _random: dict[str, random.Random] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._random = {name: stream(self.seed, f"host {name}") for name in self.hosts}

    def latency(self, host: Host) -> float:
        """Draw how long this host takes for its next answer, in whole milliseconds."""
        low, high = host.latency
        return self._random[host.name].randrange(round(low * 1000), round(high * 1000) + 1) / 1000

    def fault(self, host: str, credential: str) -> Fault | None:
        """Return what is wrong for this credential at this host now."""
        now = trio.current_time()
        return next((fault for fault in self.faults if fault.touches(now, host, credential)), None)


class WorldTransport(httpx.AsyncBaseTransport):
    """The network of one run: every request ends at one of the world's hosts."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer as the provider would."""
        host = self._world.hosts.get(request.url.host)
        if host is None:
            raise httpx.ConnectError(f"no such host: {request.url.host}", request=request)
        body = json.loads(await request.aread())
        secret = request.headers.get("authorization", "").removeprefix("Bearer ")
        credential = host.keys.get(secret, "unknown")
        stamp = Stamp(host.name, credential, str(body.get("model")))
        fault = self._world.fault(host.name, credential)
        if fault is not None and fault.kind is FaultKind.UNREACHABLE:
            await trio.sleep(0.05)
            raise httpx.ConnectError("connection refused", request=request)
        await trio.sleep(self._world.latency(host))
        error = _error(host, stamp, fault)
        status = 200 if error is None else error.status
        self._world.received.append(Received(trio.current_time(), stamp, status))
        if error is not None:
            return httpx.Response(error.status, headers=dict(error.headers), content=error.body, request=request)
        if body.get("stream"):
            events = {"content-type": "text/event-stream"}
            return httpx.Response(200, headers=events, stream=EventBody(_events(stamp)), request=request)
        return httpx.Response(200, json=_answer(stamp), request=request)


def _error(host: Host, stamp: Stamp, fault: Fault | None) -> ErrorAnswer | None:
    if stamp.credential == "unknown" or (fault is not None and fault.kind is FaultKind.REVOKED):
        return BAD_KEY
    if fault is not None and fault.kind is FaultKind.RATE_LIMITED:
        return rate_limited(fault.retry_after)
    if stamp.model not in host.models:
        return NO_SUCH_MODEL
    return None


WORDS = ("All", "the", "world's", "a", "stage.")
USAGE = {"prompt_tokens": 12, "completion_tokens": len(WORDS), "total_tokens": 12 + len(WORDS)}


def _answer(stamp: Stamp) -> dict[str, Any]:
    message = {"role": "assistant", "content": " ".join(WORDS)}
    return {
        "object": "chat.completion",
        "model": stamp.model,
        "system_fingerprint": str(stamp),
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": USAGE,
    }


def _events(stamp: Stamp) -> list[bytes]:
    head = {"object": "chat.completion.chunk", "model": stamp.model, "system_fingerprint": str(stamp)}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word if i == 0 else f" {word}"} for i, word in enumerate(WORDS)]
    chunks: list[dict[str, Any]] = [{**head, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE})
    return [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]


class EventBody(httpx.AsyncByteStream):
    """A stream's body: one event every 20 milliseconds."""

    def __init__(self, events: Sequence[bytes], pause: float = 0.02) -> None:
        self._events = events
        self._pause = pause

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event in self._events:
            await trio.sleep(self._pause)
            yield event
