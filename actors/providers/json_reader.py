"""What reads JSON: msgspec where it is installed (the extra ``fast``), and else the standard library.

Both read the same from the same text, to the last digit. Where msgspec declines, the standard library is asked after
all, and its word counts: it takes some things that strictly are no JSON (``NaN``, half of a surrogate pair, a mark at
the beginning), and says of all others what is wrong. Only of nesting at the very edge of Python's recursion limit may
one of the two still read what the other does not.

Nothing is written so: msgspec writes what has no JSON (``NaN`` as ``null``, a set as a list) where a caller is to be
told. `benchmarks/alone.py` measures what it pays: the cases with bodies and streams.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

Reader = Callable[[bytes | str], Any]
"""Reads JSON; raises ``ValueError`` or ``RecursionError`` where it cannot."""


def quick_reader() -> Reader:
    """Return what reads by msgspec.

    Raises:
        ImportError: it is not installed.

    """
    import msgspec  # pyright: ignore[reportMissingImports] - optional

    decode: Reader = msgspec.json.Decoder().decode

    def read(body: bytes | str) -> Any:
        try:
            return decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return json.loads(body)

    return read


def best_reader() -> Reader:
    """Return the quickest reader that there is."""
    try:
        return quick_reader()
    except ImportError:
        return json.loads


load_json: Final = best_reader()
"""Reads what a provider sent."""
