"""Scenario files: written and read again they are the same, and whoever errs is told everything at once."""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import asdict, evolve, fields_dict
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.actors.errors import ConfigError
from understudy.actors.messages import OnInterrupt
from understudy.simulations import faults, scenario_files, strategies
from understudy.simulations.faults import MOMENTS, Fault, FaultKind, Wait
from understudy.simulations.files.scenario_faults import FAULT, TAKES
from understudy.simulations.files.scenario_fields import CALLER, EXPECT, PROVIDER, SCENARIO, TRAFFIC
from understudy.simulations.rehearsal import rehearse
from understudy.simulations.scenario import (
    Arrivals,
    Caller,
    Expectation,
    Flaw,
    LimitKind,
    ProviderScript,
    Scenario,
    Traffic,
)
from understudy.simulations.scenario_files import (
    ScenarioError,
    UnknownScenario,
    built_in_scenarios,
    dump_scenario,
    find_scenario,
    load_scenario,
    write_scenario,
)
from understudy.supervisors.config import load_config

PLANTED = "sk-planted-0123456789"
CONFIG: dict[str, Any] = {
    "model_list": [
        {"model_name": "glm-4.7", "model": "zhipu/glm-4.7", "api_keys": ["env:Z1", "env:Z2"], "fallbacks": ["haiku"]},
        {"model_name": "haiku", "model": "anthropic/claude-haiku-4-5"},
        {"model_name": "local", "model": "ollama/llama3"},
    ],
    "routes": {"smart": ["glm-4.7", "haiku"]},
}
CALL = {"at": 0, "route": "glm-4.7"}


def problems(source: object) -> tuple[str, ...]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(source)  # type: ignore[arg-type]
    assert PLANTED not in str(caught.value) + repr(caught.value)
    return caught.value.problems


def play(**tables: object) -> dict[str, object]:
    return {"name": "a play", "config": CONFIG, "caller": [CALL], **tables}


# --- written and read again -----------------------------------------------------------------------------------------

WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8) | st.sampled_from(
    ["glm-4.7", 'a "b"', "c\\d", "e.f", "[g]", "h#i=j"]
)
TIMES = st.floats(0, 1e8) | st.integers(0, 100).map(float)
LATER = st.floats(0, 1e8, exclude_min=True) | st.integers(1, 100).map(float)
SHARES = st.floats(0, 1)
COUNTS = st.integers(0, 1000)
TOKENS = st.integers(1, 10**6)


def ranges(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.tuples(values, values).map(lambda pair: (min(pair), max(pair)))


def some(cls: type, required: Mapping[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> Any:
    """Objects with some of their fields given: together, the fields must be all that there are."""
    assert {*required, *optional} == {*fields_dict(cls)}
    return st.fixed_dictionaries(dict(required), optional=optional).map(lambda given: cls(**given))


def globs(name: str) -> st.SearchStrategy[str]:
    if any(sign in name for sign in "[*?"):
        return st.just("*")
    return st.sampled_from([name, "*", f"{name[:1]}*", f"*{name[-1:]}", f"?{name[1:]}"])


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(WORDS, min_size=1, max_size=4, unique=True))
    entries: list[dict[str, Any]] = []
    for name in names:
        entry: dict[str, Any] = {"model_name": name, "model": draw(st.sampled_from(["ollama/m", "vllm/n"]))}
        entry |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "api_keys": st.lists(st.sampled_from(["env:A", "env:B", "file:c"]), min_size=1, unique=True),
                    "fallbacks": st.lists(st.sampled_from(names), max_size=3),
                    "headers": st.just({"x-title": "env:TITLE"}),
                    "rpm": st.floats(1, 1e6) | st.integers(1, 60),
                    "enabled": st.just(value=True),
                },
            )
        )
        entries.append(entry)
    expanded = {f"{e['model_name']}__key_{n}" for e in entries for n in range(1, len(e.get("api_keys", [])))}
    free = WORDS.filter(lambda word: word not in {*names, *expanded})
    extras = {
        "routes": st.dictionaries(free, st.lists(st.sampled_from(names), min_size=1, max_size=3), max_size=2),
        "policy": st.just("classic") | st.just({"preset": "classic", "rate_limit": {"base": 0.1, "next": "no"}}),
        "default_timeout": LATER,
    }
    return {"model_list": entries, **draw(st.fixed_dictionaries({}, optional=extras))}


def asking(routes: list[str]) -> dict[str, st.SearchStrategy[Any]]:
    return {
        "timeout": LATER,
        "wait_for_cooldown": st.booleans(),
        "on_interrupt": st.sampled_from(OnInterrupt),
        "reads_every": TIMES,
        "retries": COUNTS,
        "retry_wait": TIMES,
    }


def callers(routes: list[str]) -> st.SearchStrategy[Caller]:
    return some(  # type: ignore[no-any-return]
        Caller,
        {"at": TIMES, "route": st.sampled_from(routes)},
        **asking(routes),
        group=WORDS,
        stream=st.booleans(),
        prompt_tokens=TOKENS,
        answer_tokens=TOKENS,
        leaves_after=st.none() | TIMES,
        flaw=st.none() | st.sampled_from(Flaw),
        images=st.booleans(),
        tools=st.booleans(),
        logit_bias=st.booleans(),
    )


