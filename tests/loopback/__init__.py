"""A scripted OpenAI-compatible provider on a real socket, for the tests of everything that touches the wire.

```python
async with loopback_provider() as provider:
    provider.script(Status(429, headers={"retry-after": "2"}), StallStream(after_events=2))
    ...  # send requests to provider.base_url
    assert [seen.key for seen in provider.requests] == ["sk-a", "sk-a"]
    await provider.wait_closed()
```

Its only clock is trio's. Tests with sockets use short real times, since a mock clock does not see sockets.
"""

from .answer import USAGE, Answer, Behaviour, Point
from .behaviours import (
    CloseEarly,
    CutStream,
    ErrorEvent,
    ErrorIn200,
    Events,
    Garbage,
    GzipBroken,
    HugeBody,
    KeepOpenAfterDone,
    MalformedEvent,
    NoDone,
    NoFinish,
    Pings,
    Redirect,
    Reset,
    Silent,
    Slow,
    SlowEvents,
    StallStream,
    Status,
    Trickle,
    WrongLength,
)
from .exchange import Exchange, Seen, sse
from .provider import NO_TLS, LoopbackProvider, closed_port, loopback_provider

__all__ = [
    "NO_TLS",
    "USAGE",
    "Answer",
    "Behaviour",
    "CloseEarly",
    "CutStream",
    "ErrorEvent",
    "ErrorIn200",
    "Events",
    "Exchange",
    "Garbage",
    "GzipBroken",
    "HugeBody",
    "KeepOpenAfterDone",
    "LoopbackProvider",
    "MalformedEvent",
    "NoDone",
    "NoFinish",
    "Pings",
    "Point",
    "Redirect",
    "Reset",
    "Seen",
    "Silent",
    "Slow",
    "SlowEvents",
    "StallStream",
    "Status",
    "Trickle",
    "WrongLength",
    "closed_port",
    "loopback_provider",
    "sse",
]
