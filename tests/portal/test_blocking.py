"""From plain synchronous code, and from many threads."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

import understudy
from understudy import portal
from understudy.portal import BlockingRouter

from .gates import CUT, HELLO, LAST, PATIENCE, Gates, answer, config, event, refusal, threads


@contextmanager
def opened(gates: Gates | None = None, **top: object) -> Iterator[tuple[BlockingRouter, Gates]]:
    provider = gates or Gates()
    with portal.open_blocking(config(**top), transport=provider) as router:
        yield router, provider
    assert threads() == []
    assert provider.under_way == []


@contextmanager
def beside(act: Callable[[], object]) -> Iterator[None]:
    """Do something in another thread meanwhile; what it raises is raised."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(act)
        yield
        done.result(PATIENCE)


def test_all_methods_answer_what_a_trio_program_gets() -> None:
    gates = Gates(lambda request: refusal(500) if request.url.host == "a.example" else answer("Hi"))
    with opened(gates) as (router, _):
        events = router.events()
        heard: list[understudy.Fact | None] = []
        router.listen(heard.append)
        reply = router.chat("a", HELLO, timeout=30)
        assert (reply.text, reply.served_by.name) == ("Hi", "b")
        assert router.request(understudy.Call("b", {"messages": HELLO})).text == "Hi"
        assert [status.state for status in router.snapshot()] == ["cooling", "healthy"]
        assert [prospect.admits for prospect in router.explain("a", messages=HELLO)] == [False, True]
        router.reset("a")
        assert router.requests == 2
        assert [key.name for key in router.routes["a"]] == ["a", "b"]
        assert router.default_timeout == 600
        with pytest.raises(understudy.UnknownModel):
            router.chat("nobody", HELLO)
        told = len(heard)
        router.unlisten(heard.append)
        router.chat("b", HELLO)
        assert len(heard) == told
    kinds = [fact.kind for fact in events]
    assert kinds[0] == "requested"
    assert kinds.count(understudy.Kind.DELIVERED) == 3
    assert list(router.events()) == []
    with pytest.raises(understudy.RouterClosed):
        router.chat("a", HELLO)
    router.close()  # once more does nothing


def test_any_call_is_read_as_a_stream() -> None:
    call = understudy.Call("b", {"messages": HELLO}, stream=True)
    with opened() as (router, provider):
        with beside(lambda: provider.wait_for(1).open(event("one"), LAST)), router.open(call) as stream:
            assert "".join(chunk.text for chunk in stream) == "one"
        with pytest.raises(understudy.RequestRejected, match="stream"):
            router.open(understudy.Call("b", {"messages": HELLO})).__enter__()


def test_a_stream_is_read_left_and_broken_off() -> None:
    with opened() as (router, provider):
        with (
            beside(lambda: provider.wait_for(1).open(event("one "), event("two"), LAST)),
            router.stream("a", HELLO) as stream,
        ):
            with pytest.raises(RuntimeError, match="opened once"), stream:
                pass
            assert "".join(chunk.text for chunk in stream) == "one two"
            assert stream.reply.text == "one two"
            assert list(stream) == []
        with beside(lambda: provider.wait_for(2).open(event("one"))), router.stream("a", HELLO) as stream:
            assert next(stream).text == "one"
        provider.wait(lambda: provider.seen[1].end == "cancelled")
        with pytest.raises(RuntimeError, match="has been closed"):
            next(stream)
        with (
            beside(lambda: provider.wait_for(3).open(event("one"), CUT)),
            router.stream("a", HELLO) as stream,
            pytest.raises(understudy.StreamInterrupted),
        ):
            list(stream)


def test_a_thread_that_stops_reading_slows_the_provider() -> None:
    texts = [f"{number} " for number in range(300)]
    with (
        opened() as (router, provider),
        beside(lambda: provider.wait_for(1).open(*map(event, texts), LAST)),
        router.stream("a", HELLO) as stream,
    ):
        provider.wait(lambda: provider.seen[0].pieces >= 32)
        for _ in range(20):
            router.snapshot()
        assert provider.seen[0].pieces <= 40
        assert "".join(chunk.text for chunk in stream) == "".join(texts)


def test_many_threads_share_one_router_and_each_gets_its_own_answers() -> None:
    def ask(router: BlockingRouter, number: int) -> None:
        for turn in range(10):
            text = f"{number}/{turn}"
            assert router.chat("a", [{"role": "user", "content": text}]).text == text

    with (
        opened(Gates(lambda request: answer(json.loads(request.content)["messages"][0]["content"]))) as (router, _),
        ThreadPoolExecutor(24) as pool,
    ):
        for done in [pool.submit(ask, router, number) for number in range(24)]:
            done.result(PATIENCE)


