"""The wire: takes one candidate's attempts over its line, whatever the dialect, and ends each within its time limits.

Whatever goes wrong is returned as a `Failure`, and no failure shows a secret.

Our own limits shorten the scope in which the attempt is performed (`Patience`), so that they hold for any transport.
The caller's own deadline stands in that scope, too, and is never put off.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import httpx
import trio
from attrs import evolve

from ..classify import classify_exception, classify_lowered
from ..failures import Failure, Reason
from ..identity import ModelKey
from ..messages import Answer, Call, Chunk
from ..worker import Progress
from .body import AnyBody, BadBody
from .dialect import StreamReader
from .dialects import DIALECTS
from .endpoint import Endpoint, TimeLimits
from .line import Incoming, Line
from .outgoing import SPEECH
from .reading import content_type, is_opaque
from .sse import SSEEvent, SSEParser, SSETooLong
from .stated import stated_left

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""The longest body that is read; a longer one is a failure of the provider."""

MAX_ERROR_BYTES: Final = 256 * 1024
"""How much of an error's body is read; what comes after tells nothing more."""

MAX_EARLY_CHUNKS: Final = 1_000
"""How many events without content a stream may begin with."""

CHUNKS_AHEAD: Final = 16
"""How many chunks the worker may be ahead of the reader before it stops reading from the provider."""

MAX_STREAM_BYTES: Final = 256 * 1024 * 1024
"""The longest stream that is read: each of its many events wraps a few characters."""

ERROR_TIME: Final = 5.0
"""Seconds that the body of an error is given to tell more than its status has told already."""

DRAIN_TIME: Final = 0.25
"""Seconds that a finished stream is given to end its body, so that its connection can be used again."""

CUT: Final = "…"
"""How a message ends that was too long."""

NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Patience:
    """How long one attempt may still take: the whole of it, and until the next sign of life.

    It moves the deadline of the attempt's `scope`, which is made with the first of these limits and is never later than
    `latest`, the caller's own. While the reader is the slow one, the clock stands still.
    """

    def __init__(self, limits: TimeLimits, now: float, scope: trio.CancelScope, latest: float, *, stream: bool) -> None:
        self._limits = limits
        self._scope = scope
        self._latest = latest
        self._whole = now + limits.request
        self._quiet = now + limits.first_event if stream else math.inf
        self._started = not stream

    def start(self, now: float) -> None:
        """Note the first content."""
        self._started = True
        self.alive(now)

    def alive(self, now: float) -> None:
        """Note a sign of life; before the first content it buys no time."""
        if self._started:
            self._quiet = now + self._limits.idle
        self._expect()

    def _expect(self) -> None:
        deadline = min(self._latest, self._whole, self._quiet)
        if deadline != self._scope.deadline:  # most often it is the caller's, and to set it has its price
            self._scope.deadline = deadline

    def hurry(self, now: float, seconds: float) -> None:
        """Give the attempt only so much time still."""
        self._quiet = min(self._quiet, now + seconds)
        self._expect()

    def stand_down(self) -> float:
        """Let time run out without that being a failure, until the next sign of life; return when it does."""
        self._scope.deadline = self._latest
        return min(self._whole, self._quiet)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Wait for the reader, at the reader's expense."""
        began, self._scope.deadline = trio.current_time(), self._latest
        try:
            yield
        finally:
            now = trio.current_time()
            self._whole += now - began
            self.alive(now)

    def failure(self, now: float) -> Failure:
        """Say which limit was reached."""
        limits = self._limits
        if now >= self._whole:
            what = f"no complete answer within request_timeout ({limits.request:g} s)"
        elif self._started:
            what = f"nothing more was sent within idle_timeout ({limits.idle:g} s)"
        else:
            what = f"no content within first_event_timeout ({limits.first_event:g} s)"
        return Failure.of(Reason.TIMEOUT, what)


