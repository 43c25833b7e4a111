"""The router for programs that are not trio programs: for asyncio, and for plain synchronous code.

::

    async with understudy.portal.open_router("models.yaml") as router:      # asyncio
        reply = await router.chat("glm-4.7", messages, timeout=30)

    with understudy.portal.open_blocking("models.yaml") as router:          # no event loop at all
        reply = router.chat("glm-4.7", messages, timeout=30)
"""

from __future__ import annotations

from .supervisors.portal.asyncio_router import AsyncioEvents, AsyncioRouter, AsyncioStream, open_router
from .supervisors.portal.blocking import BlockingEvents, BlockingRouter, BlockingStream, open_blocking
from .supervisors.portal.transport import AsyncioTransport, BlockingTransport

__all__ = [
    "AsyncioEvents",
    "AsyncioRouter",
    "AsyncioStream",
    "AsyncioTransport",
    "BlockingEvents",
    "BlockingRouter",
    "BlockingStream",
    "BlockingTransport",
    "open_blocking",
    "open_router",
]
