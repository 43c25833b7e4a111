"""The handle: the only asynchronous surface that users see. Admission, deadline, slot.

A request is admitted here or nowhere: at most `max_pending` are in the house at once, and with a request its room in
every mailbox is reserved. The deadline is kept here, too: a caller whose time runs out leaves, whatever the actors are
doing, and takes its leash along. Where a deadline and an answer fall on the same instant, the deadline wins.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import trio
from attrs import field, frozen

from .call_checks import check_call, rejected
from .demand import Demand, estimate_demand
from .errors import (
    DeadlineExceeded,
    RouterClosed,
    RouterCrashed,
    RouterOverloaded,
    UnknownModel,
)
from .events import Events
from .identity import ModelKey
from .itinerary import Candidate, Plan
from .mailbox import Mailbox, Slot
from .messages import Call, Leash, OnInterrupt, Refusal, Reset
from .part import ModelStatus, Part
from .providers.dialects import unspoken
from .reply import Reply, ReplyStream
from .router import CallerLeft, Finished, Route, RouterMessage, Word
from .trace import EVERYTHING, Door, Kind, Sink, Trace

LONGEST: Final = 1e9
"""Seconds; a longer timeout is as good as none."""

EMBEDDINGS: Final = "/embeddings"


@frozen
class Prospect:
    """What one candidate would do with a request now.

    `refusal`, `detail` and `ready_at` (seconds on the runtime's clock) say why it would not be admitted.
    """

    key: ModelKey
    admits: bool
    refusal: Refusal | None = None
    detail: str = ""
    ready_at: float | None = None


@frozen
class House:
    """What the handle needs to know of the runtime behind it."""

    plan: Callable[[str, bool], tuple[str, Plan]]
    parts: Mapping[str, Part]
    mailbox: Mailbox[RouterMessage]
    trace: Trace
    default_timeout: float
    max_pending: int
    mix_embeddings: bool = False
    routes: Mapping[str, Sequence[ModelKey]] = field(factory=dict)


class Router:
    """Routes requests to the first healthy candidate. Made by `understudy.open_router`; safe to share between tasks."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._pending: dict[int, Route] = {}
        self._requests = 0
        self._closed = False
        self._crash: str | None = None
        self._idle: trio.Event | None = None
        self._resets: dict[str, Reset] = {}

    async def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        wait_for_cooldown: bool = False,
        **params: Any,
    ) -> Reply:
        """Ask for one chat completion.

        `messages` and `params` are those of the OpenAI chat-completions API. `timeout` is in seconds; ``None`` means
        the config's `default_timeout`. With `wait_for_cooldown` the request waits for a candidate that cools, rather
        than fail at once.

        Raises:
            UnknownModel: nobody answers to `model`.
            RequestRejected: the request is itself at fault.
            AllCandidatesFailed: nobody could serve it.
            DeadlineExceeded: `timeout` has passed.
            RouterOverloaded: `max_pending` requests are under way.
            RouterClosed, RouterCrashed: there is no router to serve it.

        """
        body = _chat_body(messages, params)
        return await self.request(Call(model, body, timeout=timeout, wait_for_cooldown=wait_for_cooldown))

    @asynccontextmanager
    async def stream(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        wait_for_cooldown: bool = False,
        on_interrupt: str = OnInterrupt.RAISE,
        **params: Any,
    ) -> AsyncIterator[ReplyStream]:
        """Ask for one chat completion, to be read as it is written.

        Entering waits for the first content, and raises what `chat` raises. `timeout` covers the whole stream. A
        stream that breaks later raises `StreamInterrupted` from the iteration; with ``on_interrupt="restart"`` the
        next candidate starts over instead, and the reader gets a `Restarted` marker first.
        """
        try:
            interrupt = OnInterrupt(on_interrupt)
        except ValueError:
            raise rejected(f"on_interrupt is 'raise' or 'restart', not {on_interrupt!r}") from None
        call = Call(
            model,
            _chat_body(messages, params),
            timeout=timeout,
            wait_for_cooldown=wait_for_cooldown,
            stream=True,
            on_interrupt=interrupt,
        )
        async with self.open(call) as stream:
            yield stream

    @asynccontextmanager
    async def open(self, call: Call) -> AsyncIterator[ReplyStream]:
        """Send any call whose answer is to be read as it is written; raises what `stream` raises."""
        stream = await self.open_stream(call)
        try:
            yield stream
        except DeadlineExceeded:
            stream.close("deadline")
            raise
        finally:
            stream.close()

    async def open_stream(self, call: Call) -> ReplyStream:
        """Do as `open`, for those who cannot stay in one block: whoever takes the stream must `close` it."""
        if not call.stream:
            raise rejected("this reads a stream, and the call asks for none; use request(), or set stream=True")
        await trio.lowlevel.checkpoint_if_cancelled()  # whoever has left already asks nobody
        route = self._enter(call)
        try:
            word = await self._wait(route, route.slot)
        except BaseException as exc:
            self._leave(route, "deadline" if isinstance(exc, DeadlineExceeded) else "left")
            raise
        return ReplyStream(
            word,
            route.records,
            lambda slot: self._wait(route, slot),
            lambda reason: self._leave(route, reason),
            deadline=route.deadline,
        )

    async def request(self, call: Call) -> Reply:
        """Send any call, body in and body out; raises what `chat` raises."""
        if call.stream:
            raise rejected("request() answers with a whole reply; use open() to read a stream as it is written")
        await trio.lowlevel.checkpoint_if_cancelled()  # whoever has left already asks nobody
        route = self._enter(call)
        reason = "left"
        try:
            word = await self._wait(route, route.slot)
            reason = "answered"
        except DeadlineExceeded:
            reason = "deadline"
            raise
        finally:
            self._leave(route, reason)
        assert isinstance(word, Finished), "a request that is not streamed is told its end only"
        return Reply.of(word.answer, word.served_by, route.records)

    @property
    def routes(self) -> Mapping[str, Sequence[ModelKey]]:
        """The candidates behind every name that may be asked for, in the order in which they are asked."""
        return self._house.routes

    @property
    def default_timeout(self) -> float:
        """A request's deadline in seconds where its caller names none."""
        return self._house.default_timeout

    @property
    def requests(self) -> int:
        """How many requests have been let in so far; the last of them has this number in the trace."""
        return self._requests

    def snapshot(self) -> tuple[ModelStatus, ...]:
        """Return how every candidate is doing, in the order of the config."""
        now = trio.current_time()
        return tuple(part.status(now) for part in self._house.parts.values())

    def events(self) -> Events:
        """Return an async iterator over everything that happens from now on; it ends when the router closes."""
        return Events(self._house.trace)

    def listen(self, sink: Sink, *, kinds: Collection[Kind] = EVERYTHING, door: Door | None = None) -> None:
        """Let `sink` hear every fact of these `kinds` as it happens, synchronously; it must neither raise nor wait.

        It hears ``None`` when the router has closed. `events` is the same for those who want to wait. A `door` hears
        besides who comes and goes (`understudy.actors.trace.Door`).
        """
        self._house.trace.add(sink, kinds=kinds, door=door)

    def unlisten(self, sink: Sink) -> None:
        """Let `sink` hear no more. For one that does not listen this does nothing."""
        self._house.trace.remove(sink)

    def explain(self, model: str, **request: Any) -> tuple[Prospect, ...]:
        """Say what would happen to a request now, without sending anything.

        `request` is what `chat` would be given: `messages`, `tools`, … Each candidate of the route is told in order.

        Raises:
            UnknownModel: nobody answers to `model`.
            RequestRejected: `request` cannot be written as JSON.

        """
        call = Call(model, request)
        check_call(call)
        demand = estimate_demand(request)
        _, plan = self._house.plan(model, demand.images)
        demand = self._with_what_is_foreign(demand, call, plan)
        now = trio.current_time()
        return tuple(self._prospect(candidate, demand, now) for candidate in plan)

    async def reset(self, name: str) -> None:
        """End a candidate's cooldown by hand: the next attempt is its probe. A candidate that is down is revived.

        Raises:
            UnknownModel: no candidate has this name.
            RouterClosed, RouterCrashed: there is no router.

        """
        self.check_open()
        part = self._house.parts.get(name)
        if part is None:
            raise UnknownModel(name, self._house.parts)
        reset = self._resets.get(name)
        if reset is None or reset.done.is_set():
            # Many who ask at once share one message, so that the mailbox has room for them.
            reset = self._resets[name] = Reset(trio.Event())
            part.mailbox.post(reset)
        await reset.done.wait()
        self.check_open()

    # The way in and out

    def _enter(self, call: Call) -> Route:
        self.check_open()
        if len(self._pending) >= self._house.max_pending:
            raise RouterOverloaded(self._house.max_pending)
        timeout = _seconds(self._timeout(call))
        check_call(call)
        demand = estimate_demand(call.body)
        model, plan = self._house.plan(call.model, demand.images)
        demand = self._with_what_is_foreign(demand, call, plan)
        now = trio.current_time()
        self._requests += 1
        route = Route(self._requests, model, plan, call, demand, now + timeout, Leash(), Slot())
        # All of this first: the router may have answered before `post` returns.
        self._pending[route.id] = route
        if self._house.trace.has_doors:
            self._house.trace.entered(route.id, now, model, endpoint=call.endpoint, stream=call.stream)
        self._house.mailbox.post(route)
        return route

    async def _wait(self, route: Route, slot: Slot[Word]) -> Word:
        """Wait for the next word; the deadline wins over a word that comes at the same instant."""
        if await slot.wait(route.deadline):
            return slot.read()
        raise DeadlineExceeded(route.model, self._timeout(route.call), route.records)

    def _timeout(self, call: Call) -> float:
        return self._house.default_timeout if call.timeout is None else call.timeout

    def _leave(self, route: Route, reason: str) -> None:
        """Whoever leaves before the end stops all that is done for it."""
        route.leash.cancel()
        if route.id in self._pending and not self._crash:
            self._house.mailbox.post(CallerLeft(route.id, reason))

    def check_open(self) -> None:
        """Raise `RouterClosed` or `RouterCrashed` where no request is taken any more."""
        if self._crash is not None:
            raise RouterCrashed(self._crash)
        if self._closed:
            raise RouterClosed

    # For the runtime

    def closed(self, request: int) -> None:
        """Take back the place of a request on which nobody works any more."""
        if self._pending.pop(request, None) is not None and self._house.trace.has_doors:
            self._house.trace.closed(request, trio.current_time())
        if not self._pending and self._idle is not None:
            self._idle.set()

    def close_door(self) -> None:
        """Admit nobody from now on."""
        self._closed = True

    async def wait_idle(self) -> None:
        """Wait until no request is under way."""
        while self._pending:
            self._idle = trio.Event()
            await self._idle.wait()

    def dismiss(self, error: Callable[[], Exception]) -> None:
        """End every request that is under way, for its caller."""
        for route in list(self._pending.values()):
            route.leash.cancel()
            route.slot.fail(error())
        for reset in self._resets.values():
            reset.done.set()

    def crashed(self, detail: str) -> None:
        """Note that there is no router any more, and that there will not be another."""
        self._crash = detail
        self.dismiss(lambda: RouterCrashed(detail))
        for request in list(self._pending):
            self.closed(request)

    def _with_what_is_foreign(self, demand: Demand, call: Call, plan: Plan) -> Demand:
        """Add what only some of these candidates can say, or only one model can answer."""
        is_bound = call.endpoint == EMBEDDINGS and not self._house.mix_embeddings
        said = unspoken(call, plan.dialects)
        if not is_bound and not said:
            return demand
        return demand.but(embedding=plan[0].key.model if is_bound else None, unspoken=said)

    def _prospect(self, candidate: Candidate, demand: Demand, now: float) -> Prospect:
        unfit = candidate.unfit_for(demand)
        if unfit is not None:
            return Prospect(candidate.key, False, Refusal.UNFIT, unfit)
        obstacle = self._house.parts[candidate.key.name].obstacle(now, demand.tokens)
        if obstacle is None:
            return Prospect(candidate.key, True)
        return Prospect(candidate.key, False, obstacle.refusal, obstacle.words(now), obstacle.ready_at)


def _seconds(timeout: object) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise rejected(f"timeout is a number of seconds above 0, not {timeout!r}")
    return min(timeout, LONGEST)


def _chat_body(messages: object, params: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(messages, (str, bytes)) or not isinstance(messages, (list, Sequence)):
        raise rejected('messages is a list such as [{"role": "user", "content": "Hello"}]')
    for i, message in enumerate(messages):
        if not isinstance(message, (dict, Mapping)):
            raise rejected(f"messages[{i}] is a mapping with a role and a content, not {type(message).__name__}")
    if "stream" in params:
        raise rejected("stream is not a parameter: use Router.stream to read a reply as it is written")
    return {**params, "messages": [dict(message) for message in messages]}
