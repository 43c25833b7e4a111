"""What a good configuration becomes: entries, keys, routes, credentials."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from understudy.actors.bucket import Limits
from understudy.actors.demand import Capabilities
from understudy.actors.errors import UnknownModel
from understudy.actors.failures import Reason
from understudy.actors.identity import PROVIDER_ALIASES, ModelKey, normalise_provider
from understudy.actors.policy import CLASSIC, DEFAULT, Next
from understudy.actors.providers.endpoint import Secret, TimeLimits
from understudy.actors.providers.known import KNOWN_PROVIDERS, PROVIDER_DIALECTS
from understudy.supervisors.config import Config, Entry, Restarts, load_config
from understudy.supervisors.config_fields import ENTRY, POLICY, RESTARTS, RULE, TOP
from understudy.supervisors.config_mistakes import Mistakes, Spot
from understudy.supervisors.config_urls import check_api_base

THE_DESIGNS_EXAMPLE = """
default_provider: openai
model_list:
  - model_name: glm-4.7
    model: zhipu/glm-4.7
    api_base: https://open.bigmodel.cn/api/paas/v4
    api_keys: [env:ZHIPU_KEY_1, env:ZHIPU_KEY_2, env:ZHIPU_KEY_3]
    rpm: 60
    tpm: 100000
    max_parallel: 8
    fallbacks: [claude-haiku, local]
  - model_name: claude-haiku
    model: anthropic/claude-haiku-4-5
    api_key: env:ANTHROPIC_KEY
  - model_name: local
    model: openai/llama3
    api_base: http://localhost:11434/v1
routes:
  smart: [glm-4.7, claude-haiku]