def test_two_threads_that_read_one_stream_share_it() -> None:
    texts = [f"{number} " for number in range(200)]
    read: list[str] = []

    def reader(stream: portal.BlockingStream) -> None:
        read.extend(chunk.text for chunk in stream)

    with (
        opened() as (router, provider),
        beside(lambda: provider.wait_for(1).open(*map(event, texts), LAST)),
        router.stream("a", HELLO) as stream,
        ThreadPoolExecutor(2) as pool,
    ):
        for done in [pool.submit(reader, stream) for _ in range(2)]:
            done.result(PATIENCE)
    assert sorted(read) == sorted([*texts, ""])


def test_threads_that_wait_when_the_router_closes_are_told() -> None:
    provider = Gates()
    router = portal.open_blocking(config(), transport=provider)
    with ThreadPoolExecutor(8) as pool:
        asks = [pool.submit(router.chat, "a", HELLO) for _ in range(8)]
        provider.wait_for(8)
        with ThreadPoolExecutor(3) as closers:
            closes = [closers.submit(router.close) for _ in range(3)]
        for close in closes:
            close.result(PATIENCE)
        for ask in asks:
            with pytest.raises(understudy.RouterClosed):
                ask.result(PATIENCE)
    assert threads() == []


class Interrupted(Exception):
    """What the handler of a signal raises, in place of KeyboardInterrupt, in the middle of whatever is under way."""


@contextmanager
def interrupting() -> Iterator[None]:
    """Let SIGINT raise `KeyboardInterrupt`, as it does in a program, whatever pytest has set."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals cannot be sent to a thread here")
def test_an_interrupt_ends_the_wait_and_cancels_the_request() -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt(provider: Gates, count: int) -> None:
        provider.wait_for(count)
        signal.pthread_kill(main, signal.SIGINT)

    with interrupting(), opened() as (router, provider):
        with pytest.raises(KeyboardInterrupt), beside(lambda: interrupt(provider, 1)):
            router.chat("a", HELLO)
        provider.wait(lambda: provider.seen[0].end == "cancelled")
        with pytest.raises(KeyboardInterrupt), beside(lambda: interrupt(provider, 2)), router.stream("a", HELLO):
            raise AssertionError("nothing has come that could be read")
        provider.wait(lambda: provider.seen[1].end == "cancelled")


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals cannot be sent to a thread here")
def test_an_interrupt_while_closing_ends_everything_at_once() -> None:
    main = threading.main_thread().ident
    assert main is not None
    provider = Gates()
    with interrupting():
        router = portal.open_blocking(config(shutdown_timeout=1000), transport=provider)
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(router.chat, "a", HELLO)
            provider.wait_for(1)

            def interrupt() -> None:
                while True:  # until the door is closed: then it is being left
                    try:
                        router.reset("b")
                    except understudy.RouterClosed:
                        break
                signal.pthread_kill(main, signal.SIGINT)

            with pytest.raises(KeyboardInterrupt), beside(interrupt):
                router.close()
            with pytest.raises(understudy.RouterClosed):
                asking.result(PATIENCE)
    assert threads() == []


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals cannot be sent to a thread here")
def test_interrupts_at_any_moment_leave_nothing_behind() -> None:
    main = threading.main_thread().ident
    assert main is not None
    calls = 0
    with opened(Gates(lambda _: answer("Hi"))) as (router, _):
        stop = threading.Event()

        def interrupt() -> None:
            for number in range(60):
                started = calls
                while calls - started < number % 3 and not stop.is_set():
                    time.sleep(0)
                signal.pthread_kill(main, signal.SIGUSR1)

        def handler(*_: Any) -> None:
            raise Interrupted

        before = signal.signal(signal.SIGUSR1, handler)
        thread = threading.Thread(target=interrupt)
        interrupted = 0
        try:
            thread.start()
            while thread.is_alive():
                try:
                    calls += 1
                    assert router.chat("a", HELLO).text == "Hi"
                except Interrupted:
                    interrupted += 1
        except Interrupted:
            interrupted += 1
        finally:
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            stop.set()
            thread.join()
            signal.signal(signal.SIGUSR1, before)
        assert interrupted > 0
        assert router.chat("a", HELLO).text == "Hi"
        assert [status.in_flight for status in router.snapshot()] == [0, 0]


def test_a_listener_that_calls_the_router_back_is_told_that_it_would_wait_for_itself() -> None:
    told: list[str] = []
    with opened(Gates(lambda _: answer("Hi"))) as (router, _):

        def sink(fact: understudy.Fact | None) -> None:
            if fact is not None and not told:
                with pytest.raises(RuntimeError, match="cannot wait for itself") as info:
                    router.snapshot()
                told.append(str(info.value))

        router.listen(sink)
        router.chat("a", HELLO)
    assert len(told) == 1


def test_it_works_in_the_thread_of_a_loop() -> None:
    async def main() -> str:
        with opened(Gates(lambda _: answer("Hi"))) as (router, _):
            return router.chat("a", HELLO).text

    assert asyncio.run(main()) == "Hi"
