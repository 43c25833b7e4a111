"""Phrases, and finding them: the small language in which `classify_rules.py` is written.

A phrase is written like the words it looks for. Case, punctuation and camel case do not matter, because a phrase is
brought into the same plain form as the text (`evidence.plain`); numbers are ``#``. Whole words are matched. Three
marks mean something:

- ``{a|b}`` is a choice; an empty branch makes the word optional;
- a ``*`` at the end of a piece lets its last word go on (``throttl*``); in Chinese, Japanese and Korean, which put no
  spaces between words, any text may go on;
- `` .. `` stands for anything up to `GAP_MAX` characters, within one sentence.

There are no regular expressions here: everything is `str.find` in a bounded window, so no text, however hostile, takes
more than linear time. A `Phrasebook` looks for many phrases at once. It files them by their first two words and tries
only those whose first words occur in the text. Of those that go on after a gap, it tries only those of whose further
words one occurs, too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import Final

from .evidence import plain

GAP_MAX: Final = 80

NO_NUMBER: Final = sys.maxsize
"""More than any phrase's number: none has been found."""

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


def _occurs(first: str, rest: Phrase, text: str) -> bool:
    """Whether a text says a phrase that begins with `first` and goes on with the pieces of `rest`."""
    start = text.find(first)
    while start >= 0:
        if _goes_on(rest, text, start + len(first)):
            return True
        start = text.find(first, start + 1)
    return False


def _goes_on(rest: Phrase, text: str, end: int) -> bool:
    """Whether these pieces follow; of the choices for each, the nearest counts."""
    for choices in rest:
        start = end - (text[end - 1] == " ")
        stop = text.find(" . ", start, start + GAP_MAX)
        window = text[start : stop + 1 if stop >= 0 else start + GAP_MAX]
        ends = [at + len(choice) for choice in choices if (at := window.find(choice)) >= 0]
        if not ends:
            return False
        end = start + min(ends)
    return True


def _hallmarks(rest: Phrase) -> frozenset[str] | None:
    """Return words of which a text must have one to say a phrase with these pieces; ``None`` where any text may."""
    for choices in rest:
        words = [_longest_word(choice) for choice in choices]
        if all(words):
            return frozenset(words)
    return None


def _longest_word(choice: str) -> str:
    """Return the longest word that stands whole wherever a choice does; nothing where there is none to rely on."""
    return max(choice.split(" ")[1:-1], key=len, default="") if choice.isascii() else ""


class Opening:
    """How phrases begin: all that have the same choice for their first piece.

    Attributes:
        first: that choice.
        lowest: the lowest number of them all.
        alone: the lowest number of those that are nothing but this, `NO_NUMBER` where there is none.
        longer: the others, by their numbers, each with its hallmarks and the pieces with which it goes on.

    """

    __slots__ = ("alone", "first", "longer", "lowest")

    def __init__(self, first: str, lowest: int) -> None:
        self.first = first
        self.lowest = lowest
        self.alone = NO_NUMBER
        self.longer: tuple[tuple[int, frozenset[str] | None, Phrase], ...] = ()  # most have none

    def add(self, number: int, rest: Phrase, hallmarks: frozenset[str] | None) -> None:
        """Add a phrase; the one with the lowest number comes first."""
        if rest:
            self.longer += ((number, hallmarks, rest),)
        else:
            self.alone = min(self.alone, number)


class Phrasebook:
    """Many phrases, numbered, and the one with the lowest number that a text says.

    >>> book = Phrasebook([(0, "too many requests"), (1, "{rate|speed} limit* .. reached")])
    >>> book.first(plain("The rate limit of 5/min is reached: too many calls"))
    1
    """

    def __init__(self, phrases: Iterable[tuple[int, str]]) -> None:
        self._by_words: dict[tuple[str, str], list[Opening]] = {}
        self._by_word: dict[str, list[Opening]] = {}
        self._prefixes: list[Opening] = []
        self._unspaced: list[Opening] = []
        openings: dict[str, Opening] = {}
        for number, phrase in sorted(phrases):
            choices, *more = compile_phrase(phrase)
            rest = tuple(more)
            hallmarks = _hallmarks(rest)
            for first in choices:
                opening = openings.get(first)
                if opening is None:
                    opening = openings[first] = Opening(first, number)
                    self._shelf(first).append(opening)
                opening.add(number, rest, hallmarks)

    def _shelf(self, first: str) -> list[Opening]:
        """Return where phrases that begin like this are filed: by their first words, if those are whole."""
        if not first.isascii():
            return self._unspaced
        whole = [sys.intern(word) for word in first[1:].split(" ")[:-1]]  # the same words begin many phrases
        if len(whole) > 1:
            return self._by_words.setdefault((whole[0], whole[1]), [])
        return self._by_word.setdefault(whole[0], []) if whole else self._prefixes

    def first(self, text: str) -> int | None:
        """Return the lowest number of a phrase that occurs in a text of plain form."""
        if not text:
            return None
        ordered = text.split()
        words = set(ordered)
        best = NO_NUMBER
        for pair in self._by_words.keys() & pairwise(ordered):
            best = _lowest(self._by_words[pair], text, words, best)
        for word in self._by_word.keys() & words:
            best = _lowest(self._by_word[word], text, words, best)
        best = _lowest(self._prefixes, text, words, best)
        if not text.isascii():
            best = _lowest(self._unspaced, text, words, best)
        return None if best == NO_NUMBER else best


def _lowest(shelf: list[Opening], text: str, words: set[str], best: int) -> int:
    """Return the lowest number of a phrase on a shelf that a text says, if it is lower than the best so far."""
    for opening in shelf:
        if opening.lowest >= best:
            break
        if opening.first not in text:
            continue
        best = min(best, opening.alone)
        for number, hallmarks, rest in opening.longer:
            if number >= best:
                break
            if (hallmarks is None or not hallmarks.isdisjoint(words)) and _occurs(opening.first, rest, text):
                best = number
    return best
