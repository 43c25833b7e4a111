"""How an SDK's HTTP request becomes a call of the router: its route, its endpoint, its body, its deadline.

The route is the request's `model`, wherever its dialect has it: in the JSON, in a field of the form, in the path. What
carries none cannot be routed, and is told so. Of the headers only those pass that change what is asked for; the SDK's
key is a dummy and goes nowhere, and neither does the query, in which some SDKs put it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen

from ..messages import Call, FormPart, dialect_of
from ..providers.json_reader import load_json
from ..providers.outgoing import SPEECH
from .forms import BadForm, read_form
from .places import Place

PASSED_ON: Final = ("anthropic-beta", "anthropic-version", "openai-beta", "http-referer", "x-title")
"""The caller's headers that a candidate of the same dialect is sent."""

TELL_BREAKS_TO: Final = ("AsyncGroq/",)
"""SDKs of OpenAI's dialect that hand on a broken connection raw, and make an error of their own of an error event."""


class NotCarried(Exception):
    """The request is none that the router can carry; the message says why, for people."""


@frozen
class Asked:
    """What can be told of a request before its body is read.

    `quiet` is the number of seconds that may pass without a byte of the answer. `retried`: the SDK repeats a request
    that has failed for good. `tells_breaks`: a stream that breaks says so in an event of its own before it ends.
    """

    method: str
    place: Place
    dialect: str
    headers: Mapping[str, str] = field(repr=False)
    quiet: float | None = None

    @classmethod
    def of(cls, request: Any) -> Asked:
        """Read the head of a request of httpx or of its like."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        place = Place.of(request.url.raw_path.partition(b"?")[0].decode("ascii", "replace"))
        dialect = dialect_of(place.endpoint) if request.method != "GET" else _dialect_by(headers)
        quiet = (request.extensions.get("timeout") or {}).get("read")
        return cls(request.method, place, dialect, headers, quiet)

    @property
    def retried(self) -> bool:
        """Whether the SDK says that it has sent this before."""
        return self.headers.get("x-stainless-retry-count", "0") != "0"

    @property
    def tells_breaks(self) -> bool:
        """Whether the SDK makes an error of its own only of what it is told in an event."""
        return self.dialect != "openai" or self.headers.get("user-agent", "").startswith(TELL_BREAKS_TO)

    def call(self, content: bytes, *, default_timeout: float, wait_for_cooldown: bool) -> Call:
        """Make a call of the request.

        Raises:
            NotCarried: it cannot be made.

        """
        if self.method != "POST":
            raise NotCarried(
                f"{self.method} {self.place.endpoint} names no model, so that no candidate can be chosen for it: only"
                " requests that carry a model are routed; use a client of the provider's own for this one"
            )
        kind = self.headers.get("content-type", "")
        is_form = kind.lower().startswith("multipart/form-data")
        form = _form(kind, content) if is_form else ()
        body = {} if is_form else _json(content)
        model = self.place.model or _field(body.pop("model", None), form, "model")
        stream = self._is_stream(body, form)
        # A stream may go on for longer than a client waits for a byte.
        sooner = self.quiet is not None and self.quiet < default_timeout and not stream
        return Call(
            self._checked(model),
            body,
            self.place.endpoint,
            timeout=self.quiet if sooner else None,
            wait_for_cooldown=wait_for_cooldown,
            stream=stream,
            form=tuple(part for part in form if part.name != "model"),
            headers={name: self.headers[name] for name in PASSED_ON if name in self.headers},
        )

    def _is_stream(self, body: Mapping[str, Any], form: Sequence[FormPart]) -> bool:
        if self.dialect == "gemini":
            return self.place.endpoint.endswith(":streamGenerateContent")
        if self.place.endpoint == SPEECH:
            # A caller who takes it whole can still be helped where a provider breaks off in the middle.
            return body.get("stream_format") == "sse" or self.headers.get("x-stainless-raw-response") == "stream"
        return _field(body.get("stream"), form, "stream") in (True, "true")

    def _checked(self, model: object) -> str:
        if not isinstance(model, str) or not model:
            raise NotCarried(
                f"{self.place.endpoint} was asked without a model: name a route of the router as `model`"
                f"{'' if model is None else f', not {model!r}'}"
            )
        return model


def _dialect_by(headers: Mapping[str, str]) -> str:
    """Return whose SDK it is that asks, where the path is everybody's."""
    if "anthropic-version" in headers:
        return "anthropic"
    return "gemini" if "x-goog-api-client" in headers or "x-goog-api-key" in headers else "openai"


def _form(kind: str, content: bytes) -> tuple[FormPart, ...]:
    try:
        return read_form(kind, content)
    except BadForm as exc:
        raise NotCarried(str(exc)) from None


def _json(content: bytes) -> dict[str, Any]:
    try:
        body = load_json(content)
    except (ValueError, RecursionError) as exc:
        raise NotCarried(f"the body of the request is not JSON ({exc})") from None
    if not isinstance(body, dict):
        raise NotCarried(f"the body of the request is a JSON object, not {type(body).__name__}")
    return body


def _field(value: object, form: Sequence[FormPart], name: str) -> object:
    """Return a field of the body or, where there is none, of the form."""
    if value is not None:
        return value
    return next((part.content.decode("utf-8", "replace") for part in form if part.name == name), None)
