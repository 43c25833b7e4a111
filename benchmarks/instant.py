"""A provider without HTTP: a line that answers at once, so that nothing but the router and the dialect is measured.

The request's JSON is written as it would be, and the answer's is read. Below ``/bad`` everything fails with a 503,
below ``/odd`` too, but with other words each time.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final

import trio
from upstream import EVENTS, OVERLOADED, WHOLE

from understudy import Router, load_config
from understudy.actors.providers.body import AnyBody
from understudy.actors.providers.dialect import Outgoing
from understudy.actors.providers.line import Incoming
from understudy.supervisors.runtime import Stage, opened

MESSAGES: Final = [
    {"role": "system", "content": "You are brief."},
    {"role": "user", "content": "Hello, who are you?"},
]
CALM: Final = {reason: {"base": 0} for reason in ("overloaded", "server_error", "rate_limit")}
"""A policy under which nobody cools."""

SULKING: Final = {reason: {"base": 3600, "cap": 86400} for reason in ("overloaded", "server_error", "rate_limit")}
"""A policy under which whoever fails cools for longer than any benchmark takes."""

LATEST: Final = 0.05
"""Seconds after which a late line answers at the latest."""

JSON: Final = {"content-type": "application/json"}
SSE: Final = {"content-type": "text/event-stream"}


class Held(AnyBody):
    """A body all of whose pieces are there."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)

    async def piece(self) -> bytes | None:
        """Return the next piece."""
        return next(self._pieces, None)

    @property
    def is_here(self) -> bool:
        """It has come."""
        return True

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        pass


Bodies = Callable[[bool], AnyBody]
"""Makes the body of an answer, streamed or not."""


def usual(stream: bool) -> AnyBody:
    """Return what the upstream answers, each event of a stream a piece of its own."""
    return Held(EVENTS if stream else (WHOLE,))


class InstantLine:
    """A line that answers at once."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._numbers = itertools.count()

    async def send(self, outgoing: Outgoing, on_sent: Callable[[], None]) -> Incoming:
        """Write the request, and answer it."""
        on_sent()
        assert outgoing.content
        if "/bad/" in outgoing.url:
            return Incoming(503, JSON, Held((OVERLOADED,)))
        if "/odd/" in outgoing.url:
            return Incoming(
                503, JSON, Held((OVERLOADED.replace(b"overloaded", b"overloaded, %d" % next(self._numbers)),))
            )
        stream = bool(outgoing.body.get("stream")) or outgoing.url.endswith("alt=sse")
        return Incoming(200, SSE if stream else JSON, self._bodies(stream))

    async def aclose(self) -> None:
        """There is nothing to close."""


class LateLine(InstantLine):
    """A line that answers after a while, one time sooner than another, so that many requests are under way at once."""

    def __init__(self, bodies: Bodies) -> None:
        super().__init__(bodies)
        self._chance = random.Random(0)

    async def send(self, outgoing: Outgoing, on_sent: Callable[[], None]) -> Incoming:
        """Write the request, and answer it."""
        answer = await super().send(outgoing, on_sent)
        await trio.sleep(self._chance.random() * LATEST)
        return answer


class StuckLine(InstantLine):
    """A line on which whoever is below ``/bad`` never answers."""

    async def send(self, outgoing: Outgoing, on_sent: Callable[[], None]) -> Incoming:
        """Write the request, and answer it, or not."""
        if "/bad/" in outgoing.url:
            on_sent()
            await trio.sleep_forever()
        return await super().send(outgoing, on_sent)


def config(
    names: Sequence[str], *, policy: object = CALM, route: Sequence[str] = (), provider: str = "openai"
) -> dict[str, Any]:
    """Return a config with these candidates. One whose name begins with "bad" or "odd" fails; "m" is the `route`."""
    entries = [
        {
            "model_name": name,
            "model": f"{provider}/{name}",
            "api_base": f"http://nowhere.example/{name[:3] if name.startswith(('bad', 'odd')) else 'good'}/v1",
            "api_key": f"sk-nobody-{name}",
        }
        for name in names
    ]
    return {"model_list": entries, "routes": {"m": list(route or names)}, "policy": policy}


@asynccontextmanager
async def router(
    conf: dict[str, Any], bodies: Bodies = usual, line: type[InstantLine] = InstantLine
) -> AsyncIterator[Router]:
    """Open a router whose candidates all have such a line. Nobody listens to what it does."""
    async with opened(Stage(load_config(conf), lambda _: line(bodies))) as it:
        yield it
