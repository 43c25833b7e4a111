"""The connections to one origin: which are idle, and which of those is used next.

The one that was idle the shortest, as it is the least likely to have been closed at the other end, and the others may
then grow old. Nobody waits here for a connection: the candidate's permits limit how many there are.
"""

from __future__ import annotations

from collections import deque

import httpx
import trio

from . import reader
from .connection import Connection
from .dial import Dial
from .idle import IdleConnections


class Pool:
    """The connections to one origin. How many may be idle, and for how long, `house` says, which knows others', too."""

    def __init__(self, dial: Dial, house: IdleConnections) -> None:
        self._dial = dial
        self._house = house
        self._idle: deque[Connection] = deque()  # the longest first
        self._busy: dict[Connection, None] = {}
        self._closed = False

    @property
    def idle(self) -> int:
        """How many connections are idle."""
        return len(self._idle)

    @property
    def busy(self) -> int:
        """How many are in use."""
        return len(self._busy)

    def take(self) -> Connection | None:
        """Return an idle connection that seems to be alive, if there is one; whatever is found dead is dropped."""
        self._house.drop_old(trio.current_time())
        while self._idle:
            connection = self._idle.pop()
            self._house.remove(connection)
            if connection.is_alive():
                self._busy[connection] = None
                return connection
            connection.drop()
        return None

    async def open(self) -> Connection:
        """Return a new connection."""
        began = trio.current_time()
        link = await self._dial()
        if self._closed:
            link.drop()
            raise httpx.ConnectError("the line is closed")
        connection = Connection(link, trio.current_time() - began, reader.new_reader())
        self._busy[connection] = None
        return connection

    def give_back(self, connection: Connection) -> None:
        """Take a connection back whose exchange is over, well or not."""
        was_busy = connection in self._busy
        self._busy.pop(connection, None)
        if not was_busy or not connection.may_be_used_again:
            connection.drop()
            return
        connection.renew(trio.current_time())
        self._idle.append(connection)
        self._house.add(connection, self)

    def discard(self, connection: Connection) -> None:
        """Close a connection in the middle of its exchange."""
        self._busy.pop(connection, None)
        connection.drop()

    def close(self) -> None:
        """Close every connection, those in use too, and open no more."""
        self._closed = True
        for connection in (*self._idle, *self._busy):
            self._house.remove(connection)
            connection.drop()
        self._idle.clear()
        self._busy.clear()

    def drop_first(self) -> None:
        """Close the connection that has been idle the longest."""
        self._idle.popleft().drop()
