"""Reading a configuration file: YAML, TOML or JSON in, plain values and their line numbers out.

What comes out is what the three formats have in common: mappings, lists, text, numbers, true and false, nothing.
Each value is remembered with its line, as far as the format lets us know it (TOML's parser does not). A file is
bounded in size, and what it expands to in depth and number, so that no file can take the host application down.

This is not where fields are checked: any well-formed file is fine here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NoReturn

from attrs import frozen

from .config_json import parse_json
from .config_mistakes import Mistakes, kind
from .config_syntax import TOO_DEEP, Parsed, SyntaxFault, parse_with
from .config_yaml import parse_yaml

BYTES_MAX: Final = 1_000_000
"""How long a file may be."""

DOTS_MAX: Final = 100
"""How many dots a name in TOML may have."""

_TOML_PARTS: Final = re.compile(r"[=,{}\[\]#]")


@frozen(eq=False)
class Document:
    """A configuration as it was written: its tree of values, and the folder that paths in it are relative to."""

    tree: object
    folder: Path
    mistakes: Mistakes


def read_document(source: object) -> Document:
    """Read a file, or take a mapping as it is.

    Raises:
        ConfigError: if there is nothing to go on with.

    """
    mistakes = Mistakes()
    if isinstance(source, Mapping):
        return Document(source, Path(), mistakes)
    if not isinstance(source, (str, os.PathLike)):
        _fail(mistakes, f"a configuration is the path of a file or a mapping, not {kind(source)}")
    path = Path(os.fsdecode(source))
    mistakes.source = os.fsencode(path).decode("utf-8", "backslashreplace")
    parse = PARSERS.get(path.suffix.lower())
    if parse is None:
        _fail(mistakes, f"the file's ending does not tell its format; it must be one of {', '.join(PARSERS)}")
    text = _read_text(path, mistakes)
    try:
        tree, mistakes.lines = parse(text, mistakes)
    except SyntaxFault as fault:
        _fail(mistakes, str(fault), fault.line)
    return Document(tree, path.parent, mistakes)


def read_plain_file(path: Path, most: int) -> bytes | None:
    """Return the contents of a file, ``None`` if they are longer than `most` bytes.

    Raises:
        OSError: if it cannot be read, or is anything but a plain file: a pipe or a device might never end.

    """
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        if path.exists() and not path.is_file():
            raise OSError(0, "it is not a plain file")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except ValueError:
        raise OSError(0, "its name is not a legal one") from None
    return data if len(data) <= most else None


def _read_text(path: Path, mistakes: Mistakes) -> str:
    try:
        data = read_plain_file(path, BYTES_MAX)
    except OSError as fault:
        _fail(mistakes, f"the file cannot be read: {fault.strerror}")
    if data is None:
        _fail(mistakes, f"the file is longer than {BYTES_MAX:,} bytes")
    if not data.strip():
        _fail(mistakes, "the file is empty")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        _fail(mistakes, "the file is not UTF-8 text", data.count(b"\n", 0, fault.start) + 1)
    return text


def _fail(mistakes: Mistakes, text: str, line: int | None = None) -> NoReturn:
    mistakes.note((), text, line)
    mistakes.fail()


def _parse_toml(text: str, _: Mistakes) -> Parsed:
    import tomllib

    # The time and memory that the standard library's parser takes for a dotted name grow with the square of its parts.
    for number, line in enumerate(text.splitlines(), 1):
        if any(part.count(".") > DOTS_MAX for part in _TOML_PARTS.split(line)):
            raise SyntaxFault(TOO_DEEP, number)

    return parse_with(tomllib.loads, text, lambda error: SyntaxFault(f"this is not TOML: {error}")), {}


PARSERS: Final[Mapping[str, Callable[[str, Mistakes], Parsed]]] = {
    ".yaml": parse_yaml,
    ".yml": parse_yaml,
    ".toml": _parse_toml,
    ".json": parse_json,
}
"""How to parse a file, by its ending."""
