"""How a call that needs no translation becomes an HTTP request: JSON or a form, with this candidate's model in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

from ..messages import Call, FormPart
from .dialect import Outgoing
from .endpoint import Endpoint

SPEECH: Final = "/audio/speech"
"""The endpoint whose answer may be read as it comes without a word of that in the request."""


def write(call: Call, url: str, endpoint: Endpoint, model: str | None, secret: Mapping[str, str]) -> Outgoing:
    """Write the caller's own body; `model` takes the place of the route that was asked for, ``None`` adds none.

    `secret` are the headers that hold the credential. What the config has to say of headers is said last.
    """
    changes: dict[str, object] = {} if model is None else {"model": model}
    if (call.stream and call.endpoint != SPEECH) or call.body.get("stream"):
        changes["stream"] = call.stream  # the call decides how its answer is read
    body = {**call.body, **changes}
    headers = {"accept": _accepted(call)}
    packed = None
    if call.form:
        packed, headers["content-type"] = write_form([*_fields(body), *_files(call, body)])
    elif call.method != "GET":
        headers["content-type"] = "application/json"
    for name, value in call.headers.items():
        headers[name.lower()] = value
    headers.update(secret)
    for name, value in endpoint.headers.items():
        headers[name.lower()] = value
    # What the caller wrote is written once, however many are asked; only what is changed in it asks for more.
    if changes.keys().isdisjoint(call.body):
        return Outgoing(call.method, url, headers, body, packed, call.written, changes)
    changed = any(call.body.get(name, value) is not value for name, value in changes.items())
    added = {name: value for name, value in changes.items() if name not in call.body}
    return Outgoing(call.method, url, headers, body, packed, None if changed else call.written, added)


def _accepted(call: Call) -> str:
    if call.stream and call.endpoint != SPEECH:
        return "text/event-stream"
    return "application/json" if call.endpoint == "/chat/completions" else "*/*"


def _fields(body: Mapping[str, object]) -> Iterable[FormPart]:
    """Return what the body says as parts; a list is a field that is given several times."""
    for name, value in body.items():
        for item in value if isinstance(value, list | tuple) else (value,):
            yield FormPart(name, _text(item).encode())


def _files(call: Call, body: Mapping[str, object]) -> Iterable[FormPart]:
    return (part for part in call.form if part.filename is not None or part.name not in body)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def write_form(parts: Iterable[FormPart]) -> tuple[bytes, str]:
    """Return a multipart form and its content type (RFC 7578). Its boundary is told by what is in it.

    >>> write_form([FormPart("model", b"whisper-1")])[1][:41]
    'multipart/form-data; boundary=understudy-'
    """
    parts = list(parts)
    seen = sha256()
    for part in parts:
        seen.update(b"%d:" % len(part.content) + part.content)
    boundary = f"understudy-{seen.hexdigest()[:40]}".encode()
    while any(boundary in part.content for part in parts):
        boundary += b"-"
    lines: list[bytes] = []
    for part in parts:
        disposition = f'form-data; name="{_quoted(part.name)}"'
        if part.filename is not None:
            disposition += f'; filename="{_quoted(part.filename)}"'
        lines += [b"--" + boundary, f"Content-Disposition: {disposition}".encode()]
        if part.content_type is not None:
            lines.append(f"Content-Type: {part.content_type}".encode())
        lines += [b"", part.content]
    return b"\r\n".join([*lines, b"--" + boundary + b"--", b""]), f"multipart/form-data; boundary={boundary.decode()}"


def _quoted(name: str) -> str:
    """Write a name so that it cannot end its quotes or its line (WHATWG's rule for forms)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
