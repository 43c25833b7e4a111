"""The stand-in: performs a part whose actor has crashed too often. It is *down*, a refusal like any other.

It admits nothing and sends nothing, and it answers everybody at once, so that nobody ever waits for a dead actor.
`Router.reset` revives the part: the stand-in then leaves the stage to a new actor.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from .cooldown import Change
from .messages import Attempt, ModelMessage, Refusal, Refused, Reply, Reset, Struck
from .part import Held, Part
from .trace import Kind, Trace


class StandIn:
    """Answers for a part that is down, until it is reset."""

    def __init__(self, part: Part, *, answer: Callable[[Reply], None], trace: Trace) -> None:
        self.part = part
        self._answer_to = answer
        self._trace = trace

    async def run(self) -> None:
        """Refuse everything until somebody resets the part."""
        part = self.part
        part.down = True
        try:
            self._trace.record(trio.current_time(), Kind.DOWN, key=part.key)
            if not self._clear(trio.current_time()):
                await part.mailbox.perform(self._perform)
        finally:
            part.down = False

    def _perform(self, message: ModelMessage | None, now: float) -> float | None:
        # Noted first, for whoever comes after a crash.
        self.part.handling = message
        revived = message is not None and self._handle(message, now)
        self.part.handling = None
        return None if revived else math.inf

    def _handle(self, message: ModelMessage, now: float) -> bool:
        """Answer a message; is it the one that revives the part? Reports of workers come too late to matter."""
        match message:
            case Attempt():
                self._refuse(message, now)
            case Struck():
                message.taken = True
            case Reset():
                self._note(self.part.cooldown.reset(), now)
                self.part.down = False
                self._trace.record(now, Kind.REVIVED, key=self.part.key)
                message.done.set()
                return True
        return False

    def _clear(self, now: float) -> bool:
        """Answer whatever the last incarnation left, give back what it held, and say if the part is to be revived."""
        part, message = self.part, self.part.handling
        if isinstance(message, Attempt):
            part.open.setdefault(message.id, Held(message))
        part.queue.clear()
        part.held_back.clear()
        for held in list(part.open.values()):
            self._end(held, now)
            del part.open[held.attempt.id]
        # Last, what the last incarnation crashed over: whoever reset that one wants it back.
        revived = message is not None and not isinstance(message, Attempt) and self._handle(message, now)
        part.handling = None
        return revived

    def _end(self, held: Held, now: float) -> None:
        if held.ticket is None and not held.ended:
            self._refuse(held.attempt, now)
            return
        ticket, held.ticket, held.ended = held.ticket, None, True
        if ticket is not None:
            self._note(self.part.cooldown.unknown(ticket.stamp), now)
            self.part.bucket.release(ticket.permit, now, sent=True)
        self._record(now, Kind.LOST, held.attempt, executed=1)
        self._answer_to(held.crashed(executed=True))

    def _refuse(self, attempt: Attempt, now: float) -> None:
        self._record(now, Kind.REFUSED, attempt, reason=Refusal.DOWN, queued=0, full=0)
        self._answer_to(Refused(attempt.id, Refusal.DOWN, detail=f"its actor crashed too often; {REVIVE}"))

    def _note(self, change: Change, now: float) -> None:
        if change is Change.RETURNED:
            self._trace.record(now, Kind.RETURNED, key=self.part.key)

    def _record(self, now: float, kind: Kind, attempt: Attempt, **details: str | float | None) -> None:
        self._trace.record(now, kind, request=attempt.request, attempt=attempt.id, key=self.part.key, **details)


REVIVE = "Router.reset revives it"
