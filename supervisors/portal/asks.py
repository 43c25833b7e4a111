"""What the facades ask of the router, told once for both: in trio's thread, of the trio router."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import trio
from attrs import frozen

from ...actors.errors import DeadlineExceeded
from ...actors.handle import Router
from ...actors.identity import ModelKey
from ...actors.messages import AttemptRecord, Chunk, Restarted
from ...actors.reply import Reply, ReplyStream
from .errand import Errand

INSIDE_TRIO: Final = "this is a trio program: open the router with `async with understudy.open_router(…)`"
NOT_ENTERED: Final = "a stream is opened by its `with` block: `with router.stream(…) as stream` (async: `async with`)"


@frozen(repr=False)
class Ask:
    """An asynchronous method of the router, called and awaited."""

    method: str
    args: Sequence[Any]
    options: Mapping[str, Any] = {}

    async def __call__(self, _: Errand, router: Router) -> Any:
        """Call it."""
        return await getattr(router, self.method)(*self.args, **self.options)


@frozen(repr=False)
class Stream:
    """A reply as it is written. The first word is the stream and who serves it, then come the chunks."""

    args: Sequence[Any]
    options: Mapping[str, Any]

    async def __call__(self, errand: Errand, router: Router) -> Reply:
        """Read it to its end, as far as its reader comes along."""
        async with router.stream(*self.args, **self.options) as stream:
            await errand.say((stream, stream.served_by))
            try:
                async for chunk in stream:
                    await errand.say(chunk, until=stream.deadline)
            except DeadlineExceeded:
                errand.hatch.words.clear()  # the deadline wins over whatever has not been read
                raise
            return stream.reply


class StreamRead:
    """What a stream says of itself to its reader, who may be some chunks behind the trio stream."""

    def __init__(self) -> None:
        self._stream: ReplyStream | None = None
        self._served_by: ModelKey | None = None
        self._reply: Reply | None = None

    @property
    def served_by(self) -> ModelKey:
        """Who serves what was read last."""
        if self._served_by is None:
            raise RuntimeError(NOT_ENTERED)
        return self._served_by

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """Every attempt and refusal that has ended so far."""
        if self._stream is None:
            raise RuntimeError(NOT_ENTERED)
        return self._stream.attempts

    @property
    def ended(self) -> bool:
        """Whether the stream has been read to its proper end."""
        return self._reply is not None

    @property
    def reply(self) -> Reply:
        """The whole reply; a `RuntimeError` before the stream has been read to its end."""
        if self._reply is None:
            raise RuntimeError("the reply is complete only once the stream has been read to its end")
        return self._reply

    def _begin(self, first: tuple[ReplyStream, ModelKey]) -> None:
        self._stream, self._served_by = first

    def _read(self, chunk: Chunk) -> Chunk:
        if isinstance(chunk, Restarted):
            self._served_by = chunk.served_by
        return chunk


def check_not_in_trio() -> None:
    """Refuse to open a portal where trio runs already, and would only be blocked by it."""
    try:
        trio.lowlevel.current_trio_token()
    except RuntimeError:
        return
    raise RuntimeError(INSIDE_TRIO)
