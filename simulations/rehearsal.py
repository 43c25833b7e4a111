"""Performs a scenario: the real config, supervisors, actors, dialects and HTTP line, in the virtual world.

Network and clock are replaced, and nothing else. What comes out is a `Run` with its trace; whether it went well is
decided by others (`invariants`, `expectations`), who read nothing but that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, Final

import trio
from attrs import define, field

from ..actors.errors import RequestRejected, UnderstudyError, UnknownModel
from ..actors.handle import Router
from ..actors.identity import ModelKey
from ..actors.messages import Call, Restarted
from ..actors.reply import Reply
from ..actors.trace import Detail, Fact, Kind
from ..supervisors.runtime import Lines, Stage, opened
from .asking import request_of
from .faults import MOMENTS, Fault, FaultKind
from .hesitation import MESSAGES_MAX, Hesitation
from .lines import WorldLine
from .run import Run
from .sabotage import ROUTER, Saboteur
from .scenario import Caller, Scenario
from .stage import Schedule, StageError, perform, sleep, sleep_until, stream
from .trace import Scene, Sight
from .traffic import callers_of
from .wire import WorldWire
from .world import World

SLACK: Final = 60.0
"""Virtual seconds that a run may go on after its last caller's deadline."""

QUIET: Final = 2.0
"""Virtual seconds after the last caller in which everything comes to rest."""

STATUS_ROUNDS: Final = 100
"""How often every candidate's status is written down while callers are told their answers."""

CRASHES: Final = (FaultKind.MODEL_CRASH, FaultKind.ROUTER_CRASH)
TURNING_POINTS: Final = (Kind.CRASHED, Kind.STARTED, Kind.DOWN, Kind.REVIVED)
"""What is followed by a look at every candidate."""

Progress = Callable[[float], None]
"""Is told how much of a run is over, as a share."""


def rehearse(scenario: Scenario, schedule: Schedule | None = None, *, progress: Progress = lambda _: None) -> Run:
    """Perform a scenario in virtual time. The same scenario and schedule give the same run, wherever it runs.

    Without a `schedule` the scenario's own script decides who goes first, or else its seed.

    Raises:
        ConfigError: the scenario's config does not hold.
        StageError: a run cannot be made deterministic with this trio.

    """
    if schedule is None:
        schedule = Schedule(scenario.seed) if scenario.script is None else Schedule(None, scenario.script)
    run = Run(scenario, scenario.load(), schedule, callers_of(scenario, scenario.seed))
    run.trace.header = _header(run)
    play = _Play(run, progress)
    saboteur = play.saboteur.at_work() if any(f.kind in CRASHES for f in scenario.faults) else nullcontext()
    with saboteur, _heard(play.log):
        try:
            perform(
                play.perform,
                schedule=schedule,
                longest=_longest(run),
                jumps=[(f.at, f.seconds) for f in scenario.faults if f.kind is FaultKind.CLOCK_JUMP],
                describe=play.describe,
            )
        except StageError as exc:
            if not run.trace.records:
                raise
            run.hung = str(exc)
    return run


def _longest(run: Run) -> float:
    """Return when even the last caller must have been answered, and everything have come to rest."""
    longest = max(
        (caller.at + (caller.retries + 1) * (caller.timeout + caller.retry_wait) for caller in run.callers), default=0.0
    )
    jumped = sum(fault.seconds for fault in run.scenario.faults if fault.kind is FaultKind.CLOCK_JUMP)
    return longest + jumped + run.config.shutdown_timeout + SLACK


def _header(run: Run) -> dict[str, Any]:
    scenario = run.scenario
    hosts = run.hosts()
    return {
        "scenario": scenario.name,
        "seed": scenario.seed,
        "script": None if scenario.script is None else list(scenario.script),
        "own_turns": scenario.own_turns,
        "wire": scenario.wire,
        "candidates": [
            {
                "key": key.name,
                "model": f"{key.provider}/{key.model}",
                "credential": key.credential,
                "host": hosts[key],
                "rpm": entry.limits.rpm,
                "tpm": entry.limits.tpm,
                "max_parallel": entry.limits.max_parallel,
            }
            for key, entry in run.config.entries.items()
        ],
        "routes": {name: [key.name for key in keys] for name, keys in run.config.routes.items()},
    }