"""
KEYS = {"ZHIPU_KEY_1": "z1", "ZHIPU_KEY_2": "z2", "ZHIPU_KEY_3": "z3", "ANTHROPIC_KEY": "a"}


def entry(name: str = "e", model: str = "ollama/llama3", **fields: object) -> dict[str, object]:
    return {"model_name": name, "model": model, **fields}


def load(*entries: dict[str, object], environ: dict[str, str] | None = None, **top: object) -> Config:
    return load_config({"model_list": list(entries), **top}, environ=environ or {})


def only(config: Config) -> Entry:
    (one,) = config.entries.values()
    return one


def route(config: Config, name: str) -> list[str]:
    return [key.name for key in config.routes[name]]


def revealed(one: Entry) -> str | None:
    return None if one.endpoint.secret is None else one.endpoint.secret.reveal()


def test_the_designs_example_means_what_the_design_says(tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(THE_DESIGNS_EXAMPLE)
    config = load_config(file, environ=KEYS)
    assert route(config, "glm-4.7") == ["glm-4.7", "glm-4.7__key_1", "glm-4.7__key_2", "claude-haiku", "local"]
    assert route(config, "smart") == ["glm-4.7", "glm-4.7__key_1", "glm-4.7__key_2", "claude-haiku"]
    assert config.routes["local"] == (ModelKey("local", "openai", "llama3"),)
    assert list(config.entries) == [
        ModelKey("glm-4.7", "zhipu", "glm-4.7", "env:ZHIPU_KEY_1"),
        ModelKey("glm-4.7__key_1", "zhipu", "glm-4.7", "env:ZHIPU_KEY_2"),
        ModelKey("glm-4.7__key_2", "zhipu", "glm-4.7", "env:ZHIPU_KEY_3"),
        ModelKey("claude-haiku", "anthropic", "claude-haiku-4-5", "env:ANTHROPIC_KEY"),
        ModelKey("local", "openai", "llama3", None),
    ]
    assert [revealed(one) for one in config.entries.values()] == ["z1", "z2", "z3", "a", None]
    limits = [one.limits for one in config.entries.values()]
    assert limits == [Limits(60, 100000, 8)] * 3 + [Limits()] * 2
    assert config.image_routes == {}


def test_fields_that_are_left_out_have_the_designs_defaults() -> None:
    config = load(entry())
    assert only(config).limits == Limits()
    assert only(config).capabilities == Capabilities()
    assert only(config).endpoint.limits == TimeLimits(10, 60, 60, 300)
    assert (only(config).retries, only(config).retry_within, only(config).max_queued) == (0, 0, 100)
    assert only(config).endpoint.dialect == "openai"
    assert config.policy is DEFAULT
    assert config.default_provider is None
    assert (config.default_timeout, config.max_pending, config.max_retry_after) == (600, 1000, 600)
    assert (config.shutdown_timeout, config.restarts) == (5, Restarts(5, 60))


def test_every_field_arrives_where_it_belongs() -> None:
    config = load(
        entry(
            model="Claude/claude-haiku-4-5",
            api_base="https://gateway.example/v1/",
            api_key="literal-key",
            headers={"X-Team": "blue", "X-Token": "env:TOKEN"},
            proxy="socks5://user:pw@proxy.example:1080",
            dialect="openai",
            rpm=60,
            tpm=1000.0,
            max_parallel=3.0,
            burst=5,
            max_queued=7,
            context_window=200_000,
            vision=True,
            tools=False,
            retries=2,
            retry_within=1.5,
            connect_timeout=1,
            first_event_timeout=2,
            idle_timeout=3,
            request_timeout=4,
            enabled=True,
        ),
        environ={"TOKEN": "t0ken"},
        default_provider="Claude",
        default_timeout=30,
        max_pending=10,
        max_retry_after=0,
        shutdown_timeout=0,
        restarts={"intensity": 1, "period": 2},
    )
    one = only(config)
    assert one.key == ModelKey("e", "anthropic", "claude-haiku-4-5", "literal:1")
    assert one.limits == Limits(60, 1000, 3, 5)
    assert one.capabilities == Capabilities(200_000, True, False)
    assert (one.retries, one.retry_within, one.max_queued) == (2, 1.5, 7)
    assert one.endpoint.api_base == "https://gateway.example/v1"
    assert one.endpoint.headers == {"X-Team": "blue", "X-Token": "t0ken"}
    assert one.endpoint.proxy == "socks5://user:pw@proxy.example:1080"
    assert one.endpoint.limits == TimeLimits(1, 2, 3, 4)
    assert config.default_provider == "anthropic"
    assert (config.default_timeout, config.max_pending, config.max_retry_after) == (30, 10, 0)
    assert (config.shutdown_timeout, config.restarts) == (0, Restarts(1, 2))


def test_zero_means_no_limit_and_a_queue_without_limit_holds_what_the_router_lets_in() -> None:
    one = only(load(entry(rpm=0, tpm=0, max_parallel=0, max_queued=0), max_pending=42))
    assert one.limits == Limits()
    assert one.max_queued == 42


def test_a_config_is_loaded_as_it_is() -> None:
    config = load(entry())
    assert load_config(config) is config


def test_loading_twice_gives_the_same() -> None:
    spec = {"model_list": [entry("a", api_keys=["k1", "k2"], fallbacks=["b"]), entry("b")]}
    assert load_config(spec) == load_config(spec)


# --- routes -------------------------------------------------------------------------------------------------------


def test_a_fallback_brings_all_its_keys_and_none_of_its_own_fallbacks() -> None:
    config = load(
        entry("a", fallbacks=["b"]), entry("b", api_keys=["k1", "k2"], fallbacks=["c"]), entry("c", fallbacks=["a"])
    )
    assert route(config, "a") == ["a", "b", "b__key_1"]
    assert route(config, "b") == ["b", "b__key_1", "c"]
    assert route(config, "c") == ["c", "a"]


def test_a_further_key_can_be_asked_for_and_named_as_a_member() -> None:
    config = load(entry("a", api_keys=["k1", "k2"], fallbacks=["b"]), entry("b", fallbacks=["a__key_1"]))
    assert route(config, "a__key_1") == ["a__key_1", "b"]
    assert route(config, "b") == ["b", "a__key_1"]


def test_duplicates_are_dropped_and_the_first_place_is_kept() -> None:
    config = load(entry("a", fallbacks=["c", "b", "a", "c"]), entry("b"), entry("c"), routes={"r": ["b", "a", "b"]})
    assert route(config, "a") == ["a", "c", "b"]
    assert route(config, "r") == ["b", "a"]


def test_two_entries_of_one_model_are_two_candidates() -> None:
    config = load(entry("a", fallbacks=["b"]), entry("b"))
    assert route(config, "a") == ["a", "b"]


@pytest.mark.parametrize("reference", ["claude", "anthropic/haiku", "Claude/haiku", "haiku"])
def test_a_reference_may_be_a_name_a_full_reference_or_a_bare_model_name(reference: str) -> None:
    config = load(
        entry("a", fallbacks=[reference]),
        entry("claude", "anthropic/haiku", api_key="k"),
        entry("second", "anthropic/haiku", api_key="k"),
    )
    assert route(config, "a") == ["a", "claude"]


def test_a_bare_reference_means_the_default_provider_first() -> None:
    config = load(
        entry("a", fallbacks=["m"]),
        entry("other", "vllm/m"),
        entry("default", "lmstudio/m"),
        default_provider="lmstudio",
    )
    assert route(config, "a") == ["a", "default"]


def test_a_model_name_with_slashes_is_a_bare_model_name_too() -> None:
    config = load(entry("a", fallbacks=["meta/llama"]), entry("b", "openrouter/meta/llama", api_key="k"))
    assert route(config, "a") == ["a", "b"]


def test_a_reference_that_no_entry_configures_is_a_candidate_if_its_provider_is_known() -> None:
    config = load(
        entry("a", fallbacks=["gpt/gpt-4o"]),
        entry("b", fallbacks=["openai/gpt-4o"]),
        environ={"OPENAI_API_KEY": "sk"},
    )
    key = ModelKey("openai/gpt-4o", "openai", "gpt-4o", "env:OPENAI_API_KEY")
    assert config.routes["a"][1] is config.routes["b"][1]
    assert config.routes["openai/gpt-4o"] == (key,)
    assert revealed(config.entries[key]) == "sk"
    assert config.entries[key].endpoint.api_base == "https://api.openai.com/v1"
    assert list(config.entries)[-1] == key


def test_a_disabled_entry_is_left_out_everywhere() -> None:
    config = load(
        entry("a", fallbacks=["off", "b"], image_fallbacks=["off"]),
        entry("off", "openai/x", enabled=False, api_keys=["env:UNSET", "k"], fallbacks=["b"]),
        entry("b"),
        routes={"r": ["off", "a"], "idle": ["off", "off__key_1"]},
    )
    assert [key.name for key in config.entries] == ["a", "b"]
    assert route(config, "a") == ["a", "b"]
    assert route(config, "r") == ["a"]
    assert config.disabled == ("off", "off__key_1", "idle")
    for name in config.disabled:
        with pytest.raises(UnknownModel, match="disabled"):
            config.resolve(name)


def test_of_two_entries_that_fit_the_enabled_one_is_meant() -> None:
    config = load(entry("a", fallbacks=["m"]), entry("off", "vllm/m", enabled=False), entry("on", "lmstudio/m"))
    assert route(config, "a") == ["a", "on"]


def test_images_have_a_chain_of_their_own_where_one_is_configured() -> None:
    config = load(
        entry("a", api_keys=["k1", "k2"], fallbacks=["b"], image_fallbacks=["c"]),
        entry("b", image_fallbacks=[]),
        entry("c"),
    )
    assert {name: [key.name for key in keys] for name, keys in config.image_routes.items()} == {
        "a": ["a", "a__key_1", "c"],
        "a__key_1": ["a__key_1", "c"],
        "b": ["b"],
    }


# --- what a caller may ask for ------------------------------------------------------------------------------------


def test_a_caller_may_ask_by_name_by_route_by_reference_and_by_bare_model() -> None:
    config = load(
        entry("a", "zhipu/glm-4.7", api_key="k"),
        entry("b", "zhipu/glm-4.7", api_key="k"),
        entry("gpt", "openai/gpt-4o", api_key="k"),
        routes={"smart": ["b"]},
        default_provider="openai",
    )
    asked = ["smart", "b", "glm/glm-4.7", "glm-4.7", "gpt-4o", "GPT/gpt-4o"]
    assert [config.resolve(name) for name in asked] == ["smart", "b", "a", "a", "gpt", "gpt"]


def test_who_asks_for_the_unknown_is_told_what_was_meant() -> None:
    with pytest.raises(UnknownModel, match="claude-haiku"):
        load(entry("claude-haiku")).resolve("claude-haiko")


# --- credentials --------------------------------------------------------------------------------------------------


def test_literals_are_numbered_by_their_first_appearance_and_shared_by_value() -> None:
    config = load(
        entry("a", api_keys=["one", "two"]),
        entry("b", api_key="two"),
        entry("off", api_key="three", enabled=False),
        entry("c", api_key="four"),
    )
    labels = {key.name: key.credential for key in config.entries}
    assert labels == {"a": "literal:1", "a__key_1": "literal:2", "b": "literal:2", "c": "literal:4"}


def test_a_key_file_is_found_from_the_configs_folder_and_loses_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\r\n")
    file = tmp_path / "models.toml"
    file.write_text('[[model_list]]\nmodel_name = "e"\nmodel = "openai/x"\napi_key = "file:key"\n')
    one = only(load_config(file))
    assert (one.key.credential, revealed(one)) == ("file:key", "from-file")


def test_a_key_file_may_be_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text("at-home")
    assert revealed(only(load(entry(api_key="file:~/key")))) == "at-home"


def test_a_provider_s_customary_variable_is_used_only_at_its_own_address() -> None:
    environ = {"OPENAI_API_KEY": "sk"}
    own = only(load(entry(model="openai/x"), environ=environ))
    assert (own.key.credential, revealed(own)) == ("env:OPENAI_API_KEY", "sk")
    same = only(load(entry(model="openai/x", api_base="https://api.openai.com/v1/"), environ=environ))
    assert revealed(same) == "sk"
    for base in ("http://localhost:11434/v1", "https://api.openai.com.evil.example/v1", "http://api.openai.com/v1"):
        other = only(load(entry(model="openai/x", api_base=base), environ=environ))
        assert (other.key.credential, other.endpoint.secret) == (None, None)


def test_an_authorization_header_stands_for_a_key() -> None:
    one = only(load(entry(model="openai/x", headers={"Authorization": "Bearer x"})))
    assert (one.key.credential, one.endpoint.secret) == (None, None)


def test_local_servers_need_no_key() -> None:
    assert only(load(entry(model="ollama/llama3"))).endpoint.secret is None


def test_a_rehearsal_needs_no_secrets_and_tells_them_apart() -> None:
    spec = {
        "model_list": [
            entry("a", "openai/x", api_keys=["env:NOT_SET", "file:/no/such/file/é", "literal-key", "other-key"]),
            entry("b", "anthropic/x", headers={"X-Token": "env:NOT_SET", "X-Team": "blue"}, proxy="env:NOT_SET"),
        ]
    }
    config = load_config(spec, environ={}, secrets=False)
    secrets = [revealed(one) or "" for one in config.entries.values()]
    assert secrets[0] == "rehearsal-env:NOT_SET"
    assert secrets[2:] == ["rehearsal-literal:1", "rehearsal-literal:2", "rehearsal-env:ANTHROPIC_API_KEY"]
    assert len(set(secrets)) == 5
    assert all(re.fullmatch(r"[\x21-\x7e]+", secret) for secret in secrets)
    last = list(config.entries.values())[-1].endpoint
    assert last.headers == {"X-Token": "rehearsal-env:NOT_SET", "X-Team": "blue"}
    assert last.proxy == "http://rehearsal.invalid"


def test_a_config_shows_no_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("planted-in-file")
    config = load(
        entry("a", api_keys=["planted-literal", f"file:{tmp_path}/key", "env:KEY"]),
        entry("b", headers={"X-Token": "planted-header"}, proxy="http://u:planted-proxy@p.example"),
        environ={"KEY": "planted-env"},
    )
    assert "planted" not in repr(config) + str(config) + repr(list(config.entries.values()))
    assert config.entries[config.routes["a"][0]].endpoint.secret == Secret("planted-literal")


# --- policy -------------------------------------------------------------------------------------------------------


def test_a_policy_may_be_a_presets_name() -> None:
    assert load(entry(), policy="classic").policy is CLASSIC


def test_a_policy_changes_a_preset_in_part() -> None:
    policy: dict[str, Any] = {
        "preset": "classic",
        "forget_after": 3600,
        "rate_limit": {"base": 5, "next": False},
        "unknown": {"next": True, "cap": 9, "factor": 1, "steps": 2, "shared": True},
    }
    changed = load(entry(), policy=policy).policy
    assert changed.forget_after == 3600
    assert (changed[Reason.RATE_LIMIT].base, changed[Reason.RATE_LIMIT].next) == (5, Next.NO)
    assert changed[Reason.RATE_LIMIT].factor == CLASSIC[Reason.RATE_LIMIT].factor
    assert changed[Reason.UNKNOWN].next is Next.YES
    assert changed[Reason.TIMEOUT] == CLASSIC[Reason.TIMEOUT]
    assert load(entry(), policy={}).policy == DEFAULT
    assert changed[Reason.RATE_LIMIT].duration(10**6) > 0


# --- well-known providers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KNOWN_PROVIDERS)
def test_a_known_provider_has_a_normal_name_and_a_usable_address(name: str) -> None:
    known = KNOWN_PROVIDERS[name]
    assert normalise_provider(name) == name
    assert check_api_base(Spot(known.api_base, (), Mistakes())) == known.api_base
    is_local = known.api_base.startswith("http://localhost:")
    assert is_local == (known.key_variable is None)
    assert is_local or known.api_base.startswith("https://")


def test_every_alias_leads_to_a_known_provider() -> None:
    assert {name for name in PROVIDER_ALIASES.values() if name not in KNOWN_PROVIDERS} == set()


@pytest.mark.parametrize(("provider", "dialect"), PROVIDER_DIALECTS.items())
def test_a_provider_of_another_dialect_is_spoken_to_in_it_unless_the_entry_says_otherwise(
    provider: str, dialect: str
) -> None:
    fields = {"api_key": "k", "api_base": "https://host/v1"}
    assert only(load(entry("e", f"{provider}/m", **fields))).endpoint.dialect == dialect
    assert only(load(entry("e", f"{provider}/m", dialect="openai", **fields))).endpoint.dialect == "openai"


# --- around it ----------------------------------------------------------------------------------------------------


def test_the_reference_page_lists_every_field() -> None:
    page = (Path(__file__).parents[2] / "docs" / "config.md").read_text(encoding="utf-8")
    for table in (TOP, ENTRY, POLICY, RULE, RESTARTS):
        assert [name for name in table if f"`{name}`" not in page] == []
    assert [name for name in KNOWN_PROVIDERS if f"`{name}`" not in page] == []


def test_importing_the_config_imports_no_parser() -> None:
    code = "import sys, understudy.supervisors.config;print([m for m in ('yaml', 'tomllib') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
