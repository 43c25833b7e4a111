"""A phrasebook finds what trying every phrase by itself would find."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from understudy.actors.classify_rules import LONG_WINDOWS, ONE_MODEL, RULES, SHORT_WINDOWS
from understudy.actors.evidence import plain
from understudy.actors.phrases import GAP_MAX, Phrasebook, compile_phrase

PHRASES = (*(phrase for rule in RULES for phrase in rule.phrases), *LONG_WINDOWS, *SHORT_WINDOWS, *ONE_MODEL)
BOOK = Phrasebook(enumerate(PHRASES))
COMPILED = [compile_phrase(phrase) for phrase in PHRASES]


def says(text: str, phrase: tuple[tuple[str, ...], ...]) -> bool:
    """Whether a text says a phrase, by the definition alone: no filing, and no first look."""
    return any(
        follows(text, found.start() + len(first), phrase[1:])
        for first in phrase[0]
        if first in text  # which `finditer` would find out more slowly
        for found in re.finditer(f"(?={re.escape(first)})", text)
    )


def follows(text: str, end: int, rest: tuple[tuple[str, ...], ...]) -> bool:
    if not rest:
        return True
    start = end - 1 if text[end - 1] == " " else end
    window = text[start : start + GAP_MAX]
    stop = text.find(" . ", start, start + GAP_MAX)
    if stop >= 0:
        window = text[start : stop + 1]
    ends = [window.find(choice) + len(choice) for choice in rest[0] if choice in window]
    return bool(ends) and follows(text, start + min(ends), rest[1:])


@st.composite
def spoken(draw: st.DrawFn) -> str:
    """Return what a phrase of the table may look like in a text, or the half of it."""
    pieces = compile_phrase(draw(st.sampled_from(PHRASES)))
    gap = st.sampled_from(["", " ", " of the ", " x" * 30, " x" * 45, ". ", "s "])
    return "".join(draw(st.sampled_from(piece)) + draw(gap) for piece in pieces[: draw(st.integers(1, 3))])


@given(st.lists(spoken() | st.sampled_from([" ", ".", "model", "限流", "s", "429"]), max_size=5).map("".join))
def test_a_book_finds_the_first_phrase_that_a_text_says(text: str) -> None:
    text = plain(text)
    expected = next((number for number, phrase in enumerate(COMPILED) if says(text, phrase)), None)
    assert BOOK.first(text) == expected


def test_a_text_without_words_says_nothing() -> None:
    assert BOOK.first("") is None
    assert BOOK.first(plain("")) is None


def test_every_way_to_go_on_is_found() -> None:
    for phrase, (first, *rest) in zip(PHRASES, COMPILED, strict=True):
        book = Phrasebook([(0, phrase)])
        for at, piece in enumerate(rest):
            for choice in piece:
                said = [first[0], *(choice if at == other else choices[0] for other, choices in enumerate(rest))]
                assert book.first(f" {' '.join(said)} ".replace("  ", " ").replace("  ", " ")) == 0, (phrase, said)
