"""What a supervisor knows about its children, as data: who they are, and whom a failure touches.

A child specification says how a child is started, whether it is started again after it has ended, and how
long it may take to end when it is asked to. A strategy says which of its siblings go down with it. The
words and their meaning are those of Erlang's ``supervisor``:

===============  ===============================  ==========================================
restart          after a normal end               after a crash
===============  ===============================  ==========================================
``permanent``    started again                    started again
``transient``    stays down                       started again
``temporary``    stays down, for good             stays down, for good
===============  ===============================  ==========================================

===================  ========================================================================
strategy             who is stopped, last one first, and started again, first one first
===================  ========================================================================
``one_for_one``      the child itself
``one_for_all``      all the children
``rest_for_one``     the child itself and those that are declared after it
===================  ========================================================================

"Started again" leaves out a *temporary* sibling: stopped for another's sake it is gone, like one that has
ended by itself. A *transient* sibling that had ended normally before does come back with its group: the
group begins anew.

Nothing here runs anything, and nothing here counts: how often is too often is `intensity`'s subject.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import TypeAlias

from attrs import Attribute, field, frozen

Start: TypeAlias = Callable[..., Awaitable[None]]
"""``async def start(*, task_status: trio.TaskStatus[None]) -> None``: one life of a child, start to end."""

Stop: TypeAlias = Callable[[], None]
"""A synchronous request that a child end by itself."""


class Restart(StrEnum):
    """Whether a child that has ended is started again."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class Strategy(StrEnum):
    """Which of its siblings a failed child takes down with it."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"


def _is_a_name(_: ChildSpec, __: Attribute[str], name: str) -> None:
    if not name:
        raise ValueError("a child needs a name: reports and errors speak of it by name")


def _is_a_duration(spec: ChildSpec, _: Attribute[float], shutdown: float) -> None:
    if not shutdown >= 0:  # so written, it refuses NaN too
        raise ValueError(f"child {spec.name!r}: shutdown is a number of seconds from 0 to math.inf, not {shutdown!r}")


@frozen
class ChildSpec:
    """One child: how it starts, whether it comes back, how it is stopped.

    `start` is called afresh for every incarnation, as ``start(task_status=...)``. It calls
    ``task_status.started()`` once the child is ready and runs until the child ends; ending before that, in
    whatever way, is a failed start.

    A child that is to be stopped is first asked: `stop` is called, and the child has `shutdown` seconds
    (``math.inf`` is allowed) to end by itself before it is cancelled. Without `stop`, with a `shutdown` of
    0, and before it is ready, a child is cancelled at once.

    >>> import trio
    >>> async def clock(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    ...     task_status.started()
    ...     await trio.sleep_forever()
    >>> ChildSpec("clock", clock).restart
    <Restart.PERMANENT: 'permanent'>
    """

    name: str = field(validator=_is_a_name)
    start: Start
    restart: Restart = Restart.PERMANENT
    shutdown: float = field(default=5.0, validator=_is_a_duration)
    stop: Stop | None = None


def declared(children: Iterable[ChildSpec]) -> tuple[ChildSpec, ...]:
    """Return the children in their declared order, or raise ``ValueError`` when two share a name."""
    specs = tuple(children)
    seen: dict[str, ChildSpec] = {}
    for spec in specs:
        if spec.name in seen:
            raise ValueError(f"two children are called {spec.name!r}; give each a name of its own")
        seen[spec.name] = spec
    return specs


def is_restarted(restart: Restart, *, crashed: bool) -> bool:
    """Whether a child that ended by itself is started again (the first table)."""
    match restart:
        case Restart.PERMANENT:
            return True
        case Restart.TRANSIENT:
            return crashed
        case Restart.TEMPORARY:
            return False


def touched(strategy: Strategy, index: int, count: int) -> range:
    """Return whom the failure of child `index` of `count` touches, in starting order (the second table)."""
    if not 0 <= index < count:
        raise ValueError(f"there is no child {index} among {count}")
    match strategy:
        case Strategy.ONE_FOR_ONE:
            return range(index, index + 1)
        case Strategy.ONE_FOR_ALL:
            return range(count)
        case Strategy.REST_FOR_ONE:
            return range(index, count)


def comes_back(restart: Restart) -> bool:
    """Whether a child that was stopped for a sibling's sake is started again with its group."""
    return restart is not Restart.TEMPORARY
