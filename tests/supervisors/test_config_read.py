"""Files: three formats that mean the same, and everything that can be wrong with a file as such."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from understudy.actors.errors import ConfigError
from understudy.supervisors.config import load_config
from understudy.supervisors.config_read import BYTES_MAX, read_document
from understudy.supervisors.config_syntax import DEPTH_MAX

PLANTED = "sk-planted-0123456789"

YAML = """
model_list:
  - model_name: a
    model: ollama/llama3
    rpm: 60
    fallbacks: [b]
  - {model_name: b, model: ollama/llama3}
"""
TOML = """
[[model_list]]
model_name = "a"
model = "ollama/llama3"
rpm = 60
fallbacks = ["b"]

[[model_list]]
model_name = "b"
model = "ollama/llama3"
"""
JSON = json.dumps(
    {
        "model_list": [
            {"model_name": "a", "model": "ollama/llama3", "rpm": 60, "fallbacks": ["b"]},
            {"model_name": "b", "model": "ollama/llama3"},
        ]
    },
    indent=2,
)


def write(folder: Path, text: str | bytes, name: str = "models.yaml") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ={})
    error = caught.value
    assert PLANTED not in str(error) + repr(error)
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__ or PLANTED not in str(error.__context__)
    assert all(line.startswith(f"{path}: ") for line in error.problems)
    return [line.removeprefix(f"{path}: ") for line in error.problems]


def test_the_three_formats_mean_the_same(tmp_path: Path) -> None:
    files = [
        write(tmp_path, YAML, "m.yaml"),
        write(tmp_path, YAML, "m.YML"),
        write(tmp_path, "\ufeff" + TOML, "m.toml"),
        write(tmp_path, JSON.replace("\n", "\r\n"), "m.json"),
    ]
    first, *others = [load_config(file) for file in files]
    assert first == load_config(str(files[0]))
    for other in others:
        assert other == first


def test_anchors_and_merges_work_and_own_fields_win(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "model_list:\n"
        "  - &base {model_name: a, model: ollama/x, rpm: 60, tools: yes}\n"
        "  - {<<: *base, model_name: b}\n"
        "  - {model_name: c, <<: [{rpm: 5}, *base]}\n",
    )
    entries = {key.name: entry for key, entry in load_config(file).entries.items()}
    assert [entry.limits.rpm for entry in entries.values()] == [60, 60, 5]
    assert entries["b"].capabilities.tools is True


def test_a_name_that_looks_like_a_date_is_text(tmp_path: Path) -> None:
    file = write(tmp_path, "model_list: [{model_name: 2024-05-13, model: ollama/x}]")
    assert list(load_config(file).routes) == ["2024-05-13"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("m.yaml", "a: 1\nmodel_list: [", "line 2: this is not YAML"),
        ("m.yaml", "a: b: c", "line 1: this is not YAML: mapping values are not allowed here (column 5)"),
        ("m.yaml", "a: 1\n\tb: 2", "line 2: this is not YAML"),
        ("m.yaml", "model_list: []\n--- \nmodel_list: []", "this is not YAML"),
        ("m.yaml", f"a: *{PLANTED}", "line 1: this is not YAML: found undefined alias"),
        ("m.yaml", "a: \x07", "line 1: this is not YAML: a character that YAML does not allow"),
        ("m.yaml", "", "the file is empty"),
        ("m.yaml", "# nothing\n", "the file is empty"),
        ("m.yaml", "---\n", "is empty; it must be a mapping"),
        ("m.yaml", "just text", "must be a mapping of names to values, not text"),
        ("m.json", '{"a": 1,\n "b": }', "line 2: this is not JSON: Expecting value (column 7)"),
        ("m.json", "[1, 2]", "must be a mapping of names to values, not a list"),
        ("m.json", f'{{"a": "{PLANTED}', "line 1: this is not JSON"),
        ("m.json", '{"a": ' + "9" * 5000 + "}", "this is not JSON: a number in it is too long"),
        ("m.toml", f"a = '{PLANTED}", "this is not TOML"),
        ("m.toml", "a = 1\na = 2", "this is not TOML"),
        ("m.toml", "a = " + "9" * 5000, "this is not TOML"),
        ("m.toml", "b = 1\na" + ".a" * 400_000 + " = 1", "line 2: the file nests deeper"),
    ],
)
def test_a_file_that_is_not_of_its_format_says_where(tmp_path: Path, name: str, text: str, expected: str) -> None:
    (problem,) = problems(write(tmp_path, text, name))
    assert expected in problem


@pytest.mark.parametrize("ending", ["yaml", "json", "toml"])
@pytest.mark.parametrize("depth", [DEPTH_MAX + 5, 100_000])
def test_deep_nesting_is_a_typed_error(tmp_path: Path, ending: str, depth: int) -> None:
    text = "[" * depth + "]" * depth
    told = problems(write(tmp_path, f"a = {text}" if ending == "toml" else text, f"m.{ending}"))
    assert told


@pytest.mark.parametrize(
    "bomb",
    [
        "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 28)),
        "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: v}}\n" for n in range(1, 28)),
        "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 200)),
    ],
)
def test_a_bomb_of_aliases_is_a_typed_error(tmp_path: Path, bomb: str) -> None:
    (problem,) = problems(write(tmp_path, bomb))
    assert "aliases expanded" in problem or "nests deeper" in problem


def test_an_alias_of_itself_is_a_typed_error(tmp_path: Path) -> None:
    (problem,) = problems(write(tmp_path, "model_list: &a [*a]"))
    assert "an alias refers to itself" in problem


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        (
            "m.yaml",
            "model_list:\n- {model_name: a, model: ollama/x}\n- model_name: b\n  model: ollama/x\n  model: y",
            5,
        ),
        ("m.json", '{"model_list": [{"model_name": "a", "model": "ollama/x"},\n{"model": "y",\n"model": "z"}]}', 3),
    ],
)
def test_a_name_given_twice_is_a_mistake(tmp_path: Path, name: str, text: str, place: int) -> None:
    told = problems(write(tmp_path, text, name))
    assert f"model_list[1].model (line {place}): this name is given twice" in told


def test_tags_and_things_that_are_no_values_are_mistakes(tmp_path: Path) -> None:
    text = f"a: !!python/object:os.system x\nb: !{PLANTED} x\nc: !!int x\n? [d]\n: 1\n5: 2\ne: {{<<: 5}}\nf: 0b\n"
    told = problems(write(tmp_path, text))
    assert [line for line in told if "YAML tags mean nothing" in line] != []
    assert any(line.startswith("c (line 3): this cannot be read as a value") for line in told)
    assert any("a field's name must be text, not a list" in line for line in told)
    assert any("a field's name must be text, not a number" in line for line in told)
    assert any("what follows `<<` must be a mapping" in line for line in told)


def test_json_knows_its_lines(tmp_path: Path) -> None:
    text = '{\n"model_list": [\n{"model_name": "a, [\\"b\\"]", "model": "ollama/x",\n"fallbacks": ["p",\n "q"]}]}'
    places = [line.partition(": ")[0] for line in problems(write(tmp_path, text, "m.json"))]
    assert places == ["model_list[0].fallbacks[0] (line 4)", "model_list[0].fallbacks[1] (line 5)"]


def test_files_that_cannot_be_read_are_typed_errors(tmp_path: Path) -> None:
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    assert problems(folder) == ["the file cannot be read: it is a folder"]
    assert problems(tmp_path / "none.yaml") == ["the file cannot be read: No such file or directory"]
    assert "the file is not UTF-8 text" in problems(write(tmp_path, b"a: 1\n\xff"))[0]
    assert problems(write(tmp_path, b"\xff", "m.json")) == ["line 1: the file is not UTF-8 text"]
    assert "longer than" in problems(write(tmp_path, "#" * (BYTES_MAX + 1)))[0]
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config("a\0b.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config("a" * 5000 + ".yaml")


def test_a_mapping_is_read_from_the_present_folder() -> None:
    assert read_document({}).folder == Path()
