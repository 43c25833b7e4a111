"""The router actor: drives itineraries, dispatches attempts, handles what comes back.

It holds no health of anybody, awaits nothing but its mailbox and never sleeps. A candidate that cools, or is known to
be full, is not even asked: its refusal hangs at its door (`Part.notice`), so that a long way past many of them costs
little.

What the router holds is one `Journey` for each request under way; the journeys are lent to it, so that they survive a
crash: the one that was being handled when a bug struck ends with `RouterCrashed`, all others are carried on by the next
incarnation.

A journey ends for its caller when the slot is filled, and for the house when the last attempt has been answered. Only
then is its place given back, so that the mailboxes have room for everything that those inside may yet say.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context

import trio
from attrs import define, field

from .demand import Demand
from .errors import AllCandidatesFailed, RequestRejected, RouterCrashed, UnderstudyError
from .failures import Failure
from .identity import ModelKey
from .itinerary import Ask, Decision, Deliver, GiveUp, Itinerary, Plan, Reject
from .mailbox import Mailbox, Slot
from .messages import (
    Answer,
    Attempt,
    AttemptRecord,
    Call,
    Chunk,
    Failed,
    Leash,
    OnInterrupt,
    Opened,
    Refused,
    Reply,
    Served,
    Withdraw,
    Withdrawn,
)
from .part import Part
from .policy import Policy
from .trace import Fact, Kind, Trace
from .values import value


@value(eq=False)
class StreamOpened:
    """What a streaming caller's slot is filled with: who serves, where the chunks come from, and what comes then."""

    served_by: ModelKey
    chunks: trio.MemoryReceiveChannel[Chunk]
    then: Slot[Word]


@value(eq=False)
class Finished:
    """What a caller's slot is filled with at the end."""

    served_by: ModelKey
    answer: Answer


@value
class Broken:
    """What a streaming caller's slot is filled with if the stream breaks and nobody starts it over."""

    served_by: ModelKey
    failure: Failure


Word = StreamOpened | Finished | Broken
"""What a caller may be told; an error comes as the slot's failure."""


@define(eq=False)
class Route:
    """A caller's request. `records` is read by a caller whose time has run out.

    `slot` is where the next word goes; each word but the last brings along the slot for the one after it. `context` is
    the caller's, and goes along with every attempt.
    """

    id: int
    model: str
    plan: Plan
    call: Call
    demand: Demand
    deadline: float
    leash: Leash
    slot: Slot[Word]
    records: list[AttemptRecord] = field(factory=list)
    context: Context = field(factory=copy_context, repr=False)


@value
class CallerLeft:
    """The caller of this request waits no more."""

    request: int
    reason: str


RouterMessage = Route | CallerLeft | Reply
"""All that the router's mailbox may hold."""


@define(eq=False)
class Journey:
    """One request under way.

    `attempt` is the one that is out and `key` whom it went to. For a stream, `served_by` is who began it and `broken`
    why that one broke off. `left`: nobody waits for the answer any more.
    """

    route: Route
    itinerary: Itinerary
    attempt: int | None = None
    key: ModelKey | None = None
    served_by: ModelKey | None = None
    broken: Failure | None = None
    left: bool = False


@define
class Journeys:
    """The requests under way, by request and by attempt. Lent to each incarnation of the router."""

    by_request: dict[int, Journey] = field(factory=dict)
    by_attempt: dict[int, Journey] = field(factory=dict)
    message: RouterMessage | None = None
    handling: Journey | None = None
    attempt_ids: itertools.count[int] = field(factory=lambda: itertools.count(1))


