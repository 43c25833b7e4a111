"""Multipart forms as SDKs send them (RFC 7578), read without loss into the parts that a call carries.

What `providers/outgoing.py` writes of these parts is the same form again. A part can have a name, a file's name and a
content type; whatever else it says of itself is refused rather than dropped.
"""

from __future__ import annotations

import re
from typing import Final

from ..messages import FormPart

_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)
_DISPOSITION: Final = re.compile(r'form-data((?:\s*;\s*[a-z]+="[^"]*")*)\s*', re.IGNORECASE)
_PARAMETER: Final = re.compile(r'([a-z]+)="([^"]*)"', re.IGNORECASE)
_ESCAPES: Final = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))


class BadForm(ValueError):
    """The form cannot be read, or not without loss; the message says why."""


def read_form(content_type: str, body: bytes) -> tuple[FormPart, ...]:
    r"""Return the parts of a form, in order.

    >>> form = b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n--x--'
    >>> read_form("multipart/form-data; boundary=x", form)
    (FormPart(name='n', filename=None, content_type=None),)

    Raises:
        BadForm: it cannot be read.

    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise BadForm("the form names no boundary")
    boundary = (found[1] or found[2]).encode()
    before, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if before.strip() or not pieces or not pieces[-1].startswith(b"--"):
        raise BadForm("the form does not begin and end with its boundary")
    return tuple(_part(piece) for piece in pieces[:-1])


def _part(piece: bytes) -> FormPart:
    if not piece.startswith(b"\r\n"):
        raise BadForm("a part of the form does not begin on a line of its own")
    head, empty_line, content = piece.partition(b"\r\n\r\n")
    if not empty_line:
        raise BadForm("a part of the form has no content")
    kind, names = None, {}
    for line in filter(None, head.decode("utf-8", "surrogateescape").split("\r\n")):
        header, _, value = line.partition(":")
        match header.lower():
            case "content-disposition":
                names = _names(value.strip())
            case "content-type":
                kind = value.strip()
            case _:
                raise BadForm(f"a part of the form has a header that cannot be passed on: {header[:60]!r}")
    if "name" not in names:
        raise BadForm("a part of the form has no name")
    return FormPart(names["name"], content, names.get("filename"), kind)


def _names(disposition: str) -> dict[str, str]:
    found = _DISPOSITION.fullmatch(disposition)
    if found is None:
        raise BadForm(f"a part of the form has a disposition that cannot be read: {disposition[:60]!r}")
    names = {name.lower(): _plain(value) for name, value in _PARAMETER.findall(found[1])}
    unknown = names.keys() - {"name", "filename"}
    if unknown:
        raise BadForm(f"a part of the form has a disposition that cannot be passed on: {min(unknown)!r}")
    return names


def _plain(text: str) -> str:
    for escape, character in _ESCAPES:
        text = text.replace(escape, character)
    return text
