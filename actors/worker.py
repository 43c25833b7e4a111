"""The worker: performs admitted attempts, and always reports to the mailbox of the part it works for.

An attempt is performed in its caller's task, which has nothing else to do, or for a stream in a task of the model
actor's nursery, which reads ahead of the reader; on the caller's leash in either case. Whatever ends it (an outcome,
the caller, the actor's own crash, a bug in the wire), its last act is the report; the report then waits in the mailbox
for whoever performs the part.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import Context
from typing import Protocol

import trio
from attrs import define, field

from .bucket import Left
from .contexts import within
from .failures import Failure, Reason
from .mailbox import Mailbox
from .messages import Answer, Attempt, Begun, Call, Chunk, Ended, ModelMessage, Sent
from .part import Held
from .trace import Kind, Trace

log = logging.getLogger("understudy")


@define(eq=False)
class Progress:
    """What is known of an attempt while its worker is at it: whether it was `sent`, and what was learnt.

    One `scope` holds all that can end it early: its caller's leash and deadline, the end of its actor, and the wire's
    own limits. Where one of these did, `time_up` says which. `post` leaves messages in the part's mailbox, and
    `tell_sent` says that the part wants to know when the request goes out, if that is later than `admitted_at`.
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

    def time_limit(self, call: Call) -> float:
        """Return for how many seconds at most an attempt is performed that shows no sign of life."""
        ...

    async def perform(self, progress: Progress) -> Answer | Failure:
        """Send the attempt, see it through, keep `progress` up to date; failures are values.

        The scope of `progress` ends it at its deadline, and at the time limit if that comes first.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


@define(eq=False)
class Worker:
    """Performs one incarnation's attempts over one wire, and reports to the part's `mailbox`.

    `is_rated`: the candidate has a limit a minute, so that it matters when exactly a request goes out.
    """

    wire: Wire
    mailbox: Mailbox[ModelMessage]
    trace: Trace
    is_rated: bool = True
    _at_work: dict[int, Held] = field(factory=dict, init=False)
    _all_done: trio.Event | None = field(default=None, init=False)
    _stopped: bool = field(default=False, init=False)

    async def perform_for_caller(self, held: Held, context: Context) -> None:
        """Do as `perform` in the task of the caller, to whom a bug in the house is not to be shown."""
        if self._stopped or held.ticket is None:
            return  # a crash came in between, and has answered this attempt or is about to
        held.attended = True
        number = held.attempt.id
        self._at_work[number] = held
        try:
            await within(context, self.perform(held, by_caller=True))
        except Exception as bug:
            self.mailbox.crash(bug)
        finally:
            del self._at_work[number]
            if self._all_done is not None and not self._at_work:
                self._all_done.set()

    async def stop(self) -> None:
        """End all that is under way in callers' tasks, and wait until it has; the incarnation is over."""
        self._stopped = True
        for held in self._at_work.values():
            held.attempt.leash.interrupt()
        if self._at_work:
            self._all_done = trio.Event()
            await self._all_done.wait()

    async def perform(self, held: Held, *, by_caller: bool = False) -> None:
        """See one attempt through, and report; `by_caller`: whoever cancels this task is the caller."""
        attempt = held.attempt
        assert held.ticket is not None, "only an admitted attempt is worked on"
        admitted_at = held.ticket.admitted_at
        # The deadline holds here, too: a reader that sleeps past it does not come to leave in time.
        scope = trio.CancelScope(deadline=min(attempt.deadline, admitted_at + self.wire.time_limit(attempt.call)))
        tell_sent = self.is_rated or Kind.SENT in self.trace.heard
        progress = Progress(attempt, scope, self.mailbox.post, admitted_at, tell_sent)
        outcome: Answer | Failure | None = None
        broken_off = True
        try:
            with scope:
                attempt.leash.attach(scope)
                await trio.lowlevel.checkpoint_if_cancelled()  # whoever has left meanwhile sends nothing
                outcome = await self.wire.perform(progress)
            if scope.cancelled_caught and not self._stopped:
                outcome = progress.ended_early(trio.current_time())
            broken_off = False
        except Exception as bug:
            outcome = self._failure_of(bug, attempt)
            broken_off = False
        finally:
            held.attended = False
            if broken_off and by_caller:
                attempt.leash.cancel()  # whoever hears the report is to know that nobody waits any more
            attempt.leash.detach()
            if self._stopped and isinstance(outcome, Failure):
                outcome = None  # it met a line that its own actor was closing
            self.mailbox.post(_report(progress, outcome))
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
    answer = outcome if isinstance(outcome, Answer) else None
    failure = outcome if isinstance(outcome, Failure) else None
    return Ended(progress.attempt.id, progress.sent, answer, failure, progress.left, progress.tokens)
