"""An errand: what one caller outside wants done in trio, as one task.

It is in a cancel scope of its own, which is cancelled either because its caller has left, or because the portal
closes; the caller learns which. Whatever happens, its hatch hears of its end exactly once.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Final

import trio
from attrs import define, field

from ...actors.errors import RouterClosed, RouterCrashed
from .hatch import Hatch

if TYPE_CHECKING:
    from .thread import Portal

AHEAD: Final = 16
"""How many words an errand may be ahead of its caller before it waits."""

CLOSED: Final = "it has been closed: read it within its `with` block"

TWICE: Final = "a stream is opened once: call router.stream(…) again for another"


@define(eq=False)
class Errand:
    """`act` is performed with this errand and the portal's resident. `hatch` hears of it.

    `at_once` is called with the resident when the errand is taken on, before anything that was sent later.
    """

    act: Callable[[Errand, Any], Awaitable[Any]]
    hatch: Hatch
    at_once: Callable[[Any], object] = lambda _: None
    context: Context = field(factory=copy_context)
    scope: trio.CancelScope | None = field(default=None, init=False)
    """There from the moment at which trio's thread takes the errand on."""
    _room: trio.Event | None = field(default=None, init=False)
    _is_dismissed: bool = field(default=False, init=False)

    # In trio's thread

    async def perform(self, resident: Any) -> None:
        """Be done; tell the hatch how it ended."""
        assert self.scope is not None, "whoever begins an errand gives it its scope"
        value: object = None
        error: BaseException | None = None
        try:
            with self.scope:
                value = await self.act(self, resident)
            if self.scope.cancelled_caught:
                error = RouterClosed() if self._is_dismissed else RuntimeError(CLOSED)
        except (trio.Cancelled, GeneratorExit):  # not by our own scope: everything around comes down
            error = RouterCrashed("a bug in the portal")
            raise
        except BaseException as exc:
            error = exc
        finally:
            self.hatch.end(value, error)
            del value, error

    def cancel(self, *, dismissed: bool = False) -> None:
        """Cancel it, because its caller has left; `dismissed`: because the portal closes."""
        self._is_dismissed |= dismissed
        if self.scope is not None:
            self.scope.cancel()

    async def say(self, word: object, until: float = math.inf) -> None:
        """Say a word; while the caller is `AHEAD` words behind, wait, but not longer than `until`."""
        self.hatch.say(word)
        if len(self.hatch.words) < AHEAD:
            await trio.lowlevel.checkpoint_if_cancelled()
            return
        self._room = trio.Event()
        # Looked at once more: what was taken before there was an event has set none.
        if len(self.hatch.words) >= AHEAD:
            with trio.move_on_at(until):
                await self._room.wait()
        self._room = None

    def make_room(self) -> None:
        """Go on: the caller has caught up."""
        if self._room is not None:
            self._room.set()

    # Outside

    def take(self, portal: Portal) -> Any:
        """Take the next word, or learn that there is `Nothing`; let the errand go on when most have been taken."""
        word = self.hatch.take()
        if self._room is not None and len(self.hatch.words) <= AHEAD // 2:
            portal.make_room(self)
        return word
