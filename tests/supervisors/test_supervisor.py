"""The supervisor against an oracle: strategy by restart type by way of ending, in order and at any time."""

from __future__ import annotations

import doctest
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.supervisors import intensity, spec, supervisor
from understudy.supervisors.child import Incarnation
from understudy.supervisors.supervisor import (
    CANCELLED_GRACE,
    LINGER_MAX,
    Backoff,
    ChildEnded,
    ChildLingers,
    ChildRestarting,
    ChildSpec,
    ChildStarted,
    ChildStartFailed,
    Ending,
    GaveUp,
    IntensityExceeded,
    Report,
    Restart,
    Strategy,
    Supervisor,
)

from .otp import FOREVER, Life, Otp, Part, Play, own
from .stage import Bug, Stage, run, tasks_below_the_root

STRATEGIES = ["one_for_one", "one_for_all", "rest_for_one"]
RESTARTS = ["permanent", "transient", "temporary"]
ENDINGS = ["returns", "crashes", "crashes as a group", "cancels itself"]


def agree(play: Play) -> Stage:
    """Perform a play, and hold it against what the oracle says."""
    trace, outcome, ended_at = Otp(play).run()
    stage = Stage.of(play)
    assert stage.trace == trace
    assert (stage.outcome, stage.ended_at) == (outcome, ended_at)
    return stage


lives = st.builds(
    Life,
    rehearsal=st.sampled_from([0.25, 0.25, 1.0, 4.0]),
    opening=st.sampled_from(["ready"] * 5 + ["returns", "crashes"]),
    span=st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0, 8.0, FOREVER]),
    ending=st.sampled_from(ENDINGS),
    farewell=st.sampled_from([0.25, 1.0, 3.0, 6.0]),
    curtain=st.sampled_from([0.0, 0.0, 0.0, 0.5, 2.0, 7.0]),
)

# A first life that cannot begin ends the whole play; most plays should go on for a while.
first_lives = st.builds(
    Life,
    rehearsal=st.sampled_from([0.25, 1.0]),
    opening=st.sampled_from(["ready"] * 20 + ["returns", "crashes"]),
    span=st.sampled_from([0.5, 1.0, 2.0, 4.0, FOREVER]),
    ending=st.sampled_from(ENDINGS),
    farewell=st.sampled_from([0.25, 1.0, 3.0]),
    curtain=st.sampled_from([0.0, 0.0, 0.5, 7.0]),
)


@st.composite
def parts(draw: st.DrawFn, name: str) -> Part:
    return Part(
        name,
        restart=draw(st.sampled_from(["permanent", "permanent", "transient", "transient", "temporary"])),
        shutdown=draw(st.sampled_from([0.0, 1.0, 5.0, FOREVER])),
        can_be_asked=draw(st.booleans()),
        lives=(draw(first_lives), *draw(st.lists(lives, max_size=4)), Life()),
    )


@st.composite
def plays(draw: st.DrawFn) -> Play:
    """A supervisor of up to five children that live and die as they like, and when it is sent home."""
    count = draw(st.integers(0, 5))
    return Play(
        tuple(draw(parts(name)) for name in "abcde"[:count]),
        strategy=draw(st.sampled_from(STRATEGIES)),
        max_restarts=draw(st.sampled_from([0, 1, 2, 4, 8, 100])),
        period=draw(st.sampled_from([0.5, 5.0, 50.0])),
        waits=draw(st.sampled_from([(0.0,), (0.0, 0.25, 0.5), (0.0, 0.25, 0.375)])),
        end=draw(st.sampled_from(["shut down", "cancelled"])),
        end_at=own(draw(st.integers(0, 60)) / 2, "the end"),
    )


@settings(max_examples=400, deadline=None)
@given(plays())
def test_every_play_goes_as_otp_would_have_it(play: Play) -> None:
    agree(play)


# ---- the matrix, with a table written by hand beside the oracle

GROUPS = {
    "one_for_one": ["b"],
    "one_for_all": ["a", "b", "c"],
    "rest_for_one": ["b", "c"],
}
COMES_BACK = {
    ("permanent", "returns"): True,
    ("permanent", "crashes"): True,
    ("transient", "returns"): False,
    ("transient", "crashes"): True,
    ("temporary", "returns"): False,
    ("temporary", "crashes"): False,
}


