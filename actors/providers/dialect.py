"""What a dialect is: how one provider family writes requests, answers and streams. Pure: bytes in, values out.

A dialect knows nothing of sockets, time or health. It is given an endpoint and a call and says what to send; it is
given what came back and says what that means. The wire (`wire.py`) does the rest, the same for every dialect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

from attrs import field

from ..failures import Failure
from ..identity import ModelKey
from ..messages import Answer, Call, Chunk
from ..values import value
from .endpoint import Endpoint
from .sse import SSEEvent

_write: Final = json.JSONEncoder(separators=(",", ":")).encode


WITHOUT_EFFECT: Final = frozenset(
    {
        "metadata",
        "model",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
    }
)
"""Parameters of a chat completion that do not change what the answer says, or that are told otherwise."""


class Untranslatable(Exception):
    """A call cannot be said in a dialect; the message says what of it, for people: "it has no `logprobs`"."""


@value
class Outgoing:
    """An HTTP request that is ready to be sent. It carries the credential, and is never shown.

    `body` is its JSON. `packed` is what is sent instead of that: a form. `written` is most of the JSON, as it was
    written already, and `added` the fields at its beginning that are not in it.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: Mapping[str, Any] = field(repr=False)
    packed: bytes | None = field(default=None, repr=False)
    written: str | None = field(default=None, repr=False)
    added: Mapping[str, Any] = field(factory=dict, repr=False)

    @property
    def content(self) -> bytes:
        """The body as it goes onto the wire; written each time that it is asked for."""
        if self.packed is not None:
            return self.packed
        if self.method == "GET":
            return b""
        if self.written is None:
            return _write(self.body).encode()
        if not self.added:
            return self.written.encode()
        opening = _opening(tuple(self.added.items()))
        return (opening + ("," if len(self.written) > 2 else "") + self.written[1:]).encode()


@lru_cache(1_024)
def _opening(added: tuple[tuple[str, Any], ...]) -> str:
    """Write the beginning of a JSON object; a candidate's requests all begin with the same few fields."""
    return _write(dict(added))[:-1]


class StreamReader(Protocol):
    """Reads one stream, event by event."""

    @property
    def started(self) -> bool:
        """Whether the first content has been read."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the proper end has been seen; only then does the stream's end count as one."""
        ...

    @property
    def closed(self) -> bool:
        """Whether nothing more is to come, so that reading may stop."""
        ...

    def feed(self, event: SSEEvent) -> Chunk | Failure | None:
        """Read an event: what the caller is to see, a failure that it tells of, or nothing of note."""
        ...

    def answer(self) -> Answer:
        """Return what the stream has amounted to so far."""
        ...


class Dialect(Protocol):
    """One family's way of speaking.

    A call is written in the dialect that its endpoint tells (`Call.dialect`). A dialect takes calls of its own as they
    are, and those of OpenAI's chat completions it translates both ways: answers and chunks come back in OpenAI's shape.
    """

    def check(self, call: Call) -> None:
        """See whether this call can be said in this dialect, all of it.

        Raises:
            Untranslatable: it cannot, and why.

        """
        ...

    def outgoing(self, endpoint: Endpoint, key: ModelKey, call: Call) -> Outgoing:
        """Write the request for this candidate; raises `Untranslatable` where `check` does."""
        ...

    def answer(self, call: Call, headers: Mapping[str, str], body: bytes) -> Answer | Failure:
        """Read the body of a 2xx answer, which may yet turn out to be an error."""
        ...

    def reader(self, call: Call, headers: Mapping[str, str]) -> StreamReader:
        """Return a reader for one stream."""
        ...

    def chunks_of(self, answer: Answer) -> Chunk:
        """Return a whole answer as the one chunk of a stream: what a provider that does not stream sends."""
        ...


def any_json(value: object) -> Any:
    """Let a value that was read from JSON be walked without a cast at every step."""
    return value


def plain_text(message: object) -> str | None:
    """Return the text of a message that is nothing but a role and a text; ``None`` for any other.

    Most messages of a long conversation are. Known for what they are, they are translated in half the time
    (``benchmarks/run.py --only bodies``, 1 MB, the conversations with Anthropic and with Gemini).
    """
    if not isinstance(message, dict) or len(message) != 2 or "role" not in message:
        return None
    content = message.get("content")
    return content if isinstance(content, str) else None
