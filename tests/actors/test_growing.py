"""A text that grows: whatever its pieces are, it is their sum, and takes the memory of that."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from understudy.actors.growing import PIECES_MAX, GrowingText


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(1, 2 * PIECES_MAX)), max_size=8), st.data())
def test_a_growing_text_is_the_sum_of_its_pieces(runs: list[tuple[str, int]], data: st.DataObject) -> None:
    text, said = GrowingText("begun "), "begun "
    for piece, times in runs:
        for _ in range(times):
            text.add(piece)
        said += piece * times
        if data.draw(st.booleans()):
            assert str(text) == said
    assert str(text) == said


def test_a_growing_text_takes_the_memory_of_its_characters() -> None:
    tracemalloc.start()
    try:
        text = GrowingText()
        for number in range(100 * PIECES_MAX):
            text.add(f"{number:08} ")
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1.2 * len(str(text))
