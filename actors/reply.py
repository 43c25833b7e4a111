"""What a caller gets back: a whole reply, or a stream that becomes one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import trio
from attrs import field, frozen

from .errors import StreamInterrupted
from .growing import GrowingText
from .identity import ModelKey
from .mailbox import Slot
from .messages import Answer, AttemptRecord, Chunk, Restarted, Usage
from .router import Broken, Finished, StreamOpened, Word
from .shapes import finish_reason_of, text_of, tool_calls_of, usage_of


@frozen
class Reply:
    """A complete answer.

    Attributes:
        body: the provider's JSON, in the shape of the endpoint that was called; empty where it is no JSON object.
        content, content_type: an answer that is no JSON object, as it came: audio, an image, plain text.
        served_by: the model key that answered.
        attempts: every attempt and refusal on the way, in order; the last one is the one that served.
        raw: the bytes that `body` was read from; ``None`` where it was translated, or put together from a stream.

    """

    body: Mapping[str, Any] = field(repr=False)
    served_by: ModelKey
    attempts: tuple[AttemptRecord, ...]
    content: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    raw: bytes | None = field(default=None, repr=False, eq=False)

    @classmethod
    def of(cls, answer: Answer, served_by: ModelKey, attempts: Sequence[AttemptRecord]) -> Reply:
        """Return what a caller gets of an answer."""
        return cls(answer.body, served_by, tuple(attempts), answer.content, answer.content_type, answer.raw)

    @property
    def text(self) -> str:
        """The text of the first choice; ``""`` if it has none (it may have tool calls)."""
        return text_of(self.body)

    @property
    def tool_calls(self) -> tuple[Mapping[str, Any], ...]:
        """The tool calls of the first choice, as the provider wrote them."""
        return tool_calls_of(self.body)

    @property
    def usage(self) -> Usage:
        """The tokens that the provider counted."""
        return usage_of(self.body)

    @property
    def finish_reason(self) -> str | None:
        """Why the first choice ended."""
        return finish_reason_of(self.body)


class ReplyStream:
    """A reply as it is written: an async iterator of `Chunk`.

    `served_by` and `attempts` are there from the beginning, `reply` once the stream has ended. Made by
    `Router.stream`, and closed with its context; one made by `Router.open_stream` is closed by whoever took it.
    """

    def __init__(
        self,
        first: Word,
        records: Sequence[AttemptRecord],
        next_word: Callable[[Slot[Word]], Awaitable[Word]],
        leave: Callable[[str], None],
        *,
        deadline: float,
    ) -> None:
        self._records = records
        self._next_word = next_word
        self._leave: Callable[[str], None] | None = leave
        self._deadline = deadline
        self._reply: Reply | None = None
        self._opened: StreamOpened | None = None
        self._text = GrowingText()
        self.served_by = first.served_by
        self._take_word(first)

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """Every attempt and refusal that has ended so far."""
        return tuple(self._records)

    @property
    def deadline(self) -> float:
        """When the reader's time is up, in seconds on the runtime's clock."""
        return self._deadline

    @property
    def ended(self) -> bool:
        """Whether the stream has come to its proper end."""
        return self._reply is not None

    @property
    def reply(self) -> Reply:
        """The whole reply; a `RuntimeError` before the stream has ended."""
        if self._reply is None:
            raise RuntimeError("the reply is complete only once the stream has been read to its end")
        return self._reply

    def close(self, reason: str = "left") -> None:
        """Leave; a stream that has not ended ends its provider's connection at once. A second time does nothing."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave("read" if self.ended else reason)

    def __aiter__(self) -> ReplyStream:
        return self

    async def __anext__(self) -> Chunk:
        while self._opened is not None:
            chunk = self.at_hand() or await self._wait_for_chunk(self._opened)
            if chunk is not None:
                return chunk
            if self._take_word(await self._next_word(self._opened.then)):
                self._text = GrowingText()
                return Restarted(served_by=self.served_by)
        raise StopAsyncIteration

    def at_hand(self) -> Chunk | None:
        """Return the next chunk without waiting; ``None`` where only `anext` can tell what comes next."""
        if self._opened is None or trio.current_time() >= self._deadline:
            return None  # whatever is at hand came too late for this reader
        try:
            chunk = self._opened.chunks.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return None
        self._text.add(chunk.text)
        return chunk

    async def _wait_for_chunk(self, opened: StreamOpened) -> Chunk | None:
        """Return the next chunk, or ``None`` when this candidate sends no more or the deadline has passed.

        The deadline ends the attempt, and thereby its channel: it is not watched here, too.
        """
        try:
            chunk = await opened.chunks.receive()
        except trio.EndOfChannel:
            return None
        if trio.current_time() >= self._deadline:
            return None
        self._text.add(chunk.text)
        return chunk

    def _take_word(self, word: Word) -> bool:
        """Take in what the router says next; whether it is that another candidate has taken over."""
        self.served_by = word.served_by
        match word:
            case StreamOpened():
                self._opened = word
                return True
            case Finished():
                self._opened = None
                self._reply = Reply.of(word.answer, word.served_by, self._records)
            case Broken():
                self._opened = None
                raise StreamInterrupted(word.served_by, str(self._text), word.failure, self._records)
        return False
