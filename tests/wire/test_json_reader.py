"""The quick reader of JSON reads what the standard library reads, and refuses what that refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.actors.providers.json_reader import Reader, best_reader
from understudy.actors.providers.reading import read_json

NUMBERS = st.one_of(
    st.integers(-(10**60), 10**60).map(str),
    st.integers(-3, 3).flatmap(lambda off: st.sampled_from([str(end + off) for end in (-(2**63), 2**63, 2**64)])),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)
"""Also such as no machine's word holds, are out of a float's range, or lie between two of them."""

STRINGS = st.one_of(
    st.text().map(json.dumps),
    st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: json.dumps(text, ensure_ascii=False)),
)

ODD = st.one_of(
    st.sampled_from(["NaN", "-Infinity", "", "01", "1.", "'a'", '"\t"', "\ufeff1", "True"]),
    st.from_regex(r'"(\\u[dD][89a-fA-F][0-9a-f]{2}|\\["\\/bfnrtux]|[a-z\ud800]){0,5}"', fullmatch=True),
)
"""What strictly is no JSON, halves of surrogate pairs, escapes that there are none of."""

# Few names, so that some come twice.
NAMES = st.sampled_from(['"a"', '"b"', '"\\u0061"']) | STRINGS


def containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Lists and objects of what is inside."""
    return st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[ {','.join(items)}\n]"),
        st.lists(st.tuples(NAMES, inner), max_size=4).map(
            lambda items: "{" + ", ".join(f"{name} :{value}" for name, value in items) + "}"
        ),
    )


TEXTS = st.recursive(st.one_of(NUMBERS, STRINGS, st.sampled_from(["true", "false", "null"])), containers)


def outcome(read: Reader, body: bytes | str) -> str:
    """What comes of reading, in full: types, digits and order included."""
    try:
        return repr(read(body))
    except (ValueError, RecursionError) as exc:
        return f"{type(exc).__name__}: {exc}"


def quick() -> Reader:
    pytest.importorskip("msgspec")
    reader = best_reader()
    assert reader is not json.loads, "where msgspec is installed, it is what reads"
    return reader


def same(text: str) -> None:
    read = quick()
    assert outcome(read, text) == outcome(json.loads, text)
    body = text.encode("utf-8", "surrogatepass")
    assert outcome(read, body) == outcome(json.loads, body)


@given(NUMBERS)
def test_both_read_the_same_number(text: str) -> None:
    same(text)


@given(TEXTS)
def test_both_read_the_same_text(text: str) -> None:
    same(text)


@given(ODD | containers(ODD | TEXTS))
def test_both_make_the_same_of_what_is_odd(text: str) -> None:
    same(text)


@given(TEXTS.map(str.encode), st.data())
def test_both_make_the_same_of_what_was_damaged(body: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body)))
    cut = data.draw(st.integers(0, 3))
    broken = body[:at] + data.draw(st.binary(max_size=3)) + body[at + cut :]
    assert outcome(quick(), broken) == outcome(json.loads, broken)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}),
        (b"18446744073709551616", 2**64),
        (b"-9223372036854775809", -(2**63) - 1),
        (b"9007199254740993.0", 9007199254740992.0),
        (b"1e400", float("inf")),
        (b'"\\ud800"', "\ud800"),
        (b'"\xed\xa0\x80"', "\ud800"),
        (b"\xef\xbb\xbf[]", []),
        ("[1]".encode("utf-16"), [1]),
        (b'"\xff"', None),
        (b"1" * 5_000, None),
        (b"[" * 100_000, None),
        (b"[" * 100_000 + b"]" * 100_000, None),
        (b"", None),
    ],
)
def test_what_is_odd_is_read_alike_with_and_without_it(body: bytes, value: Any) -> None:
    assert repr(read_json(body)) == repr(value)
    assert outcome(best_reader(), body) == outcome(json.loads, body)


def test_without_msgspec_the_standard_library_reads() -> None:
    program = (
        "import sys; sys.modules['msgspec'] = None\n"
        "import json\n"
        "from understudy.actors.providers.json_reader import load_json\n"
        "from understudy.actors.providers.reading import read_json\n"
        "print(load_json is json.loads, read_json(b'[1]'), read_json(b'[1'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "True [1] None\n", done.stderr
