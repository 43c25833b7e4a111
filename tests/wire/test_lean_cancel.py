"""Whoever leaves an exchange of the lean line, at whichever point, leaves no connection behind, and the pool intact."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import pytest
import trio
from attrs import define, field

from tests.loopback import Answer, LoopbackProvider, loopback_provider
from tests.wire.lean_world import GOOD, Part, ask, asking, busy, idle, lean, play, read
from understudy.actors.providers.dialect import Outgoing
from understudy.actors.providers.endpoint import Endpoint
from understudy.actors.providers.lean.line import LeanLine, dial_to

pytestmark = pytest.mark.usefixtures("either_reader")

CHUNKED = [b"HTTP/1.1 200 OK\r\ntransfer-enc", b"oding: chunked\r\n\r\n", b"1\r\nh", b"\r\n1\r\ni\r\n", b"0\r\n\r\n"]
LENGTH = [GOOD[:20], GOOD[20:-1], GOOD[-1:]]
SURE = Part([[GOOD]] * 50)
STORIES: dict[str, Sequence[Part]] = {
    "a new connection": [Part([LENGTH])],
    "a new connection, in chunks": [Part([CHUNKED])],
    "a kept connection": [Part([[GOOD], CHUNKED])],
    "a kept connection that dies": [Part([[GOOD]], "closes"), Part([CHUNKED])],
    "until the end": [Part([[b"HTTP/1.1 200 OK\r\n\r\nhi"]], "closes", once_idle=True)],
}


@define(eq=False)
class Axe(trio.abc.Instrument):
    """Cancels a scope when the task in it has made so many steps."""

    task: trio.lowlevel.Task
    scope: trio.CancelScope
    left: int
    has_fallen: bool = field(default=False, init=False)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self.task and not self.has_fallen:
            self.left -= 1
            if self.left == 0:
                self.has_fallen = True
                self.scope.cancel()


async def cancelled_at(step: int, performance: Callable[[], Awaitable[object]]) -> bool:
    """Perform, and cancel that at this checkpoint; return whether there was one so late."""
    scope = trio.CancelScope()
    axe = Axe(trio.lowlevel.current_task(), scope, step)
    with scope:
        trio.lowlevel.add_instrument(axe)
        try:
            await performance()
        finally:
            trio.lowlevel.remove_instrument(axe)
    return axe.has_fallen


@pytest.mark.parametrize("story", STORIES)
def test_a_cancellation_at_any_checkpoint_closes_the_connection_and_nothing_else(story: str) -> None:
    async def scene(step: int) -> bool:
        async with lean(*STORIES[story], SURE) as (line, origin):
            if "kept" in story:
                await ask(line)
            has_fallen = await cancelled_at(step, lambda: ask(line, 1))
            assert busy(line) == 0
            assert origin.open == idle(line) <= 1
            if has_fallen and "kept" in story and origin.seen[-1:] == [(1, 0)]:
                assert not origin.ends[0].is_open, "what was left in the middle of an answer is not used again"
            if not origin.open:
                assert await ask(line, 2) == b"hi"
                assert busy(line) == 0
                assert idle(line) == origin.open
            return has_fallen

    step = 1
    while play(partial(scene, step)):
        step += 1
    assert step > 4, "there is something to cancel"


def test_a_body_that_is_left_unread_closes_its_connection_at_once() -> None:
    async def scene(pieces: int) -> None:
        async with lean(Part([CHUNKED]), SURE) as (line, origin):
            answer = await line.send(asking(), lambda: None)
            async with answer.body as body:
                for _ in range(pieces):
                    await body.piece()
                assert origin.open == busy(line) == 1
            assert origin.open == busy(line) == idle(line) == 0
            assert await ask(line) == b"hi"

    for pieces in range(2):
        play(partial(scene, pieces))


def test_an_error_of_the_reader_s_own_closes_it_too() -> None:
    async def scene() -> None:
        async with lean(Part([CHUNKED])) as (line, origin):
            answer = await line.send(asking(), lambda: None)
            with pytest.raises(KeyError, match="mine"):
                async with answer.body:
                    raise KeyError("mine")
            assert origin.open == 0

    play(scene)


def test_those_beside_a_cancelled_one_are_not_touched() -> None:
    async def scene() -> None:
        silent = Part([], "keeps")
        async with lean(SURE, silent, SURE) as (line, origin):
            first = await line.send(asking(), lambda: None)
            with trio.move_on_after(1):
                await ask(line, 1)
            assert [end.is_open for end in origin.ends] == [True, False]
            assert await read(first) == b"hi"
            assert idle(line) == 1

    play(scene)


@pytest.mark.parametrize("tls", [False, True])
def test_over_sockets_a_cancellation_at_any_checkpoint_leaves_none_open(tls: bool) -> None:
    """Resolving, connecting, shaking hands, sending, reading."""

    async def scene(provider: LoopbackProvider, context: ssl.SSLContext, step: int) -> bool:
        endpoint = Endpoint(provider.base_url)
        line = LeanLine(dial_to(endpoint, lambda: context))
        outgoing = Outgoing("POST", f"{endpoint.api_base}/chat/completions", {}, {"model": "m"})

        async def exchange() -> None:
            await read(await line.send(outgoing, lambda: None))

        has_fallen = await cancelled_at(step, exchange)
        assert busy(line) == 0
        await line.aclose()
        await provider.wait_closed()
        return has_fallen

    async def main() -> int:
        step = 1
        async with loopback_provider(tls=tls) as provider:
            provider.always(Answer())
            while await scene(provider, provider.ssl_context, step):
                step += 1
        return step

    assert trio.run(main) > (6 if tls else 4)