@st.composite
def traffic(draw: st.DrawFn, routes: list[str]) -> Traffic:
    made: Traffic = draw(
        some(
            Traffic,
            {"route": st.sampled_from(routes)},
            **asking(routes),
            name=WORDS,
            rate=st.lists(st.tuples(TIMES, st.floats(0, 0.5)), max_size=4).map(sorted).map(tuple),
            start=st.floats(0, 50),
            end=st.floats(60, 1e5),
            burst=COUNTS,
            arrivals=st.sampled_from(Arrivals),
            stream=SHARES,
            prompt_tokens=ranges(TOKENS),
            answer_tokens=ranges(TOKENS),
            leave=SHARES,
            leaves_after=ranges(TIMES),
            flaws=st.dictionaries(st.sampled_from(Flaw), st.floats(0, 0.33)),
            images=SHARES,
            tools=SHARES,
            logit_bias=SHARES,
        )
    )
    return made


@st.composite
def distributions(draw: st.DrawFn) -> tuple[tuple[float, float], ...]:
    shares = sorted(draw(st.sets(SHARES | st.sampled_from([0.0, 0.5, 0.99, 0.999, 1.0]), min_size=1, max_size=5)))
    durations = sorted(draw(st.lists(TIMES, min_size=len(shares), max_size=len(shares))))
    return tuple(zip(shares, durations, strict=True))


@st.composite
def longest(draw: st.DrawFn) -> dict[float, float]:
    percents = sorted(draw(st.sets(st.floats(0, 100) | st.sampled_from([50.0, 99.0, 99.9]), max_size=3)))
    durations = sorted(draw(st.lists(TIMES, min_size=len(percents), max_size=len(percents))))
    return dict(zip(percents, durations, strict=True))


def providers(names: list[str]) -> st.SearchStrategy[ProviderScript]:
    return some(  # type: ignore[no-any-return]
        ProviderScript,
        {},
        candidate=st.sampled_from(names).flatmap(globs),
        provider=st.just("*"),
        latency=distributions(),
        per_token=TIMES,
        limit=st.sampled_from(LimitKind),
        rpm=st.none() | st.just(0.0) | st.floats(1, 1e6),
        tpm=st.none() | st.just(0.0) | st.floats(1, 1e6),
        capacity=st.none() | st.integers(1, 100),
        slowdown=st.floats(0, 10),
        states_limits=st.booleans(),
    )


@st.composite
def one_fault(draw: st.DrawFn, names: list[str], routes: list[str]) -> Fault:
    kind = draw(st.sampled_from(FaultKind))
    at = draw(st.floats(0, 1e6))
    whom = draw(st.sampled_from(["candidate", "provider", "credential"]))
    values: dict[str, st.SearchStrategy[Any]] = {
        "until": st.just(math.inf) | st.floats(at, 1e9, exclude_min=True),
        "candidate": st.sampled_from(names).flatmap(globs) if whom == "candidate" else st.just("*"),
        "provider": st.just("[ov]*" if whom == "provider" else "*"),
        "credential": st.just("*"),
        "probability": SHARES,
        "flap": st.none() | st.tuples(LATER, LATER),
        "wait": TIMES if kind is FaultKind.MISSTATED else TIMES | st.sampled_from(Wait),
        "status": st.none() | st.sampled_from([500, 502, 504, 302]),
        "seconds": TIMES,
        "factor": st.floats(0, 100),
        "after": COUNTS,
        "left": COUNTS,
        "times": st.integers(1, 9),
        "route": st.sampled_from(routes).flatmap(globs),
    }
    assert {"kind", "at", *values} == {*fields_dict(Fault)}
    taken = {name: value for name, value in values.items() if name in TAKES[kind]}
    return Fault(kind, at, **draw(st.fixed_dictionaries({}, optional=taken)))