def names(stage: Stage, what: str, since: float = 0.0) -> list[str]:
    """Who did that, in order."""
    return [moment.name for moment in stage.trace if moment.what == what and moment.at >= since]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("restart", RESTARTS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_end_restarts_whom_restart_type_and_strategy_say(strategy: str, restart: str, ending: str) -> None:
    failing = Part("b", restart=restart, lives=(Life(span=2.0, ending=ending), Life()))
    stage = agree(Play((Part("a"), failing, Part("c")), strategy=strategy))
    crashed = "crashes" if ending.startswith("crashes") else "returns"
    group = GROUPS[strategy] if COMES_BACK[restart, crashed] else []
    everybody = ["a", "b", "c"] if group or restart == "permanent" else ["a", "c"]
    assert names(stage, "starts") == ["a", "b", "c", *group]
    siblings = [name for name in reversed(group) if name != "b"]
    assert names(stage, "is asked") == siblings + everybody[::-1]
    assert stage.outcome == "returned"


@pytest.mark.parametrize("opening", ["returns", "crashes"])
@pytest.mark.parametrize("restart", ["permanent", "transient"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_restart_that_fails_counts_and_is_tried_again(strategy: str, restart: str, opening: str) -> None:
    failing = Life(opening=opening)
    b = Part("b", restart=restart, lives=(Life(span=2.0, ending="crashes"), failing, failing, Life()))
    play = Play((Part("a"), b, Part("c")), strategy=strategy, waits=(0.0, 0.25, 0.5))
    stage = agree(play)
    first = ["a"] if strategy == "one_for_all" else []
    last = [] if strategy == "one_for_one" else ["c"]
    assert names(stage, "starts") == ["a", "b", "c", *[*first, "b"] * 3, *last]
    delays = [report.delay for report in stage.reports if isinstance(report, ChildRestarting)]
    assert delays == [0.0, 0.25, 0.5]


@pytest.mark.parametrize("opening", ["returns", "crashes"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_child_that_can_never_be_restarted_ends_its_supervisor_without_a_tight_loop(
    strategy: str, opening: str
) -> None:
    hopeless = Part("b", lives=(Life(span=2.0, ending="crashes"), Life(rehearsal=0.25, opening=opening)))
    stage = agree(Play((Part("a"), hopeless, Part("c")), strategy=strategy, max_restarts=3))
    assert stage.outcome == "gave up on b"
    assert names(stage, "starts").count("b") == 4  # the first, and the three that are allowed


@pytest.mark.parametrize("opening", ["returns", "crashes"])
@pytest.mark.parametrize("restart", RESTARTS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_child_that_fails_at_the_first_start_undoes_the_start(strategy: str, restart: str, opening: str) -> None:
    failing = Part("c", restart=restart, lives=(Life(opening=opening),))
    stage = agree(Play((Part("a"), Part("b"), failing, Part("d")), strategy=strategy))
    assert names(stage, "starts") == ["a", "b", "c"]
    assert names(stage, "leaves") == ["b", "a"]
    assert isinstance(stage.error, ChildStartFailed)
    assert (stage.error.supervisor, stage.error.child) == ("troupe", "c")
    assert str(stage.error) == "supervisor 'troupe' could not start its child 'c'"
    cause = stage.error.__cause__
    if opening == "crashes":
        assert isinstance(cause, Bug)
    else:
        assert "child 'c' returned before it called task_status.started()" in str(cause)


@pytest.mark.parametrize("end", ["shut down", "cancelled"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_children_are_stopped_one_by_one_and_the_last_one_first(strategy: str, end: str) -> None:
    stage = agree(Play(tuple(Part(name) for name in "abcd"), strategy=strategy, end=end, end_at=10.0))
    moments = [(moment.what, moment.name) for moment in stage.trace if moment.at >= 10.0]
    assert moments == [(what, name) for name in "dcba" for what in ("is asked", "leaves")]


def test_a_transient_child_that_had_ended_comes_back_with_its_group_and_a_temporary_one_does_not() -> None:
    done = Part("a", restart="transient", lives=(Life(span=1.0), Life()))
    guest = Part("c", restart="temporary", lives=(Life(),))
    crashing = Part("b", lives=(Life(span=4.0, ending="crashes"), Life()))
    stage = agree(Play((done, crashing, guest), strategy="one_for_all"))
    assert names(stage, "starts") == ["a", "b", "c", "a", "b"]


# ---- intensity and waits in a run


def crash_at(*spans: float, name: str = "b", restart: str = "permanent") -> Part:
    """A child whose lives end in a crash after these times."""
    return Part(name, restart, lives=(*(Life(span=span, ending="crashes") for span in spans), Life()))


def test_as_many_restarts_as_allowed_are_made_and_one_more_is_not() -> None:
    assert agree(Play((crash_at(1, 1, 1),), max_restarts=3, period=50.0)).outcome == "returned"
    assert agree(Play((crash_at(1, 1, 1, 1),), max_restarts=3, period=50.0)).outcome == "gave up on b"


def test_restarts_that_are_far_apart_never_end_the_supervisor() -> None:
    assert agree(Play((crash_at(*[6] * 12),), max_restarts=1, period=5.0)).outcome == "returned"


def test_whoever_gives_up_says_who_failed_how_often_and_why() -> None:
    stage = agree(Play((Part("a"), crash_at(1, 1), Part("c")), max_restarts=1, period=50.0))
    error = stage.error
    assert isinstance(error, IntensityExceeded)
    assert (error.supervisor, error.child, error.count, error.period) == ("troupe", "b", 2, 50.0)
    assert isinstance(error.__cause__, Bug)
    assert "'troupe' gave up: the end of 'b' called for restart number 2 within 50 s" in str(error)
    assert [type(report) for report in stage.reports].count(GaveUp) == 1
    assert names(stage, "leaves") == ["c", "a"]


def test_a_permanent_child_that_keeps_ending_normally_ends_its_supervisor_without_a_cause() -> None:
    stage = agree(Play((Part("a", lives=(Life(span=0.5),)),), max_restarts=2, period=50.0))
    assert stage.outcome == "gave up on a"
    assert stage.error is not None
    assert stage.error.__cause__ is None


def test_siblings_go_down_at_once_and_wait_with_the_child_that_failed() -> None:
    fails_twice = Part("a", lives=(Life(span=1.0, ending="crashes"), Life(opening="crashes"), Life()))
    play = Play((fails_twice, Part("b")), strategy="rest_for_one", waits=(0.0, 0.25, 0.5))
    stage = agree(play)
    failure = next(moment.at for moment in stage.trace if moment.what == "fails to start")
    assert next(m.at for m in stage.trace if m.what == "starts" and m.at > failure) - failure == 0.25


def test_a_failure_during_another_childs_wait_is_dealt_with_at_once() -> None:
    a = crash_at(1.0, name="a")
    b = Part("b", lives=(Life(span=0.25, ending="crashes"), Life(opening="crashes"), Life()))
    stage = agree(Play((a, b), max_restarts=8, waits=(0.0, 0.25, 0.5)))
    assert names(stage, "starts") == ["a", "b", "b", "a", "b"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_sibling_may_crash_at_any_time_of_a_restart_that_fails_and_waits(strategy: str) -> None:
    failing = Life(opening="crashes")
    c = Part("c", lives=(Life(span=0.5, ending="crashes", farewell=1.0), failing, failing, Life()))
    during_a_wait = 0
    for span in range(40):
        a = Part("a", lives=(Life(span=span / 8, ending="crashes"), Life()))
        stage = agree(Play((a, Part("b"), c), strategy=strategy, max_restarts=8, period=50.0, waits=(0.0, 0.25, 0.5)))
        crashes = [moment.at for moment in stage.trace if (moment.what, moment.name) == ("crashes", "a")]
        waits = [(r.at, r.at + r.delay) for r in stage.reports if isinstance(r, ChildRestarting)]
        during_a_wait += any(begin < crash < end for begin, end in waits for crash in crashes)
    assert during_a_wait or strategy == "one_for_all", "with all down, nobody is there to crash"


def test_a_sibling_that_crashes_while_it_waits_to_be_stopped_counts_once() -> None:
    slow = Part("c", lives=(Life(farewell=4.0), Life()))
    stage = agree(Play((crash_at(2.5, name="a"), crash_at(1.0, name="b"), slow), "one_for_all", max_restarts=1))
    assert stage.outcome == "returned"
    assert [type(report) for report in stage.reports].count(ChildRestarting) == 1


def test_a_sibling_outside_the_group_that_crashes_during_a_restart_is_not_lost() -> None:
    slow = Part("c", lives=(Life(farewell=4.0), Life()))
    stage = agree(Play((crash_at(2.5, name="a"), crash_at(1.0, name="b"), slow), "rest_for_one"))
    assert names(stage, "starts") == ["a", "b", "c", "b", "c", "a", "b", "c"]


# ---- time to end


@pytest.mark.parametrize("end", ["shut down", "cancelled"])
def test_children_that_do_not_end_when_asked_are_cancelled_when_their_time_is_up(end: str) -> None:
    stubborn = tuple(Part(name, shutdown=1.0, lives=(Life(farewell=50.0),)) for name in "abc")
    stage = agree(Play(stubborn, end=end, end_at=10.0, grace=30.0))
    assert names(stage, "is cancelled") == ["c", "b", "a"]
    assert stage.ended_at == 13.0


def test_a_cancelled_supervisor_gives_its_children_one_grace_for_all_of_them() -> None:
    stubborn = tuple(Part(name, shutdown=FOREVER, lives=(Life(farewell=50.0),)) for name in "abc")
    stage = agree(Play(stubborn, end="cancelled", end_at=10.0, grace=CANCELLED_GRACE))
    assert stage.ended_at == 10.0 + CANCELLED_GRACE
    assert names(stage, "is cancelled") == ["c", "b", "a"]


def test_a_child_with_a_shutdown_of_nought_is_cancelled_and_not_asked() -> None:
    stage = agree(Play((Part("a", shutdown=0.0),)))
    assert names(stage, "is asked") == []
    assert names(stage, "is cancelled") == ["a"]


def test_a_child_that_ignores_its_cancellation_is_reported_and_keeps_its_siblings_waiting_only_so_long() -> None:
    deaf = Part("b", can_be_asked=False, lives=(Life(curtain=50.0),))
    stage = agree(Play((Part("a"), deaf), end_at=10.0))
    lingering = [report for report in stage.reports if isinstance(report, ChildLingers)]
    assert lingering == [ChildLingers("troupe", "b", 10.0 + LINGER_MAX)]
    assert [m.at for m in stage.trace if (m.what, m.name) == ("is asked", "a")] == [10.0 + LINGER_MAX]
    assert stage.ended_at > 60.0


def test_a_child_that_still_lingers_is_not_started_a_second_time() -> None:
    deaf = Part("b", can_be_asked=False, lives=(Life(curtain=50.0), Life()))
    stage = agree(Play((crash_at(1.0, name="a"), deaf), strategy="one_for_all"))
    left = next(moment.at for moment in stage.trace if (moment.what, moment.name) == ("leaves", "b"))
    assert [m.at for m in stage.trace if (m.what, m.name) == ("starts", "b")][1] == left


# ---- reports


def test_reports_tell_the_same_story_as_the_children() -> None:
    b = Part("b", lives=(Life(span=2.0, ending="crashes"), Life(opening="returns"), Life()))
    stage = agree(Play((Part("a", restart="transient", lives=(Life(span=1.0),)), b, Part("c"))))
    story = [
        (type(report).__name__, report.child, report.how if isinstance(report, ChildEnded) else None)
        for report in stage.reports
    ]
    assert story == [
        ("ChildStarted", "a", None),
        ("ChildStarted", "b", None),
        ("ChildStarted", "c", None),
        ("ChildEnded", "a", Ending.NORMAL),
        ("ChildEnded", "b", Ending.CRASHED),
        ("ChildRestarting", "b", None),
        ("ChildEnded", "b", Ending.NEVER_STARTED),
        ("ChildRestarting", "b", None),
        ("ChildStarted", "b", None),
        ("ChildEnded", "c", Ending.STOPPED),
        ("ChildEnded", "b", Ending.STOPPED),
    ]
    assert all(report.supervisor == "troupe" for report in stage.reports)
    times = {m.at: m.name for m in stage.trace if m.what in {"is ready", "crashes", "returns", "leaves"}}
    for report in stage.reports:
        if isinstance(report, ChildStarted) or (isinstance(report, ChildEnded) and report.error is None):
            assert times[report.at] == report.child


def test_a_listener_that_fails_hurts_nobody() -> None:
    def fail(report: Report) -> None:
        raise Bug

    async def main() -> None:
        troupe = Supervisor("troupe", [ChildSpec("a", patient)], report=fail)
        async with trio.open_nursery() as nursery:
            await nursery.start(troupe.run)
            troupe.shut_down()

    run(main)


# ---- single cases, on children made for them


async def patient(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Run until cancelled."""
    task_status.started()
    await trio.sleep_forever()


def after(seconds: float, action: Callable[[], Any]) -> spec.Start:
    """Make a child that does something once it has been ready for a while."""

    async def start(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        await trio.sleep(seconds)
        action()

    return start


def throw(error: BaseException) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_what_is_meant_for_the_whole_program_takes_everything_down(error: BaseException) -> None:
    ended = []

    async def witness(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        try:
            await patient(task_status=task_status)
        finally:
            ended.append(trio.current_time())

    async def main() -> None:
        inner = Supervisor("inner", [ChildSpec("b", after(2.0, throw(error))), ChildSpec("c", witness)])
        outer = Supervisor("outer", [ChildSpec("a", witness), ChildSpec("inner", inner.run)])
        await outer.run()

    with pytest.raises(BaseExceptionGroup) as caught:
        run(main)
    matched, rest = caught.value.split(type(error))
    assert matched is not None
    assert rest is None
    assert ended == [2.0, 2.0]


def test_a_cancelled_child_that_adds_errors_of_its_own_is_a_stopped_child_with_an_error() -> None:
    async def clumsy(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async def stumble() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise Bug

        async with trio.open_nursery() as nursery:
            nursery.start_soon(stumble)
            nursery.start_soon(trio.sleep_forever)
            task_status.started()

    reports: list[Report] = []

    async def main() -> None:
        troupe = Supervisor("troupe", [ChildSpec("a", patient), ChildSpec("b", clumsy)], report=reports.append)
        async with trio.open_nursery() as nursery:
            await nursery.start(troupe.run)
            troupe.shut_down()

    run(main)
    b, a = (report for report in reports if isinstance(report, ChildEnded))
    assert (b.how, type(b.error)) == (Ending.STOPPED, ExceptionGroup)
    assert (a.how, a.error) == (Ending.STOPPED, None)


def test_a_cancellation_that_nobody_sent_is_an_error_and_not_a_silence() -> None:
    kept: list[trio.Cancelled] = []

    async def main() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as cancelled:
                kept.append(cancelled)
                raise
        with pytest.raises(RuntimeError, match=r"raised trio\.Cancelled out of its context"):
            await Supervisor("troupe", [ChildSpec("a", after(1.0, throw(kept[0])))]).run()

    run(main)
    kept.clear()


def test_a_supervisor_without_children_waits_to_be_shut_down() -> None:
    async def main() -> None:
        troupe = Supervisor("troupe", [])
        async with trio.open_nursery() as nursery:
            await nursery.start(troupe.run)
            await trio.sleep(10.0)
            assert tasks_below_the_root() == 1
            troupe.shut_down()
        assert trio.current_time() == 10.0

    run(main)


def test_a_supervisor_is_ready_when_all_its_children_are() -> None:
    async def slow(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await trio.sleep(3.0)
        await patient(task_status=task_status)

    async def main() -> None:
        troupe = Supervisor("troupe", [ChildSpec("a", slow), ChildSpec("b", slow)])
        async with trio.open_nursery() as nursery:
            await nursery.start(troupe.run)
            assert trio.current_time() == 6.0
            troupe.shut_down()

    run(main)


def test_a_supervisor_that_cannot_start_fails_the_start_of_whoever_started_it() -> None:
    async def main() -> None:
        troupe = Supervisor("troupe", [ChildSpec("a", patient), ChildSpec("b", stumbles)])
        async with trio.open_nursery() as nursery:
            with pytest.raises(ChildStartFailed) as caught:
                await nursery.start(troupe.run)
            assert isinstance(caught.value.__cause__, Bug)
            assert not nursery.child_tasks

    run(main)


def test_a_supervisor_that_was_shut_down_can_be_run_again() -> None:
    async def main() -> None:
        troupe = Supervisor("troupe", [ChildSpec("a", patient)])
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                await nursery.start(troupe.run)
                troupe.shut_down()

    run(main)


def test_a_supervisor_runs_once_at_a_time() -> None:
    async def main() -> None:
        troupe = Supervisor("troupe", [ChildSpec("a", patient)])
        async with trio.open_nursery() as nursery:
            await nursery.start(troupe.run)
            with pytest.raises(RuntimeError, match="running already"):
                await troupe.run()
            troupe.shut_down()

    run(main)


def test_a_supervisor_that_is_shut_down_before_it_runs_starts_nobody() -> None:
    stage = Stage(Play((Part("a"),)))

    async def main() -> None:
        troupe = stage.supervisor()
        troupe.shut_down()
        await troupe.run()
        assert trio.current_time() == 0

    run(main)
    assert stage.trace == []


def test_a_supervisor_that_is_cancelled_before_it_runs_starts_nobody() -> None:
    stage = Stage(Play((Part("a"),)))

    async def main() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await stage.supervisor().run()
        assert scope.cancelled_caught

    run(main)
    assert stage.trace == []


def test_a_start_that_never_gets_ready_can_be_called_off() -> None:
    play = Play((Part("a"), Part("b", lives=(Life(rehearsal=FOREVER),)), Part("c")), end_at=10.0)
    stage = agree(play)
    assert [(m.what, m.name) for m in stage.trace if m.at >= 10.0][:2] == [
        ("is cancelled", "b"),
        ("leaves", "b"),
    ]
    assert names(stage, "starts") == ["a", "b"]


def test_a_child_that_cannot_be_asked_is_cancelled_and_the_report_says_why() -> None:
    reports: list[Report] = []

    async def main() -> None:
        child = ChildSpec("a", patient, shutdown=math.inf, stop=throw(Bug()))
        troupe = Supervisor("troupe", [child], report=reports.append)
        async with trio.open_nursery() as nursery:
            await nursery.start(troupe.run)
            troupe.shut_down()
        assert trio.current_time() == 0

    run(main)
    assert isinstance(reports[-1], ChildEnded)
    assert reports[-1].how is Ending.STOPPED
    assert isinstance(reports[-1].error, Bug)


def test_a_child_says_only_once_that_it_is_ready() -> None:
    async def eager(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        task_status.started()

    async def main() -> None:
        troupe = Supervisor("troupe", [ChildSpec("a", eager)], max_restarts=0)
        with pytest.raises(IntensityExceeded) as caught:
            await troupe.run()
        assert "twice" in str(caught.value.__cause__)

    run(main)


def test_a_child_does_not_get_ready_after_its_end() -> None:
    async def main() -> None:
        ended = Incarnation(ChildSpec("a", returns_at_once), 0, lambda _: None)
        await ended.live()
        status: trio.TaskStatus[None] = ended
        with pytest.raises(RuntimeError, match="after its end"):
            status.started()

    run(main)


async def returns_at_once(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Fail to start, without a word."""


async def stumbles(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Fail to start, with a crash."""
    raise Bug


@pytest.mark.parametrize("grace", [-1.0, math.nan])
def test_a_grace_that_is_no_duration_is_refused(grace: float) -> None:
    with pytest.raises(ValueError, match="cancelled_grace"):
        Supervisor("troupe", [], cancelled_grace=grace)


def test_an_intensity_that_makes_no_sense_is_refused_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="max_restarts"):
        Supervisor("troupe", [], max_restarts=-1)


# ---- supervisors of supervisors


def test_a_supervisor_that_gives_up_is_a_crash_to_the_one_above_which_starts_it_with_a_clean_record() -> None:
    reports: list[Report] = []

    async def main() -> None:
        inner = Supervisor(
            "inner",
            [ChildSpec("a", patient), ChildSpec("b", after(1.0, throw(Bug())))],
            max_restarts=1,
            report=reports.append,
        )
        outer = Supervisor(
            "outer",
            [ChildSpec("inner", inner.run, Restart.TRANSIENT, stop=inner.shut_down, shutdown=math.inf)],
            max_restarts=2,
            period=100.0,
            backoff=Backoff(cap=0.0),
            report=reports.append,
        )
        with pytest.raises(IntensityExceeded) as caught:
            await outer.run()
        assert isinstance(caught.value.__cause__, IntensityExceeded)
        assert isinstance(caught.value.__cause__.__cause__, Bug)
        assert trio.current_time() == 6.0  # three lives of the inner one, each of two crashes

    run(main)
    gave_up = [(report.supervisor, report.at) for report in reports if isinstance(report, GaveUp)]
    assert gave_up == [("inner", 2.0), ("inner", 4.0), ("inner", 6.0), ("outer", 6.0)]


@pytest.mark.parametrize("end", ["shut down", "cancelled"])
def test_a_tree_ends_in_the_reverse_order_of_its_start(end: str) -> None:
    order: list[str] = []

    def note(report: Report) -> None:
        order.append(("+" if isinstance(report, ChildStarted) else "-") + report.child)

    def tree(name: str, *children: ChildSpec) -> ChildSpec:
        inner = Supervisor(name, children, report=note, strategy=Strategy.ONE_FOR_ALL)
        return ChildSpec(name, inner.run, stop=inner.shut_down, shutdown=math.inf)

    async def main() -> None:
        leaves = {name: ChildSpec(name, patient) for name in "abcde"}
        left = tree("left", leaves["a"], tree("deep", leaves["b"]), leaves["c"])
        root = Supervisor("root", [left, leaves["d"], tree("right", leaves["e"])], report=note)
        async with trio.open_nursery() as nursery:
            await nursery.start(root.run)
            if end == "cancelled":
                nursery.cancel_scope.cancel()
            root.shut_down()
        assert trio.current_time() == 0

    run(main)
    started = ["+a", "+b", "+deep", "+c", "+left", "+d", "+e", "+right"]
    assert order[:8] == started
    assert order[8:] == ["-e", "-right", "-d", "-c", "-b", "-deep", "-a", "-left"]


# ---- cancelled at every point


class Steps(trio.abc.Instrument):
    """Cancels a scope at the n-th step of any task."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.scope: trio.CancelScope | None = None

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.scope is not None:
            self.left -= 1
            if self.left == 0:
                self.scope.cancel()


@contextmanager
def cancelled_at_step(number: int) -> Iterator[Steps]:
    steps = Steps(number)
    trio.lowlevel.add_instrument(steps)
    try:
        with trio.CancelScope() as steps.scope:
            yield steps
    finally:
        trio.lowlevel.remove_instrument(steps)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_whenever_it_is_cancelled_it_leaves_nobody_behind_and_stops_the_last_one_first(strategy: str) -> None:
    failing = Life(span=0.5, ending="crashes")
    play = Play(
        (
            Part("a", lives=(Life(span=2.0, ending="crashes", farewell=1.0), Life(farewell=0.5))),
            Part("b", can_be_asked=False, lives=(failing, Life(opening="crashes"), failing, Life(curtain=1.0))),
            Part("c", restart="transient", shutdown=0.25, lives=(Life(farewell=2.0), failing, Life())),
        ),
        strategy=strategy,
        max_restarts=6,
        waits=(0.0, 0.25, 0.5),
        end_at=7.0,
    )

    def performance(step: int) -> bool:
        stage = Stage(play)
        reached = False

        async def main() -> None:
            nonlocal reached
            with trio.move_on_after(play.end_at), cancelled_at_step(step) as steps:
                await stage.supervisor().run()
            reached = steps.left <= 0
            assert not stage.on_stage
            assert tasks_below_the_root() == 0
            assert trio.current_time() <= play.end_at + play.grace + 3.0

        run(main)
        last_start = max((n for n, m in enumerate(stage.trace) if m.what == "starts"), default=0)
        assert is_descending([m.name for m in stage.trace[last_start + 1 :] if m.what == "is asked"])
        return reached

    step = 1
    while performance(step):
        step += 1
    assert step > 40, "the play is long enough to be cancelled in many places"


def is_descending(names: list[str]) -> bool:
    return names == sorted(names, reverse=True)


# ---- the documentation


@pytest.mark.parametrize("module", [spec, intensity, supervisor])
def test_the_examples_in_the_documentation_run(module: Any) -> None:
    assert doctest.testmod(module).failed == 0
