"""What a mistaken configuration is told: every mistake, its place, what was meant, and never a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from understudy.actors.errors import ConfigError
from understudy.supervisors.config import load_config

PLANTED = "sk-planted-0123456789"


def entry(name: object = "e", model: object = "ollama/llama3", **fields: object) -> dict[str, object]:
    return {"model_name": name, "model": model, **fields}


def problems(spec: object, **environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_config(spec, environ=environ)  # type: ignore[arg-type]
    assert PLANTED not in str(caught.value) + repr(caught.value)
    assert caught.value.__cause__ is None
    return caught.value.problems


def only_problem(*entries: object, top: dict[Any, Any] | None = None, **environ: str) -> str:
    (problem,) = problems({"model_list": list(entries), **(top or {})}, **environ)
    return problem


ENTRY_MISTAKES: list[tuple[dict[str, object], str, str]] = [
    # unknown and foreign names
    ({"fallback": []}, "model_list[0].fallback", "did you mean `fallbacks`?"),
    ({"base_url": "http://x"}, "model_list[0].base_url", "did you mean `api_base`?"),
    ({"zzz": 1}, "model_list[0].zzz", "there is no such field"),
    # numbers
    ({"rpm": "60"}, "model_list[0].rpm", "drop the quotes"),
    ({"rpm": True}, "model_list[0].rpm", "must be a number, not true or false"),
    ({"rpm": -1}, "model_list[0].rpm", "must be 1 or more, or 0 for no limit"),
    ({"rpm": 0.5}, "model_list[0].rpm", "must be 1 or more"),
    ({"rpm": float("nan")}, "model_list[0].rpm", "finite"),
    ({"rpm": float("inf")}, "model_list[0].rpm", "finite"),
    ({"rpm": 10**400}, "model_list[0].rpm", "at most"),
    ({"rpm": None}, "model_list[0].rpm", "is empty"),
    ({"rpm": [60]}, "model_list[0].rpm", "must be a number, not a list"),
    ({"max_parallel": 1.5}, "model_list[0].max_parallel", "whole number"),
    ({"request_timeout": 0}, "model_list[0].request_timeout", "more than 0"),
    ({"connect_timeout": 21}, "model_list[0].connect_timeout", "at most 20"),
    ({"retries": -1}, "model_list[0].retries", "0 or more"),
    ({"context_window": 0}, "model_list[0].context_window", "1 or more"),
    ({"burst": 3}, "model_list[0].burst", "means nothing without `rpm`"),
    # true and false
    ({"vision": "yes"}, "model_list[0].vision", "drop the quotes"),
    ({"enabled": 1}, "model_list[0].enabled", "must be true or false, not a number"),
    # lists
    ({"fallbacks": "b"}, "model_list[0].fallbacks", "square brackets"),
    ({"fallbacks": [None]}, "model_list[0].fallbacks[0]", "is empty"),
    ({"fallbacks": ["b", 5]}, "model_list[0].fallbacks[1]", "must be text, not a number"),
    ({"fallbacks": ["clade-haiku"]}, "model_list[0].fallbacks[0]", "did you mean `claude-haiku`?"),
    ({"fallbacks": ["smart"]}, "model_list[0].fallbacks[0]", "is a route"),
    ({"fallbacks": ["openia/gpt-4o"]}, "model_list[0].fallbacks[0]", "did you mean `openai/gpt-4o`?"),
    ({"fallbacks": ["openai/gpt-4o"]}, "model_list[0].fallbacks[0]", "OPENAI_API_KEY is not set"),
    ({"fallbacks": ["openai/"]}, "model_list[0].fallbacks[0]", "no reference"),
    # addresses
    ({"api_base": "localhost:8000/v1"}, "model_list[0].api_base", "must be a URL such as https://"),
    ({"api_base": "ftp://x/v1"}, "model_list[0].api_base", "must be a URL"),
    ({"api_base": "http:///v1"}, "model_list[0].api_base", "must be a URL"),
    ({"api_base": "http://x:99999999/v1"}, "model_list[0].api_base", "must be a URL"),
    ({"api_base": "http://[::1/v1"}, "model_list[0].api_base", "must be a URL"),
    ({"api_base": ""}, "model_list[0].api_base", "must be a URL"),
    ({"api_base": "http://x/v1?a=b"}, "model_list[0].api_base", "query"),
    ({"api_base": "http://x/v1/chat/completions"}, "model_list[0].api_base", "must end before"),
    ({"api_base": f"http://u:{PLANTED}@x/v1"}, "model_list[0].api_base", "user or a password"),
    ({"proxy": f"ftp://u:{PLANTED}@x"}, "model_list[0].proxy", "must be a URL"),
    ({"proxy": "env:UNSET"}, "model_list[0].proxy", "UNSET is not set"),
    ({"dialect": "antropic"}, "model_list[0].dialect", "did you mean `anthropic`?"),
    # credentials
    ({"api_key": ""}, "model_list[0].api_key", "must not be empty"),
    ({"api_key": "  "}, "model_list[0].api_key", "must not be empty"),
    ({"api_key": None}, "model_list[0].api_key", "is empty"),
    ({"api_key": 12345}, "model_list[0].api_key", "must be text, not a number"),
    ({"api_key": [PLANTED]}, "model_list[0].api_key", "did you mean `api_keys`?"),
    ({"api_key": {PLANTED: None}}, "model_list[0].api_key", "must be text, not a mapping"),
    ({"api_key": f"{PLANTED}\n"}, "model_list[0].api_key", "no HTTP header may carry"),
    ({"api_key": f"{PLANTED}é"}, "model_list[0].api_key", "no HTTP header may carry"),
    ({"api_key": "${OPENAI_API_KEY}"}, "model_list[0].api_key", "write env:NAME"),
    ({"api_key": "os.environ/KEY"}, "model_list[0].api_key", "write env:NAME"),
    ({"api_key": f"env:{PLANTED}"}, "model_list[0].api_key", "name of an environment variable"),
    ({"api_key": "env:UNSET"}, "model_list[0].api_key", "the environment variable UNSET is not set"),
    ({"api_key": "env:BLANK"}, "model_list[0].api_key", "`env:BLANK` is empty"),
    ({"api_key": "env:ODD"}, "model_list[0].api_key", "the value of `env:ODD` contains white space"),
    ({"api_key": "file:"}, "model_list[0].api_key", "path of a file"),
    ({"api_key": "file:/no/such/file"}, "model_list[0].api_key", "cannot be read: No such file"),
    ({"api_key": "file:/"}, "model_list[0].api_key", "cannot be read: it is a folder"),
    ({"api_key": "file:/dev/zero"}, "model_list[0].api_key", "not a plain file"),
    ({"api_key": "file:\0"}, "model_list[0].api_key", "cannot be read"),
    ({"api_key": "k", "api_keys": ["l"]}, "model_list[0]", "has both `api_key` and `api_keys`"),
    ({"api_keys": []}, "model_list[0].api_keys", "is an empty list"),
    ({"api_keys": PLANTED}, "model_list[0].api_keys", "did you mean `api_key`?"),
    ({"api_keys": [PLANTED, "other", PLANTED]}, "model_list[0].api_keys[2]", "already at [0]"),
    ({"api_keys": ["env:A", "env:A"]}, "model_list[0].api_keys[1]", "already at [0]"),
    ({"api_keys": [PLANTED, None]}, "model_list[0].api_keys[1]", "is empty"),
    # headers
    ({"headers": [PLANTED]}, "model_list[0].headers", "must be a mapping"),
    ({"headers": {"X": 1}}, "model_list[0].headers.X", "must be text"),
    ({"headers": {"X": f"{PLANTED}\r\nY: z"}}, "model_list[0].headers.X", "no HTTP header may carry"),
    ({"headers": {f"Authorization: {PLANTED}": "x"}}, "model_list[0].headers", "none of a header"),
    ({"headers": {"X": "a", "x": "b"}}, "model_list[0].headers.x", "given twice"),
    ({"headers": {"Content-Length": "5"}}, "model_list[0].headers.Content-Length", "cannot be set"),
    ({"headers": {"X": "env:UNSET"}}, "model_list[0].headers.X", "UNSET is not set"),
    ({"headers": {"Authorization": PLANTED}, "api_key": "k"}, "model_list[0]", "leave one of them out"),
    ({"headers": {5: "x"}}, "model_list[0].headers", "a field's name must be text"),
]


@pytest.mark.parametrize(("fields", "place", "words"), ENTRY_MISTAKES)
def test_a_mistake_in_an_entry_is_told_with_its_place(fields: dict[str, object], place: str, words: str) -> None:
    others = [entry("b"), entry("claude-haiku")]
    environ = {"BLANK": " ", "ODD": f"{PLANTED} x", "A": "a"}
    problem = only_problem(entry(**fields), *others, top={"routes": {"smart": ["b"]}}, **environ)
    assert problem.startswith(f"{place}: ")
    assert words in problem


TOP_MISTAKES: list[tuple[dict[Any, Any], str]] = [
    ({"modell_list": []}, "modell_list: there is no such field; did you mean `model_list`?"),
    ({5: 1}, "a field's name must be text, not a number"),
    ({"default_provider": "openai/gpt"}, "default_provider: `openai/gpt` is no provider's name"),
    ({"default_timeout": 0}, "default_timeout: must be more than 0"),
    ({"max_pending": 0}, "max_pending: must be 1 or more"),
    ({"max_pending": 1.5}, "max_pending: must be a whole number"),
    ({"restarts": {"intensity": 1, "perod": 1}}, "restarts.perod: there is no such field; did you mean `period`?"),
    ({"restarts": 5}, "restarts: must be a mapping of names to values, not a number"),
    ({"policy": "clasic"}, "policy: must be `default` or `classic`, not `clasic`; did you mean `classic`?"),
    ({"policy": 5}, "policy: must be the name of a preset or a mapping"),
    ({"policy": {"rate_limits": {}}}, "policy.rate_limits: there is no such field; did you mean `rate_limit`?"),
    ({"policy": {"auth": {"bse": 1}}}, "policy.auth.bse: there is no such field; did you mean `base`?"),
    ({"policy": {"auth": {"base": "5 min"}}}, "policy.auth.base: must be a number, not text"),
    ({"policy": {"auth": {"next": "maybe"}}}, "policy.auth.next: must be `yes` or `larger` or `no`, not `maybe`"),
    ({"policy": {"auth": {"factor": 0.5}}}, "policy.auth.factor: must be 1 or more"),
    ({"routes": ["a"]}, "routes: must be a mapping"),
    ({"routes": {"r": []}}, "routes.r: is an empty list"),
    ({"routes": {"r": "e"}}, "routes.r: must be a list of entries; put square brackets around it"),
    ({"routes": {"e": ["e"]}}, "routes.e: an entry, or one of its keys, has this name already"),
    ({"routes": {" r": ["e"]}}, "has white space around it"),
    ({"routes": {"": ["e"]}}, "must not be empty"),
    ({"routes": {"r": ["q"], "q": ["e"]}}, "routes.r[0]: `q` is a route"),
]


@pytest.mark.parametrize(("top", "words"), TOP_MISTAKES)
def test_a_mistake_outside_the_entries_is_told_with_its_place(top: dict[Any, Any], words: str) -> None:
    assert words in only_problem(entry(), top=top)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "model_list: is an empty list"),
        ([None], "model_list[0]: is empty"),
        (["openai/gpt-4o"], "model_list[0]: must be a mapping of names to values, not text"),
        ([{"model": "ollama/x"}], "model_list[0]: `model_name` is missing"),
        ([{"model_name": "x"}], "model_list[0]: `model` is missing"),
        ([entry("")], "model_list[0].model_name: must not be empty"),
        ([entry(" a")], "model_list[0].model_name: has white space around it"),
        ([entry("a\nb")], "model_list[0].model_name: contains characters that cannot be printed"),
        ([entry(5)], "model_list[0].model_name: must be text, not a number"),
        ([entry(model="gpt-4o")], "`gpt-4o` names no provider, and there is no `default_provider`"),
        ([entry(model="openai/")], "`openai/` names no model"),
        ([entry(model="opnai/gpt")], "needs an `api_base`; did you mean `openai`?"),
        ([entry(model="openai/gpt")], "names no key, and the environment variable OPENAI_API_KEY is not set"),
        ([entry("a"), entry("a")], "model_list[1].model_name: an entry, or a key of one, has this name already"),
        ([entry("a", api_keys=["k", "l"]), entry("a__key_1")], "model_list[1].model_name: an entry, or a key of"),
        ([entry("a__key_1"), entry("a", api_keys=["k", "l"])], "`a__key_1`, the name of its key 1"),
        ([entry(enabled=False)], "every entry is disabled"),
    ],
)
def test_a_mistake_of_the_entries_among_each_other_is_told(entries: list[object], words: str) -> None:
    assert words in only_problem(*entries)


@pytest.mark.parametrize("source", [None, 5, [], b"models.yaml", object(), "", "models", "models.txt", "no/such.yaml"])
def test_what_is_no_configuration_at_all_is_a_typed_error(source: object) -> None:
    assert len(problems(source)) == 1


def test_all_mistakes_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(
        "default_provder: openai\n"  # 1
        "model_list:\n"
        "  - model_name: a\n"  # 3
        "    model: openai/gpt-4o\n"
        "    api_key: env:NOT_SET\n"  # 5
        "    rpm: '60'\n"
        "    rpm: '70'\n"  # 7
        "    fallbacks:\n"
        "      - b\n"  # 9
        "      - claude-hiku\n"
        "  - model_name: claude-haiku\n"  # 11
        "    model: anthropic/claude-haiku-4-5\n"
        f"    api_key: {{{PLANTED}}}\n"  # 13
        "policy: {auth: {next: maybe}}\n"
    )
    told = problems(str(file))
    expected = [
        ("default_provder (line 1)", "did you mean `default_provider`?"),
        ("model_list[0].api_key (line 5)", "NOT_SET is not set"),
        ("model_list[0].rpm (line 7)", "drop the quotes"),
        ("model_list[0].rpm (line 7)", "given twice"),
        ("model_list[0].fallbacks[0] (line 9)", "no entry is called `b`"),
        ("model_list[0].fallbacks[1] (line 10)", "did you mean `claude-haiku`?"),
        ("model_list[1].api_key (line 13)", "must be text, not a mapping"),
        ("policy.auth.next (line 14)", "must be `yes`"),
    ]
    for place, words in expected:
        assert any(line.startswith(f"{file}: {place}: ") and words in line for line in told), (place, words, told)
    assert len(told) == len(expected)


@pytest.mark.parametrize("key", [PLANTED, "no-known-shape-at-all", PLANTED * 10, "of\nseveral lines"])
def test_a_key_in_the_wrong_field_is_struck_out_of_the_message(key: str) -> None:
    for line in problems({"model_list": [entry(model=key, api_key=key, fallbacks=[key], headers={"X": key})]}):
        assert key not in line
        assert key[:20] not in line
        assert "several lines" not in line


def test_what_looks_like_a_key_is_shown_nowhere() -> None:
    told = problems({PLANTED: 1, "policy": PLANTED, "model_list": [entry(model=PLANTED, fallbacks=[PLANTED])]})
    assert len(told) == 4


def test_no_number_of_mistakes_takes_long_to_tell() -> None:
    entries = [entry(f"name-{n}", fallbacks=[f"nome-{n}"]) for n in range(1500)]
    assert len(problems({"model_list": entries})) == 1500


def test_the_number_of_candidates_is_bounded() -> None:
    keys = [f"key-{n}" for n in range(2001)]
    assert "more than 2000" in only_problem(entry(api_keys=keys))
