"""The model actor: performs one candidate's part. It alone decides, and it alone changes bucket and cooldown.

It never waits for the network: an attempt that it admits is performed by its caller's task, or for a stream by one in
the actor's own nursery (see `worker`), which reports to the actor's own mailbox. Handlers are synchronous. Every
attempt that is taken from the mailbox gets exactly one final answer, in this incarnation or the next:

- whoever performs an admitted attempt always reports, also when it is cancelled, and the report waits in the mailbox
  for whoever performs the part then;
- what was being looked at when a handler crashed stands in the part's ledger, and `_inherit` answers it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial

import trio

from .cooldown import Change
from .failures import Failure, Reason, Scope
from .mailbox import Mailbox
from .messages import (
    Answer,
    Attempt,
    Begun,
    Ended,
    Failed,
    ModelMessage,
    Opened,
    Refusal,
    Reply,
    Reset,
    Sent,
    Served,
    Struck,
    Ticket,
    Withdraw,
    Withdrawn,
)
from .part import DISTRUST_COOLDOWN, Held, Obstacle, Part
from .shapes import usage_of
from .trace import Fact, Kind, Trace
from .worker import Wire, Worker

QUICK = (Reason.NETWORK, Reason.SERVER_ERROR)
"""The reasons after which a second try at the same candidate may be made at once."""


class ModelActor:
    """One incarnation of the performer of a part.

    `answer` posts to the router's mailbox, `kin` are the mailboxes of the model keys with the same credential,
    `open_wire` makes the way to the provider.
    """

    def __init__(
        self,
        part: Part,
        open_wire: Callable[[], Wire],
        *,
        answer: Callable[[Reply], None],
        kin: Sequence[Mailbox[ModelMessage]] = (),
        retry_within: float = 0.0,
        trace: Trace,
    ) -> None:
        self.part = part
        self.key = part.key
        self._open_wire = open_wire
        self._answer_to = answer
        self._kin = kin
        self._strikes: list[Struck | None] = [None] * len(kin)
        self._retry_within = retry_within
        self._trace = trace
        self._worker: Worker | None = None
        self._workers: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Perform the part until cancelled, or until a bug ends this incarnation."""
        wire = self._open_wire()
        self._worker = Worker(wire, self.part.mailbox, self._trace, self.part.limits.is_rated)
        try:
            async with trio.open_nursery() as self._workers:
                self._inherit(trio.current_time())
                # For the last incarnation, which may not have come to that; the next message may crash this one, too.
                self._pump(trio.current_time())
                task_status.started()
                await self.part.mailbox.perform(self._perform)
        finally:
            for end in (self._worker.stop, wire.aclose):  # each in its own time: the wire is closed in any case
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                    await end()

    def _perform(self, message: ModelMessage | None, now: float) -> float:
        """Take in a message, if there is one, and whatever it is time for; return when it is time for more."""
        # Noted first, for whoever comes after a crash.
        part = self.part
        part.handling = message
        if message is not None:
            self.handle(message, now)
        part.handling = None
        if not (part.queue or part.held_back):
            return math.inf
        self._pump(now)
        return self._wakes_at(now)

    def handle(self, message: ModelMessage, now: float) -> None:
        """Take in one message: decide first, act afterwards, wait for nothing."""
        match message:
            case Attempt():
                self._on_attempt(message, now)
            case Ended():
                self._on_ended(message, now)
            case Begun():
                self._on_begun(message, now)
            case Sent():
                self._on_sent(message)
            case Withdraw():
                self._on_withdraw(message, now)
            case Struck():
                self._on_struck(message, now)
            case Reset():
                self._on_reset(message, now)

    # Admission

    def _on_attempt(self, attempt: Attempt, now: float) -> None:
        assert attempt.key.name == self.key.name, "an attempt reaches the candidate that it names"
        held = Held(attempt)
        self.part.open[attempt.id] = held
        if attempt.leash.cancelled or attempt.deadline <= now:
            self._answer(held, Withdrawn(attempt.id))
        elif attempt.not_before <= now:
            if self.part.queue or self.part.held_back:
                self._pump(now)
            self._consider(held, now)
        elif len(self.part.held_back) < self.part.max_queued:
            self.part.held_back.append(held)
        else:
            self._refuse(held, Obstacle(Refusal.SATURATED, attempt.not_before), now, full=True)

    def _consider(self, held: Held, now: float) -> None:
        """Admit, queue or refuse an attempt that comes after all that wait."""
        obstacle = self.part.obstacle(now, held.attempt.demand.tokens)
        if obstacle is None:
            self._admit(held, now)
        elif not self._may_queue(held, obstacle):
            self._refuse(held, obstacle, now)
        elif len(self.part.queue) >= self.part.max_queued:
            self._refuse(held, obstacle, now, full=True)
        else:
            self.part.queue.append(held)
            self._record(now, Kind.QUEUED, held.attempt, ready_at=obstacle.ready_at)

    def _may_queue(self, held: Held, obstacle: Obstacle) -> bool:
        attempt = held.attempt
        if not attempt.wait or obstacle.refusal is Refusal.DOWN:
            return False
        if obstacle.refusal is Refusal.COOLING and not attempt.call.wait_for_cooldown:
            return False
        return obstacle.ready_at is None or obstacle.ready_at < attempt.deadline

    def _refuse(self, held: Held, obstacle: Obstacle, now: float, *, full: bool = False) -> None:
        if obstacle.refusal is Refusal.SATURATED and obstacle.ready_at is not None:
            self.part.full_until = obstacle.ready_at
        refused = self.part.refusal(held.attempt.id, obstacle, now, full=full)
        self._record(now, Kind.REFUSED, held.attempt, **refused.told())
        self._answer(held, refused)

    def _admit(self, held: Held, now: float) -> None:
        attempt = held.attempt
        permit = self.part.bucket.grant(now, attempt.demand.tokens)
        held.ticket = Ticket(permit, self.part.cooldown.admit(now), now)
        context = attempt.context.copy()
        context.run(self._send_out, held, held.ticket, now, context)

    def _send_out(self, held: Held, ticket: Ticket, now: float, context: Context) -> None:
        """Tell of an attempt, and see that it is performed, both in this context, which is the attempt's own."""
        assert self._workers is not None, "only an actor on stage admits"
        assert self._worker is not None, "an actor on stage has a way to its provider"
        attempt = held.attempt
        if self._trace.hears_requests:
            self._record(
                now,
                Kind.ADMITTED,
                attempt,
                generation=ticket.stamp.generation,
                probe=ticket.stamp.lease or 0,
                tokens=ticket.permit.tokens,
            )
        if attempt.call.stream:
            self._workers.start_soon(self._worker.perform, held, name=f"attempt {attempt.id} at {self.key.name}")
            held.attended = True
        else:
            attempt.give_work(partial(self._worker.perform_for_caller, held, context))

    def _pump(self, now: float) -> None:
        """Admit whoever waits and can go, first come first served; send on whoever waits in vain."""
        part = self.part
        while part.queue:
            held = part.queue.first
            if self._see_off(held, now):
                part.queue.popleft()
            elif part.obstacle(now, held.attempt.demand.tokens, first_in_line=True) is None:
                part.queue.popleft()
                self._admit(held, now)
            else:
                break
        if part.queue:
            self._send_on_those_in_vain(now)
        for held in [held for held in part.held_back if held.attempt.not_before <= now]:
            part.held_back.remove(held)
            if not self._see_off(held, now):
                self._consider(held, now)

    def _see_off(self, held: Held, now: float) -> bool:
        """Answer an attempt that waits and whose caller has left, or whose time is up; whether that was so."""
        if not (held.attempt.leash.cancelled or held.attempt.deadline <= now):
            return False
        self._record(now, Kind.UNQUEUED, held.attempt, reason="left")
        self._answer(held, Withdrawn(held.attempt.id))
        return True

    def _send_on_those_in_vain(self, now: float) -> None:
        """Drop from the queue those for whom this candidate will be ready too late, or who will not wait for it."""
        obstacle = self.part.obstacle(now, 0.0, first_in_line=True)
        if obstacle is None:
            return
        for held in [held for held in self.part.queue.in_doubt(obstacle) if not self._may_queue(held, obstacle)]:
            self.part.queue.remove(held)
            self._record(now, Kind.UNQUEUED, held.attempt, reason=obstacle.refusal)
            self._refuse(held, obstacle, now)

    def _wakes_at(self, now: float) -> float:
        """When there is something to do although no message comes."""
        times = [held.attempt.not_before for held in self.part.held_back]
        if self.part.queue:
            head = self.part.queue.first.attempt
            obstacle = self.part.obstacle(now, head.demand.tokens, first_in_line=True)
            if obstacle is None:
                times.append(now)
            elif obstacle.ready_at is not None:
                times.append(obstacle.ready_at)
        return min(times, default=math.inf)

    # Outcomes

    def _on_sent(self, sent: Sent) -> None:
        held = self.part.open.get(sent.attempt)
        if held is not None and held.ticket is not None:
            self.part.bucket.sent(held.ticket.permit, sent.at)
            self._record(sent.at, Kind.SENT, held.attempt)

    def _on_begun(self, begun: Begun, now: float) -> None:
        held = self.part.open.get(begun.attempt)
        if held is None or held.ticket is None:
            return
        held.opened = True
        self._record(now, Kind.OPENED, held.attempt)
        self._note(self.part.cooldown.answered(held.ticket.stamp), now)
        self._answer_to(Opened(begun.attempt, begun.chunks))

    def _on_ended(self, ended: Ended, now: float) -> None:
        held = self.part.open.get(ended.attempt)
        if held is None:
            return  # the part was distrusted, and this attempt answered then
        held.ended = True
        assert held.ticket is not None, "only an admitted attempt has a worker"
        for left in ended.left:
            self.part.bucket.state(held.ticket.permit, now, left, self.part.max_retry_after)
            self._record(now, Kind.STATED, held.attempt, what=left.what, left=left.amount, reset=left.reset)
        if ended.answer is not None:
            self._on_success(held, ended.answer, now)
        elif ended.failure is not None:
            self._on_failure(held, ended, ended.failure, now)
        else:
            self._on_unknown(held, ended, now)

    def _on_success(self, held: Held, answer: Answer, now: float) -> None:
        assert held.ticket is not None
        stamp, permit = held.ticket.stamp, held.ticket.permit
        change = self.part.cooldown.ok(stamp)
        self._release(held, now, sent=True, used=answer.tokens)
        self.part.served += 1
        tokens = permit.tokens if answer.tokens is None else answer.tokens
        if self._trace.hears_requests:
            self._record_success(now, held.attempt, answer, tokens, stamp.generation)
        if change is not Change.NONE:
            self._note(change, now)
        self._answer(held, Served(held.attempt.id, answer))

    def _on_failure(self, held: Held, ended: Ended, failure: Failure, now: float) -> None:
        assert held.ticket is not None
        stamp = held.ticket.stamp
        retry_at = self._second_try(held, failure, now)
        if retry_at is None:
            change = self.part.cooldown.failed(now, stamp, failure)
        else:
            change = self.part.cooldown.unknown(stamp)
        self._release(held, now, sent=ended.sent, used=ended.tokens)
        self.part.failures[failure.reason] += 1
        if self._trace.hears_requests:
            self._record(
                now,
                Kind.FAILED,
                held.attempt,
                reason=failure.reason,
                scope=failure.scope,
                status=failure.status,
                stated=failure.retry_after,
                executed=int(ended.sent),
                generation=stamp.generation,
            )
        self._note(change, now, failure)
        if change in (Change.BEGAN, Change.EXTENDED) and failure.scope is Scope.CREDENTIAL:
            self._strike_kin(failure)
        ready_at = self.part.cooldown.cooling_until(now)
        self._answer(held, Failed(held.attempt.id, failure, ended.sent, ready_at, retry_at))

    def _on_unknown(self, held: Held, ended: Ended, now: float) -> None:
        """Nothing was learnt: the caller left, its time is up, or the last incarnation ended under the worker."""
        assert held.ticket is not None
        change = self.part.cooldown.unknown(held.ticket.stamp)
        self._release(held, now, sent=ended.sent, used=ended.tokens)
        self._record(now, Kind.ABANDONED, held.attempt, sent=int(ended.sent))
        self._note(change, now)
        if held.attempt.leash.cancelled or held.attempt.deadline <= now:
            self._answer(held, Withdrawn(held.attempt.id))
        else:
            self._record(now, Kind.LOST, held.attempt, executed=int(ended.sent))
            self._answer(held, held.crashed(executed=ended.sent))

    def _second_try(self, held: Held, failure: Failure, now: float) -> float | None:
        """When the same candidate should take this attempt once more, if its `retries` allow that."""
        attempt = held.attempt
        if attempt.retries_left <= 0 or held.opened or not failure.retriable:
            return None
        if failure.retry_after is not None:
            wait = failure.retry_after if failure.retry_after <= self._retry_within else None
        else:
            wait = 0.0 if failure.reason in QUICK else None
        if wait is None or now + wait >= attempt.deadline:
            return None
        return now + max(0.0, wait)

    def _strike_kin(self, failure: Failure) -> None:
        """Tell every other model key with this credential; one that has not read the last word yet needs no other."""
        if not self.part.policy[failure.reason].shared:
            return
        for i, mailbox in enumerate(self._kin):
            last = self._strikes[i]
            if last is None or last.taken:
                strike = self._strikes[i] = Struck(self.key, failure)
                mailbox.post(strike)

    def _on_struck(self, struck: Struck, now: float) -> None:
        struck.taken = True
        change = self.part.cooldown.struck(now, struck.failure)
        self._note(change, now, struck.failure, by=struck.by.name)

    def _on_withdraw(self, withdraw: Withdraw, now: float) -> None:
        held = self.part.open.get(withdraw.attempt)
        if held is None or held.attended:
            return  # answered already; or on its way, and then the leash has reached it
        if held.ticket is not None:
            self._on_unknown(held, Ended(withdraw.attempt, sent=False), now)  # its caller has not even begun with it
            return
        if held in self.part.queue:
            self.part.queue.remove(held)
        if held in self.part.held_back:
            self.part.held_back.remove(held)
        self._record(now, Kind.UNQUEUED, held.attempt, reason="left")
        self._answer(held, Withdrawn(withdraw.attempt))

    def _on_reset(self, reset: Reset, now: float) -> None:
        change = self.part.cooldown.reset()
        self._note(change, now)
        reset.done.set()

    # Between incarnations

    def _inherit(self, now: float) -> None:
        """Check what the last incarnation left, and answer whatever nobody will report on any more."""
        part = self.part
        self._take_up(part.handling, now)
        orphans = part.unattended()
        executed = [held.ended or held.ticket is not None for held in orphans]
        for held in orphans:
            if held.ticket is not None:
                self._note(part.cooldown.unknown(held.ticket.stamp), now)
                self._release(held, now, sent=True)
        if not part.holds_together(now):
            orphans = part.distrust(now)
            executed = [held.ended or held.ticket is not None for held in orphans]
            self._trace.record(now, Kind.DISTRUSTED, key=self.key, until=now + DISTRUST_COOLDOWN)
        for held, was_executed in zip(orphans, executed, strict=True):
            held.ticket = None  # so that nobody begins with it now
            self._record(now, Kind.LOST, held.attempt, executed=int(was_executed))
            self._answer(held, held.crashed(executed=was_executed))
        part.handling = None

    def _take_up(self, message: ModelMessage | None, now: float) -> None:
        """See to the message over which the last incarnation crashed, without trusting it a second time."""
        match message:
            case Attempt():
                # Unless it was answered before the crash, it becomes one that nobody attends to.
                self.part.open.setdefault(message.id, Held(message))
            case Ended() if message.attempt in self.part.open:
                self.part.open[message.attempt].ended = True
            case Withdraw():
                self._on_withdraw(message, now)
            case Struck():
                message.taken = True
            case Reset():
                self._on_reset(message, now)

    # Small things

    def _release(self, held: Held, now: float, *, sent: bool, used: float | None = None) -> None:
        assert held.ticket is not None
        ticket, held.ticket = held.ticket, None
        self.part.bucket.release(ticket.permit, now, sent=sent, used=used)

    def _answer(self, held: Held, reply: Reply) -> None:
        """Give an attempt its one final answer."""
        self._answer_to(reply)
        self.part.open.pop(held.attempt.id, None)  # a part that was distrusted has forgotten it already
        if self.part.handling is held.attempt:
            self.part.handling = None

    def _note(self, change: Change, now: float, failure: Failure | None = None, *, by: str | None = None) -> None:
        """Record what an outcome did to the candidate's health."""
        cooldown = self.part.cooldown
        match change:
            case Change.BEGAN | Change.EXTENDED:
                self._trace.record(
                    now,
                    Kind.COOLING if change is Change.BEGAN else Kind.EXTENDED,
                    key=self.key,
                    until=cooldown.cooling_until(now),
                    incidents=cooldown.incidents,
                    generation=cooldown.generation,
                    reason=None if failure is None else failure.reason.value,
                    by=by,
                )
            case Change.RECOVERED:
                self._trace.record(now, Kind.RECOVERED, key=self.key)
            case Change.RETURNED:
                self._trace.record(now, Kind.RETURNED, key=self.key)

    def _record(self, now: float, kind: Kind, attempt: Attempt, **details: str | float | None) -> None:
        if kind in self._trace.heard:
            self._trace.tell(Fact(now, kind, attempt.request, attempt.id, self.key, details))

    def _record_success(self, now: float, attempt: Attempt, answer: Answer, tokens: float, generation: int) -> None:
        if Kind.SERVED in self._trace.heard:
            details = {"tokens": tokens, "generation": generation}
            usage = usage_of(answer.body)
            self._trace.tell(Fact(now, Kind.SERVED, attempt.request, attempt.id, self.key, details, usage))
