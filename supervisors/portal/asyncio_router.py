"""The router for programs on asyncio: the same methods, arguments, results and exceptions as `understudy.Router`.

It belongs to the loop in which it was opened. `snapshot`, `explain` and `listen` are plain functions here as there:
they wait for trio's thread to get its turn, which takes about a tenth of a millisecond.
"""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final

import httpx

from ...actors.handle import Prospect, Router
from ...actors.identity import ModelKey
from ...actors.messages import Call, Chunk
from ...actors.part import ModelStatus
from ...actors.reply import Reply
from ...actors.trace import Fact, Sink
from ..config import Config
from ..runtime import open_router as open_trio_router
from .asks import Ask, Stream, StreamRead, check_not_in_trio
from .errand import Errand
from .facts import FactsRead
from .hatch import Nothing
from .loop import Bell, LoopErrand, LoopHatch
from .thread import LINGER_MAX_S, Portal
from .transport import AsyncioTransport
from .waiting import ask

NOT_OPEN: Final = "the router is not open: `async with understudy.portal.open_router(…) as router`"
OTHER_LOOP: Final = (
    "this router belongs to the asyncio loop in which it was opened, and this is another one: open a router in each"
    " loop, or share one that `understudy.portal.open_blocking` has opened between threads"
)


def open_router(
    config: str | os.PathLike[str] | Mapping[str, object] | Config,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncioRouter:
    """Open a router from asyncio: ``async with understudy.portal.open_router("models.yaml") as router``.

    Takes what `understudy.open_router` takes; a `transport` is used in trio's thread, under trio. Entering starts that
    thread, leaving ends it, as leaving `understudy.open_router` does: what is under way may end within
    `shutdown_timeout`. If the body is cancelled, or leaving is, all of it ends at once.

    Raises:
        ConfigError: as `understudy.open_router` does, on entering.

    """
    return AsyncioRouter(partial(open_trio_router, config, transport=transport))


class AsyncioStream(StreamRead):
    """A reply as it is written, read from asyncio: an async iterator of `Chunk`. Made by `AsyncioRouter.stream`.

    What a `ReplyStream` tells of itself, this tells. Leaving its ``async with`` (or `aclose`) closes the provider's
    connection. A chunk is not lost when the task that waits for it is cancelled: the next one to ask gets it.
    """

    def __init__(self, errand: LoopErrand) -> None:
        super().__init__()
        self._errand = errand

    async def __aenter__(self) -> AsyncioStream:
        self._begin(await self._errand.open())
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._errand.leave(exc)

    async def aclose(self) -> None:
        """Stop reading; the provider's connection is closed."""
        await self._errand.leave()

    def __aiter__(self) -> AsyncioStream:
        return self

    async def __anext__(self) -> Chunk:
        if self.ended:
            raise StopAsyncIteration
        try:
            chunk: Chunk = await self._errand.next()
        except StopAsyncIteration:
            self._reply = self._errand.hatch.result()
            raise
        return self._read(chunk)


class AsyncioEvents(FactsRead):
    """Everything that happens from now on, for asyncio; what `understudy.Events` is for trio."""

    def __init__(self, portal: Portal, hatch: LoopHatch) -> None:
        self._waits = hatch.wait
        super().__init__(portal, hatch)

    def __aiter__(self) -> AsyncioEvents:
        return self

    async def __anext__(self) -> Fact:
        while (fact := self._take()) is Nothing.YET:
            await self._waits()
        if fact is Nothing.MORE:
            raise StopAsyncIteration
        assert isinstance(fact, Fact), "nothing else is said at this hatch"
        return fact

    async def __aenter__(self) -> AsyncioEvents:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


class AsyncioRouter:
    """A router in a trio thread of its own, for one asyncio loop. Made by `open_router`; tasks may share it."""

    _portal: Portal | None = None
    _bell: Bell
    _life: LoopHatch

    def __init__(self, open_resident: Callable[[], Any]) -> None:
        self._open_resident = open_resident

    async def __aenter__(self) -> AsyncioRouter:
        check_not_in_trio()
        if self._portal is not None:
            raise RuntimeError("a router is opened once: make another with understudy.portal.open_router(…)")
        self._bell = Bell(asyncio.get_running_loop())
        self._life = LoopHatch(self._bell)
        self._portal = Portal(self._open_resident, self._life)
        self._bell.on_lost = partial(self._portal.stop, at_once=True)
        try:
            self._portal.start()
            await self._life.wait()
        except BaseException as exc:
            await self._close(exc)
            raise
        if self._life.take() is Nothing.MORE:
            self._portal.join()
            self._life.result()
            raise RuntimeError("the router closed while it was being opened")
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._close(exc)
        self._life.result()

    async def _close(self, because: BaseException | None) -> None:
        """End the thread, and wait until it has ended, also when this is cancelled: then it ends at once."""
        portal = self._open_portal()
        at_once = partial(portal.stop, at_once=True)
        portal.stop(at_once=because is not None and not isinstance(because, Exception))
        if isinstance(because, GeneratorExit):  # thrown away, perhaps with its loop: nothing can be awaited
            portal.join(LINGER_MAX_S)
            return
        try:
            await self._life.wait_ended(on_cancel=at_once)
        finally:
            portal.join()

    def __del__(self) -> None:
        if self._portal is not None and not self._life.ended:
            warnings.warn("a router was never closed: use `async with`", ResourceWarning, source=self, stacklevel=1)
            self._portal.stop(at_once=True)

    async def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        wait_for_cooldown: bool = False,
        **params: Any,
    ) -> Reply:
        """Ask for one chat completion: see `understudy.Router.chat`. Cancelling it cancels the request."""
        options = {"timeout": timeout, "wait_for_cooldown": wait_for_cooldown, **params}
        reply: Reply = await self._errand(Ask("chat", (model, messages), options)).call()
        return reply

    def stream(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        wait_for_cooldown: bool = False,
        on_interrupt: str = "raise",
        **params: Any,
    ) -> AsyncioStream:
        """Ask for one chat completion, to be read as it is written: see `understudy.Router.stream`."""
        options = {"timeout": timeout, "wait_for_cooldown": wait_for_cooldown, "on_interrupt": on_interrupt, **params}
        return AsyncioStream(self._errand(Stream("stream", (model, messages), options)))

    def open(self, call: Call) -> AsyncioStream:
        """Send any call whose answer is to be read as it is written; raises what `stream` raises."""
        return AsyncioStream(self._errand(Stream("open", (call,))))

    async def request(self, call: Call) -> Reply:
        """Send any call, body in and body out; raises what `chat` raises."""
        reply: Reply = await self._errand(Ask("request", (call,))).call()
        return reply

    async def reset(self, name: str) -> None:
        """End a candidate's cooldown by hand: see `understudy.Router.reset`."""
        await self._errand(Ask("reset", (name,))).call()

    def snapshot(self) -> tuple[ModelStatus, ...]:
        """Return how every candidate is doing, in the order of the config."""
        status: tuple[ModelStatus, ...] = ask(self._portal_here(), Router.snapshot)
        return status

    def explain(self, model: str, **request: Any) -> tuple[Prospect, ...]:
        """Say what would happen to a request now, without sending anything: see `understudy.Router.explain`."""
        prospects: tuple[Prospect, ...] = ask(self._portal_here(), lambda router: router.explain(model, **request))
        return prospects

    def events(self) -> AsyncioEvents:
        """Return an async iterator over everything that happens from now on; it ends when the router closes."""
        return AsyncioEvents(self._portal_here(), LoopHatch(self._bell))

    def listen(self, sink: Sink, **options: Any) -> None:
        """Let `sink` hear every fact as it happens, in trio's thread: see `understudy.Router.listen`."""
        ask(self._portal_here(), lambda router: router.listen(sink, **options))

    def unlisten(self, sink: Sink) -> None:
        """Let `sink` hear no more. For one that does not listen this does nothing."""
        ask(self._portal_here(), lambda router: router.unlisten(sink))

    @property
    def requests(self) -> int:
        """How many requests have been let in so far; the last of them has this number in the trace."""
        requests: int = self._open_portal().resident.requests
        return requests

    @property
    def routes(self) -> Mapping[str, Sequence[ModelKey]]:
        """The candidates behind every name that may be asked for, in the order in which they are asked."""
        routes: Mapping[str, Sequence[ModelKey]] = self._open_portal().resident.routes
        return routes

    @property
    def default_timeout(self) -> float:
        """A request's deadline in seconds where its caller names none."""
        timeout: float = self._open_portal().resident.default_timeout
        return timeout

    def transport(self, make: Callable[[Router], Any]) -> AsyncioTransport:
        """Return an `httpx.AsyncBaseTransport` for asyncio over one that lives under trio.

        `make` is called with the trio router, in trio's thread, when the first request comes; so
        it may hold what only trio can make. The transport that it returns is closed with this one.
        """
        return AsyncioTransport(self._portal_here(), self._errand, make)

    def _errand(self, act: Callable[[Errand, Any], Any]) -> LoopErrand:
        return LoopErrand(self._portal_here(), self._bell, act)

    def _portal_here(self) -> Portal:
        """Return the portal to a caller in its own loop; nobody else could be woken."""
        portal = self._open_portal()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is not self._bell.loop:
            raise RuntimeError(OTHER_LOOP)
        return portal

    def _open_portal(self) -> Portal:
        if self._portal is None:
            raise RuntimeError(NOT_OPEN)
        return self._portal
