"""Values as TOML: Python's own parser reads the very same ones, and people can read them too."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.actors.errors import ConfigError
from understudy.simulations.files.toml_text import WIDTH_MAX, toml_text
from understudy.supervisors.config_mistakes import Mistaken, Mistakes, Spot

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(['"""', "a\r\n\\b", "\x7f\x00", "'''\n"])
SCALARS = st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=10)
TREES = st.dictionaries(TEXTS, VALUES | st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), max_size=3))


def written(tree: Any) -> str:
    return toml_text(Spot(tree, (), Mistakes()))


def exact(value: Any) -> Any:
    """A value with its types, and with every bit of its numbers."""
    if isinstance(value, dict):
        return {name: exact(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [exact(inner) for inner in value]
    return type(value), value.hex() if isinstance(value, float) else value


@settings(deadline=None)
@given(TREES)
def test_what_is_written_is_read_again_to_the_last_bit(tree: dict[str, Any]) -> None:
    assert exact(tomllib.loads(written(tree))) == exact(tree)


def test_it_is_laid_out_for_people() -> None:
    tree = {
        "rows": [{"kind": "x", "list": [{"a": 1}]}, {}],
        "name": "first",
        "prose": 'one "line"\nand another',
        "numbers": list(range(40)),
        "table": {"inner": {"deep": {"deeper": 1.5}}, "rows": [{"n": {"a b": True}}]},
        "empty": {},
        "none": [],
    }
    assert (
        written(tree)
        == '''\
name = "first"
prose = """
one \\"line\\"
and another"""
numbers = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
]
none = []

[[rows]]
kind = "x"
list = [{ a = 1 }]

[[rows]]

[table.inner]
deep = { deeper = 1.5 }

[[table.rows]]
n = { "a b" = true }

[empty]
'''
    )


@given(st.lists(st.integers(0, 10**6), max_size=100))
def test_a_long_list_is_wrapped(numbers: list[int]) -> None:
    assert all(len(line) <= WIDTH_MAX for line in written({"script": numbers}).splitlines())


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"a": [1, None]}, "a[1]: is empty, for which TOML has no word; leave it out"),
        ({"a": {"b": date(2026, 1, 1)}}, "a.b: is a date, for which TOML has no words"),
        ({"a": "\ud800"}, "contains a character that is none"),
    ],
)
def test_what_toml_cannot_say_is_told_with_its_place(tree: dict[str, Any], told: str) -> None:
    mistakes = Mistakes()
    with pytest.raises(Mistaken):
        toml_text(Spot(tree, (), mistakes))
    with pytest.raises(ConfigError) as caught:
        mistakes.raise_if_any()
    assert told in str(caught.value)
