"""The thread: trio runs in it, with one context (the *resident*: a router) open around all errands.

Its life is told at a hatch like any errand's: one word when the resident is there, and the end when the thread is
about to end. Leaving it means what leaving the resident means; then what is still under way is cancelled. If trio's
run dies of a bug, every errand is ended with `RouterCrashed`: nobody waits for a thread that is no more.

The thread is a daemon, and yet always joined: by whoever closes the portal, or else when the interpreter exits. (At
exit Python first waits for every thread that is no daemon, and only then calls anybody: such a thread could not even
be told to end. And threads of the user's that still need the router then have it until they have ended.)
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import trio

from ...actors.errors import RouterClosed, RouterCrashed
from .errand import Errand
from .hatch import Hatch

OPENED: Final = "opened"
"""What the hatch of a portal's life hears when the resident is there."""

LINGER_MAX_S: Final = 5.0
"""How long a caller that leaves waits for its errand to end, and the interpreter's exit for a forgotten thread."""

_running: Final[set[Portal]] = set()


class Portal:
    """A thread in which trio runs, and the way in. All methods may be called in any thread."""

    def __init__(self, open_resident: Callable[[], AbstractAsyncContextManager[Any]], life: Hatch) -> None:
        self.life = life
        self.resident: Any = None
        self._open_resident = open_resident
        self._thread = threading.Thread(target=self._live, name="understudy-portal", daemon=True)
        self._inbox: deque[Errand | Callable[[], object]] = deque()
        self._is_woken = False
        self._is_closed = False
        self._is_over = False
        self._is_forked = False
        self._crash: str | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._errands: dict[Errand, None] = {}

    def start(self) -> None:
        """Start the thread; its `life` tells when it is open, or why it could not be."""
        _running.add(self)
        self._thread.start()

    def send(self, errand: Errand) -> None:
        """Have an errand performed. Where that is impossible, it ends with the reason at once."""
        self._post(errand)
        if self._is_over:  # perhaps since before it was posted: then nobody else ends it
            self._end_all()

    def cancel(self, errand: Errand) -> None:
        """Cancel an errand; its hatch hears when it has ended."""
        self._post(errand.cancel)

    def make_room(self, errand: Errand) -> None:
        """Let an errand that waits for its caller go on."""
        self._post(errand.make_room)

    def run_soon(self, job: Callable[[], object]) -> None:
        """Have a function called in trio's thread, as long as that lives. It must not raise and must not wait."""
        self._post(job)

    def stop(self, *, at_once: bool) -> None:
        """Close the resident as leaving its context does; `at_once`: as being cancelled in it does."""
        self._post(self._cancel_stay if at_once else self._end_stay)

    def join(self, timeout: float | None = None) -> None:
        """Wait in this thread for the portal's to end, which is a moment once its `life` has ended."""
        self._thread.join(timeout)

    @property
    def is_here(self) -> bool:
        """Whether this is the portal's own thread, in which nobody can wait for it."""
        return threading.current_thread() is self._thread

    def _post(self, job: Errand | Callable[[], object]) -> None:
        """Leave a job in the inbox. One wake-up serves all that is in it."""
        self._inbox.append(job)
        if self._is_woken or self._token is None:  # without a token, the run looks into its inbox when it begins
            return
        self._is_woken = True
        with contextlib.suppress(trio.RunFinishedError):  # whoever sends an errand looks whether it is over
            self._token.run_sync_soon(self._take_jobs)

    # In the thread

    def _live(self) -> None:
        error: BaseException | None = None
        try:
            trio.run(self._run)
        except BaseException as exc:
            error = exc
            self._crash = type(exc).__name__
        for errand in list(self._errands):  # left by a run that broke down: no task of it goes on
            errand.hatch.end(error=self._obituary())
        self._is_over = True
        self._end_all()
        _running.discard(self)
        self.life.end(error=error)

    async def _run(self) -> None:
        failure: BaseException | None = None
        self._stopped, self._stay = trio.Event(), trio.CancelScope()
        self._token = trio.lowlevel.current_trio_token()
        # Errands outside, the resident inside: so they get from a closing router what tasks of a trio program get.
        async with trio.open_nursery() as self._nursery:
            try:
                with self._stay:
                    await self._host()
            except Exception as exc:
                failure = exc  # raised below, as itself and not in a group
            self._is_closed = True
            for errand in self._errands:
                errand.cancel(dismissed=True)
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # it refers to this frame

    async def _host(self) -> None:
        self._take_jobs()  # perhaps it is to be stopped already
        async with self._open_resident() as self.resident:
            self.life.say(OPENED)
            await self._stopped.wait()

    def _take_jobs(self) -> None:
        self._is_woken = False
        for _ in range(len(self._inbox)):
            job = self._inbox.popleft()
            if isinstance(job, Errand):
                self._begin(job)
            else:
                job()

    def _begin(self, errand: Errand) -> None:
        if self._is_closed:
            errand.hatch.end(error=RouterClosed())
            return
        try:
            errand.at_once(self.resident)
        except Exception as exc:
            errand.hatch.end(error=exc)
            return
        errand.scope = trio.CancelScope()
        self._errands[errand] = None
        errand.context.run(self._nursery.start_soon, self._perform, errand)

    async def _perform(self, errand: Errand) -> None:
        try:
            await errand.perform(self.resident)
        finally:
            del self._errands[errand]

    def _end_stay(self) -> None:
        self._stopped.set()

    def _cancel_stay(self) -> None:
        self._stopped.set()
        self._stay.cancel()

    # When it is over: in the thread, or in that of somebody who has come too late

    def _end_all(self) -> None:
        """End every errand that nobody will perform any more."""
        while True:
            try:
                job = self._inbox.popleft()
            except IndexError:
                return
            if isinstance(job, Errand):
                job.hatch.end(error=self._obituary())

    def _obituary(self) -> Exception:
        if self._is_forked:
            return RuntimeError("this process was forked off one in which a router was open: open a router in it")
        return RouterClosed() if self._crash is None else RouterCrashed(self._crash)

    def forked(self) -> None:
        """Note that this is a child process, in which the thread does not exist."""
        self._is_forked = self._is_over = True
        self._token = None
        self._inbox.clear()
        self.life.ended = True  # nobody is told: the bell may be one that the parent hears, too


def _close_forgotten() -> None:
    """At exit: end the threads of portals that nobody has closed, and wait for each, but not for ever."""
    portals = list(_running)
    for portal in portals:
        portal.stop(at_once=True)
    for portal in portals:
        portal.join(LINGER_MAX_S)


def _forget_in_child() -> None:
    for portal in list(_running):
        portal.forked()
    _running.clear()


atexit.register(_close_forgotten)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
