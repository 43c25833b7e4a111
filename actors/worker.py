"""A worker: performs one admitted attempt, and always reports to the mailbox of the part it works for.

It runs as a task in its model actor's nursery, on the leash of the caller. Whatever ends it (an outcome, the caller,
the actor's own crash, a bug in the wire), its last act is the report; the report then waits in the mailbox for whoever
performs the part.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import trio
from attrs import define, frozen

from .bucket import Left
from .failures import Failure, Reason
from .messages import Answer, Attempt, Begun, Chunk, Ended, ModelMessage, Sent
from .part import Held
from .trace import Kind, Trace

log = logging.getLogger("understudy")


@define(eq=False)
class Progress:
    """What is known of an attempt while its worker is at it: whether it was `sent`, and what was learnt.

    One `scope` holds all that can end it early: its caller's leash and deadline, and the wire's own limits. Where one
    of these did, `time_up` says which. `post` leaves messages in the part's mailbox, and `tell_sent` says that the part
    wants to know when the request goes out, if that is later than `admitted_at`.
    """

    attempt: Attempt
    scope: trio.CancelScope
    post: Callable[[ModelMessage], None]
    admitted_at: float
    tell_sent: bool = True
    sent: bool = False
    left: tuple[Left, ...] = ()
    tokens: float | None = None
    time_up: Callable[[float], Failure | None] | None = None

    def mark_sent(self) -> None:
        """Note that the request is on the wire from now on."""
        if self.sent:
            return
        self.sent = True
        if self.tell_sent:
            now = trio.current_time()
            if now != self.admitted_at:
                self.post(Sent(self.attempt.id, now))

    def begin(self, chunks: trio.MemoryReceiveChannel[Chunk]) -> None:
        """Note that the first content of a stream is here; the reader takes it, and what follows, from `chunks`."""
        self.post(Begun(self.attempt.id, chunks))

    def ended_early(self, now: float) -> Failure | None:
        """Return the failure of an attempt whose scope has ended it: none, if its caller left or ran out of time."""
        if self.attempt.leash.cancelled or now >= self.attempt.deadline:
            return None
        return None if self.time_up is None else self.time_up(now)


class Wire(Protocol):
    """How a candidate is reached: one per incarnation, opened and closed with it."""

    async def perform(self, progress: Progress) -> Answer | Failure:
        """Send the attempt, see it through, keep `progress` up to date; failures are values."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


@frozen(eq=False)
class Worker:
    """Performs attempts over one wire; `post` leaves messages in the part's mailbox.

    `is_rated`: the candidate has a limit a minute, so that it matters when exactly a request goes out.
    """

    wire: Wire
    post: Callable[[ModelMessage], None]
    trace: Trace
    is_rated: bool = True

    async def perform(self, held: Held) -> None:
        """See one attempt through, and report."""
        attempt = held.attempt
        assert held.ticket is not None, "only an admitted attempt is worked on"
        # The deadline holds here, too: a reader that sleeps past it does not come to leave in time.
        scope = trio.CancelScope(deadline=attempt.deadline)
        tell_sent = self.is_rated or Kind.SENT in self.trace.heard
        progress = Progress(attempt, scope, self.post, held.ticket.admitted_at, tell_sent)
        outcome: Answer | Failure | None = None
        try:
            with scope:
                attempt.leash.attach(scope)
                await trio.lowlevel.checkpoint_if_cancelled()  # whoever has left meanwhile sends nothing
                outcome = await self.wire.perform(progress)
            if scope.cancelled_caught:
                outcome = progress.ended_early(trio.current_time())
        except Exception as bug:
            outcome = self._failure_of(bug, attempt)
        finally:
            held.attended = False
            attempt.leash.detach()
            self.post(_report(progress, outcome))
            held.attended = True

    def _failure_of(self, bug: Exception, attempt: Attempt) -> Failure:
        """A bug in the wire (or in a transport of the user's) ends this attempt, and nobody else's."""
        what = type(bug).__name__
        log.error("an attempt at %s met a bug in the wire", attempt.key, exc_info=bug)
        self.trace.record(
            trio.current_time(),
            Kind.CRASHED,
            request=attempt.request,
            attempt=attempt.id,
            key=attempt.key,
            actor="worker",
            detail=what,
        )
        return Failure.of(Reason.UNKNOWN, f"a bug in the wire: {what}")


def _report(progress: Progress, outcome: Answer | Failure | None) -> Ended:
    return Ended(
        progress.attempt.id,
        progress.sent,
        answer=outcome if isinstance(outcome, Answer) else None,
        failure=outcome if isinstance(outcome, Failure) else None,
        left=progress.left,
        tokens=progress.tokens,
    )