@st.composite
def one_expectation(draw: st.DrawFn, names: list[str], classes: list[str]) -> Expectation:
    bounds = ranges(SHARES)
    spent = st.tuples(TIMES, TIMES | st.just(math.inf)) | st.tuples(st.just(math.inf), TIMES)
    start = draw(TIMES)
    made: Expectation = draw(
        some(
            Expectation,
            {"start": st.just(start)},
            end=st.just(math.inf) | st.just(start + 1 + start / 2),
            callers=st.sampled_from(classes).flatmap(globs),
            availability=st.none() | SHARES,
            latency=longest(),
            first_content=longest(),
            share=st.dictionaries(st.sampled_from(names).flatmap(globs), bounds, max_size=2),
            spent=st.dictionaries(st.sampled_from(names).flatmap(globs), spent, max_size=2),
            recovery=st.none() | TIMES,
        )
    )
    return evolve(made, recovery=1.5) if made == Expectation(made.callers, made.start, made.end) else made


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    config = draw(configs())
    loaded = load_config(config, secrets=False)
    routes, names = list(loaded.routes), [key.name for key in loaded.entries]
    crowd = draw(st.lists(traffic(routes), max_size=2))
    single = draw(st.lists(callers(routes), min_size=0 if crowd else 1, max_size=3))
    asked = [*(each.route for each in crowd), *(each.route for each in single)]
    classes = [*(each.name for each in crowd), *(each.group for each in single)]
    return Scenario(
        draw(WORDS),
        config,
        draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=30)),
        tuple(crowd),
        tuple(single),
        tuple(draw(st.lists(providers(names), max_size=2))),
        tuple(draw(st.lists(one_fault(names, asked), max_size=3))),
        tuple(draw(st.lists(one_expectation(names, classes), max_size=2))),
        draw(st.integers()),
        draw(st.none() | st.lists(st.integers(0, 2**70), max_size=60).map(tuple)),
        draw(st.floats(0, 1)),
        draw(st.booleans()),
        draw(st.none() | TIMES),
    )


def exact(value: object) -> object:
    """A value with its types, and with every bit of its numbers. The order of a mapping means nothing."""
    match value:
        case dict():
            return {name: exact(inner) for name, inner in value.items()}
        case list() | tuple():
            return type(value), [exact(inner) for inner in value]
        case float():
            return value.hex()
    return type(value), value


@settings(max_examples=120, deadline=None)
@given(scenarios())
def test_a_scenario_that_is_written_and_read_again_is_the_same(scenario: Scenario) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "storm.toml"
        write_scenario(scenario, file)
        again = load_scenario(file)
    assert again == scenario
    assert exact(asdict(again)) == exact(asdict(scenario))
    assert dump_scenario(again) == dump_scenario(scenario)


@settings(max_examples=60, deadline=None)
@given(strategies.scenarios() | strategies.healed_scenarios())
def test_every_storm_that_a_search_may_find_can_be_written_and_read_again(storm: Scenario) -> None:
    text = dump_scenario(storm)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "storm.toml"
        file.write_text(text, encoding="utf-8")
        again = load_scenario(file)
    assert dump_scenario(again) == text
    # What a moment's fault says of its end means nothing, and is not written.
    meant = tuple(evolve(each, until=math.inf) if each.kind in MOMENTS else each for each in storm.faults)
    assert again == evolve(storm, faults=meant)


def test_a_storm_plays_the_same_from_its_file(tmp_path: Path) -> None:
    storm = Scenario(
        "a storm",
        CONFIG,
        traffic=(Traffic("smart", rate=((0, 0.1), (7, 1 / 3)), end=30, stream=0.5),),
        callers=(Caller(1, "glm-4.7", stream=True),),
        providers=(ProviderScript(latency=((0, 0.1), (1, 1 / 7))),),
        faults=(Fault(FaultKind.RATE_LIMITED, 2, 20, probability=0.7), Fault(FaultKind.MODEL_CRASH, 9)),
        seed=3,
        script=(1, 2, 0, 1),
        wire=False,
    )
    write_scenario(storm, tmp_path / "storm.toml")
    again = load_scenario(tmp_path / "storm.toml")
    assert again == storm
    assert rehearse(again).trace.digest() == rehearse(storm).trace.digest()


def test_only_what_differs_from_the_defaults_is_written() -> None:
    scenario = Scenario(
        "two keys",
        "models.yaml",
        traffic=(Traffic("glm-4.7", rate=((0.0, 2.0),), prompt_tokens=(7, 7)),),
        providers=(ProviderScript(latency=((0.0, 0.5), (1.0, 0.5))), ProviderScript()),
        faults=(Fault(FaultKind.SLOW, at=90.0), Fault(FaultKind.RATE_LIMITED, wait=Wait.HUGE, flap=(0.1, 10.0))),
        expectations=(Expectation(latency={50.0: 1.0, 99.9: 10.0}, share={"glm-*": (0.5, 0.9)}),),
    )
    assert (
        dump_scenario(scenario)
        == """\
name = "two keys"
config = "models.yaml"

[[traffic]]
route = "glm-4.7"
rate = 2
prompt_tokens = 7

[[provider]]
latency = 0.5

[[provider]]

[[fault]]
kind = "slow"
at = 90
seconds = 0

[[fault]]
kind = "rate_limited"
flap = [0.1, 10]
wait = "huge"

[[expect]]
latency = { p50 = 1, "p99.9" = 10 }
share = { "glm-*" = { at_least = 0.5, at_most = 0.9 } }
"""
    )


