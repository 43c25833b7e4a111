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


@define
class Progress:
    """What is known of an attempt while its worker is at it: whether it was `sent`, and what was learnt.

    One `scope` holds all that can end it early: its caller's leash and deadline, and the wire's own limits. Where one
    of these did, `time_up` says which.
    """

    attempt: Attempt
    scope: trio.CancelScope
    sent: bool = False
    left: tuple[Left, ...] = ()
    tokens: float | None = None
    on_sent: Callable[[], None] = lambda: None
    on_begun: Callable[[trio.MemoryReceiveChannel[Chunk]], None] = lambda _: None
    time_up: Callable[[float], Failure | None] = lambda _: None

    def mark_sent(self) -> None:
        """Note that the request is on the wire from now on."""
        if not self.sent:
            self.sent = True
            self.on_sent()

    def ended_early(self, now: float) -> Failure | None:
        """Return the failure of an attempt whose scope has ended it: none, if its caller left or ran out of time."""
        if self.attempt.leash.cancelled or now >= self.attempt.deadline:
            return None
        return self.time_up(now)


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
    """Performs attempts over one wire; `post` leaves messages in the part's mailbox."""

    wire: Wire
    post: Callable[[ModelMessage], None]
    trace: Trace

    async def perform(self, held: Held) -> None:
        """See one attempt through, and report."""
        attempt = held.attempt
        # The deadline holds here, too: a reader that sleeps past it does not come to leave in time.
        progress = Progress(attempt, trio.CancelScope(deadline=attempt.deadline))
        outcome: Answer | Failure | None = None
        try:
            self._listen(progress, held)
            with progress.scope:
                attempt.leash.attach(progress.scope)
                await trio.lowlevel.checkpoint_if_cancelled()  # whoever has left meanwhile sends nothing
                outcome = await self.wire.perform(progress)
            if progress.scope.cancelled_caught:
                outcome = progress.ended_early(trio.current_time())
        except Exception as bug:
            outcome = self._failure_of(bug, attempt)
        finally:
            held.attended = False
            attempt.leash.detach()
            self.post(_report(progress, outcome))
            held.attended = True

    def _listen(self, progress: Progress, held: Held) -> None:
        """Hand on to the mailbox what is learnt on the way."""
        assert held.ticket is not None, "only an admitted attempt is worked on"
        attempt, admitted_at, post = held.attempt, held.ticket.admitted_at, self.post

        def on_sent() -> None:
            if trio.current_time() != admitted_at:
                post(Sent(attempt.id, trio.current_time()))

        progress.on_sent = on_sent
        progress.on_begun = lambda chunks: post(Begun(attempt.id, chunks))

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
