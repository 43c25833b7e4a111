"""Children that perform a play under a real supervisor, and what was seen of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
import trio.testing
from attrs import define, field

from understudy.supervisors.supervisor import (
    Backoff,
    ChildSpec,
    ChildStartFailed,
    IntensityExceeded,
    Report,
    Restart,
    Strategy,
    Supervisor,
)

from .otp import Moment, Part, Play

LIMIT = 10_000.0


class Bug(Exception):
    """What a child crashes with."""


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run in virtual time, and notice what would otherwise wait for ever."""

    async def watched() -> None:
        with trio.fail_after(LIMIT):
            await main()

    trio.run(watched, clock=trio.testing.MockClock(autojump_threshold=0))


def tasks_below_the_root() -> int:
    """Count the tasks of the program itself that are below the current task."""
    return sum(len(nursery.child_tasks) for nursery in trio.lowlevel.current_task().child_nurseries)


@define(eq=False)
class Stage:
    """One performance: the supervisor of a play, and the trace that its children leave."""

    play: Play
    trace: list[Moment] = field(factory=list)
    reports: list[Report] = field(factory=list)
    on_stage: list[str] = field(factory=list)
    asked: dict[str, trio.Event] = field(factory=dict)
    born: dict[str, int] = field(factory=dict)
    outcome: str = ""
    ended_at: float = 0.0
    error: Exception | None = None

    def supervisor(self) -> Supervisor:
        assert self.play.waits in {(0.0,), (0.0, 0.25, 0.5), (0.0, 0.25, 0.375)}, "what this backoff can wait"
        return Supervisor(
            "troupe",
            [self.spec(part) for part in self.play.parts],
            strategy=Strategy(self.play.strategy),
            max_restarts=self.play.max_restarts,
            period=self.play.period,
            backoff=Backoff(base=0.125, factor=2.0, cap=max(self.play.waits), quiet=1e9),
            cancelled_grace=self.play.grace,
            report=self.reports.append,
        )

    def spec(self, part: Part) -> ChildSpec:
        async def start(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            await self.perform(part, task_status)

        def stop() -> None:
            self.note("is asked", part.name)
            self.asked[part.name].set()

        return ChildSpec(
            part.name,
            start,
            restart=Restart(part.restart),
            shutdown=part.shutdown,
            stop=stop if part.can_be_asked else None,
        )

    async def perform(self, part: Part, task_status: trio.TaskStatus[None]) -> None:
        assert part.name not in self.on_stage, "there are never two of one child"
        self.on_stage.append(part.name)
        try:
            await self.act(part, task_status)
        finally:
            self.on_stage.remove(part.name)

    async def act(self, part: Part, task_status: trio.TaskStatus[None]) -> None:
        number = self.born.get(part.name, 0)
        self.born[part.name] = number + 1
        life = part.life(number)
        asked = self.asked[part.name] = trio.Event()
        self.note("starts", part.name)
        try:
            await trio.sleep(life.rehearsal)
            if life.opening != "ready":
                self.note("fails to start", part.name)
                self.end(life.opening)
                return
            self.note("is ready", part.name)
            task_status.started()
            with trio.move_on_after(life.span):
                await asked.wait()
            if asked.is_set():
                await trio.sleep(life.farewell)
                self.note("leaves", part.name)
            else:
                self.note("crashes" if life.ending.startswith("crashes") else "returns", part.name)
        except trio.Cancelled:
            self.note("is cancelled", part.name)
            if life.curtain:
                with trio.CancelScope(shield=True):
                    await trio.sleep(life.curtain)
            self.note("leaves", part.name)
            raise
        if life.ending == "cancels itself":
            with trio.CancelScope() as scope:
                scope.cancel()
                await trio.sleep_forever()
        self.end(life.ending)

    def end(self, how: str) -> None:
        match how:
            case "crashes":
                raise Bug
            case "crashes as a group":
                raise ExceptionGroup("two bugs", [Bug(), ExceptionGroup("one more", [Bug()])])

    def note(self, what: str, name: str) -> None:
        self.trace.append(Moment(trio.current_time(), what, name))

    async def performance(self) -> None:
        supervisor = self.supervisor()

        async def end() -> None:
            await trio.sleep(self.play.end_at)
            if self.play.end == "cancelled":
                scope.cancel()
            else:
                supervisor.shut_down()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(end)
            with trio.CancelScope() as scope:
                try:
                    await supervisor.run()
                except IntensityExceeded as error:
                    self.outcome, self.error = f"gave up on {error.child}", error
                except ChildStartFailed as error:
                    self.outcome, self.error = f"could not start {error.child}", error
                else:
                    self.outcome = "returned"
            if scope.cancelled_caught:
                self.outcome = "cancelled"
            self.ended_at = trio.current_time()
            assert not self.on_stage, "a child outlived its supervisor"
            nursery.cancel_scope.cancel()
        assert tasks_below_the_root() == 0

    @classmethod
    def of(cls, play: Play) -> Stage:
        stage = cls(play)
        run(stage.performance)
        return stage
