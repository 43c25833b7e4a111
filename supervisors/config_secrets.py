"""Secrets in a configuration: how they are written, under which labels they are known, and where they come from.

A secret is written as ``env:NAME``, as ``file:PATH``, or literally. What it is called everywhere else is its *label*:
the first two are their own labels; literals are numbered as ``literal:1``, ``literal:2`` in the order in which they
first appear, and the same value has the same label wherever it stands. No message here shows a value.

For a rehearsal nobody needs the real ones: a `Vault` that does not `reveal` hands out placeholders made of the labels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from attrs import define, field

from .config_mistakes import Mistaken, Spot
from .config_read import read_plain_file
from .config_urls import check_proxy_url

SECRET_BYTES_MAX: Final = 64 * 1024
"""How long the file of a secret may be."""

REHEARSAL_PROXY: Final = "http://rehearsal.invalid"

_ENV: Final = "env:"
_FILE: Final = "file:"
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MISWRITTEN: Final = re.compile(r"\$\{?\w+\}?|\$\{\{.*\}\}|(os\.environ|secret)/.*|(?i:env|file)\s*[:=].*", re.DOTALL)
_CREDENTIAL: Final = re.compile(r"[\x21-\x7e]+")
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

FRAMING_HEADERS: Final = ("connection", "content-length", "transfer-encoding")
"""Headers that say where a request ends; only who sends it knows."""


def is_literal(source: str) -> bool:
    """Whether this is the secret itself, and not where to find it."""
    return not source.startswith((_ENV, _FILE))


def check_credential(spot: Spot) -> str:
    """Check how a credential is written, and return that."""
    return _check_source(spot, _check_credential)


def check_header(parent: Spot, spot: Spot, name: str) -> str:
    """Check an additional header, and return how its value is written."""
    if not _HEADER_NAME.fullmatch(name):
        # The name may well be a whole header that lacks the space after its colon.
        parent.mistakes.conceal(name)
        raise parent.wrong("contains a name that is none of a header; write `Name: value`")
    if name.lower() in FRAMING_HEADERS:
        raise spot.wrong("this header cannot be set")
    return _check_source(spot, _check_header_value)


def check_proxy(spot: Spot) -> str:
    """Check how a proxy is written, and return that."""
    return _check_source(spot, check_proxy_url)


def _check_source(spot: Spot, check: Callable[[Spot, str], str]) -> str:
    source = spot.value
    if not isinstance(source, str):
        raise spot.must_be("text")
    if is_literal(source):
        spot.mistakes.conceal(source)
        if not source.strip():
            raise spot.wrong("must not be empty")
        if _MISWRITTEN.fullmatch(source):
            raise spot.wrong("looks like a reference to a variable or a file; write env:NAME or file:PATH")
        return check(spot, source)
    if source.startswith(_ENV) and not _VARIABLE.fullmatch(source.removeprefix(_ENV)):
        spot.mistakes.conceal(source.removeprefix(_ENV))
        raise spot.wrong("env: must be followed by the name of an environment variable, without white space")
    if source.startswith(_FILE) and not source.removeprefix(_FILE).strip():
        raise spot.wrong("file: must be followed by the path of a file")
    return source


def _check_credential(spot: Spot, value: str) -> str:
    if not _CREDENTIAL.fullmatch(value):
        raise spot.wrong("contains white space, line breaks or other characters that no HTTP header may carry")
    return value


def _check_header_value(spot: Spot, value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise spot.wrong("contains characters that no HTTP header may carry, or begins or ends with white space")
    return value


@define(eq=False)
class Vault:
    """Hands out secrets by how they are written. `folder` is what relative paths are relative to."""

    environ: Mapping[str, str]
    folder: Path
    reveal: bool = True
    _labels: dict[str, str] = field(factory=dict, init=False)

    def label(self, source: str) -> str:
        """Return the label of a secret. The order of asking numbers the literals."""
        if not is_literal(source):
            return source
        return self._labels.setdefault(source, f"literal:{len(self._labels) + 1}")

    def is_unset(self, source: str) -> bool:
        """Whether this is a variable that is wanted and not there."""
        return self.reveal and source.startswith(_ENV) and source.removeprefix(_ENV) not in self.environ

    def credential(self, spot: Spot, source: str) -> str:
        """Return a credential, or note at the spot why it cannot be had."""
        if not self.reveal:
            return placeholder(self.label(source))
        return self._get(spot, source, _check_credential)

    def header(self, spot: Spot, source: str) -> str:
        """Return a header's value, or note at the spot why it cannot be had."""
        if not self.reveal and not is_literal(source):
            return placeholder(source)
        return self._get(spot, source, _check_header_value)

    def proxy(self, spot: Spot, source: str) -> str:
        """Return a proxy's URL, or note at the spot why it cannot be had."""
        if not self.reveal and not is_literal(source):
            return REHEARSAL_PROXY
        return self._get(spot, source, check_proxy_url)

    def _get(self, spot: Spot, source: str, check: Callable[[Spot, str], str]) -> str:
        if is_literal(source):
            return source
        value = self._variable(spot, source) if source.startswith(_ENV) else self._file(spot, source)
        if not value.strip():
            raise spot.wrong(f"`{source}` is empty")
        # The check speaks of the value, and the place is that of its source: so the source is named.
        bare = Spot(value, spot.path, type(spot.mistakes)())
        try:
            return check(bare, value)
        except Mistaken as mistake:
            raise spot.wrong(f"the value of `{source}` {mistake}") from None

    def _variable(self, spot: Spot, source: str) -> str:
        name = source.removeprefix(_ENV)
        value = self.environ.get(name)
        if value is None:
            raise spot.wrong(f"the environment variable {name} is not set")
        return value

    def _file(self, spot: Spot, source: str) -> str:
        try:
            path = self.folder / Path(source.removeprefix(_FILE)).expanduser()
            data = read_plain_file(path, SECRET_BYTES_MAX)
        except RuntimeError:
            raise spot.wrong(f"`{source}` cannot be read: there is no home folder") from None
        except OSError as fault:
            raise spot.wrong(f"`{source}` cannot be read: {fault.strerror}") from None
        if data is None:
            raise spot.wrong(f"`{source}` is longer than {SECRET_BYTES_MAX:,} bytes")
        # Bytes that are no text become characters that no check lets through.
        return data.decode("utf-8", "replace").rstrip("\r\n")


def placeholder(label: str) -> str:
    """Return what stands in for a secret in a rehearsal: another for each label, and legal in a header."""
    return "rehearsal-" + quote(label, safe=":/")