class RouterActor:
    """One incarnation of the router.

    `parts` are those of all model actors: their mailboxes, and the notices at their doors. `closed` is called with a
    request's number when its place is free.
    """

    def __init__(
        self,
        mailbox: Mailbox[RouterMessage],
        journeys: Journeys,
        parts: Mapping[ModelKey, Part],
        *,
        policy: Policy,
        closed: Callable[[int], None],
        trace: Trace,
    ) -> None:
        self._mailbox = mailbox
        self._journeys = journeys
        self._parts = parts
        self._policy = policy
        self._closed = closed
        self._trace = trace

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Route until cancelled, or until a bug ends this incarnation."""
        self._inherit()
        task_status.started()
        await self._mailbox.perform(self._perform)

    def _perform(self, message: RouterMessage | None, now: float) -> float:
        # Noted first, for whoever comes after a crash.
        self._journeys.message = message
        if message is not None:
            self.handle(message, now)
        self._journeys.message = self._journeys.handling = None
        return math.inf

    def handle(self, message: RouterMessage, now: float) -> None:
        """Take in one message."""
        journeys = self._journeys
        if isinstance(message, Route):
            self._on_route(message, now)
        elif isinstance(message, CallerLeft):
            journeys.handling = journeys.by_request.get(message.request)
            if journeys.handling is not None:
                self._on_left(journeys.handling, message, now)
        else:
            journeys.handling = journeys.by_attempt.get(message.attempt)
            if journeys.handling is not None:
                self._on_reply(journeys.handling, message, now)

    def _on_route(self, route: Route, now: float) -> None:
        may_wait = route.call.wait_for_cooldown
        itinerary = Itinerary(route.plan, route.demand, self._policy, route.deadline, may_wait, route.records)
        journey = self._journeys.handling = Journey(route, itinerary)
        self._journeys.by_request[route.id] = journey
        if self._trace.hears_requests:
            route.context.run(
                self._record,
                now,
                Kind.REQUESTED,
                journey,
                route=route.model,
                deadline=route.deadline,
                candidates=len(route.plan),
            )
        if route.leash.cancelled:
            self._see_off(journey, now)
            return
        decision = itinerary.begin(now)
        for skipped in route.records:
            self._record(now, Kind.SKIPPED, journey, key=skipped.key, detail=skipped.detail)
        self._follow(journey, decision, now)

    def _on_left(self, journey: Journey, message: CallerLeft, now: float) -> None:
        journey.left = True
        self._record(now, Kind.LEFT, journey, reason=message.reason)
        if journey.attempt is None or journey.key is None:
            self._end(journey)
        else:
            self._parts[journey.key].mailbox.post(Withdraw(journey.attempt))

    def _on_reply(self, journey: Journey, reply: Reply, now: float) -> None:
        assert reply.attempt == journey.attempt, "a request has one attempt out at a time"
        if isinstance(reply, Opened):
            self._on_opened(journey, reply, now)
            return
        self._forget_attempt(journey)
        if journey.left or isinstance(reply, Withdrawn):
            self._see_off(journey, now)
            return
        match reply:
            case Served():
                journey.itinerary.served(now)
                self._deliver(journey, reply.answer, now)
            case Refused():
                self._follow(journey, journey.itinerary.refused(now, reply), now)
            case Failed():
                self._on_failed(journey, reply, now)

    def _on_failed(self, journey: Journey, failed: Failed, now: float) -> None:
        if journey.served_by is None:
            self._follow(journey, journey.itinerary.failed(now, failed), now)
            return
        if journey.broken is None:
            journey.broken = failed.failure  # what comes after it is the failure of those who were to start over
        if journey.route.call.on_interrupt is OnInterrupt.RESTART:
            self._follow(journey, journey.itinerary.failed(now, failed), now)
        else:
            journey.itinerary.interrupted(now, failed)
            self._interrupt(journey, now)

    def _on_opened(self, journey: Journey, opened: Opened, now: float) -> None:
        assert journey.key is not None
        if journey.served_by is not None:
            self._record(now, Kind.RESTARTED_STREAM, journey, key=journey.key)
        journey.served_by, journey.broken = journey.key, None
        then: Slot[Word] = Slot()
        journey.route.slot.fill(StreamOpened(journey.key, opened.chunks, then))
        journey.route.slot = then  # only now: a crash before this is told in the slot that the caller waits on

    def _follow(self, journey: Journey, decision: Decision, now: float) -> None:
        """Do what the itinerary has decided."""
        while isinstance(decision, Ask) and (refused := self._read_notice(journey, decision, now)) is not None:
            decision = journey.itinerary.refused(now, refused)
        match decision:
            case Ask():
                self._ask(journey, decision, now)
            case Reject() | GiveUp() if journey.broken is not None:
                self._interrupt(journey, now)
            case Reject():
                error = RequestRejected(decision.failure, decision.key, journey.route.records)
                self._fail(journey, error, now, decision.failure.reason)
            case GiveUp():
                wait = None if decision.retry_at is None else decision.retry_at - now
                gone = AllCandidatesFailed(journey.route.model, journey.route.records, wait)
                self._fail(journey, gone, now, "exhausted")
            case Deliver():
                raise AssertionError("only a served attempt delivers, and that one brings its answer along")

    def _read_notice(self, journey: Journey, ask: Ask, now: float) -> Refused | None:
        """Take the refusal that hangs at a candidate's door, if one does: it need not be asked to say so again.

        That is for those who would be refused at once. Whoever wants to wait there, or has left, is the candidate's.
        """
        part, route = self._parts[ask.candidate.key], journey.route
        if ask.wait or ask.not_before > now or route.leash.cancelled or route.deadline <= now:
            return None
        notice = part.notice(now, route.demand)
        if notice is None:
            return None
        number = next(self._journeys.attempt_ids)
        refused = part.refusal(number, notice, now)
        if self._trace.hears_requests:
            self._record_dispatch(journey, ask, number, now)
            self._record(now, Kind.REFUSED, journey, key=part.key, attempt=number, **refused.told())
        return refused

    def _record_dispatch(self, journey: Journey, ask: Ask, number: int, now: float) -> None:
        self._record(
            now,
            Kind.DISPATCHED,
            journey,
            key=ask.candidate.key,
            attempt=number,
            wait=int(ask.wait),
            again=int(ask.again),
        )

    def _ask(self, journey: Journey, ask: Ask, now: float) -> None:
        route, key = journey.route, ask.candidate.key
        attempt = Attempt(
            next(self._journeys.attempt_ids),
            route.id,
            key,
            route.call,
            route.demand,
            route.deadline,
            route.leash,
            route.slot.give_work,
            ask.wait,
            ask.not_before,
            journey.itinerary.retries_left,
            route.context,
        )
        if self._trace.hears_requests:
            self._record_dispatch(journey, ask, attempt.id, now)
        self._parts[key].mailbox.post(attempt)
        journey.attempt, journey.key = attempt.id, key
        self._journeys.by_attempt[attempt.id] = journey

    # Ends

    def _deliver(self, journey: Journey, answer: Answer, now: float) -> None:
        key = journey.route.records[-1].key
        if self._trace.hears_requests:
            self._record(now, Kind.DELIVERED, journey, key=key, attempts=len(journey.route.records))
        journey.route.slot.fill(Finished(key, answer))
        self._end(journey)

    def _interrupt(self, journey: Journey, now: float) -> None:
        """Tell the reader that its stream broke, and who broke it."""
        assert journey.served_by is not None
        assert journey.broken is not None
        records = journey.route.records
        self._record(now, Kind.GAVE_UP, journey, reason="interrupted", attempts=len(records))
        journey.route.slot.fill(Broken(journey.served_by, journey.broken))
        self._end(journey)

    def _fail(self, journey: Journey, error: UnderstudyError, now: float, reason: str) -> None:
        self._record(now, Kind.GAVE_UP, journey, reason=reason, attempts=len(journey.route.records))
        journey.route.slot.fail(error)
        self._end(journey)

    def _see_off(self, journey: Journey, now: float) -> None:
        """End a request that nobody waits for, also where its caller's own word has yet to come."""
        if not journey.left:
            reason = "deadline" if journey.route.deadline <= now else "left"
            self._record(now, Kind.LEFT, journey, reason=reason)
        self._end(journey)

    def _end(self, journey: Journey) -> None:
        """Forget a request on which nobody works any more, and give its place back."""
        assert journey.attempt is None, "a request with an attempt out is not at its end"
        self._closed(journey.route.id)  # first: a crash in between then leaves a journey that can be ended again
        del self._journeys.by_request[journey.route.id]

    def _forget_attempt(self, journey: Journey) -> None:
        if journey.attempt is not None:
            self._journeys.by_attempt.pop(journey.attempt, None)
        journey.attempt = journey.key = None

    # Between incarnations

    def _inherit(self) -> None:
        """End the one request that the last incarnation crashed over; all others go on."""
        journeys = self._journeys
        message, journey = journeys.message, journeys.handling
        if isinstance(message, Route):
            journey = journeys.by_request.get(message.id)
            if journey is None:
                # It crashed before there was a journey, or had ended it; closing twice does no harm.
                message.slot.fail(_crashed_over(message))
                self._closed(message.id)
        elif isinstance(message, CallerLeft):
            journey = journeys.by_request.get(message.request)
        elif isinstance(message, Opened):
            journey = journeys.by_attempt.get(message.attempt)
        elif message is not None:
            journey = journeys.by_attempt.get(message.attempt, journey)
            if journey is not None and journey.attempt == message.attempt:
                self._forget_attempt(journey)
        if journey is not None and journey.route.id in journeys.by_request:
            self._abandon(journey)
        # Only now: whoever crashes over this, too, leaves it to the next one.
        journeys.message = journeys.handling = None

    def _abandon(self, journey: Journey) -> None:
        """End a request for its caller; for the house it ends when the attempt that is out has been answered."""
        journey.route.slot.fail(_crashed_over(journey.route))
        journey.left = True
        journey.route.leash.cancel()
        if journey.attempt is None or journey.key is None:
            self._end(journey)
        else:
            self._parts[journey.key].mailbox.post(Withdraw(journey.attempt))

    def _record(
        self,
        now: float,
        kind: Kind,
        journey: Journey,
        *,
        key: ModelKey | None = None,
        attempt: int | None = None,
        **details: str | float | None,
    ) -> None:
        if kind in self._trace.heard:
            self._trace.tell(Fact(now, kind, journey.route.id, attempt, key, details))


def _crashed_over(route: Route) -> RouterCrashed:
    return RouterCrashed(f"request {route.id} for {route.model!r}")