class HttpWire:
    """The way to one candidate's provider."""

    def __init__(self, key: ModelKey, endpoint: Endpoint, line: Line) -> None:
        self._key = key
        self._endpoint = endpoint
        self._line = line
        self._dialect = DIALECTS[endpoint.dialect]
        self._secrets = endpoint.secrets()

    async def aclose(self) -> None:
        """Close the line."""
        await self._line.aclose()

    def time_limit(self, call: Call) -> float:
        """Return the limit on the whole attempt, or for a stream on its first content, if that is less."""
        limits = self._endpoint.limits
        return min(limits.request, limits.first_event) if call.stream else limits.request

    async def perform(self, progress: Progress) -> Answer | Failure:
        """Send the attempt and see it through."""
        attempt, scope = progress.attempt, progress.scope
        limits, stream = self._endpoint.limits, attempt.call.stream
        patience = Patience(limits, progress.admitted_at, scope, attempt.deadline, stream=stream)
        progress.time_up = patience.failure
        outcome: Answer | Failure
        try:
            outcome = await self._exchange(progress, patience)
        except NEVER_SENT as exc:
            progress.sent = False
            outcome = self._never_sent(exc)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as exc:
            outcome = classify_exception(exc, provider=self._key.provider)
        return self._without_secrets(outcome) if isinstance(outcome, Failure) else outcome

    async def _exchange(self, progress: Progress, patience: Patience) -> Answer | Failure:
        call = progress.attempt.call
        outgoing = self._dialect.outgoing(self._endpoint, self._key, call)
        answer = await self._line.send(outgoing, progress.mark_sent)
        progress.left = stated_left(answer.headers)
        outcome: Answer | Failure
        try:
            async with answer.body:
                if not answer.is_success:
                    return await self._read_error(progress, patience, answer)
                if call.stream and call.endpoint == SPEECH and _is_sound(answer):
                    outcome = await self._read_pieces(progress, patience, answer)
                elif call.stream and _is_stream(answer):
                    outcome = await self._read_stream(progress, patience, answer)
                else:
                    outcome = await self._read_whole(progress, answer)
        except (BadBody, SSETooLong) as exc:
            return Failure.of(Reason.SERVER_ERROR, str(exc), status=answer.status)
        if isinstance(outcome, Failure) and outcome.status is not None:
            return evolve(outcome, status=answer.status)  # a dialect knows only that all seemed well
        return outcome

    def _never_sent(self, exc: httpx.HTTPError) -> Failure:
        if isinstance(exc, httpx.ConnectTimeout):
            limit = self._endpoint.limits.connect
            return Failure.of(Reason.TIMEOUT, f"no connection within connect_timeout ({limit:g} s)")
        return classify_exception(exc, provider=self._key.provider)

    async def _read_error(self, progress: Progress, patience: Patience, answer: Incoming) -> Failure:
        # The status is known: a body that does not come takes nothing away from it.
        content = bytearray()
        progress.time_up = lambda _: self._without_secrets(self._error(answer, bytes(content)))
        if not answer.body.is_here:
            patience.hurry(trio.current_time(), ERROR_TIME)
        await answer.body.read_into(content, MAX_ERROR_BYTES)
        return self._error(answer, bytes(content))

    def _error(self, answer: Incoming, content: bytes) -> Failure:
        failure = classify_lowered(answer.status, answer.headers, content, provider=self._key.provider)
        if not failure.retriable:
            # Its caller is to see what the provider says of it.
            return evolve(failure, body=content if len(content) < MAX_ERROR_BYTES else b"")
        if answer.redirects and failure.reason is Reason.UNKNOWN:
            return evolve(failure, message="the provider redirects elsewhere, which is not followed: check api_base")
        return failure

    async def _read_whole(self, progress: Progress, answer: Incoming) -> Answer | Failure:
        call = progress.attempt.call
        outcome = self._dialect.answer(call, answer.headers, await answer.body.read(MAX_ANSWER_BYTES))
        if call.stream and isinstance(outcome, Answer):
            # This provider does not stream; its whole answer is a stream of one chunk.
            send, receive = trio.open_memory_channel[Chunk](1)
            with send:
                progress.begin(receive)
                send.send_nowait(self._dialect.chunks_of(outcome))
        return outcome

    async def _read_stream(self, progress: Progress, patience: Patience, answer: Incoming) -> Answer | Failure:
        reader = self._dialect.reader(progress.attempt.call, answer.headers)
        sink = ChunkSink(progress, patience)
        failure: Failure | None = None
        try:
            with sink.send:
                failure = await self._pump(answer.body, reader, sink, patience)
                if failure is None and reader.complete:
                    await sink.finish()
            if failure is None and reader.closed:
                patience.stand_down()
                with trio.move_on_after(DRAIN_TIME):
                    await answer.body.read_into(bytearray(), MAX_ERROR_BYTES)
        finally:
            answered = reader.answer()
            progress.tokens = answered.tokens
        if failure is not None:
            return failure
        if not reader.complete:
            return Failure.of(Reason.NETWORK, "the stream ended before its end")
        return answered

    async def _read_pieces(self, progress: Progress, patience: Patience, answer: Incoming) -> Answer:
        """Hand an answer on that is no event stream, piece by piece; its end is that of the body."""
        kind = content_type(answer.headers)
        sink = ChunkSink(progress, patience)
        total = 0
        with sink.send:
            while (piece := await answer.body.piece()) is not None:
                patience.alive(trio.current_time())
                total += len(piece)
                if total > MAX_STREAM_BYTES:
                    raise BadBody(f"the answer is longer than {MAX_STREAM_BYTES} bytes")
                await sink.take(Chunk("", content=piece, content_type=kind), started=True)
            await sink.finish()
        return Answer({}, content=b"", content_type=kind)

    async def _pump(self, body: AnyBody, reader: StreamReader, sink: ChunkSink, patience: Patience) -> Failure | None:
        """Read events until the end, hand on chunks. What goes wrong once the stream is complete takes nothing away."""
        parser = SSEParser()
        total = 0
        try:
            while not reader.closed:
                piece = await _next_piece(body, reader, patience)
                patience.alive(trio.current_time())
                if piece is None:
                    failure = await _feed(parser.close(), reader, sink)
                    return None if reader.complete else failure
                total += len(piece)
                if total > MAX_STREAM_BYTES:
                    raise BadBody(f"the stream is longer than {MAX_STREAM_BYTES} bytes")
                failure = await _feed(parser.feed(piece), reader, sink)
                if failure is not None:
                    return failure
        except (httpx.HTTPError, BadBody) as exc:
            if reader.complete:
                return None
            if isinstance(exc, BadBody):
                raise
            return classify_exception(exc, provider=self._key.provider)
        return None

    def _without_secrets(self, failure: Failure) -> Failure:
        for secret in self._secrets:
            failure = failure.without(secret)
        message = _without_beginning(failure.message, self._secrets)
        return failure if message is failure.message else evolve(failure, message=message)


