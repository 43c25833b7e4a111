"""The scripted provider: it listens on a real socket, hands out behaviours and remembers what it has seen."""

from __future__ import annotations

import functools
import itertools
import socket
import ssl
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import trio
import trustme

from .answer import Answer, Behaviour
from .behaviours import Reset
from .connection import Connection
from .exchange import Seen, break_connection

PATIENCE: Final = 5.0
"""Seconds after which waiting for the provider fails the test instead of hanging it."""

NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that need no TLS: it trusts nobody, and saves httpx from loading the system's certificates."""


@functools.cache
def _authority() -> trustme.CA:
    return trustme.CA()


@functools.cache
def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority().issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


class LoopbackProvider:
    """One provider, its script, and what it has seen.

    Which behaviour a request meets: the next one scripted for its key, else that of its key in `by_key`,
    else the next one of the script for everybody, else the one set with `always` (at first, `Answer()`).

    Attributes:
        base_url: what a client is configured with.
        requests: all requests so far, in the order in which they were complete.
        by_key: behaviours for requests that bear a certain key, any number of times.
        connections: how many connections have been accepted so far.
        open_connections: how many of them are open.

    """

    def __init__(self, port: int, *, tls: bool, folder: Path) -> None:
        self.port = port
        self.tls = tls
        self.base_url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1"
        self.requests: list[Seen] = []
        self.by_key: dict[str, Behaviour] = {}
        self.connections = 0
        self.open_connections = 0
        self._folder = folder
        self._scripts: dict[str | None, deque[Behaviour]] = {}
        self._default: Behaviour = Answer()
        self._changed = trio.Event()
        self._numbers = itertools.count()
        self._server_context = _server_context() if tls else None

    def script(self, *behaviours: Behaviour, key: str | None = None) -> None:
        """Add behaviours for the next requests, in order; with `key`, for the next ones that bear it."""
        self._scripts.setdefault(key, deque()).extend(behaviours)

    def always(self, behaviour: Behaviour) -> None:
        """Set what is done with requests that no script speaks of."""
        self._default = behaviour

    @property
    def script_left(self) -> int:
        """How many scripted behaviours have not been played."""
        return sum(len(script) for script in self._scripts.values())

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """What a client verifies this provider with: `httpx.AsyncClient(verify=provider.ssl_context)`."""
        if not self.tls:
            return NO_TLS
        context = ssl.create_default_context()
        _authority().configure_trust(context)
        return context

    @property
    def ca_pem_path(self) -> Path:
        """The certificate of the authority that vouches for this provider, as a file."""
        path = self._folder / "ca.pem"
        if not path.exists():
            _authority().cert_pem.write_to_path(str(path))
        return path

    async def wait_for_requests(self, count: int) -> None:
        """Wait until at least `count` requests have arrived."""
        await self._until(lambda: len(self.requests) >= count)

    async def wait_for_connections(self, count: int) -> None:
        """Wait until exactly `count` connections are open."""
        await self._until(lambda: self.open_connections == count)

    async def wait_closed(self) -> None:
        """Wait until no connection is open."""
        await self.wait_for_connections(0)

    async def _until(self, true: Callable[[], bool]) -> None:
        with trio.fail_after(PATIENCE):
            while not true():
                await self._changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # ---- the side of the connections

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one connection until either side ends it."""
        number = self.connections
        self.connections += 1
        self.open_connections += 1
        self._notify()
        try:
            if self._resets_at_connect():
                break_connection(stream.socket)
                return
            connection = Connection(number, stream, self._server_context, self._numbers)
            try:
                await connection.run(self._note)
            finally:
                await connection.close()
        finally:
            stream.socket.close()
            self.open_connections -= 1
            self._notify()

    def _resets_at_connect(self) -> bool:
        script = self._scripts.get(None)
        first = script[0] if script else self._default
        if not isinstance(first, Reset) or first.after != "connect":
            return False
        if script:
            script.popleft()
        return True

    def _note(self, seen: Seen) -> Behaviour:
        """Record a request and choose what is done with it."""
        self.requests.append(seen)
        self._notify()
        if seen.key is not None:
            own = self._scripts.get(seen.key)
            if own:
                return own.popleft()
            if seen.key in self.by_key:
                return self.by_key[seen.key]
        script = self._scripts.get(None)
        return script.popleft() if script else self._default


@asynccontextmanager
async def loopback_provider(*, tls: bool = False) -> AsyncIterator[LoopbackProvider]:
    """Run a scripted provider for the time of the block. What is still connected at its end is cut off."""
    failure: Exception | None = None
    with tempfile.TemporaryDirectory() as folder:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            provider = LoopbackProvider(listeners[0].socket.getsockname()[1], tls=tls, folder=Path(folder))
            await nursery.start(trio.serve_listeners, provider.serve, listeners)
            try:
                yield provider
            except Exception as exc:  # handed on below, as it is and not in a group
                failure = exc
            nursery.cancel_scope.cancel()
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # it refers to this frame, which refers to it


@contextmanager
def closed_port() -> Iterator[str]:
    """Give a base URL where nobody listens: it refuses connections. The port is reserved for the block."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
