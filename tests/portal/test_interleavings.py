"""Calls, cancellations, streams, answers and the closing in any order: each ask ends exactly once, and nothing is left.

The order in which a test's steps are drawn is Hypothesis's; how the two threads interleave within it is the machine's.
The oracle knows only what has been asked for: a task that was cancelled before it was done ends as cancelled and in no
other way; what was neither cancelled nor answered is told that the router has closed; what was answered has that
answer, unless one of the two came first.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import httpx
from attrs import define, field
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import understudy
from understudy import portal
from understudy.portal import AsyncioRouter, BlockingRouter

from . import gates
from .gates import CUT, LAST, Gates, answer, config, refusal, threads

Step = tuple[str, int | bool]
TURNS: Final = 200
"""How many turns both sides are given to get on with what they are about to do."""

ASKS = st.tuples(st.sampled_from(["chat", "stream", "exchange"]), st.booleans())
ACTS = st.tuples(
    st.sampled_from(["answer", "answer", "fail", "piece", "piece", "cut", "cancel", "cancel", "leave", "settle"]),
    st.integers(0, 3),
)
STEPS = st.lists(st.one_of(ASKS, ACTS, ACTS), min_size=1, max_size=25)
"""An ask is made, and perhaps seen to arrive; an act is done to the n-th of those that are still under way."""

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@define(eq=False)
class Asked:
    """One ask of the test's, and what was done to it."""

    kind: str
    text: str
    task: Any = None
    leaves: Any = None
    read: list[str] = field(factory=list)
    was_cancelled: bool = False


@define(eq=False)
class Play:
    """What is common to both plays: the provider, the asks, and the oracle."""

    provider: Gates = field(factory=Gates)
    asks: list[Asked] = field(factory=list)

    def messages(self) -> tuple[str, list[dict[str, str]]]:
        text = f"ask-{len(self.asks)}"
        return text, [{"role": "user", "content": text}]

    def open(self, kind: str, number: int) -> None:
        """Open the gate of a request; whose it is, it says itself."""
        under_way = self.provider.under_way
        if not under_way:
            return
        seen = under_way[number % len(under_way)]
        text = seen.body["messages"][0]["content"]
        if seen.body.get("stream"):
            piece = gates.event(text)
            seen.open(*{"answer": (piece, LAST), "piece": (piece,)}.get(kind, (piece, CUT)))
        elif kind != "piece":
            seen.open(answer(text) if kind == "answer" else refusal(500))

    def has_arrived(self, asked: Asked) -> bool:
        return asked.task.done() or any(asked.text in str(seen.body) for seen in self.provider.seen)

    def open_asks(self) -> list[Asked]:
        return [asked for asked in self.asks if not asked.task.done()]

    def check(self, asked: Asked, ended: object) -> None:
        event(f"{asked.kind}: {type(ended).__name__}")
        if isinstance(ended, asyncio.CancelledError):
            assert asked.was_cancelled, "nobody is cancelled who was not"
            return
        assert not asked.was_cancelled, f"a cancellation was lost: {ended!r}"
        if isinstance(ended, BaseException):
            assert isinstance(ended, understudy.UnderstudyError | httpx.TransportError), repr(ended)
            assert not isinstance(ended, understudy.RouterCrashed | understudy.DeadlineExceeded), repr(ended)
        else:
            assert ended == asked.text
        assert set(asked.read) <= {asked.text, ""}, "each reads its own"

    def check_rest(self) -> None:
        assert self.provider.under_way == []
        assert threads() == []


async def step(play: Play, router: AsyncioRouter, kind: str, number: int) -> None:
    """Take a step from asyncio."""
    asks = play.open_asks()
    match kind:
        case "chat" | "stream" | "exchange":
            asked = begin(play, router, kind)
            play.asks.append(asked)
            if number:
                await settle(router, lambda: play.has_arrived(asked))
        case "settle":
            await settle(router, lambda: not play.provider.under_way)
        case "cancel" if asks:
            assert asks[number % len(asks)].task.cancel()
            asks[number % len(asks)].was_cancelled = True
        case "leave" if asks:
            asks[number % len(asks)].leaves.set()
        case "answer" | "fail" | "piece" | "cut":
            play.open(kind, number)


