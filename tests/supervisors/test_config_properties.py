"""Properties of loading: a naive reference agrees on every route, and no input whatever breaks out of its type."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.actors.errors import ConfigError, UnknownModel
from understudy.supervisors.config import Config, load_config

PLANTED = "sk-planted-Secret-0123456789"
PROVIDERS = {"ollama": "ollama", "vllm": "vllm", "OLLAMA": "ollama", "lmstudio": "lmstudio"}
NAMES = st.sampled_from(["a", "b", "c", "d", "e", "long-name", "x/y", "f"])
MODELS = st.sampled_from(["m", "n", "meta/llama", "o"])


@st.composite
def valid_configs(draw: st.DrawFn) -> dict[str, Any]:
    """Configs without a mistake: entries with several keys, fallbacks of all three kinds, routes."""
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    entries: list[dict[str, Any]] = []
    for n, name in enumerate(names):
        one: dict[str, Any] = {"model_name": name}
        one["model"] = f"{draw(st.sampled_from(sorted(PROVIDERS)))}/{draw(MODELS)}"
        count = draw(st.integers(0, 3))
        if count:
            one["api_keys"] = [f"key-{n}-{k}" for k in range(count)]
        one["enabled"] = n == 0 or draw(st.booleans())
        entries.append(one)
    expanded = [f"{e['model_name']}__key_{n}" for e in entries for n in range(1, len(e.get("api_keys", ())))]
    references = st.sampled_from(
        [*names, *expanded, *(e["model"] for e in entries), *(e["model"].partition("/")[2] for e in entries)]
    )
    for one in entries:
        if draw(st.booleans()):
            one["fallbacks"] = draw(st.lists(references, max_size=5))
        if draw(st.booleans()):
            one["image_fallbacks"] = draw(st.lists(references, max_size=3))
    spec: dict[str, Any] = {"model_list": entries}
    if draw(st.booleans()):
        spec["routes"] = {f"route-{n}": draw(st.lists(references, min_size=1, max_size=4)) for n in range(2)}
    if draw(st.booleans()):
        spec["default_provider"] = draw(st.sampled_from(["ollama", "vllm"]))
    return spec


# --- a naive reference: no objects, no directories, only scans over the file as it was written ---------------------


def naive_ref(text: str) -> tuple[str, str]:
    provider, _, model = text.partition("/")
    return PROVIDERS.get(provider, provider), model


def naive_keys(one: dict[str, Any]) -> list[str]:
    name = one["model_name"]
    return [name if n == 0 else f"{name}__key_{n}" for n in range(max(1, len(one.get("api_keys", ()))))]


def naive_members(spec: dict[str, Any], reference: str) -> list[str]:
    entries = spec["model_list"]
    on_first = [e for e in entries if e["enabled"]] + [e for e in entries if not e["enabled"]]
    default = spec.get("default_provider")
    wanted = naive_ref(reference) if "/" in reference else (default, reference)
    tests: list[Callable[[dict[str, Any]], bool]] = [
        lambda e: e["model_name"] == reference,
        lambda e: reference in naive_keys(e),
        lambda e: e["model_name"] == f"{wanted[0]}/{wanted[1]}",
        lambda e: naive_ref(e["model"]) == wanted,
        lambda e: naive_ref(e["model"])[1] == reference,
    ]
    for rank, fits in enumerate(tests):
        for one in on_first:
            if fits(one):
                keys = [reference] if rank == 1 else naive_keys(one)
                return keys if one["enabled"] else []
    raise AssertionError(f"the generator made a reference to nothing: {reference}")


def naive_routes(spec: dict[str, Any], field: str) -> dict[str, list[str]]:
    routes: dict[str, list[str]] = {}
    for one in spec["model_list"]:
        if not one["enabled"] or (field == "image_fallbacks" and field not in one):
            continue
        more = [name for reference in one.get(field, ()) for name in naive_members(spec, reference)]
        keys = naive_keys(one)
        for n, name in enumerate(keys):
            routes[name] = list(dict.fromkeys([*(keys if n == 0 else [name]), *more]))
    if field == "fallbacks":
        for route, references in spec.get("routes", {}).items():
            found = [name for reference in references for name in naive_members(spec, reference)]
            if found:
                routes[route] = list(dict.fromkeys(found))
    return routes


def named(routes: Any) -> dict[str, list[str]]:
    return {route: [key.name for key in keys] for route, keys in routes.items()}


@given(valid_configs())
def test_the_routes_are_those_of_the_naive_reference(spec: dict[str, Any]) -> None:
    config = load_config(spec, environ={})
    assert named(config.routes) == naive_routes(spec, "fallbacks")
    assert named(config.image_routes) == naive_routes(spec, "image_fallbacks")


@given(valid_configs())
def test_what_is_loaded_holds_together(spec: dict[str, Any]) -> None:
    before = copy.deepcopy(spec)
    config = load_config(spec, environ={})
    assert spec == before
    enabled = [e for e in spec["model_list"] if e["enabled"]]
    assert [key.name for key in config.entries] == [name for e in enabled for name in naive_keys(e)]
    for key, one in config.entries.items():
        assert one.key == key
        assert (one.endpoint.secret is None) == (key.credential is None)
        assert config.resolve(key.name) == key.name
        assert config.routes[config.resolve(str(key.ref))]
    for keys in [*config.routes.values(), *config.image_routes.values()]:
        assert len(set(keys)) == len(keys) > 0
        assert all(key in config.entries for key in keys)
    rehearsed = load_config(spec, environ={}, secrets=False)
    assert rehearsed.routes == config.routes
    assert len({one.endpoint.secret for one in rehearsed.entries.values() if one.endpoint.secret}) == len(
        {key.credential for key in rehearsed.entries if key.credential}
    )


@settings(deadline=None)
@given(valid_configs())
def test_a_file_means_what_the_same_mapping_means(spec: dict[str, Any]) -> None:
    expected = load_config(spec)
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("json", "yaml"):  # JSON of this kind is YAML too
            path = Path(folder) / f"models.{ending}"
            path.write_text(json.dumps(spec, indent=1))
            assert load_config(path) == expected


# --- garbage ------------------------------------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["", " ", "a", "a/b", "openai/x", "env:X", "env:", "file:.", "http://x", "default", 10**400])
    | st.just(PLANTED)
)
WORDS = st.sampled_from(["model_name", "api_key", "rpm", "base", "policy", "routes", "X-Header", "zz"])
GARBAGE = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.integers() | st.none(), inner, max_size=3),
    max_leaves=6,
)
FULL: dict[str, Any] = {
    "default_provider": "ollama",
    "model_list": [
        {
            "model_name": "a",
            "model": "openai/gpt",
            "api_base": "https://x.example/v1",
            "api_keys": [PLANTED, PLANTED + "2", "env:PLANTED"],
            "headers": {"X-Token": PLANTED, "X-Other": "env:PLANTED"},
            "proxy": f"http://user:{PLANTED}@proxy.example:8080",
            "dialect": "openai",
            "rpm": 60,
            "tpm": 100,
            "burst": 5,
            "max_parallel": 3,
            "max_queued": 4,
            "fallbacks": ["b", "c/d"],
            "image_fallbacks": ["b"],
            "context_window": 1000,
            "vision": True,
            "tools": False,
            "retries": 1,
            "retry_within": 2.5,
            "connect_timeout": 1,
            "first_event_timeout": 1,
            "idle_timeout": 1,
            "request_timeout": 1,
            "enabled": True,
        },
        {"model_name": "b", "model": "ollama/c/d", "api_key": PLANTED},
    ],
    "routes": {"r": ["a", "b"]},
    "policy": {"preset": "classic", "forget_after": 5, "auth": {"base": 1, "factor": 2, "cap": 3, "next": "yes"}},
    "default_timeout": 5,
    "max_pending": 5,
    "max_retry_after": 5,
    "shutdown_timeout": 5,
    "restarts": {"intensity": 1, "period": 5},
}


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of a value and of everything in it."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for step, item in inside for deeper in paths_of(item, (*path, step)))]


def mutated(path: tuple[Any, ...], garbage: Any, how: str) -> Any:
    """Return the full config with one value replaced, dropped, or joined by garbage."""
    if not path:
        return [garbage] if isinstance(garbage, str) else garbage  # text would be the name of a file
    spec = copy.deepcopy(FULL)
    holder: Any = spec
    for step in path[:-1]:
        holder = holder[step]
    if how == "drop":
        del holder[path[-1]]
    elif how == "add" and isinstance(holder[path[-1]], dict):
        holder[path[-1]]["surplus"] = garbage
    elif how == "add" and isinstance(holder[path[-1]], list):
        holder[path[-1]].append(garbage)
    else:
        holder[path[-1]] = garbage
    return spec


SECRET_PLACES = {"api_key", "api_keys", "headers", "proxy"}


def shown(outcome: object) -> str:
    if isinstance(outcome, ConfigError):
        return str(outcome) + repr(outcome) + repr(outcome.problems) + repr(outcome.__cause__)
    assert isinstance(outcome, Config)
    return repr(outcome) + str(outcome)


def outcome_of(source: Any, *, secrets: bool = True) -> Config | ConfigError:
    try:
        return load_config(source, environ={"PLANTED": PLANTED}, secrets=secrets)
    except ConfigError as error:
        mistakes = error
    assert mistakes.problems
    assert all(mistakes.problems)
    return mistakes


def test_the_config_that_is_mutated_has_no_mistake() -> None:
    config = outcome_of(FULL)
    assert isinstance(config, Config)
    assert PLANTED not in shown(config)


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(paths_of(FULL)), GARBAGE, st.sampled_from(["replace", "drop", "add"]), st.booleans())
def test_garbage_anywhere_gives_a_config_or_its_mistakes_and_shows_no_secret(
    path: tuple[Any, ...], garbage: Any, how: str, secrets: bool
) -> None:
    outcome = outcome_of(mutated(path, garbage, how), secrets=secrets)
    # A secret that was put where none belongs (into a name) is the name; then only an error must not show it.
    if isinstance(outcome, ConfigError) or PLANTED not in str(garbage) or SECRET_PLACES & {*map(str, path)}:
        assert PLANTED not in shown(outcome)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["yaml", "json", "toml"]), st.text() | st.binary().map(lambda b: b.decode("latin-1")))
def test_any_text_in_a_file_gives_a_config_or_its_mistakes(ending: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"models.{ending}"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        outcome_of(path)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_file_gives_a_config_or_its_mistakes_and_shows_no_secret(data: st.DataObject) -> None:
    text = json.dumps(FULL, indent=1)
    start = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 5))
    piece = data.draw(
        st.sampled_from(["", '"', "'", "{", "]", ":", "*", "&", "!", "\n", "\t", "#", "<<: ", "\\", "\x00"])
    )
    damaged = text[:start] + piece + text[start + length :]
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("json", "yaml", "toml"):
            path = Path(folder) / f"models.{ending}"
            path.write_text(damaged)
            outcome = outcome_of(path)
            if isinstance(outcome, ConfigError):
                assert PLANTED not in shown(outcome)


@given(valid_configs(), st.text())
def test_asking_for_anything_gives_a_route_or_unknown_model(spec: dict[str, Any], asked: str) -> None:
    config = load_config(spec, environ={})
    try:
        assert config.resolve(asked) in config.routes
    except UnknownModel:
        assert asked not in config.routes
