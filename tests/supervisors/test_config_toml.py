"""The lines of TOML files: known for every table, field and element, however the file is laid out."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.supervisors.config_mistakes import Steps
from understudy.supervisors.config_toml import toml_lines

KEYS = st.sampled_from(["a", "b-c", '"d.e"', "'f g'", '"h\\"#="', "1"])
TEXTS = st.sampled_from(
    ['"plain"', "'lit[eral'", '"esc\\"aped # ]"', '"""two\n"" lines"""', "'''a'b\n\nc''''", '""""quoted""""', '""']
)
GAPS = st.sampled_from(["", " ", "\t"])
BREAKS = st.sampled_from(["", "\n", " # a ] comment\n", "\n\n"])


class Layout:
    """Writes TOML in a drawn layout, in which every number is that of the line it stands on."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""

    def put(self, text: str) -> None:
        self.text += text

    def value(self, depth: int) -> None:
        kinds = ["number", "text"] + (["list", "table"] if depth else [])
        match self.draw(st.sampled_from(kinds)):
            case "number":
                self.put(str(self.text.count("\n") + 1))
            case "text":
                self.put(self.draw(TEXTS))
            case "list":
                self.put("[")
                for _ in range(self.draw(st.integers(0, 3))):
                    self.put(self.draw(BREAKS))
                    self.value(depth - 1)
                    self.put(self.draw(GAPS) + ",")
                self.put(self.draw(BREAKS) + "]")
            case "table":
                self.put("{" + self.draw(GAPS))
                for n, key in enumerate(self.draw(st.lists(KEYS, max_size=3, unique=True))):
                    self.put(", " if n else "")
                    self.put(f"{key}{self.draw(GAPS)}=")
                    self.value(depth - 1)
                self.put("}")

    def fields(self) -> None:
        for key in self.draw(st.lists(KEYS, max_size=3, unique=True)):
            dotted = self.draw(st.sampled_from(["", " . x", ".x.y"]))
            self.put(f"{key}{dotted}{self.draw(GAPS)}={self.draw(GAPS)}")
            self.value(2)
            self.put(self.draw(st.sampled_from(["\n", " # comment\n", "\r\n", "\n\n"])))


@st.composite
def documents(draw: st.DrawFn) -> str:
    layout = Layout(draw)
    layout.fields()
    for n in range(draw(st.integers(0, 3))):
        heading = draw(st.sampled_from(["[t{0}]", "[t{0}.u]", "[[rows]]", "[[ rows ]]", '[["l.l"]]']))
        layout.put(heading.format(n) + "\n")
        layout.fields()
        if heading.startswith("[[ rows"):
            layout.put("[rows.below]\n")
            layout.fields()
            layout.put("[[rows.inner]]\n[[rows.inner]]\n")
            layout.fields()
    return layout.text


def leaves(tree: Any, path: Steps = ()) -> list[tuple[Steps, Any]]:
    if isinstance(tree, dict):
        return [leaf for name, value in tree.items() for leaf in leaves(value, (*path, name))]
    if isinstance(tree, list):
        return [leaf for n, value in enumerate(tree) for leaf in leaves(value, (*path, n))]
    return [(path, tree)]


def branches(tree: Any, path: Steps = ()) -> list[Steps]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(branch for step, value in inner for branch in branches(value, (*path, step)))]


@given(documents())
def test_every_value_is_found_on_its_line(text: str) -> None:
    tree = tomllib.loads(text)
    lines = toml_lines(text)
    assert sorted(map(repr, lines)) == sorted(repr(path) for path in branches(tree) if path)
    for path, value in leaves(tree):
        if isinstance(value, int):
            assert lines[path] == value


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("[[fault]]\n\n[[fault]]\nkind = 1", ("fault", 1), 3),
        ("[[fault]]\n\n[[fault]]\nkind = 1", ("fault", 1, "kind"), 4),
        ("a = 1979-05-27 07:32:00.5\nb = 2", ("b",), 2),
        ("a = '''\n\n'''\nb = [\n1,\n2 ]", ("b", 1), 6),
        ("[x]\ny.z = {}\n", ("x", "y"), 2),
    ],
)
def test_a_line_is_that_on_which_something_begins(text: str, path: Steps, line: int) -> None:
    assert toml_lines(text)[path] == line
