"""Run a part of a task in a context of its own: what is set there in context variables does not come back."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from contextvars import Context
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


@coroutine
def within(context: Context, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """Do the work in this task and that context, one step after another: a context is entered by functions only.

    >>> import trio
    >>> from contextvars import ContextVar, copy_context
    >>> colour = ContextVar("colour", default="red")
    >>> async def paint() -> str:
    ...     await trio.lowlevel.checkpoint()
    ...     colour.set("blue")
    ...     return colour.get()
    >>> async def main() -> None:
    ...     print(await within(copy_context(), paint()), colour.get())
    >>> trio.run(main)
    blue red
    """
    go_on: Any = work.send
    value: Any = None
    while True:
        try:
            trap = context.run(go_on, value)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        try:
            value = yield trap
            go_on = work.send
        except BaseException as exc:
            value, go_on = exc, work.throw