def test_no_secret_that_stands_in_a_config_is_written() -> None:
    config = {
        "model_list": [
            {"model_name": "a", "model": "ollama/m", "api_keys": [PLANTED, "env:K", PLANTED + "2"]},
            {"model_name": "b", "model": "ollama/m", "api_key": PLANTED + "2"},
            {"model_name": "c", "model": "ollama/m", "headers": {"authorization": f"Bearer {PLANTED}", "x": "env:X"}},
            {"model_name": "d", "model": "ollama/m", "proxy": f"http://me:{PLANTED}@proxy.example:3128"},
        ]
    }
    text = dump_scenario(Scenario("s", config, callers=(Caller(0, "a"),)))
    assert PLANTED not in text
    assert "env:K" in text
    assert "env:X" in text
    again = load_scenario(yaml.safe_load(json.dumps(_toml(text))))
    assert list(again.load().entries) == list(load_config(config, secrets=False).entries)
    assert dump_scenario(again) == text


def _toml(text: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(text)


def test_what_cannot_be_written_is_told() -> None:
    with pytest.raises(ScenarioError, match=r"config\.model_list\[0\]\.rpm: is empty"):
        dump_scenario(Scenario("s", {"model_list": [{"model_name": "a", "rpm": None}]}))
    with pytest.raises(ScenarioError, match=r"must be \.toml"):
        write_scenario(Scenario("s", CONFIG), "storm.yaml")


# --- files and paths ------------------------------------------------------------------------------------------------


def test_the_three_formats_mean_the_same(tmp_path: Path) -> None:
    tree = play(fault=[{"kind": "slow", "seconds": "1 min", "for": 30}], seed=7)
    (tmp_path / "s.json").write_text(json.dumps(tree))
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(tree))
    write_scenario(load_scenario(tree), tmp_path / "s.toml")
    scenario = load_scenario(tree)
    assert scenario.faults == (Fault(FaultKind.SLOW, until=30.0, seconds=60.0),)
    for ending in ("json", "yaml", "toml"):
        assert load_scenario(tmp_path / f"s.{ending}") == scenario
        assert load_scenario(str(tmp_path / f"s.{ending}")) == scenario


def config_file(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "models.json").write_text(json.dumps(CONFIG))
    return folder / "models.json"


def test_a_path_of_a_config_starts_from_the_scenarios_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file(tmp_path)
    inner = tmp_path / "storms"
    inner.mkdir()
    (inner / "s.yaml").write_text("{name: s, config: ../models.json, caller: [{at: 0, route: local}]}")
    scenario = load_scenario(inner / "s.yaml")
    assert scenario.config == str(tmp_path / "models.json")
    monkeypatch.chdir(tmp_path)
    scenario = load_scenario("storms/s.yaml")
    assert scenario.config == "models.json"
    assert "local" in scenario.load().routes


@pytest.mark.parametrize("place", ["s.toml", "storms/s.toml", "elsewhere/deep/s.toml"])
def test_a_scenario_that_is_written_finds_its_config_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    config_file(tmp_path / "configs")
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    for config in ("configs/models.json", str(tmp_path / "configs/models.json")):
        scenario = Scenario("s", config, callers=(Caller(0.0, "local"),))
        write_scenario(scenario, place)
        assert load_scenario(place) == scenario
        assert load_scenario(tmp_path / place).load() == scenario.load()


def test_a_folder_that_is_a_link_leads_to_the_right_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file(tmp_path / "here")
    (tmp_path / "far/away/storms").mkdir(parents=True)
    (tmp_path / "here/storms").symlink_to(tmp_path / "far/away/storms", target_is_directory=True)
    monkeypatch.chdir(tmp_path / "here")
    write_scenario(Scenario("s", "models.json", callers=(Caller(0.0, "local"),)), "storms/s.toml")
    assert "local" in load_scenario("storms/s.toml").load().routes
    assert "local" in load_scenario(tmp_path / "far/away/storms/s.toml").load().routes
    config_file(tmp_path / "far/away")
    (tmp_path / "here/models.json").unlink()
    write_scenario(Scenario("s", "storms/../models.json", callers=(Caller(0.0, "local"),)), "s.toml")
    assert "local" in load_scenario("s.toml").load().routes


def test_scenarios_that_come_along_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario_files, "FOLDER", tmp_path / "scenarios")
    assert built_in_scenarios() == {}
    (tmp_path / "scenarios").mkdir()
    for name in ("noon", "midnight"):
        write_scenario(Scenario(name, CONFIG, callers=(Caller(0.0, "local"),)), tmp_path / f"scenarios/{name}.toml")
    assert list(built_in_scenarios()) == ["midnight", "noon"]
    assert find_scenario("noon").name == "noon"
    assert find_scenario(str(tmp_path / "scenarios/midnight.toml")).name == "midnight"
    with pytest.raises(UnknownScenario, match="did you mean `midnight`") as caught:
        find_scenario("mdnight")
    assert isinstance(caught.value, ScenarioError)
    with pytest.raises(UnknownScenario, match=r"there are: midnight, noon\. A file .* \.toml"):
        find_scenario("zzz")
    with pytest.raises(ScenarioError, match=r"zzz\.toml: the file cannot be read"):
        find_scenario("zzz.toml")
    with pytest.raises(ScenarioError, match="ending does not tell its format"):
        find_scenario("storms/noon")


def test_every_scenario_that_comes_along_holds() -> None:
    for name, path in built_in_scenarios().items():
        assert find_scenario(name) == load_scenario(path)


