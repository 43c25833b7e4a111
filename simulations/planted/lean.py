"""Bugs of the lean line: bytes counted wrongly, connections confused, kept although broken, or left open."""

from __future__ import annotations

from typing import Any

import trio

from ...actors.providers.lean.connection import Connection
from ...actors.providers.lean.head import Head
from ...actors.providers.lean.line import LeanLine
from ...actors.providers.lean.pool import Pool
from ...actors.providers.lean.reader import new_reader
from .bug import CONSERVATION, INCIDENT, ISOLATION, ONE_ANSWER, PROVENANCE, RATE, Patch, bug, instead


@bug("lean line", "the length that is told of a request's body is one too small", PROVENANCE)
def body_longer_than_told() -> list[Patch]:
    def make(original: Any) -> Any:
        return lambda self, length: original(self, length - 1)

    return [(Head, "before", make)]


@bug("lean line", "the length that is told of a request's body is one too large", CONSERVATION, ISOLATION)
def body_shorter_than_told() -> list[Patch]:
    def make(original: Any) -> Any:
        return lambda self, length: original(self, length + 1)

    return [(Head, "before", make)]


@bug("lean line", "of several pieces of a body that are at hand only the last is read", PROVENANCE)
def pieces_at_hand_lost() -> list[Patch]:
    def make(original: Any) -> Any:
        async def receive(self: Connection) -> None:
            await original(self)
            del self._reader.pieces[:-1]

        return receive

    return [(Connection, "_receive", make)]


@bug("lean line", "a body that is cut off is taken for one that has ended", PROVENANCE)
def cut_off_body_is_whole() -> list[Patch]:
    def make(original: Any) -> Any:
        async def piece(self: Connection) -> bytes | None:
            try:
                data: bytes | None = await original(self)
            except Exception:
                self._reader.ended = True
                return None
            return data

        return piece

    return [(Connection, "piece", make)]


@bug("lean line", "whenever a kept connection breaks, the request is sent once more", CONSERVATION)
def sent_again_over_another_connection() -> list[Patch]:
    return [(Connection, "was_dead", instead(lambda self, now: self.was_used))]


@bug("lean line", "a request is sent once more although its answer had begun", CONSERVATION)
def sent_again_after_the_answer_began() -> list[Patch]:
    def make(original: Any) -> Any:
        def was_dead(self: Connection, now: float) -> bool:
            self.heard = False
            return bool(original(self, now))

        return was_dead

    return [(Connection, "was_dead", make)]


@bug("lean line", "a request over a kept connection that was closed is given up", CONSERVATION, ISOLATION)
def kept_connection_that_was_closed() -> list[Patch]:
    return [(Connection, "was_dead", instead(lambda self, now: False))]


@bug("lean line", "a connection is kept although its answer was not read to the end", PROVENANCE, CONSERVATION)
def connection_kept_half_read() -> list[Patch]:
    def discard(self: Pool, connection: Connection) -> None:
        self._busy.pop(connection, None)
        connection._reader = new_reader()
        connection.was_used, connection.idle_since = True, trio.current_time()
        self._idle.append(connection)

    return [(Pool, "discard", instead(discard))]


@bug("lean line", "whoever is cancelled leaves its connection open", CONSERVATION)
def connection_left_open() -> list[Patch]:
    return [(Pool, "discard", instead(lambda self, connection: self._busy.pop(connection, None)))]


@bug("lean line", "two requests share a connection", PROVENANCE, ISOLATION, CONSERVATION, ONE_ANSWER, INCIDENT)
def connection_taken_twice() -> list[Patch]:
    def make(original: Any) -> Any:
        def take(self: Pool) -> Connection | None:
            connection: Connection | None = original(self)
            if connection is None and self._busy:
                connection = next(iter(self._busy))
            return connection

        return take

    return [(Pool, "take", make)]


@bug("lean line", "an answer's body is read from the connection that was used last", PROVENANCE, CONSERVATION)
def body_of_another_connection() -> list[Patch]:
    last: dict[LeanLine, Connection] = {}

    def make(original: Any) -> Any:
        async def exchange(self: LeanLine, connection: Connection, head: Any, content: bytes) -> Any:
            last[self] = connection
            incoming = await original(self, connection, head, content)
            incoming.body._connection = last[self]
            return incoming

        return exchange

    return [(LeanLine, "_exchange", make)]


@bug("lean line", "a request is said to have been sent before there is a connection", CONSERVATION, RATE)
def sent_before_there_is_a_connection() -> list[Patch]:
    def make(original: Any) -> Any:
        async def send(self: LeanLine, outgoing: Any, on_sent: Any) -> Any:
            on_sent()
            return await original(self, outgoing, on_sent)

        return send

    return [(LeanLine, "send", make)]
