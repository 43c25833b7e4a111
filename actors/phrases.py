"""Phrases, and finding them: the small language in which `classify_rules.py` is written.

A phrase is written like the words it looks for. Case, punctuation and camel case do not matter, because a phrase is
brought into the same plain form as the text (`evidence.plain`); numbers are ``#``. Whole words are matched. Three
marks mean something:

- ``{a|b}`` is a choice; an empty branch makes the word optional;
- a ``*`` at the end of a piece lets its last word go on (``throttl*``); in Chinese, Japanese and Korean, which put no
  spaces between words, any text may go on;
- `` .. `` stands for anything up to `GAP_MAX` characters, within one sentence.

There are no regular expressions here: everything is `str.find` in a bounded window, so no text, however hostile, takes
more than linear time. A `Phrasebook` looks for many phrases at once. It files them by their first word and tries only
those whose first word occurs in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from .evidence import plain

GAP_MAX: Final = 80

Phrase = tuple[tuple[str, ...], ...]
"""A compiled phrase: pieces that must follow one another, each as the choices that there are for it."""

_CHOICE = re.compile(r"\{([^{}]*)\}")


@cache  # a rule whose place does not matter is in several books
def compile_phrase(phrase: str) -> Phrase:
    """Return a phrase in the form that is searched for.

    >>> compile_phrase("no {room|space} .. throttl*")
    ((' no room ', ' no space '), (' throttl',))
    """
    return tuple(tuple(map(_plain_piece, _choices(piece.strip()))) for piece in phrase.split(".."))


def _choices(piece: str) -> list[str]:
    """Expand the braces of one piece."""
    if choice := _CHOICE.search(piece):
        head, tail = piece[: choice.start()], piece[choice.end() :]
        return [text for word in choice[1].split("|") for text in _choices(head + word + tail)]
    return [piece]


def _plain_piece(text: str) -> str:
    """Return one piece in plain form; without a space at its end where the last word may go on."""
    text = text.strip()
    return plain(text).removesuffix(" ") if text.endswith("*") else plain(text)


def _occurs(first: str, phrase: Phrase, text: str) -> bool:
    """Whether a text says a phrase, beginning with this choice for its first piece."""
    start = text.find(first)
    while start >= 0:
        if _goes_on(phrase, text, start + len(first)):
            return True
        start = text.find(first, start + 1)
    return False


def _goes_on(phrase: Phrase, text: str, end: int) -> bool:
    """Whether the pieces after the first follow; of the choices for each, the nearest counts."""
    for choices in phrase[1:]:
        start = end - (text[end - 1] == " ")
        stop = text.find(" . ", start, start + GAP_MAX)
        window = text[start : stop + 1 if stop >= 0 else start + GAP_MAX]
        ends = [at + len(choice) for choice in choices if (at := window.find(choice)) >= 0]
        if not ends:
            return False
        end = start + min(ends)
    return True


class Phrasebook:
    """Many phrases, numbered, and the one with the lowest number that a text says.

    >>> book = Phrasebook([(0, "too many requests"), (1, "{rate|speed} limit* .. reached")])
    >>> book.first(plain("The rate limit of 5/min is reached: too many calls"))
    1
    """

    def __init__(self, phrases: Iterable[tuple[int, str]]) -> None:
        self._by_word: dict[str, list[tuple[int, str, Phrase]]] = {}
        self._prefixes: list[tuple[int, str, Phrase]] = []
        self._unspaced: list[tuple[int, str, Phrase]] = []
        for number, phrase in sorted(phrases):
            compiled = compile_phrase(phrase)
            for first in compiled[0]:
                self._shelf(first).append((number, first, compiled))

    def _shelf(self, first: str) -> list[tuple[int, str, Phrase]]:
        """Return where a phrase that begins like this is filed: by its first word, if that is whole."""
        if not first.isascii():
            return self._unspaced
        word, space, _ = first[1:].partition(" ")
        return self._by_word.setdefault(word, []) if space else self._prefixes

    def first(self, text: str) -> int | None:
        """Return the lowest number of a phrase that occurs in a text of plain form."""
        best: int | None = None
        shelves = [self._by_word[word] for word in set(text.split()) & self._by_word.keys()]
        if not text.isascii():
            shelves.append(self._unspaced)
        for shelf in (*shelves, self._prefixes):
            for number, first, phrase in shelf:
                if best is not None and number >= best:
                    break
                if first in text and (len(phrase) == 1 or _occurs(first, phrase, text)):
                    best = number
        return best