# --- conveniences ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90.0),
        (0.25, 0.25),
        ("90 s", 90.0),
        ("30s", 30.0),
        ("2m", 120.0),
        ("5 min", 300.0),
        ("1.5 h", 5400.0),
        ("1 h 30 min", 5400.0),
        ("1h30m", 5400.0),
        ("1 Hour 2 minutes 3 seconds", 3723.0),
        ("9 ms", 0.009),
        ("2 d", 172_800.0),
        ("0.1 s", 0.1),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_words(written: object, seconds: float) -> None:
    (caller,) = load_scenario(play(caller=[{**CALL, "at": written}])).callers
    assert caller.at == seconds


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999), st.sampled_from(["", " "]))
def test_a_durations_parts_add_up(hours: int, minutes: int, seconds: int, milli: int, gap: str) -> None:
    words = gap.join(f"{n}{gap}{unit}" for n, unit in ((hours, "h"), (minutes, "min"), (seconds, "s"), (milli, "ms")))
    (caller,) = load_scenario(play(caller=[{**CALL, "at": words}])).callers
    assert round(caller.at * 1000) == ((hours * 60 + minutes) * 60 + seconds) * 1000 + milli


@pytest.mark.parametrize(
    ("table", "fields", "name", "value"),
    [
        ("traffic", {"rate": 2}, "rate", ((0.0, 2.0),)),
        ("traffic", {"rate": [["1 min", 2], [90, 0.5]]}, "rate", ((60.0, 2.0), (90.0, 0.5))),
        ("traffic", {"burst": 1, "leaves_after": "5 min"}, "leaves_after", (300.0, 300.0)),
        ("traffic", {"burst": 1, "leaves_after": ["5 s", 10]}, "leaves_after", (5.0, 10.0)),
        ("traffic", {"burst": 1, "answer_tokens": 7}, "answer_tokens", (7, 7)),
        ("traffic", {"burst": 1, "flaws": {"too_long": 0.1}}, "flaws", {Flaw.TOO_LONG: 0.1}),
        ("provider", {"latency": 0.5}, "latency", ((0.0, 0.5), (1.0, 0.5))),
        ("provider", {"latency": "500 ms"}, "latency", ((0.0, 0.5), (1.0, 0.5))),
        (
            "provider",
            {"latency": {"p99.9": "1 min", "p50": 1}},
            "latency",
            ((0.0, 1.0), (0.5, 1.0), (0.999, 60.0), (1.0, 60.0)),
        ),
        ("provider", {"latency": {"p0": 0, "p100": 3}}, "latency", ((0.0, 0.0), (1.0, 3.0))),
        ("provider", {"latency": [[0.25, 1], [0.5, "2 s"]]}, "latency", ((0.25, 1.0), (0.5, 2.0))),
        ("fault", {"kind": "reset", "at": "1 min", "for": "10 min"}, "until", 660.0),
        ("fault", {"kind": "reset", "until": math.inf}, "until", math.inf),
        ("fault", {"kind": "reset", "flap": ["10 s", "20 s"]}, "flap", (10.0, 20.0)),
        ("fault", {"kind": "overloaded", "wait": "2 min"}, "wait", 120.0),
        ("fault", {"kind": "overloaded", "wait": 7}, "wait", 7.0),
        ("fault", {"kind": "overloaded", "wait": "short"}, "wait", Wait.SHORT),
        ("expect", {"latency": {"p50": 1, "p99": "10 s"}}, "latency", {50.0: 1.0, 99.0: 10.0}),
        ("expect", {"share": {"glm-*": {"at_least": 0.5}}}, "share", {"glm-*": (0.5, 1.0)}),
        ("expect", {"share": {"glm-*": {"at_most": 0.5}}}, "share", {"glm-*": (0.0, 0.5)}),
        ("expect", {"spent": {"*": {"tokens": 5}}}, "spent", {"*": (math.inf, 5.0)}),
    ],
)
def test_what_may_be_written_shortly_is_understood(table: str, fields: object, name: str, value: object) -> None:
    fields = {**fields, "route": "local"} if table == "traffic" else fields  # type: ignore[dict-item]
    scenario = load_scenario(play(**{table: [fields]}))
    made = {
        "traffic": scenario.traffic,
        "provider": scenario.providers,
        "fault": scenario.faults,
        "expect": scenario.expectations,
    }[table][0]
    assert getattr(made, name) == value


# --- mistakes -------------------------------------------------------------------------------------------------------

