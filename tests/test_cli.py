"""The command line, as a user types it, against a provider on a real socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from tests.loopback import Answer, CutStream, Status, loopback_provider
from tests.loopback.provider import LoopbackProvider
from understudy.cli import cli

SECRET = "sk-a-key-that-nobody-may-see"


def with_provider(prepare: Callable[[LoopbackProvider], None], arguments: Callable[[str], list[str]]) -> Result:
    """Run the command in a thread, with a provider of the tests' own listening."""

    async def main() -> Result:
        async with loopback_provider() as provider:
            prepare(provider)
            return await trio.to_thread.run_sync(CliRunner().invoke, cli, arguments(provider.base_url))

    return trio.run(main)


def write_config(folder: Path, base_url: str, **more: object) -> str:
    entry = {"model_name": "m", "model": "openai/gpt-x", "api_base": base_url, "api_key": SECRET, **more}
    path = folder / "models.json"
    path.write_text(json.dumps({"model_list": [entry]}), encoding="utf-8")
    return str(path)


def test_chat_prints_the_text_and_shows_the_attempts(tmp_path: Path) -> None:
    done = with_provider(
        lambda provider: provider.always(Answer("Good day.")),
        lambda url: ["chat", write_config(tmp_path, url), "m", "Hello"],
    )
    assert done.exit_code == 0, done.output
    assert done.stdout == "Good day.\n"
    assert "m (openai/gpt-x): served after" in done.stderr


def test_chat_streams(tmp_path: Path) -> None:
    done = with_provider(
        lambda provider: provider.always(Answer("Good day to you.")),
        lambda url: ["chat", write_config(tmp_path, url), "m", "Hello", "--stream"],
    )
    assert done.exit_code == 0, done.output
    assert done.stdout == "Good day to you.\n"


def test_a_failure_is_told_in_words_and_without_the_key(tmp_path: Path) -> None:
    body = {"error": {"message": f"Incorrect API key provided: {SECRET}", "code": "invalid_api_key"}}
    done = with_provider(
        lambda provider: provider.always(Status(401, json.dumps(body))),
        lambda url: ["chat", write_config(tmp_path, url), "m", "Hello"],
    )
    assert done.exit_code == 1
    assert "no candidate could serve 'm'" in done.stderr
    assert "auth" in done.stderr
    assert SECRET not in done.output
    assert "Traceback" not in done.output


def test_a_stream_that_breaks_says_who_broke_it(tmp_path: Path) -> None:
    done = with_provider(
        lambda provider: provider.always(CutStream(3)),
        lambda url: ["chat", write_config(tmp_path, url), "m", "Hello", "--stream"],
    )
    assert done.exit_code == 1
    assert "the stream from m (openai/gpt-x) broke" in done.stderr


def test_check_shows_every_route_with_its_order_and_limits(tmp_path: Path) -> None:
    config = {
        "model_list": [
            {"model_name": "a", "model": "openai/x", "api_keys": ["env:A1", "env:A2"], "rpm": 7, "fallbacks": ["b"]},
            {"model_name": "b", "model": "anthropic/y", "api_key": "env:B", "max_parallel": 2},
        ],
        "routes": {"both": ["b", "a"]},
    }
    path = tmp_path / "models.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    done = CliRunner().invoke(cli, ["check", str(path)], env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    lines = [line for line in done.output.splitlines() if "│" in line]
    names = [line.split("│")[2].strip() for line in lines]
    assert names[:3] == ["a", "a__key_1", "b"]
    assert names[-3:] == ["b", "a", "a__key_1"]
    assert "7 rpm" in lines[0]
    assert "2 parallel" in lines[2]
    assert "env:A2" in lines[1]


@pytest.mark.parametrize("command", ["check", "chat"])
def test_every_mistake_of_a_config_is_told_at_once(command: str, tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(
        "model_list:\n  - model_name: a\n    modle: openai/x\n    rpm: -1\n    fallbacks: [b]\n", encoding="utf-8"
    )
    done = CliRunner().invoke(cli, [command, str(path), *(["a", "hi"] if command == "chat" else [])])
    assert done.exit_code == 1
    for word in ("modle", "model_list[0].rpm", "fallbacks[0]", "models.yaml"):
        assert word in done.stderr
    assert "Traceback" not in done.output


def test_a_file_that_is_not_there_is_told_in_words() -> None:
    done = CliRunner().invoke(cli, ["check", "nowhere.yaml"])
    assert done.exit_code == 1
    assert "nowhere.yaml" in done.stderr
