"""The portal: the router in a trio thread of its own, for programs that are not trio programs.

The actors need trio. A program on asyncio, or one that is plain synchronous code, gets them in a thread beside it, and
speaks to them through the portal:

::

    asyncio, or any thread                │  the portal's thread: trio
                                          │
    facade ── errand ──▶ inbox ───────────┼──▶ one task for each errand, in its caller's context
      ▲                                   │      │
      └─ waits at its hatch ◀── a bell ───┼──────┘  words in order, then the end

- An *errand* is what a caller wants done: a call, or a stream. It is one trio task, which enters and leaves its
  contexts itself. A caller that leaves cancels it, and waits until it has ended.
- A *hatch* is where the caller hears of it: words in order (chunks, mostly; a few at a time, then the errand waits),
  and the end, which is a value or an exception.
- Both directions are a deque and one wake-up for all that is in it, so that many callers at once share its price.

`thread`, `errand` and `hatch` are the whole protocol and know neither asyncio nor a router. `loop` is the caller's
side for asyncio, `waiting` the one for threads; `asyncio_router`, `blocking` and `transport` are what users see.

It is no way to call arbitrary trio code from elsewhere: for that there are anyio and trio's own guest mode.
"""
