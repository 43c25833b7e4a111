"""The log: a line for what matters, nothing twice, and no cost where the logger would drop it."""

from __future__ import annotations

import logging

import pytest
import trio

from understudy import Kind, Router, UnderstudyError, observe, open_router
from understudy.actors.model import ModelActor

from ..actors.virtual import HELLO, Deal, Provider, Received, config, entry, fail, run
from .watching import listening_logger

TWO = config(entry("a", fallbacks=["b"]), entry("b"))


def ailing(received: Received) -> Deal:
    """The first candidate fails during the first minute."""
    return fail(503) if received.host == "a.example" and received.at < 60 else Deal()


async def three_requests(router: Router) -> None:
    for _ in range(2):
        await router.chat("a", HELLO)
    await trio.sleep(100)
    await router.chat("a", HELLO)


def heard(level: int) -> list[tuple[str, str]]:
    """What a router says by itself to the logger `understudy` of this level."""

    async def play() -> None:
        async with open_router(TWO, transport=Provider(ailing)) as router:
            await three_requests(router)

    with listening_logger(level, "understudy") as (_, lines):
        run(play)
    return [(record.levelname, record.getMessage()) for record in lines.records]


RARE = ("WARNING", "a (maker/a-model) cools for 30 s (overloaded): incident 1 in a row")


def test_a_router_says_by_itself_who_cools_and_who_stands_in() -> None:
    assert heard(logging.INFO) == [
        RARE,
        ("INFO", "request 1: a (maker/a-model) failed (overloaded); falls back to b (maker/b-model)"),
        ("INFO", "request 2: a (maker/a-model) refused (cooling); falls back to b (maker/b-model)"),
        ("INFO", "a (maker/a-model) has recovered: its probe came back well"),
    ]


def test_a_higher_level_hears_less() -> None:
    assert heard(logging.WARNING) == [RARE]
    assert heard(logging.ERROR) == []


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING, logging.ERROR])
def test_a_fact_of_which_the_logger_would_drop_the_line_is_not_made(level: int) -> None:
    async def play() -> frozenset[Kind]:
        async with open_router(TWO, transport=Provider()) as router:
            assert router._house.trace.hears_requests is (level == logging.INFO)
            return router._house.trace.heard

    with listening_logger(level, "understudy"):
        kinds = run(play)
    healthy = {Kind.REQUESTED, Kind.DISPATCHED, Kind.ADMITTED, Kind.SENT, Kind.SERVED, Kind.DELIVERED}
    assert kinds & healthy == ({Kind.DISPATCHED} if level == logging.INFO else set())


def test_once_the_level_is_lower_a_log_can_be_switched_on_and_says_nothing_twice() -> None:
    async def play() -> None:
        async with open_router(TWO, transport=Provider(ailing)) as router:
            logger.setLevel(logging.INFO)
            observe.log_requests(router)
            observe.log_requests(router)
            await three_requests(router)

    with listening_logger(logging.WARNING, "understudy") as (logger, lines):
        run(play)
    assert len(lines.texts) == len(set(lines.texts)) == 4


def test_a_logger_of_ones_own_hears_besides() -> None:
    async def play() -> None:
        async with open_router(TWO, transport=Provider(ailing)) as router:
            observe.log_requests(router, logger)
            await three_requests(router)

    with listening_logger(logging.WARNING, "understudy") as (_, own), listening_logger(logging.INFO) as (logger, lines):
        run(play)
    assert (len(own.texts), len(lines.texts)) == (1, 4)
    assert [(record.kind, record.request, record.model_key) for record in lines.records][:2] == [  # type: ignore[attr-defined]
        ("cooling", None, "a"),
        ("dispatched", 1, "b"),
    ]


def test_a_request_that_is_given_up_and_one_that_is_itself_at_fault() -> None:
    async def play() -> None:
        async with open_router(
            config(entry("a")), transport=Provider(lambda r: fail(400 if r.number else 500))
        ) as router:
            for _ in range(2):
                with pytest.raises(UnderstudyError):
                    await router.chat("a", HELLO)
            await router.reset("a")
            with pytest.raises(UnderstudyError):
                await router.chat("a", HELLO)

    with listening_logger(logging.INFO, "understudy") as (_, lines):
        run(play)
    assert [
        (record.levelname, record.getMessage()) for record in lines.records if "request" in record.getMessage()
    ] == [
        ("WARNING", "request 1 is given up (exhausted), turns of candidates: 1"),
        ("WARNING", "request 2 is given up (exhausted), turns of candidates: 1"),
        ("INFO", "request 3 is itself at fault (format)"),
    ]


def test_who_shares_a_credential_is_told_whose_failure_it_was() -> None:
    shared = config(entry("a", key="env:SHARED"), entry("b", key="env:SHARED"))

    async def play() -> None:
        async with open_router(shared, transport=Provider(lambda _: fail(401))) as router:
            with pytest.raises(UnderstudyError):
                await router.chat("a", HELLO)
            await trio.sleep(1)

    with pytest.MonkeyPatch.context() as patch, listening_logger(logging.WARNING, "understudy") as (_, lines):
        patch.setenv("SHARED", "secret-of-both")
        run(play)
    assert "b (maker/b-model) cools for 600 s (auth of a, with whom it shares a credential)" in "\n".join(lines.texts)
    assert "secret-of" not in "\n".join(lines.texts)


def test_a_candidate_that_is_down_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(actor: ModelActor, message: object, now: float) -> None:
        raise RuntimeError("a bug")

    original = ModelActor.handle

    async def play() -> None:
        fragile = {**TWO, "restarts": {"intensity": 1, "period": 600}}
        async with open_router(fragile, transport=Provider()) as router:
            monkeypatch.setattr(ModelActor, "handle", handle)
            for _ in range(2):
                with pytest.raises(UnderstudyError):
                    await router.chat("a", HELLO)
                await trio.sleep(30)
            monkeypatch.setattr(ModelActor, "handle", original)
            await router.reset("a")
            await trio.sleep(1)

    with listening_logger(logging.INFO, "understudy") as (_, lines):
        run(play)
    about = [text for text in lines.texts if text.startswith("a (maker/a-model) is")]
    assert [text.split(":")[0] for text in about] == [
        "a (maker/a-model) is down until it is reset",
        "a (maker/a-model) is no longer down",
    ]