async def settle(router: AsyncioRouter, until: Callable[[], bool]) -> None:
    """Give both sides turns until something has happened, but not for ever: perhaps it does not."""
    for _ in range(TURNS):
        if until():
            return
        await asyncio.sleep(0)
        router.snapshot()


def begin(play: Play, router: AsyncioRouter, kind: str) -> Asked:
    text, messages = play.messages()
    asked = Asked(kind, text, leaves=asyncio.Event())

    async def chat() -> str:
        return (await router.chat("a", messages)).text

    async def stream() -> str:
        async with router.stream("a", messages) as stream:
            async for chunk in stream:
                asked.read.append(chunk.text)
                if asked.leaves.is_set():
                    break
        return text

    async def exchange() -> str:
        transport = router.transport(lambda _: play.provider)
        body = {"messages": messages, "stream": len(play.asks) % 2 == 0}
        async with httpx.AsyncClient(transport=transport) as client:
            await client.post("http://elsewhere.example/", json=body)
        return text

    asked.task = asyncio.create_task({"chat": chat, "stream": stream, "exchange": exchange}[kind]())
    return asked


@SETTINGS
@given(STEPS)
def test_from_asyncio_each_ask_ends_once_whatever_happens_in_whatever_order(steps: Sequence[Step]) -> None:
    before = threading.active_count()
    play = Play()

    async def main() -> None:
        async with portal.open_router(config(shutdown_timeout=0.01), transport=play.provider) as router:
            for kind, number in steps:
                await step(play, router, kind, number)
            event(f"{len(play.open_asks())} are under way when it closes")
        assert threads() == []
        endings = await asyncio.gather(*(asked.task for asked in play.asks), return_exceptions=True)
        for asked, ended in zip(play.asks, endings, strict=True):
            play.check(asked, ended)

    asyncio.run(main())
    play.check_rest()
    assert threading.active_count() == before


@SETTINGS
@given(STEPS)
def test_from_threads_each_ask_ends_once_whatever_happens_in_whatever_order(steps: Sequence[Step]) -> None:
    before = threading.active_count()
    play = Play()
    with ThreadPoolExecutor(8) as pool:
        with portal.open_blocking(config(shutdown_timeout=0.01), transport=play.provider) as router:
            for kind, number in steps:
                step_of_a_thread(play, router, pool, kind, number)
        assert threads() == []
        for asked in play.asks:
            ended: Future[str] = asked.task
            if ended.cancel():
                continue  # there was no thread for it
            play.check(asked, ended.exception(gates.PATIENCE) or ended.result())
    play.check_rest()
    assert threading.active_count() == before


def step_of_a_thread(play: Play, router: BlockingRouter, pool: ThreadPoolExecutor, kind: str, number: int) -> None:
    asks = play.open_asks()
    match kind:
        case "chat" | "stream":
            text, messages = play.messages()
            asked = Asked(kind, text, leaves=threading.Event())
            act = read_in_a_thread if kind == "stream" else ask_in_a_thread
            asked.task = pool.submit(act, router, messages, asked)
            play.asks.append(asked)
            for _ in range(TURNS):
                if play.has_arrived(asked):
                    break
                router.snapshot()
        case "settle":
            for _ in range(TURNS):
                router.snapshot()
        case "leave" if asks:
            asks[number % len(asks)].leaves.set()
        case "answer" | "fail" | "piece" | "cut":
            play.open(kind, number)


def ask_in_a_thread(router: BlockingRouter, messages: list[dict[str, str]], asked: Asked) -> str:
    assert not asked.read
    return router.chat("a", messages).text


def read_in_a_thread(router: BlockingRouter, messages: list[dict[str, str]], asked: Asked) -> str:
    with router.stream("a", messages) as stream:
        for chunk in stream:
            asked.read.append(chunk.text)
            if asked.leaves.is_set():
                break
    return asked.text