CROWD = {"route": "local", "rate": 1}
MISTAKES: list[tuple[dict[str, object], str]] = [
    # the whole
    ({"nam": 1}, "nam: there is no such field; did you mean `name`?"),
    ({"faults": []}, "faults: there is no such field; did you mean `fault`?"),
    ({"seed": "3"}, "seed: must be a whole number, not text"),
    ({"seed": True}, "seed: must be a whole number, not true or false"),
    ({"script": [0, -1]}, "script[1]: must be 0 or more"),
    ({"wire": "no"}, "wire: must be true or false"),
    ({"teaches": 5}, "teaches: must be text"),
    ({"config": [PLANTED]}, "config: must be the path of a config, or a table"),
    ({"caller": []}, "nobody asks for anything"),
    ({"caller": CALL}, "caller: must be a list of tables; in TOML, write [[caller]] above each"),
    ({"caller": [3]}, "caller[0]: must be a mapping"),
    ({"healed_at": -1}, "healed_at: must be 0 or more"),
    # durations
    ({"caller": [{**CALL, "at": "90"}]}, 'caller[0].at: lacks its unit; write it as in "90 s"'),
    ({"caller": [{**CALL, "at": "9 parsecs"}]}, "caller[0].at: `parsecs` is no unit of time"),
    ({"caller": [{**CALL, "at": "soon"}]}, "caller[0].at: is no duration: `soon`"),
    ({"caller": [{**CALL, "at": "5 min 1 h"}]}, "caller[0].at: is no duration: `5 min 1 h`; the larger unit"),
    ({"caller": [{**CALL, "at": "5 m 3 m"}]}, "caller[0].at: is no duration: `5 m 3 m`; the larger unit comes first"),
    ({"caller": [{**CALL, "at": [5]}]}, "caller[0].at: must be a number, not a list"),
    ({"caller": [{**CALL, "at": math.nan}]}, "caller[0].at: must be a finite number"),
    ({"caller": [{**CALL, "timeout": "0 s"}]}, "caller[0].timeout: must be more than 0"),
    ({"caller": [{"route": "local"}]}, "caller[0]: `at` is missing"),
    # traffic
    ({"traffic": [{"route": "local"}]}, "traffic[0]: nobody comes; give it a `rate`"),
    ({"traffic": [{"rate": 1}]}, "traffic[0]: `route` is missing"),
    ({"traffic": [{**CROWD, "route": "locl"}]}, "traffic[0].route: no model or route is called 'locl'; did you mean"),
    ({"caller": [{**CALL, "route": "smrt"}]}, "caller[0].route: no model or route is called 'smrt'; did you mean 'sma"),
    ({"traffic": [{**CROWD, "start": 70}]}, "traffic[0].end: (60 s) must be after the `start`"),
    ({"traffic": [{**CROWD, "rate": -1}]}, "traffic[0].rate: must be 0 or more"),
    ({"traffic": [{**CROWD, "rate": []}]}, "traffic[0].rate: is an empty list"),
    ({"traffic": [{**CROWD, "rate": [5, 1]}]}, "traffic[0].rate[0]: must be a list of time and rate"),
    ({"traffic": [{**CROWD, "rate": [[5, 1], [2, 1]]}]}, "traffic[0].rate: its points must be in the order"),
    ({"traffic": [{**CROWD, "rate": [[5, 1, 2]]}]}, "traffic[0].rate[0]: must have two elements: time and rate"),
    ({"traffic": [{**CROWD, "end": 1e9}]}, "makes about 1,000,000,001 callers, more than 2,000,000"),
    ({"traffic": [{**CROWD, "stream": 25}]}, "traffic[0].stream: must be at most 1"),
    ({"traffic": [{**CROWD, "prompt_tokens": [9, 3]}]}, "traffic[0].prompt_tokens: must have the lower value first"),
    ({"traffic": [{**CROWD, "flaws": {"frmat": 1}}]}, "traffic[0].flaws.frmat: `frmat` is no flaw; did you mean"),
    ({"traffic": [{**CROWD, "flaws": {"format": 0.6, "too_long": 0.5}}]}, "traffic[0].flaws: the shares add up to mor"),
    ({"traffic": [{**CROWD, "flaws": 0.5}]}, "traffic[0].flaws: must be a table of flaws and their shares"),
    ({"traffic": [{**CROWD, "arrivals": "evn"}]}, "traffic[0].arrivals: must be `even` or `random`, not `evn`; did"),
    # providers
    ({"provider": [{"latency": {"p50": 2, "p99": 1}}]}, "provider[0].latency: a higher percentile has a shorter"),
    ({"provider": [{"latency": {"q50": 2}}]}, "provider[0].latency.q50: is no percentile"),
    ({"provider": [{"latency": {"p101": 2}}]}, "provider[0].latency.p101: is no percentile"),
    ({"provider": [{"latency": {"p99": {"9": 2}}}]}, 'needs quotes, as in "p99.9"'),
    ({"provider": [{"latency": {"p50": 1, "p50.0": 1}}]}, "given twice"),
    ({"provider": [{"latency": {}}]}, "provider[0].latency: must name a percentile at least"),
    ({"provider": [{"latency": [[0.5, 1], [0.5, 2]]}]}, "provider[0].latency: its points must be in the order"),
    ({"provider": [{"candidate": "glm-4.8"}]}, "provider[0].candidate: no candidate is called `glm-4.8`; did you mean"),
    ({"provider": [{"limit": "bucket"}]}, "provider[0].limit: must be `sliding_window` or `fixed_window` or"),
    # faults
    ({"fault": [{}]}, "fault[0]: `kind` is missing"),
    (
        {"fault": [{"kind": "rate_limit"}]},
        "fault[0].kind: `rate_limit` is no kind of fault; did you mean `rate_limited`",
    ),
    ({"fault": [{"kind": "xyz"}]}, "fault[0].kind: `xyz` is no kind of fault; there are rate_limited, overloaded"),
    ({"fault": [{"kind": "reset", "wait": 3}]}, "fault[0].wait: a fault of kind `reset` does not take this; it takes"),
    ({"fault": [{"kind": "clock_jump", "seconds": 1, "for": 3}]}, "fault[0].for: a fault of kind `clock_jump` does n"),
    ({"fault": [{"kind": "slow"}]}, "fault[0]: a fault of kind `slow` needs `seconds` or `factor`"),
    ({"fault": [{"kind": "clock_jump"}]}, "fault[0]: a fault of kind `clock_jump` needs `seconds`"),
    ({"fault": [{"kind": "reset", "until": 0}]}, "fault[0].until: must be later than `at`"),
    ({"fault": [{"kind": "reset", "until": 5, "for": 3}]}, "fault[0].for: either `for` or `until`, not both"),
    ({"fault": [{"kind": "overloaded", "wait": "huuge"}]}, "did you mean `huge`"),
    ({"fault": [{"kind": "misstated", "wait": "huge"}]}, "fault[0].wait: must be a duration"),
    ({"fault": [{"kind": "reset", "flap": 5}]}, "fault[0].flap: must be a list of how long it is on"),
    ({"fault": [{"kind": "reset", "flap": [5]}]}, "fault[0].flap: must have two elements"),
    ({"fault": [{"kind": "server_error", "status": 429}]}, "fault[0].status: must be from 500 to 599, or 302"),
    ({"fault": [{"kind": "reset", "candidate": "loc"}]}, "fault[0].candidate: no candidate is called `loc`; did you m"),
    ({"fault": [{"kind": "reset", "provider": "zipu"}]}, "fault[0].provider: no candidate's provider is `zipu`; did "),
    ({"fault": [{"kind": "reset", "credential": "env:Z3"}]}, "no candidate's credential is `env:Z3`; did you mean"),
    (
        {"fault": [{"kind": "model_crash", "candidate": "x*"}]},
        "no candidate is called `x*`; there are `glm-4.7`, `glm-",
    ),
    ({"fault": [{"kind": "reset", "candidate": "local", "provider": "zhipu"}]}, "fault[0]: touches nobody"),
    ({"fault": [{"kind": "callers_leave", "route": "local"}]}, "fault[0].route: no caller asks for `local`"),
    # expectations
    ({"expect": [{"callers": "*"}]}, "expect[0]: expects nothing"),
    ({"expect": [{"callers": "chat", "availability": 1}]}, "expect[0].callers: no class of callers is called `chat`"),
    ({"expect": [{"availability": 99}]}, "expect[0].availability: must be at most 1"),
    ({"expect": [{"recovery": 1, "start": 5, "end": 5}]}, "expect[0].end: must be after the `start`"),
    ({"expect": [{"share": {"glm-*": 0.5}}]}, "must be a table with `at_least`, `at_most` or both"),
    (
        {"expect": [{"share": {"glm-*": {"at_leest": 0.5}}}]},
        "at_leest: there is no such field; did you mean `at_least`",
    ),
    ({"expect": [{"share": {"glm-*": {"at_least": 0.9, "at_most": 0.5}}}]}, "`at_least` is more than `at_most`"),
    ({"expect": [{"share": {"glm-5*": {"at_least": 0.9}}}]}, "no candidate is called `glm-5*`; did you mean `glm-4.7`"),
    ({"expect": [{"spent": {"claude": {"attempts": 9}}}]}, "spent.claude: no candidate is called `claude`"),
]


