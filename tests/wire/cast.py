"""A whole router over real sockets: entries `first`, `second`, … at one scripted provider each.

`perform(scene, …)` opens it all, lets the scene play, and checks afterwards what must hold after every scene: no
connection is open, nothing is in flight, and no key has been shown in anything that the router said.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, TypeVar

import pytest
import trio
from attrs import define, field

import understudy
from tests.loopback import Behaviour, LoopbackProvider, loopback_provider
from understudy import AttemptRecord, Fact, ModelStatus, Outcome, Reason, Refusal, Reply, ReplyStream, Router

NAMES: Final = ("first", "second", "third")
KEYS: Final = ("open-sesame-of-the-first", "xyzzy-of-the-second", "plugh-of-the-third")
"""Words, not letters and digits: nothing would mask them that does not know them."""

MODELS: Final = ("m-1", "m-2", "m-3")
MESSAGES: Final = [{"role": "user", "content": "Hi"}]
TEXT: Final = "Hello from the loopback."
SCENE_TIME: Final = 20.0
SHORT: Final = 0.15

E = TypeVar("E", bound=understudy.UnderstudyError)
Fields = Mapping[str, Any]


@define(eq=False)
class Cast:
    """The router, its providers, and all that it has said."""

    router: Router
    providers: Sequence[LoopbackProvider]
    facts: list[Fact] = field(factory=list)
    said: list[str] = field(factory=list)

    @property
    def first(self) -> LoopbackProvider:
        return self.providers[0]

    @property
    def second(self) -> LoopbackProvider:
        return self.providers[1]

    async def chat(self, **params: Any) -> Reply:
        reply = await self.router.chat("first", MESSAGES, **params)
        self.hear(reply, reply.attempts)
        return reply

    @asynccontextmanager
    async def stream(self, **params: Any) -> AsyncIterator[ReplyStream]:
        async with self.router.stream("first", MESSAGES, **params) as stream:
            yield stream

    async def read(self, **params: Any) -> tuple[Reply, list[understudy.Chunk]]:
        """Read a stream to its end."""
        async with self.stream(**params) as stream:
            chunks = [chunk async for chunk in stream]
        self.hear(stream.reply, stream.attempts)
        return stream.reply, chunks

    async def fails(self, kind: type[E], attempt: Callable[[], Awaitable[object]]) -> E:
        with pytest.raises(kind) as info:
            await attempt()
        self.hear(info.value, getattr(info.value, "attempts", ()))
        return info.value

    def hear(self, *things: object) -> None:
        for thing in things:
            self.said += [str(thing), repr(thing)]
            if isinstance(thing, tuple):
                self.said += map(str, thing)

    def status(self, name: str = "first") -> ModelStatus:
        return next(status for status in self.router.snapshot() if status.name == name)

    async def until_idle(self) -> None:
        """Wait until nothing is in flight. It does not wait long: permits come back at once."""
        with trio.fail_after(1):
            while any(status.in_flight for status in self.router.snapshot()):
                await trio.sleep(0.005)


@asynccontextmanager
async def cast(
    *entries: Fields,
    scripts: Sequence[Sequence[Behaviour]] = (),
    tls: bool = False,
    before: Callable[[Sequence[LoopbackProvider]], None] = lambda _: None,
    **config: Any,
) -> AsyncIterator[Cast]:
    """Open a router over as many providers as there are `entries`, which add to the usual fields, or replace them.

    `before` is called when there are providers and no router yet.
    """
    entries = entries or ({}, {})
    async with AsyncExitStack() as stack:
        providers = [await stack.enter_async_context(loopback_provider(tls=tls)) for _ in entries]
        for provider, script in zip(providers, scripts, strict=False):
            provider.script(*script)
        before(providers)
        model_list = []
        for n, fields in enumerate(entries):
            usual = {"model_name": NAMES[n], "model": f"openai/{MODELS[n]}", "api_key": KEYS[n]}
            given = {**usual, "api_base": providers[n].base_url, **fields}
            model_list.append({name: value for name, value in given.items() if value is not None})
        model_list[0].setdefault("fallbacks", list(NAMES[1 : len(entries)]))
        async with understudy.open_router({"model_list": model_list, **config}) as router:
            it = Cast(router, providers)
            router.listen(lambda fact: None if fact is None else it.facts.append(fact))
            yield it
            await it.until_idle()
            it.hear(router.snapshot())
        for provider in providers:
            await provider.wait_closed()
    for said in (*it.said, *(fact.line() for fact in it.facts), *map(repr, it.facts)):
        for key in KEYS:
            assert key not in said


def perform(scene: Callable[[Cast], Awaitable[None]], *entries: Fields, **options: Any) -> None:
    """Let a scene play."""

    async def main() -> None:
        with trio.fail_after(SCENE_TIME):
            async with cast(*entries, **options) as it:
                await scene(it)

    trio.run(main)


def reasons(attempts: Sequence[AttemptRecord]) -> list[tuple[str, Outcome, Reason | Refusal | None]]:
    """Say of each attempt whose it was, how it ended, and why."""
    return [(record.key.name, record.outcome, record.reason) for record in attempts]


def fell_back(reason: Reason) -> list[tuple[str, Outcome, Reason | Refusal | None]]:
    """Say what `reasons` says when the first failed for this reason and the second served."""
    return [("first", Outcome.FAILED, reason), ("second", Outcome.SERVED, None)]
