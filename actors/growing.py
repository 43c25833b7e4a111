"""A text that is still being written, piece by piece."""

from __future__ import annotations

from typing import Final

PIECES_MAX: Final = 1_000
"""How many pieces lie there until they are put together: a short one by itself takes ten times the memory."""


class GrowingText:
    """Adding to it costs no more as it grows, and it takes no more memory than what is written in it.

    >>> text = GrowingText("Hel")
    >>> text.add("lo")
    >>> str(text)
    'Hello'
    """

    __slots__ = ("_joined", "_pieces")

    def __init__(self, *pieces: str) -> None:
        self._joined: list[str] = []
        self._pieces = list(pieces)

    def add(self, piece: str) -> None:
        """Write on."""
        pieces = self._pieces
        pieces.append(piece)
        if len(pieces) >= PIECES_MAX:
            self._joined.append("".join(pieces))
            pieces.clear()

    def __str__(self) -> str:
        return "".join((*self._joined, *self._pieces))