@define(eq=False)
class _Play:
    """One performance: the callers, the world, and whoever writes down what happens."""

    run: Run
    progress: Progress
    world: World = field(init=False)
    saboteur: Saboteur = field(init=False)
    router: Router | None = field(default=None, init=False)
    waiting: dict[int, trio.CancelScope] = field(factory=dict, init=False)
    callers_leave: bool = field(init=False)
    told: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        seed = self.run.scenario.seed
        self.world = World(self.run, seed, self.run.trace.records.append)
        self.saboteur = Saboteur(stream(seed, "crashes"))
        self.callers_leave = any(fault.kind is FaultKind.CALLERS_LEAVE for fault in self.run.scenario.faults)

    async def perform(self) -> None:
        """Open a router in the world, let everybody come, and close it when all is quiet."""
        before = trio.lowlevel.current_statistics().tasks_living
        async with opened(Stage(self.run.config, self._lines(), self._prompter())) as self.router:
            self.router.listen(self._hear)
            async with trio.open_nursery() as around:
                around.start_soon(self._trouble, self.router)
                async with trio.open_nursery() as callers:
                    await self._arrive(self.router, callers)
                await sleep(QUIET)
                around.cancel_scope.cancel()
            self._look()
        self.run.ended_at = trio.current_time()
        self.run.tasks_left = trio.lowlevel.current_statistics().tasks_living - before

    def _prompter(self) -> Hesitation:
        scenario = self.run.scenario
        # Each candidate may be asked for each caller, and waited for, in the same instant.
        most = MESSAGES_MAX + len(self.run.callers) * (10 + 4 * len(self.run.config.entries))
        return Hesitation(scenario.own_turns, stream(scenario.seed, "own turns"), most)

    def describe(self) -> str:
        """Say how the candidates are doing, for whoever looks into a run that hangs."""
        if self.router is None:
            return ""
        return "\n".join(
            f"{status.key}: {status.state}, {status.in_flight} in flight, {status.queued} queued"
            for status in self.router.snapshot()
        )

    def _lines(self) -> Lines:
        if self.run.scenario.wire:
            return partial(WorldWire, self.world)
        return lambda _: WorldLine(self.world)

    # What is written down

    def _see(self, scene: Scene, caller: int | None = None, key: ModelKey | None = None, **details: Detail) -> None:
        self.run.trace.records.append(Sight(trio.current_time(), scene, caller, key, details))

    def _hear(self, fact: Fact | None) -> None:
        if fact is not None:
            self.run.trace.records.append(fact)
            if fact.kind in TURNING_POINTS:
                self._look()

    def log(self, level: str, text: str) -> None:
        """Write down a line of the log."""
        self._see(Scene.LOGGED, level=level, text=text)

    def _look(self) -> None:
        """Write down how every candidate is doing."""
        assert self.router is not None
        for status in self.router.snapshot():
            self._see(
                Scene.STATUS,
                key=status.key,
                state=status.state.value,
                cooling=status.cooldown_remaining,
                left=status.tokens,
                in_flight=status.in_flight,
                queued=status.queued,
                served=status.served,
                failed=sum(status.failures.values()),
            )

    # Callers

    async def _arrive(self, router: Router, callers: trio.Nursery) -> None:
        """Let the callers come, one after another."""
        count = len(self.run.callers)
        for number, caller in enumerate(self.run.callers):
            if caller.at > trio.current_time():
                await sleep_until(caller.at)
            callers.start_soon(self._call, router, number, caller, name=f"caller {number}")
            if number % 256 == 0:
                self.progress(number / count)

    async def _call(self, router: Router, number: int, caller: Caller) -> None:
        """Make one caller's request, and again if it tries again."""
        for attempt in range(1, caller.retries + 2):
            if attempt > 1:
                await sleep(caller.retry_wait)
            if await self._ask(router, number, caller, attempt):
                return

    async def _ask(self, router: Router, number: int, caller: Caller, attempt: int) -> bool:
        """Ask once; return whether that is the end of it."""
        self._note_asked(router, number, caller, attempt)
        outcome, final, message = "left", True, ""
        key: ModelKey | None = None
        stamp: str | None = None
        whole: int | None = None
        with self._way_out(number, caller):
            try:
                reply, text = await self._get(router, number, caller)
                outcome, key = "served", reply.served_by
                answered, _, stamp = str(reply.body.get("id")).partition("|")
                stamp = stamp or str(reply.body.get("system_fingerprint"))
                told = (number, text, reply.finish_reason, reply.usage.total_tokens)
                whole = int(self.world.written.get(answered) == told)
            except Exception as exc:
                # Whatever is no error of ours is a bug; which it is, is told by its name.
                outcome, message = type(exc).__name__, str(exc)
                final = not isinstance(exc, UnderstudyError) or isinstance(exc, RequestRejected | UnknownModel)
        self.waiting.pop(number, None)
        self._see(Scene.TOLD, number, key, outcome=outcome, stamp=stamp, whole=whole, message=message or None)
        self.told += 1
        if self.told % max(1, len(self.run.callers) // STATUS_ROUNDS) == 0:
            self._look()
        return final

    def _way_out(self, number: int, caller: Caller) -> AbstractContextManager[object]:
        """Return what lets a caller leave before its answer; for one that never does, nothing at all."""
        if caller.leaves_after is None and not self.callers_leave:
            return nullcontext()
        scope = trio.CancelScope()
        if caller.leaves_after is not None:
            scope.deadline = trio.current_time() + caller.leaves_after
        self.waiting[number] = scope
        return scope

    def _note_asked(self, router: Router, number: int, caller: Caller, attempt: int) -> None:
        self._see(
            Scene.ASKED,
            number,
            group=caller.group,
            route=caller.route,
            request=router.requests + 1,
            deadline=trio.current_time() + caller.timeout,
            stream=int(caller.stream),
            prompt=caller.prompt_tokens,
            answer=caller.answer_tokens,
            waits=int(caller.wait_for_cooldown),
            restarts=int(caller.on_interrupt == "restart"),
            flaw=None if caller.flaw is None else caller.flaw.value,
            images=int(caller.images),
            tools=int(caller.tools),
            logit_bias=int(caller.logit_bias) or None,
            turn=attempt,
        )

    async def _get(self, router: Router, number: int, caller: Caller) -> tuple[Reply, str]:
        """Make the request; return the answer, and the text as it was read."""
        messages, params = request_of(number, caller, introduces=self.run.introduces)
        if not caller.stream:
            call = Call(
                caller.route,
                {**params, "messages": messages},
                timeout=caller.timeout,
                wait_for_cooldown=caller.wait_for_cooldown,
            )
            reply = await router.request(call)
            return reply, reply.text
        text, served_by = "", None
        async with router.stream(
            caller.route,
            messages,
            timeout=caller.timeout,
            wait_for_cooldown=caller.wait_for_cooldown,
            on_interrupt=caller.on_interrupt,
            **params,
        ) as chunks:
            async for chunk in chunks:
                if chunks.served_by != served_by:
                    served_by = chunks.served_by
                    self._see(Scene.BEGAN, number, served_by)
                text = "" if isinstance(chunk, Restarted) else text + chunk.text
                if caller.reads_every:
                    await sleep(caller.reads_every)
        return chunks.reply, text

    # Trouble

    async def _trouble(self, router: Router) -> None:
        """Let the faults begin and end, as far as that is not the providers' business."""
        moments: list[tuple[float, int, str]] = []
        for number, fault in enumerate(self.run.scenario.faults):
            if fault.kind in MOMENTS:
                moments.append((fault.at, number, "happened"))
            else:
                moments += [(fault.at, number, "began"), (fault.until, number, "ended")]
        for at, number, what in sorted(moments):
            if at > trio.current_time():
                await sleep_until(at)
            fault = self.run.scenario.faults[number]
            self._see(Scene.FAULT, fault=fault.kind.value, what=what, number=number)
            if what == "happened":
                await self._let_happen(router, fault)
            self._look()

    async def _let_happen(self, router: Router, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.MODEL_CRASH:
                for key in self._touched(fault):
                    self.saboteur.arm(key.name, fault.times)
            case FaultKind.ROUTER_CRASH:
                self.saboteur.arm(ROUTER, fault.times)
            case FaultKind.CALLERS_LEAVE:
                self._send_away(fault)
            case FaultKind.RESET_BY_HAND:
                for key in self._touched(fault):
                    try:
                        await router.reset(key.name)
                    except UnderstudyError as exc:
                        self.log("OPERATOR", str(exc))

    def _touched(self, fault: Fault) -> Iterator[ModelKey]:
        return (key for key in self.run.config.entries if fault.touches(key))

    def _send_away(self, fault: Fault) -> None:
        draw = stream(self.run.scenario.seed, f"leaving at {fault.at}")
        for number, scope in sorted(self.waiting.items()):
            if fault.is_about(self.run.callers[number].route) and draw.random() < fault.probability:
                scope.cancel()


class _Ear(logging.Handler):
    def __init__(self, hear: Callable[[str, str], None]) -> None:
        super().__init__()
        self._tell = hear

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            text += f" ({type(error).__name__}: {error})"
        self._tell(record.levelname, text)


@contextmanager
def _heard(hear: Callable[[str, str], None]) -> Iterator[None]:
    """Let what is logged go into the trace, and nowhere else."""
    logger = logging.getLogger("understudy")
    before = logger.propagate, logger.disabled, logger.level
    ear = _Ear(hear)
    logger.addHandler(ear)
    logger.propagate, logger.disabled = False, False
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(ear)
        logger.propagate, logger.disabled = before[:2]
        logger.setLevel(before[2])
