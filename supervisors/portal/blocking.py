"""The router for plain synchronous code: the same methods, arguments, results and exceptions as `understudy.Router`.

Any number of threads may share it. In the thread of an asyncio loop it works, and blocks that loop while it waits; for
asyncio there is `asyncio_router`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any

import httpx

from ...actors.errors import RouterClosed
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
from .thread import Portal
from .transport import BlockingTransport
from .waiting import ThreadErrand, ThreadHatch, ask


def open_blocking(
    config: str | os.PathLike[str] | Mapping[str, object] | Config,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
) -> BlockingRouter:
    """Open a router from synchronous code: ``with understudy.portal.open_blocking("models.yaml") as router``.

    Takes what `understudy.open_router` takes; a `transport` is used in trio's thread, under trio. Like a file it is
    open when this returns, and closed by `close` or at the end of its ``with`` block; one that is never closed is
    closed when the interpreter exits.

    Raises:
        ConfigError: as `understudy.open_router` does.

    """
    return BlockingRouter(partial(open_trio_router, config, transport=transport))


class BlockingStream(StreamRead):
    """A reply as it is written, read by a thread: an iterator of `Chunk`. Made by `BlockingRouter.stream`.

    What a `ReplyStream` tells of itself, this tells. Leaving its ``with`` (or `close`) closes the provider's
    connection.
    """

    def __init__(self, errand: ThreadErrand) -> None:
        super().__init__()
        self._errand = errand

    def __enter__(self) -> BlockingStream:
        self._begin(self._errand.open())
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading; the provider's connection is closed."""
        self._errand.leave()

    def __iter__(self) -> BlockingStream:
        return self

    def __next__(self) -> Chunk:
        if self.ended:
            raise StopIteration
        try:
            chunk: Chunk = self._errand.next()
        except StopIteration:
            self._reply = self._errand.hatch.result()
            raise
        return self._read(chunk)


class BlockingEvents(FactsRead):
    """Everything that happens from now on, for a thread; what `understudy.Events` is for trio."""

    def __init__(self, portal: Portal, hatch: ThreadHatch) -> None:
        self._waits = hatch.wait
        super().__init__(portal, hatch)

    def __iter__(self) -> BlockingEvents:
        return self

    def __next__(self) -> Fact:
        while (fact := self._take()) is Nothing.YET:
            self._waits()
        if fact is Nothing.MORE:
            raise StopIteration
        assert isinstance(fact, Fact), "nothing else is said at this hatch"
        return fact

    def __enter__(self) -> BlockingEvents:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


class BlockingRouter:
    """A router in a trio thread of its own, for synchronous code. Made by `open_blocking`; threads may share it."""

    _portal: Portal | None = None
    _life: ThreadHatch

    def __init__(self, open_resident: Callable[[], Any]) -> None:
        check_not_in_trio()
        self._life = ThreadHatch()
        self._portal = Portal(open_resident, self._life)
        try:
            self._portal.start()
            self._life.wait()
        except BaseException:
            self._close(at_once=True)
            raise
        if self._life.take() is Nothing.MORE:
            self._portal.join()
            self._life.result()
            raise RouterClosed

    def close(self) -> None:
        """Close the router: what is under way may end within `shutdown_timeout`. ``Ctrl-C`` ends it at once."""
        self._close(at_once=False)

    def __enter__(self) -> BlockingRouter:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._close(at_once=exc is not None and not isinstance(exc, Exception))

    def _close(self, *, at_once: bool) -> None:
        portal = self._portal
        assert portal is not None, "there is one from the beginning"
        portal.stop(at_once=at_once)
        try:
            self._life.wait_ended()
        except BaseException:
            portal.stop(at_once=True)
            self._life.wait_ended()
            raise
        finally:
            portal.join()
        self._life.result()

    def __del__(self) -> None:
        if self._portal is not None and not self._life.ended:
            warnings.warn("a router was never closed: use `with`", ResourceWarning, source=self, stacklevel=1)
            self._portal.stop(at_once=True)

    def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        wait_for_cooldown: bool = False,
        **params: Any,
    ) -> Reply:
        """Ask for one chat completion: see `understudy.Router.chat`. ``Ctrl-C`` cancels the request."""
        options = {"timeout": timeout, "wait_for_cooldown": wait_for_cooldown, **params}
        reply: Reply = self._errand(Ask("chat", (model, messages), options)).call()
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
    ) -> BlockingStream:
        """Ask for one chat completion, to be read as it is written: see `understudy.Router.stream`."""
        options = {"timeout": timeout, "wait_for_cooldown": wait_for_cooldown, "on_interrupt": on_interrupt, **params}
        return BlockingStream(self._errand(Stream("stream", (model, messages), options)))

    def open(self, call: Call) -> BlockingStream:
        """Send any call whose answer is to be read as it is written; raises what `stream` raises."""
        return BlockingStream(self._errand(Stream("open", (call,))))

    def request(self, call: Call) -> Reply:
        """Send any call, body in and body out; raises what `chat` raises."""
        reply: Reply = self._errand(Ask("request", (call,))).call()
        return reply

    def reset(self, name: str) -> None:
        """End a candidate's cooldown by hand: see `understudy.Router.reset`."""
        self._errand(Ask("reset", (name,))).call()

    def snapshot(self) -> tuple[ModelStatus, ...]:
        """Return how every candidate is doing, in the order of the config."""
        status: tuple[ModelStatus, ...] = ask(self._open_portal(), Router.snapshot)
        return status

    def explain(self, model: str, **request: Any) -> tuple[Prospect, ...]:
        """Say what would happen to a request now, without sending anything: see `understudy.Router.explain`."""
        prospects: tuple[Prospect, ...] = ask(self._open_portal(), lambda router: router.explain(model, **request))
        return prospects

    def events(self) -> BlockingEvents:
        """Return an iterator over everything that happens from now on; it ends when the router closes."""
        return BlockingEvents(self._open_portal(), ThreadHatch())

    def listen(self, sink: Sink, **options: Any) -> None:
        """Let `sink` hear every fact as it happens, in trio's thread: see `understudy.Router.listen`."""
        ask(self._open_portal(), lambda router: router.listen(sink, **options))

    def unlisten(self, sink: Sink) -> None:
        """Let `sink` hear no more. For one that does not listen this does nothing."""
        ask(self._open_portal(), lambda router: router.unlisten(sink))

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

    def transport(self, make: Callable[[Router], Any]) -> BlockingTransport:
        """Return an `httpx.BaseTransport` for synchronous clients over one that lives under trio.

        `make` is called with the trio router, in trio's thread, when the first request comes; so it may hold what only
        trio can make. The transport that it returns is closed with this one.
        """
        return BlockingTransport(self._open_portal(), self._errand, make)

    def _errand(self, act: Callable[[Errand, Any], Any]) -> ThreadErrand:
        return ThreadErrand(self._open_portal(), act)

    def _open_portal(self) -> Portal:
        assert self._portal is not None, "there is one from the beginning"
        return self._portal
