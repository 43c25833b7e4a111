"""One request at a provider: how it arrives, what becomes of it, and how the answer is told.

What a provider decides, it decides on arrival: which fault the request meets, whether it is itself at fault, whether
there is room for it. What it then says, it says after its time. Nothing here is told of the router.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import httpx
import trio
from attrs import define, field

from .counting import MINUTE
from .dialects import SPOKEN, Arrival, Spoken, Written, caller_of
from .dialects.spoken import Left
from .error_words import Family
from .faults import DELAYS, STREAM_FAULTS, UNREACHED, Fault, FaultKind, Wait
from .mistakes import what_is_amiss
from .payloads import HUGE_WAIT, SHORT_WAIT, ErrorAnswer, error_answer
from .scenario import Caller, Flaw
from .stage import sleep
from .trace import Scene

if TYPE_CHECKING:
    from .world import Door, World

CONNECT_TIME: Final = 0.05
"""Seconds until a connection is refused."""

PING_TIME: Final = 5.0
"""Seconds between the pings of a stream that is slow to start."""

PIECES_MAX: Final = 6
"""In how many pieces a stream's text comes at the most."""

OWN_WINDOW: Final = 8_192
"""The context window in tokens of a model for which the config names none."""

STATING: Final = (FaultKind.RATE_LIMITED, FaultKind.OVERLOADED)
"""The kinds of fault that come with a word on how long to wait."""

CHARACTERS_PER_TOKEN: Final = 4
FOREIGN: Final = "foreign"

AMISS: Final = "amiss"
"""What a provider finds wrong with a request that is not what its caller has asked, or breaks a rule of its dialect."""


class _Step(NamedTuple):
    """A piece of a body: after a pause, some bytes; or an end that is none."""

    pause: float = 0.0
    data: bytes = b""
    tokens: float = 0.0
    broken: bool = False
    endless: bool = False


