"""The prompter: cues the actors of one house, so that one who waits handles a message at once.

An actor's task does nothing but wait, and its handlers are synchronous. So a message to an actor that waits need not
wait for that task's turn: it is handled in whichever task posts it, and a request passes through the house without a
turn of the event loop for each of its messages. Alone in the house it costs about half as much for that
(``benchmarks/run.py --only router``). Nobody can tell the difference from turns of their own:

- one handler runs at a time; what it posts is handled after it has returned, in the order in which it was posted;
- a handler runs in its actor's own context, and what it raises is raised in its actor's own task;
- all that follows from one message happens at one instant, as far as its handlers are told;
- after `MAX_IN_A_ROW` messages the actors go on in their own turns, so that everybody else has one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Final, Generic, TypeVar

import trio

M = TypeVar("M")

Handler = Callable[[M | None, float], float | None]
"""What an actor does with a message, or at a time: see `Performance`."""

MAX_IN_A_ROW: Final = 64
"""How many messages may be handled before other tasks have their turn."""


class Prompter:
    """Cues the actors of one house, who share it."""

    def __init__(self) -> None:
        self._due: deque[Performance[Any]] = deque()
        self._is_cueing = False

    def cue(self, performance: Performance[Any], times: int = 1) -> None:
        """Let an actor act so many times: now, or after all who were cued before."""
        due = self._due
        due.append(performance)
        if times > 1:
            due.extend([performance] * (times - 1))
        if self._is_cueing:
            return
        self._is_cueing = True
        now = trio.current_time()
        try:
            for _ in range(MAX_IN_A_ROW):
                due.popleft().act(now)
                if not due:
                    return
            while due:
                due.popleft().wake()
        finally:
            self._is_cueing = False

    announce = cue
    """Hear that there is a message for an actor that waits. Another prompter may do something else then."""


class Performance(Generic[M]):
    """One incarnation of an actor at its mailbox.

    `take` takes out a message, or raises `trio.WouldBlock`. `handle` is given it, or ``None`` where it is merely time,
    and the time that it is. It says when it is to be called next although no message comes, or with ``None`` that the
    performance is over.

    Attributes:
        waits: whether it can act at once. Else its task is about to have a turn of its own.

    """

    def __init__(self, take: Callable[[], M], handle: Handler[M]) -> None:
        self.waits = False
        self._take = take
        self._handle = handle
        self._context = copy_context()
        self._task: trio.lowlevel.Task | None = None
        self._sleeps_until = -math.inf
        self._wakes_at = -math.inf
        self._ended = False
        self._error: BaseException | None = None

    async def run(self, prompter: Prompter, left: Callable[[], int]) -> None:
        """Act until the play is over, or raise what a handler has raised; `left` is how many messages lie there."""
        while not self._is_over():
            self.waits, self._sleeps_until = True, -math.inf
            messages = left()
            if messages or trio.current_time() >= self._wakes_at:
                prompter.cue(self, max(1, messages))
            if self._is_over():
                break
            if self.waits:
                await self._sleep(self._wakes_at)
            else:
                await trio.lowlevel.checkpoint()
        if self._error is not None:
            raise self._error

    def act(self, now: float) -> None:
        """Handle the next message; for whoever does not wait, this does nothing."""
        if not self.waits:
            return
        try:
            message = self._take()
        except trio.WouldBlock:
            message = None
        try:
            wakes_at = self._context.run(self._handle, message, now)
        except BaseException as exc:
            self.crash(exc)
            return
        if wakes_at is None:
            self._ended = True
            self.wake()
            return
        self._wakes_at = wakes_at
        if wakes_at < self._sleeps_until:
            self.wake()

    def crash(self, bug: BaseException) -> None:
        """Raise this in the actor's own task, before the actor acts again."""
        self._error = bug
        self.wake()

    def wake(self) -> None:
        """Let the actor's own task have its turn, before the actor acts again."""
        self.waits = False
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)

    def _is_over(self) -> bool:
        return self._ended or self._error is not None

    async def _sleep(self, until: float) -> None:
        self._sleeps_until = until
        self._task = trio.lowlevel.current_task()
        if until == math.inf:
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        else:
            with trio.CancelScope(deadline=until):
                await trio.lowlevel.wait_task_rescheduled(self._abort)

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        self.waits, self._task = False, None
        return trio.lowlevel.Abort.SUCCEEDED