@pytest.mark.parametrize(("tables", "told"), MISTAKES, ids=[told for _, told in MISTAKES])
def test_a_mistake_is_told_with_its_place(tables: dict[str, object], told: str) -> None:
    found = problems(play(**tables))
    assert any(told in problem for problem in found), found


def test_all_mistakes_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    config_file(tmp_path)
    file.write_text(
        """\
name = "s"
config = "models.json"

[[traffic]]
route = "locl"
rate = [
    [0, 1],
    ["5 parsecs", 2],
]

[[fault]]
kind = "slow"
wait = 3

[[fault]]
kind = "reset"
candidate = "haikuu"
"""
    )
    assert [problem.replace(f"{file}: ", "").split(":")[0] for problem in problems(file)] == [
        "traffic[0].rate[1][0] (line 8)",
        "fault[0].wait (line 13)",
        "fault[0] (line 11)",
        "traffic[0].route (line 5)",
        "fault[1].candidate (line 17)",
    ]
    with pytest.raises(ScenarioError, match=f"^{re.escape(str(file))} has 5 mistakes:"):
        load_scenario(file)


def test_one_mistake_does_not_make_others() -> None:
    """Nobody is told that a class does not exist because it could not be read; but its route is looked for."""
    found = problems(
        play(
            traffic=[{"name": "chat", "route": "smrt", "rate": -1}],
            expect=[{"callers": "chat", "availability": 1}],
            fault=[{"kind": "callers_leave", "route": "smart"}],
        )
    )
    assert [problem.split(":")[0] for problem in found] == ["traffic[0].rate", "traffic[0].route"]


