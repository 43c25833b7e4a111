"""The idle connections of all candidates of one router: none is so for long, and there are not too many.

There is no timer for that. Whoever takes a connection, or gives one back, closes all that have been idle for too long,
other candidates' too: so a burst that is over leaves nothing behind while there is any traffic at all.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from ..line import KEPT_ALIVE_TIME
from .connection import Connection

if TYPE_CHECKING:
    from .pool import Pool

IDLE_MAX: Final = 256
"""How many connections may be idle: one costs a file descriptor, and to open another costs more than a request."""


class IdleConnections:
    """Idle connections with their pools, the longest idle first: at most `most`, for at most `longest` seconds."""

    def __init__(self, most: int = IDLE_MAX, longest: float = KEPT_ALIVE_TIME) -> None:
        self._most = most
        self._longest = longest
        self._pools: OrderedDict[Connection, Pool] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pools)

    def add(self, connection: Connection, pool: Pool) -> None:
        """Note a connection that has just become idle; what is then too old, or one too many, is closed."""
        self.drop_old(connection.idle_since)
        self._pools[connection] = pool
        if len(self._pools) > self._most:
            self._drop_first()

    def remove(self, connection: Connection) -> None:
        """Forget one that is idle no more."""
        self._pools.pop(connection, None)

    def drop_old(self, now: float) -> None:
        """Close all that have been idle for too long."""
        while self._pools and now - next(iter(self._pools)).idle_since > self._longest:
            self._drop_first()

    def _drop_first(self) -> None:
        _, pool = self._pools.popitem(last=False)
        pool.drop_first()