@define(eq=False)
class Exchange:
    """One request at a provider, from its arrival until the provider is done with it.

    `begin` waits for the head of the answer (`status`, `headers`), `piece` for the body's next piece; `close` is called
    by whoever wants no more. Both raise what httpx raises where there is no connection, or one that breaks. Where
    more can happen in between, `connect`, `arrive` and `answer` are called one after another instead of `begin`.
    """

    world: World
    arrival: Arrival = field(repr=False)
    dialect: str | None
    """The dialect that it is in, ``None`` if no provider has such a path."""
    credential: str
    secret: str = field(repr=False)
    amiss: str | None = None
    """What the provider sees that is wrong with how the request is put, if anything is."""
    host: str = field(init=False)
    caller: int = field(init=False)
    """The number of the caller that is behind the request, as the request itself tells."""
    model: str = field(init=False)
    """The model that is asked for."""
    streams: bool = field(init=False)
    """Whether the answer is to be a stream."""
    status: int = field(default=0, init=False)
    headers: dict[str, str] = field(factory=dict, init=False)
    _spoken: Spoken = field(init=False)
    _door: Door | None = field(init=False)
    _number: int = field(default=0, init=False)
    _fault: str | None = field(default=None, init=False)
    _tokens: float = field(default=0.0, init=False)
    _counted: float = field(default=0.0, init=False)
    _faults: Sequence[Fault] = field(default=(), init=False)
    _steps: Iterator[_Step] = field(factory=lambda: iter(()), init=False)
    _ahead: _Step | None = field(default=None, init=False)
    _is_open: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        arrival = self.arrival
        self._spoken = SPOKEN[self.dialect or "openai"]
        self.host = arrival.address
        self.caller = caller_of(arrival.body)
        self.model = self._spoken.model(arrival)
        self.streams = self._spoken.streams(arrival)
        self._door = self.world.doors.get((self.host, self.credential, self.model))

    @property
    def asker(self) -> Caller:
        """That caller."""
        return self.world.run.callers[self.caller]

    async def begin(self) -> None:
        """Take the request in, and see to the head of the answer."""
        await self.connect()
        self.arrive()
        try:
            await self.answer()
        except trio.Cancelled:
            self.close()
            raise

    async def connect(self) -> None:
        """Let whoever asks come this far, or not."""
        why = self._why_unreached()
        if why is None:
            return
        self.world.see(Scene.UNREACHED, self.caller, host=self.host, fault=why.value)
        await sleep(CONNECT_TIME)
        words = "Connection refused" if why is FaultKind.REFUSED else "[Errno -2] Name or service not known"
        raise httpx.ConnectError(words)

    def arrive(self) -> None:
        """Take the request in."""
        world, door = self.world, self._door
        self._faults = () if door is None else self._those_met(door, door.faults)
        world.received += 1
        world.in_work[self.host, self.model] += 1
        self._number, self._is_open = world.received, True
        spoken_here = None if door is None else door.dialects
        self.amiss = self.amiss or what_is_amiss(self.arrival, self.dialect, world.run, self.caller, spoken_here)
        world.see(
            Scene.RECEIVED,
            self.caller,
            number=self._number,
            host=self.host,
            seen_credential=self.credential,
            seen_model=self.model,
            stream=int(self.streams),
            in_work=world.in_work[self.host, self.model],
            meets=",".join(fault.kind.value for fault in self._faults) if self._faults else None,
            amiss=self.amiss,
        )

    async def answer(self, *, breaks_at_once: bool = False) -> None:
        """See to the head of the answer. `breaks_at_once`: if the connection is to break, it does so before long."""
        try:
            if self._door is None:
                await sleep(CONNECT_TIME)
                self._refuse(self._stranger())
            else:
                await self._serve(self._door, breaks_at_once=breaks_at_once)
        except httpx.TransportError:
            self._end("broken")
            raise

    async def piece(self) -> bytes | None:
        """Return the next piece of the body, ``None`` at its end."""
        step, self._ahead = self._ahead or next(self._steps, None), None
        if step is None:
            self._end("whole" if self.status == 200 and self._fault is None else "error")
            return None
        if step.pause:
            await sleep(step.pause)
        if step.endless:
            await trio.sleep_forever()
        if step.broken:
            self._end("broken")
            raise httpx.ReadError("Connection reset by peer")
        self._tokens += step.tokens
        return step.data

    def goes_on_at_once(self) -> bool:
        """Whether the next piece, or the end, comes without a pause."""
        self._ahead = step = self._ahead or next(self._steps, None)
        return step is None or not (step.pause or step.endless or step.broken)

    def close(self) -> None:
        """Let go: whoever asked has read all that it wants, or leaves."""
        self._end("left")

    # The way in

    def _why_unreached(self) -> FaultKind | None:
        door = self._door
        if door is None:
            return None if self.world.is_known(self.host) else FaultKind.NO_SUCH_NAME
        met = self._those_met(door, door.barriers)
        return min((fault.kind for fault in met), key=UNREACHED.index) if met else None

    def _those_met(self, door: Door, faults: Sequence[Fault]) -> Sequence[Fault]:
        if not faults:
            return ()
        now = trio.current_time()
        return [
            fault
            for fault in faults
            if fault.is_on(now)
            and (self.streams or fault.kind not in STREAM_FAULTS)
            and (fault.probability >= 1.0 or door.random.random() < fault.probability)
        ]

    def _end(self, how: str) -> None:
        """Note that the provider is done with this request; once."""
        if not self._is_open:
            return
        self._is_open = False
        world = self.world
        world.in_work[self.host, self.model] -= 1
        if self._door is not None:
            self._door.keeper.unused(trio.current_time(), self._counted - self._tokens)
        world.see(
            Scene.ANSWERED,
            self.caller,
            number=self._number,
            status=self.status or None,
            fault=self._fault,
            tokens=self._tokens,
            how=how,
        )

    # What becomes of it

    async def _serve(self, door: Door, *, breaks_at_once: bool) -> None:
        now, faults = trio.current_time(), self._faults
        fault = next((fault for fault in faults if fault.kind not in DELAYS), None)
        if fault is not None and fault.kind is FaultKind.SILENT:
            self._fault = fault.kind.value
            await trio.sleep_forever()
        # Decided on arrival, told after its time.
        error = self._fault_of(door, fault, now) or self._mistake(door) or self._flaw(door) or self._limit(door, now)
        written = None if error is not None else self._write(door)
        time = self._time(door, faults)
        if fault is not None and fault.kind is FaultKind.RESET:
            self._fault = fault.kind.value
            await sleep(0.0 if breaks_at_once else time)
            raise httpx.ReadError("Connection reset by peer")
        whole = time if written is None or self.streams else time + written.answer_tokens * door.script.per_token
        await sleep(whole)
        if written is None:
            assert error is not None
            self._refuse(error)
            return
        self._answer(door, written, faults, fault)

    def _time(self, door: Door, faults: Sequence[Fault]) -> float:
        """Return how many seconds pass until the head of the answer."""
        others = self.world.in_work[self.host, self.model] - 1
        time = door.latency() * (1.0 + door.script.slowdown * others)
        for fault in faults:
            if fault.kind is FaultKind.SLOW:
                time = time * fault.factor + fault.seconds
        return time

    def _mistake(self, door: Door) -> ErrorAnswer | None:
        """Answer a request that is put wrongly."""
        if self.amiss is None:
            return None
        self._fault = AMISS
        known = self.dialect in door.dialects
        return error_answer(Flaw.FORMAT, self._family(door), status=None if known else 404, message=self.amiss)

    def _family(self, door: Door) -> Family:
        return door.family(self.dialect or "openai")

    def _stranger(self) -> ErrorAnswer:
        """Answer whoever has no key of this house, or wants a model that is not here."""
        family = self._spoken.family or Family.OPENAI
        if self.credential == FOREIGN:
            self._fault = FOREIGN
            return error_answer(FaultKind.REVOKED, family, secret=self.secret)
        self._fault = FaultKind.WITHDRAWN.value
        return error_answer(FaultKind.WITHDRAWN, family, model=self.model)

    def _fault_of(self, door: Door, fault: Fault | None, now: float) -> ErrorAnswer | None:
        """Return the error that a fault answers with, if that is what it does."""
        if fault is None or fault.kind in (*STREAM_FAULTS, FaultKind.RESET, FaultKind.MISSTATED):
            return None
        self._fault = fault.kind.value
        if fault.kind is FaultKind.NOT_JSON:
            return ErrorAnswer(200, b"<html>Welcome</html>", {"content-type": "text/html"})
        return error_answer(
            fault.kind,
            self._family(door),
            wait=_stated_wait(fault, now) if fault.kind in STATING else Wait.MISSING,
            now=now,
            status=fault.status,
            secret=self.secret,
            model=self.model,
        )

    def _flaw(self, door: Door) -> ErrorAnswer | None:
        """Return what is wrong with the request itself, as this provider sees it."""
        asker = self.asker
        flaw = asker.flaw
        if asker.images and not door.sees:
            self._fault = "cannot_see"
            return error_answer(Flaw.FORMAT, self._family(door))
        if flaw is None or (flaw is Flaw.TOO_LONG and self._prompt_tokens <= door.window):
            return None
        self._fault = flaw.value
        return error_answer(flaw, self._family(door), window=door.window, prompt=self._prompt_tokens)

    def _limit(self, door: Door, now: float) -> ErrorAnswer | None:
        """Count the request, or return what whoever asks too much is told."""
        capacity = door.script.capacity
        if capacity is not None and self.world.in_work[self.host, self.model] > capacity:
            self._fault = "capacity"
            return error_answer(FaultKind.OVERLOADED, self._family(door))
        self._counted = self._prompt_tokens + self.asker.answer_tokens
        wait = door.keeper.admit(now, self._counted)
        if wait is None:
            return None
        self._counted = 0.0
        self._fault = "limit"
        return error_answer(FaultKind.RATE_LIMITED, self._family(door), wait=wait, now=now)

    @property
    def _prompt_tokens(self) -> int:
        asker = self.asker
        prompt = asker.prompt_tokens
        return max(10 * prompt, 2 * OWN_WINDOW) if asker.flaw is Flaw.TOO_LONG else prompt

    # The way out

    def _refuse(self, error: ErrorAnswer) -> None:
        self.status, self.headers = error.status, dict(error.headers)
        self._steps = iter([_Step(data=error.body)])

    def _write(self, door: Door) -> Written:
        """Write the answer: words that belong to this request and to no other, four characters to a token."""
        tokens = max(1, self.asker.answer_tokens)
        text = f"{self._number} for {self.caller} by {door.credential}. "
        text = (text * (tokens * CHARACTERS_PER_TOKEN // len(text) + 1))[: tokens * CHARACTERS_PER_TOKEN]
        pieces = _in_pieces(text, tokens) if self.streams else [text]
        written = Written(self._number, self.model, door.stamp, pieces, self._prompt_tokens, tokens)
        self.world.written[str(self._number)] = (self.caller, text, "stop", written.tokens)
        return written

    def _answer(self, door: Door, written: Written, faults: Sequence[Fault], fault: Fault | None) -> None:
        self.status = 200
        self.headers = self._statement(door.keeper.left(trio.current_time())) if door.script.states_limits else {}
        if fault is not None and fault.kind is FaultKind.MISSTATED:
            self._misstate(fault)
        if not self.streams:
            self.headers["content-type"] = "application/json"
            self._tokens = written.prompt_tokens + written.answer_tokens
            self._steps = iter([_Step(data=self._spoken.whole(written))])
            return
        self.headers["content-type"] = "text/event-stream"
        self._tokens = written.prompt_tokens
        late = sum(fault.seconds for fault in faults if fault.kind is FaultKind.SLOW_START)
        broken = fault if fault is not None and fault.kind in STREAM_FAULTS else None
        self._steps = self._tell(door, written, late, broken)

    def _misstate(self, fault: Fault) -> None:
        seconds = fault.wait if isinstance(fault.wait, int | float) else MINUTE
        self.headers |= self._statement([(name, fault.left) for name in ("requests", "tokens")], seconds)

    def _statement(self, left: Sequence[tuple[str, float]], seconds: float = MINUTE) -> dict[str, str]:
        stated = [Left(name, amount, seconds) for name, amount in left]
        return dict(self._spoken.statement(stated, trio.current_time()))

    def _tell(self, door: Door, written: Written, late: float, broken: Fault | None) -> Iterator[_Step]:
        """Tell the answer piece by piece, as far as it comes."""
        for event in self._spoken.beginning(written):
            yield _Step(data=event)
        for pause in _pauses(late):
            yield _Step(pause, self._spoken.ping(written))
        time = written.answer_tokens / len(written.pieces) * door.script.per_token
        for i, event in enumerate(self._spoken.events(written)):
            if broken is not None and i == broken.after:
                break
            yield _Step(time, event, tokens=len(written.pieces[i]) / CHARACTERS_PER_TOKEN)
        if broken is not None:
            yield from self._break_off(door, broken)
            return
        for event in self._spoken.end(written):
            yield _Step(data=event)

    def _break_off(self, door: Door, fault: Fault) -> Iterator[_Step]:
        """End a stream badly."""
        self._fault = fault.kind.value
        match fault.kind:
            case FaultKind.STREAM_CUT:
                yield _Step(broken=True)
            case FaultKind.STREAM_STALLED:
                yield _Step(endless=True)
            case FaultKind.STREAM_MALFORMED:
                yield _Step(data=self._spoken.malformed)
            case FaultKind.STREAM_ERROR:
                error = error_answer(FaultKind.OVERLOADED, self._family(door))
                yield _Step(data=self._spoken.error(error.body))


def _in_pieces(text: str, tokens: int) -> list[str]:
    """Divide a text of so many tokens as a stream does."""
    count = min(PIECES_MAX, tokens)
    cuts = [CHARACTERS_PER_TOKEN * (tokens * i // count) for i in range(count + 1)]
    return [text[a:b] for a, b in pairwise(cuts)]


def _pauses(late: float) -> list[float]:
    """Divide a wait into the pauses between pings."""
    whole = int(late // PING_TIME)
    rest = late - whole * PING_TIME
    return [PING_TIME] * whole + ([rest] if rest > 0 else [])


def _stated_wait(fault: Fault, now: float) -> Wait | float:
    """Return the wait in seconds that a provider states, or the word for one that it does not state properly."""
    until = fault.on_until(now)
    match fault.wait:
        case Wait.RIGHT:
            return until - now if until - now < HUGE_WAIT else Wait.MISSING
        case Wait.SHORT:
            return SHORT_WAIT
        case Wait.HUGE:
            return HUGE_WAIT
    return fault.wait
