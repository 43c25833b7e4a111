"""Bugs that are put into the actors from outside: the n-th call of a method raises, before or after its work."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from attrs import define

from understudy.actors.bucket import Gauge, TokenBucket
from understudy.actors.cooldown import Cooldown
from understudy.actors.handle import Router
from understudy.actors.itinerary import Itinerary
from understudy.actors.mailbox import Mailbox, Slot
from understudy.actors.messages import Leash
from understudy.actors.model import ModelActor
from understudy.actors.part import Held, Part
from understudy.actors.providers.wire import HttpWire
from understudy.actors.router import RouterActor
from understudy.actors.stand_in import StandIn
from understudy.actors.trace import Trace
from understudy.actors.worker import Worker

IS_CALLER: ContextVar[bool] = ContextVar("IS_CALLER", default=False)
"""Set where callers make their own calls: a bug in these is the caller's to see."""

HOUSE = (ModelActor, Worker, RouterActor, StandIn, Part, TokenBucket, Gauge, Cooldown, Itinerary, Mailbox, Slot, Leash)


async def as_caller(ask: Callable[[], Awaitable[None]]) -> None:
    """Perform a caller's task."""
    IS_CALLER.set(True)
    await ask()


class Bug(Exception):
    """What an actor crashes with."""


@define(frozen=True)
class Target:
    owner: type
    name: str

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.name}"


def targets() -> list[Target]:
    """Every method of the actors and of what they are made of."""
    found = [Target(Trace, "tell"), Target(Router, "closed"), Target(HttpWire, "perform")]
    for owner in HOUSE:
        for name, value in vars(owner).items():
            # `_perform` is where a message is noted that has just been taken: a bug before that is one in trio.
            if name == "_perform":
                continue
            if inspect.isfunction(value) and not name.startswith("__") and not inspect.iscoroutinefunction(value):
                found.append(Target(owner, name))
    return found


@define
class Injection:
    """When the method raises: from its `first` call on (counted from 1), `times` in a row."""

    target: Target
    first: int
    times: int = 1
    after: bool = False
    armed: bool = False
    calls: int = 0
    raised: int = 0

    def _due(self) -> bool:
        if not self.armed or self.raised >= self.times:
            return False
        if IS_CALLER.get():
            return False
        self.calls += 1
        if self.calls < self.first:
            return False
        self.raised += 1
        return True

    def _wrapped(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def method(*args: Any, **kwargs: Any) -> Any:
            due = self._due()
            if due and not self.after:
                raise Bug
            result = original(*args, **kwargs)
            if due:
                raise Bug
            return result

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            due = self._due()
            if due and not self.after:
                raise Bug
            result = await original(*args, **kwargs)
            if due:
                raise Bug
            return result

        return coroutine if inspect.iscoroutinefunction(original) else method

    @contextmanager
    def installed(self) -> Iterator[None]:
        owner, name = self.target.owner, self.target.name
        original, perform = vars(owner)[name], Worker.perform

        async def perform_as_worker(self: Worker, held: Held, **more: Any) -> None:
            IS_CALLER.set(False)  # in a context of the attempt's own
            await perform(self, held, **more)

        setattr(owner, name, self._wrapped(original))
        Worker.perform = perform_as_worker  # type: ignore[method-assign]
        try:
            yield
        finally:
            setattr(owner, name, original)
            Worker.perform = perform  # type: ignore[method-assign]
