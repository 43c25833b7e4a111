"""Folding misses nothing that an expression that ignores case takes for a letter."""

from __future__ import annotations

import re
import string
import sys

from understudy.actors.folding import folded

EVERY_CHARACTER = "".join(map(chr, range(sys.maxunicode + 1)))


def test_whatever_is_taken_for_a_letter_is_that_letter_once_folded() -> None:
    for letter in string.ascii_lowercase:
        taken = re.findall(letter, EVERY_CHARACTER, re.IGNORECASE)
        assert {letter, letter.upper()} <= set(taken)
        assert {folded(character) for character in taken} == {letter}


def test_white_space_and_digits_stay_what_they_are() -> None:
    kept = re.findall(r"[\s\d]", EVERY_CHARACTER)
    assert len(kept) > 600
    assert folded("".join(kept)) == "".join(kept)


def test_folding_a_text_is_folding_its_characters() -> None:
    # So a word that stands somewhere in a text stands in the folded text as well, whatever is beside it.
    assert folded("Σς K\u0130\u0131 tOk\u212aen") == "".join(map(folded, "Σς K\u0130\u0131 tOk\u212aen"))