def test_the_error_speaks_of_the_scenario() -> None:
    with pytest.raises(ScenarioError, match=r"^the scenario has a mistake:\n  nobody asks"):
        load_scenario(play(caller=[]))
    with pytest.raises(ScenarioError, match="a scenario is the path of a file or a mapping, not a number"):
        load_scenario(5)  # type: ignore[arg-type]


def test_a_mistake_in_the_config_comes_through_as_it_is(tmp_path: Path) -> None:
    wrong = {"model_list": [{"model_name": "local", "model": "ollama/llama3", "rpmm": 3}]}
    with pytest.raises(ConfigError, match=r"the configuration has a mistake:\n  model_list\[0\]\.rpmm") as caught:
        load_scenario(play(config=wrong))
    assert not isinstance(caught.value, ScenarioError)
    both = problems(play(config=wrong, seed="x"))
    assert both == (
        "seed: must be a whole number, not text",
        "config: model_list[0].rpmm: there is no such field; did you mean `rpm`?",
    )
    with pytest.raises(ConfigError, match=r"models\.yaml: the file cannot be read"):
        load_scenario(play(config=str(tmp_path / "models.yaml")))


def test_a_secret_in_the_wrong_place_is_not_told() -> None:
    problems(play(fault=[{"kind": "reset", "credential": PLANTED}]))
    problems(play(**{PLANTED: 3}))
    problems(play(config=[PLANTED], expect=[{"latency": {PLANTED: 1}}]))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "5 s", "p50", "slow", "*", "local"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FAULT, *EXPECT, "p50"]), inner),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*SCENARIO]), JUNK), st.data())
def test_no_junk_breaks_out_of_its_type(junk: dict[str, Any], data: st.DataObject) -> None:
    tables = {"traffic": TRAFFIC, "caller": CALLER, "provider": PROVIDER, "fault": FAULT, "expect": EXPECT}
    for name in data.draw(st.lists(st.sampled_from([*tables]), unique=True)):
        junk[name] = [data.draw(st.dictionaries(st.sampled_from([*tables[name]]), JUNK, max_size=4))]
    with suppress(ConfigError):
        load_scenario({**play(), **junk})


# --- nothing is left out --------------------------------------------------------------------------------------------


def test_every_field_of_a_class_is_a_field_of_a_file() -> None:
    for table, cls in ((TRAFFIC, Traffic), (CALLER, Caller), (PROVIDER, ProviderScript), (EXPECT, Expectation)):
        assert {*table} == {*fields_dict(cls)}
    assert {*FAULT} == {*fields_dict(Fault), "for"}
    plural = {"callers": "caller", "providers": "provider", "faults": "fault", "expectations": "expect"}
    assert {*SCENARIO} == {plural.get(name, name) for name in fields_dict(Scenario)}


ABOUT_CANDIDATES = (FaultKind.MODEL_CRASH, FaultKind.RESET_BY_HAND)


def test_each_kind_of_fault_takes_what_its_description_says() -> None:
    described: dict[str, set[str]] = {}
    for line in (faults.__doc__ or "").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0].startswith("`"):
            for kind in re.findall(r"`(\w+)`", cells[0]):
                described[kind] = set(re.findall(r"`(\w+)`", cells[1] + cells[2]))
    assert {*described} == {*FaultKind}
    whom = {"candidate", "provider", "credential"}
    for kind, takes in TAKES.items():
        common = {"kind", "at", *whom, *(() if kind in MOMENTS else ("until", "probability", "flap"))}
        assert set(takes) - common == described[kind], kind
        assert whom & {*takes} == (whom if kind not in MOMENTS or kind in ABOUT_CANDIDATES else set())


def test_the_reference_page_tells_everything() -> None:
    page = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
    words = [*SCENARIO, *TRAFFIC, *CALLER, *PROVIDER, *FAULT, *EXPECT, *FaultKind, *Wait, *LimitKind, *Flaw]
    words += [*Arrivals, *OnInterrupt, "at_least", "at_most", "attempts", "tokens"]
    assert [word for word in words if f"`{word}`" not in page] == []


def test_the_reference_pages_examples_hold(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(yaml|toml)\n(.*?)```", page, re.DOTALL)
    (config,) = [text for language, text in blocks if language == "yaml"]
    (tmp_path / "models.yaml").write_text(config)
    examples = [text for language, text in blocks if language == "toml"]
    assert examples
    for example in examples:
        (tmp_path / "example.toml").write_text(example)
        scenario = load_scenario(tmp_path / "example.toml")
        write_scenario(scenario, tmp_path / "again.toml")
        assert load_scenario(tmp_path / "again.toml") == scenario
