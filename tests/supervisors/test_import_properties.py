"""Properties of the import: nothing is lost in silence, the result holds, and no secret is shown."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.supervisors.foreign_files import (
    PLANTED,
    TREES,
    leaves,
    litellm_files,
    picoclaw_files,
    replaced,
)
from understudy.actors.errors import ConfigError
from understudy.supervisors.config import load_config
from understudy.supervisors.imports.kinds import Imported, import_config
from understudy.supervisors.imports.write import to_json, to_yaml, without_secrets

ENVIRON = {"SOME_BASE": "https://from-environment.example/v1"}
FILES = st.one_of(
    litellm_files().map(lambda spec: ("litellm", spec)), picoclaw_files().map(lambda spec: ("picoclaw", spec))
)


def imported(kind: str, spec: dict[str, Any]) -> Imported:
    before = copy.deepcopy(spec)
    result = import_config(spec, kind, ENVIRON)
    assert repr(spec) == repr(before)
    return result


def is_told(path: tuple[str | int, ...], result: Imported) -> bool:
    return any(path[: len(note.path)] == note.path for note in result.foreign.report.left_out)


@settings(deadline=None)
@given(FILES)
def test_every_value_is_used_or_told(file: tuple[str, dict[str, Any]]) -> None:
    kind, spec = file
    result = imported(kind, spec)
    told_of_nothing = [
        path
        for path, value in leaves(spec)
        if value not in (None, "", [], {}) and path not in result.foreign.used and not is_told(path, result)
    ]
    assert told_of_nothing == []
    assert all(note.text for note in result.foreign.report.left_out)


@settings(deadline=None, max_examples=50)
@given(FILES)
def test_what_comes_out_loads_and_reads_back_the_same(file: tuple[str, dict[str, Any]]) -> None:
    result = imported(*file)
    hidden, _ = without_secrets(result.config, [key.credential for key in result.loaded.entries])
    with tempfile.TemporaryDirectory() as folder:
        for config in (result.config, hidden):
            expected = load_config(config, environ={}, secrets=False)
            for name, text in (("models.yaml", to_yaml(config, "here")), ("models.json", to_json(config))):
                path = Path(folder) / name
                path.write_text(text, encoding="utf-8")
                assert load_config(path, environ={}, secrets=False) == expected
                assert import_kind_of(path).endswith("Understudy already")


def import_kind_of(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        import_config(path)
    return str(caught.value).partition(" (")[0]


@settings(deadline=None)
@given(FILES)
def test_no_secret_is_in_what_is_printed(file: tuple[str, dict[str, Any]]) -> None:
    result = imported(*file)
    hidden, names = without_secrets(result.config, [key.credential for key in result.loaded.entries])
    printed = "\n".join([to_yaml(hidden, "here"), *names, *result.lines, repr(result.loaded)])
    assert PLANTED not in printed
    # Entries share a credential in the one form exactly if they do in the other.
    shown = load_config(hidden, environ={}, secrets=False)
    pairs = {(a.credential, b.credential) for a, b in zip(result.loaded.entries, shown.entries, strict=True)}
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)


@settings(deadline=None, max_examples=50)
@given(FILES)
def test_a_value_that_counts_as_used_matters(file: tuple[str, dict[str, Any]]) -> None:
    kind, spec = file
    result = imported(kind, spec)
    before = outcome(kind, spec)
    for path in result.foreign.used:
        if not is_told(path, result):
            assert outcome(kind, replaced(spec, path, "something else")) != before, path


def outcome(kind: str, spec: dict[str, Any]) -> object:
    """The config and what is told, or the mistakes."""
    try:
        result = import_config(spec, kind, ENVIRON)
    except ConfigError as error:
        return error.problems
    report = result.foreign.report
    return result.config, [note.text for note in [*report.changed, *report.left_out]]


@settings(deadline=None)
@given(TREES, st.sampled_from([None, "litellm", "picoclaw"]))
def test_whatever_it_is_given_it_says_what_is_wrong_or_makes_a_config(tree: Any, kind: str | None) -> None:
    for spec in (
        {"model_list": tree},
        {"agents": tree, "providers": tree},
        {"router_settings": tree, "model_list": [tree]},
    ):
        try:
            result = import_config(spec, kind, {})
        except ConfigError:
            continue
        assert load_config(result.config, environ={}, secrets=False).entries


# --- the routes ---------------------------------------------------------------------------------------------------


@st.composite
def plain_files(draw: st.DrawFn) -> dict[str, Any]:
    """Files of LiteLLM's without a flaw, each deployment with a model of its own."""
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "a-1", "b__key_1"]), min_size=1, max_size=6))
    listed = [{"model_name": name, "litellm_params": {"model": f"ollama/m{n}"}} for n, name in enumerate(names)]
    for one in listed:
        if draw(st.booleans()):
            one["litellm_params"]["order"] = draw(st.integers(1, 3))  # type: ignore[index]
    known = st.sampled_from(sorted(set(names)))
    fallbacks = [{draw(known): draw(st.lists(known, max_size=3))} for _ in range(draw(st.integers(0, 3)))]
    spec: dict[str, Any] = {"model_list": listed, "litellm_settings": {"fallbacks": fallbacks}}
    if draw(st.booleans()):
        spec["litellm_settings"]["default_fallbacks"] = draw(st.lists(known, max_size=2))
    if draw(st.booleans()):
        spec["router_settings"] = {"model_group_alias": {"alias": draw(known)}}
    return spec


def naive_models(spec: dict[str, Any], name: str) -> list[str]:
    """The models of a name, those with the lowest order first."""
    own = [one["litellm_params"] for one in spec["model_list"] if one["model_name"] == name]
    return [params["model"] for params in sorted(own, key=lambda params: params.get("order", 99))]


def naive_route(spec: dict[str, Any], name: str) -> list[str]:
    for item in spec["litellm_settings"]["fallbacks"]:
        if name in item:
            targets = item[name]
            break
    else:
        targets = spec["litellm_settings"].get("default_fallbacks", [])
    found = naive_models(spec, name) + [model for target in targets for model in naive_models(spec, target)]
    return list(dict.fromkeys(found))


@given(plain_files())
def test_the_routes_are_those_of_the_naive_reference(spec: dict[str, Any]) -> None:
    loaded = import_config(spec, "litellm", {}).loaded
    names = {one["model_name"] for one in spec["model_list"]}
    expected = {name: naive_route(spec, name) for name in names}
    for alias, name in spec.get("router_settings", {}).get("model_group_alias", {}).items():
        expected[alias] = naive_route(spec, name)
    assert {name: [str(key.ref) for key in loaded.routes[name]] for name in expected} == expected
    assert len(loaded.entries) == len(spec["model_list"])
