"""The thread: it is there while the router is open, and at no other time, however the opening or the leaving goes."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

import understudy
from understudy import portal
from understudy.supervisors.portal.errand import Errand
from understudy.supervisors.portal.loop import Bell, LoopErrand, LoopHatch
from understudy.supervisors.portal.thread import Portal
from understudy.supervisors.portal.waiting import ThreadErrand, ThreadHatch, ask

from .gates import HELLO, PATIENCE, Gates, answer, config, threads


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Any:
    before = threading.active_count()
    yield
    assert threads() == []
    assert threading.active_count() == before


def test_a_mistake_in_the_config_is_raised_to_whoever_opens() -> None:
    async def main() -> None:
        with pytest.raises(understudy.ConfigError) as info:
            async with portal.open_router({"model_list": [{"model_name": "a"}]}):
                raise AssertionError("it is not open")
        assert info.value.problems
        assert threads() == []

    asyncio.run(main())
    with pytest.raises(understudy.ConfigError):
        portal.open_blocking({"model_list": [{"model_name": "a"}]})
    with pytest.raises(understudy.ConfigError, match=r"nowhere\.yaml"):
        portal.open_blocking("nowhere.yaml")


@pytest.mark.parametrize("error", [KeyError("mine"), SystemExit(3), ExceptionGroup("g", [OSError()])])
def test_an_exception_of_the_body_leaves_as_itself(error: BaseException) -> None:
    async def main() -> None:
        async with portal.open_router(config(), transport=Gates()):
            raise error

    with pytest.raises(type(error)) as info:
        asyncio.run(main())
    assert info.value is error
    with pytest.raises(type(error)) as info, portal.open_blocking(config(), transport=Gates()):
        raise error
    assert info.value is error


def test_a_cancelled_body_ends_everything_at_once() -> None:
    async def main() -> None:
        provider = Gates()
        async with asyncio.timeout(None) as scope:
            async with portal.open_router(config(shutdown_timeout=1000), transport=provider) as router:
                waiting = asyncio.create_task(router.chat("a", HELLO))
                await provider.arrival()
                scope.reschedule(0)
                await asyncio.Event().wait()
        with pytest.raises(understudy.RouterClosed):
            await waiting

    with pytest.raises(TimeoutError):
        asyncio.run(main())


def test_leaving_that_is_cancelled_ends_at_once_and_waits_for_the_thread_all_the_same() -> None:
    async def main() -> None:
        provider = Gates()
        router = portal.open_router(config(shutdown_timeout=1000), transport=provider)
        await router.__aenter__()
        waiting = asyncio.create_task(router.chat("a", HELLO))
        await provider.arrival()
        leaving = asyncio.create_task(router.__aexit__(None, None, None))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert threads() == []
        with pytest.raises(understudy.RouterClosed):
            await waiting

    asyncio.run(main())


def test_an_opening_that_is_cancelled_leaves_no_thread() -> None:
    for turns in range(12):

        async def main(turns: int = turns) -> None:
            opening = asyncio.create_task(portal.open_router(config(), transport=Gates()).__aenter__())
            for _ in range(turns):
                await asyncio.sleep(0)
            if opening.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await opening
            else:
                await opening.result().__aexit__(None, None, None)
            assert threads() == []

        asyncio.run(main())


def test_a_slow_opening_that_is_cancelled_is_over_at_once() -> None:
    begun = threading.Event()

    @asynccontextmanager
    async def never() -> AsyncIterator[None]:
        begun.set()
        await trio.sleep_forever()
        yield

    async def main() -> None:
        opening = asyncio.create_task(portal.AsyncioRouter(never).__aenter__())
        await asyncio.to_thread(begun.wait, PATIENCE)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    asyncio.run(main())


def test_a_loop_that_is_closed_in_the_middle_takes_the_thread_along() -> None:
    provider = Gates()

    async def main() -> None:
        async with portal.open_router(config(shutdown_timeout=1000), transport=provider) as router:
            await router.chat("a", HELLO)

    loop = asyncio.new_event_loop()
    task = loop.create_task(main())
    while not provider.seen:
        loop.call_soon(loop.stop)
        loop.run_forever()
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # that it was left pending is the point
    loop.close()
    del task
    gc.collect()
    provider.wait(lambda: provider.under_way == [])
    for thread in threading.enumerate():
        if thread.name == "understudy-portal":
            thread.join(PATIENCE)


def test_an_answer_for_a_loop_that_is_closed_ends_the_thread() -> None:
    loop = asyncio.new_event_loop()
    bell = Bell(loop)

    @asynccontextmanager
    async def resident() -> AsyncIterator[str]:
        yield "here"

    life = ThreadHatch()
    it = Portal(resident, life)
    bell.on_lost = lambda: it.stop(at_once=True)
    it.start()
    life.wait()
    loop.close()

    async def say(errand: Errand, _: str) -> None:
        await errand.say("news")

    it.send(Errand(say, LoopHatch(bell)))
    life.wait_ended(PATIENCE)
    it.join(PATIENCE)


def test_a_bug_that_ends_trios_run_ends_every_wait_with_a_clear_error() -> None:
    async def main() -> None:
        async def listen() -> None:
            async for _ in router.events():
                pass

        provider = Gates()
        router = portal.open_router(config(), transport=provider)
        await router.__aenter__()
        asks = [
            asyncio.create_task(router.chat("a", HELLO)),
            asyncio.create_task(router.stream("a", HELLO).__aenter__()),
            asyncio.create_task(listen()),
        ]
        await provider.arrival(2)
        assert router._portal is not None
        router._portal.run_soon(lambda: 1 // 0)
        for waiting in asks:
            with pytest.raises(understudy.RouterCrashed):
                await waiting
        await router._life.wait_ended(PATIENCE)
        with pytest.raises(understudy.RouterCrashed):
            await router.chat("a", HELLO)
        with pytest.raises(understudy.RouterCrashed):
            router.snapshot()
        with pytest.raises(trio.TrioInternalError):
            await router.__aexit__(None, None, None)

    asyncio.run(main())
    gc.collect()


def test_an_error_while_the_resident_closes_is_raised_to_whoever_closes() -> None:
    @asynccontextmanager
    async def resident() -> AsyncIterator[str]:
        yield "here"
        raise OSError("while closing")

    async def main() -> None:
        router = portal.AsyncioRouter(resident)
        with pytest.raises(OSError, match="while closing"):
            async with router:
                pass

    asyncio.run(main())
    blocking = portal.BlockingRouter(resident)
    with pytest.raises(OSError, match="while closing"):
        blocking.close()


def test_inside_trio_one_is_told_what_to_use() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"async with understudy\.open_router"):
            async with portal.open_router(config()):
                pass
        with pytest.raises(RuntimeError, match=r"async with understudy\.open_router"):
            portal.open_blocking(config())

    trio.run(main)


def test_a_router_that_is_not_open_says_so() -> None:
    async def main() -> None:
        router = portal.open_router(config(), transport=Gates())
        with pytest.raises(RuntimeError, match="is not open"):
            await router.chat("a", HELLO)
        async with router:
            with pytest.raises(RuntimeError, match="opened once"):
                await router.__aenter__()

    asyncio.run(main())


def test_a_router_that_is_dropped_is_closed_and_warned_about() -> None:
    router = portal.open_blocking(config(), transport=Gates(lambda _: answer("Hi")))
    thread = next(thread for thread in threading.enumerate() if thread.name == "understudy-portal")
    with pytest.warns(ResourceWarning, match="never closed"):
        del router
    thread.join(PATIENCE)


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program that has a provider and opens nothing."""
    head = "import asyncio, os, sys, threading, httpx, understudy\nfrom understudy import portal\n" + textwrap.dedent(
        """
        CONFIG = {"model_list": [{"model_name": "a", "model": "openai/m", "api_base": "http://a.example/v1"}]}
        HELLO = [{"role": "user", "content": "Hello"}]
        ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
        TRANSPORT = httpx.MockTransport(lambda _: httpx.Response(200, json=ANSWER))
        """
    )
    command = [sys.executable, "-W", "error", "-c", head + textwrap.dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_router_that_is_never_closed_does_not_keep_the_interpreter_from_ending() -> None:
    done = run(
        """
        import atexit
        router = portal.open_blocking(CONFIG, transport=TRANSPORT)
        print(router.chat("a", HELLO).text)

        def late():  # a thread that Python waits for: the router is still there for it
            threading.main_thread().join()
            print(router.chat("a", HELLO).text)

        threading.Thread(target=late).start()
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hi\nHi\n", "")


def test_an_asyncio_program_that_never_leaves_its_router_ends_all_the_same() -> None:
    done = run(
        """
        loop = asyncio.new_event_loop()
        router = loop.run_until_complete(portal.open_router(CONFIG, transport=TRANSPORT).__aenter__())
        print(loop.run_until_complete(router.chat("a", HELLO)).text)
        loop.close()
        """
    )
    assert (done.returncode, done.stdout) == (0, "Hi\n"), done.stderr


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="there is no fork here")
def test_a_forked_process_is_told_that_it_has_no_router() -> None:
    done = run(
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of what is tried here
        with portal.open_blocking(CONFIG, transport=TRANSPORT) as router:
            child = os.fork()
            if child == 0:
                try:
                    router.chat("a", HELLO)
                except RuntimeError as exc:
                    print(exc, flush=True)
                router.close()
                with portal.open_blocking(CONFIG, transport=TRANSPORT) as another:
                    print(another.chat("a", HELLO).text, flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            print(router.chat("a", HELLO).text)
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("this process was forked off one in which a router was open: open a router in it\nHi\nHi\n")


def test_understudy_alone_brings_neither_asyncio_nor_the_portal_along() -> None:
    check = (
        "import sys, trio, httpx; before = set(sys.modules); import understudy; new = set(sys.modules) - before; "
        "print([n for n in new if n.split('.')[0] == 'asyncio' or 'portal' in n]); print(understudy.portal.open_router)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[]\n<function open_router")
    with pytest.raises(AttributeError, match="no attribute 'portals'"):
        _ = understudy.portals  # type: ignore[attr-defined]


def test_the_core_serves_anything_that_lives_under_trio() -> None:
    closed: list[str] = []

    @asynccontextmanager
    async def resident() -> AsyncIterator[trio.Event]:
        try:
            yield trio.Event()
        finally:
            closed.append("closed")

    life = ThreadHatch()
    it = Portal(resident, life)
    it.start()
    life.wait()

    async def wait(_: Errand, event: trio.Event) -> str:
        await event.wait()
        return "set"

    async def main() -> str:
        waiting = asyncio.create_task(LoopErrand(it, Bell(asyncio.get_running_loop()), wait).call())
        await asyncio.sleep(0)
        ask(it, lambda event: event.set())
        return str(await waiting)

    assert asyncio.run(main()) == "set"
    assert ThreadErrand(it, wait).call() == "set"
    it.stop(at_once=False)
    life.wait_ended()
    it.join()
    assert closed == ["closed"]