class ChunkSink:
    """Where a stream's chunks go: held back until there is content, then to the reader."""

    def __init__(self, progress: Progress, patience: Patience) -> None:
        self._progress = progress
        self._patience = patience
        self._early: list[Chunk] | None = []
        self.send, self._receive = trio.open_memory_channel[Chunk](CHUNKS_AHEAD)

    async def take(self, chunk: Chunk, *, started: bool) -> Failure | None:
        """Hand on a chunk, wait for a slow reader; the first one with content commits to this candidate."""
        if self._early is None:
            await self._hand_on(chunk)
            return None
        self._early.append(chunk)
        if started:
            await self._commit()
        elif len(self._early) > MAX_EARLY_CHUNKS:
            return Failure.of(Reason.SERVER_ERROR, f"{MAX_EARLY_CHUNKS} events came without any content")
        return None

    async def finish(self) -> None:
        """Commit at a proper end, if there was no content at all: an empty answer is one, too."""
        if self._early is not None:
            await self._commit()

    async def _commit(self) -> None:
        early, self._early = self._early or [], None
        self._patience.start(trio.current_time())
        self._progress.begin(self._receive)
        for chunk in early:
            await self._hand_on(chunk)

    async def _hand_on(self, chunk: Chunk) -> None:
        try:
            try:
                self.send.send_nowait(chunk)
            except trio.WouldBlock:
                with self._patience.paused():
                    await self.send.send(chunk)
        except trio.BrokenResourceError:
            await trio.sleep_forever()  # the reader has left, and the leash is about to be pulled


async def _feed(events: Iterable[SSEEvent], reader: StreamReader, sink: ChunkSink) -> Failure | None:
    for event in events:
        read = reader.feed(event)
        if isinstance(read, Failure):
            return read
        if read is not None:
            failure = await sink.take(read, started=reader.started)
            if failure is not None:
                return failure
        if reader.closed:
            break
    return None


async def _next_piece(body: AnyBody, reader: StreamReader, patience: Patience) -> bytes | None:
    """Return the next piece. If nothing more comes of a stream that is complete, that is its end."""
    if not reader.complete:
        return await body.piece()
    with trio.move_on_at(patience.stand_down()):
        return await body.piece()
    return None


def _is_stream(answer: Incoming) -> bool:
    """Whether the body is an event stream. Some servers do not say so, but JSON and HTML are called what they are."""
    kind = content_type(answer.headers)
    return "json" not in kind and "html" not in kind


def _is_sound(answer: Incoming) -> bool:
    """Whether the body is what it is, and nothing that has yet to be read."""
    kind = content_type(answer.headers)
    return is_opaque(kind) and kind != "text/event-stream"


def _without_beginning(message: str, secrets: Iterable[str]) -> str:
    """Strike the beginning of a secret from the end of a message that was cut short in the middle of it."""
    if not message.endswith(CUT):
        return message
    kept = message.removesuffix(CUT)
    for secret in secrets:
        for length in range(min(len(secret), len(kept)), 2, -1):
            if kept.endswith(secret[:length]):
                return kept[:-length] + CUT
    return message
