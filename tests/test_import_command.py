"""``understudy import``, as a user types it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from understudy import load_config
from understudy.cli import cli

SECRET = "sk-a-key-that-nobody-may-see"
LITELLM = f"""\
model_list:
  - model_name: gpt-4o
    litellm_params: {{model: openai/gpt-4o, api_key: {SECRET}, rpm: 6, weight: 2}}
  - model_name: gpt-4o
    litellm_params: {{model: azure/mine, api_base: "https://r.openai.azure.com", api_key: os.environ/AZURE_KEY}}
  - model_name: claude
    litellm_params: {{model: anthropic/claude-3, extra_headers: {{X-Secret: {SECRET}-2}}}}
litellm_settings:
  fallbacks: [{{gpt-4o: [claude]}}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(LITELLM, encoding="utf-8")
    return path


DOCUMENTATION = Path(__file__).parents[1] / "docs/import.md"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["import", *map(str, arguments)], env={"COLUMNS": "160"})


def test_the_config_goes_to_standard_output_and_everything_else_to_standard_error(file: Path, tmp_path: Path) -> None:
    done = run(file)
    assert done.exit_code == 0, done.output
    written = tmp_path / "models.yaml"
    written.write_text(done.stdout, encoding="utf-8")
    loaded = load_config(written, secrets=False)
    assert [key.name for key in loaded.routes["gpt-4o"]] == ["gpt-4o-1", "gpt-4o-2", "claude"]
    assert "model_list[0].litellm_params.weight (line 3): " in done.stderr
    assert "│ 3 │ claude" in done.stderr
    assert "4 routes over 3 candidates. The config holds." in done.stderr


def test_a_key_is_printed_nowhere_and_a_variable_is_named_for_it(file: Path) -> None:
    done = run(file)
    assert SECRET not in done.output
    assert "api_key: env:GPT_4O_1_API_KEY" in done.stdout
    assert "X-Secret: env:CLAUDE_X_SECRET" in done.stdout
    assert "  GPT_4O_1_API_KEY\n  CLAUDE_X_SECRET\n" in done.stderr


def test_a_variable_that_is_in_use_is_not_given_to_another_key(tmp_path: Path) -> None:
    keys = {"a b": "sk-one", "a-b": "sk-two", "c": "sk-one", "d": "os.environ/A_B_API_KEY_2", "openai": "sk-three"}
    listed = [{"model_name": n, "litellm_params": {"model": "groq/x", "api_key": key}} for n, key in keys.items()]
    listed.append({"model_name": "customary", "litellm_params": {"model": "openai/x"}})
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_list": listed}), encoding="utf-8")
    done = run(path)
    assert done.exit_code == 0, done.output
    assert re.findall("api_key: env:(.*)", done.stdout) == [
        "A_B_API_KEY", "A_B_API_KEY_3", "A_B_API_KEY", "A_B_API_KEY_2", "OPENAI_API_KEY_2"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["models.yaml", "models.json"])
def test_a_file_gets_the_keys_and_is_for_its_owner_alone(file: Path, tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    done = run(file, "--output", output)
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert SECRET not in done.output
    assert output.stat().st_mode & 0o777 == 0o600
    entries = load_config(output, environ={"AZURE_KEY": "x", "ANTHROPIC_API_KEY": "x"}).entries
    assert next(entry.endpoint.secret.reveal() for entry in entries.values() if entry.endpoint.secret) == SECRET
    assert CliRunner().invoke(cli, ["check", str(output)]).exit_code == 0


def test_a_file_that_is_there_is_overwritten_only_if_that_is_said(file: Path, tmp_path: Path) -> None:
    output = tmp_path / "models.yaml"
    output.write_text("mine", encoding="utf-8")
    refused = run(file, "--output", output)
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    assert output.read_text(encoding="utf-8") == "mine"
    assert run(file, "--output", output, "--force").exit_code == 0
    assert "gpt-4o" in load_config(output, secrets=False).routes


def test_the_file_itself_is_never_overwritten(file: Path) -> None:
    done = run(file, "--output", file, "--force")
    assert done.exit_code == 1
    assert file.read_text(encoding="utf-8") == LITELLM


@pytest.mark.parametrize(("name", "words"), [("models.toml", "ending"), ("no/such/folder.yaml", "No such file")])
def test_a_file_that_cannot_be_written_is_told_in_words(file: Path, tmp_path: Path, name: str, words: str) -> None:
    done = run(file, "--output", tmp_path / name)
    assert done.exit_code == 1
    assert words in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model_list: [{model_name: a, model: ollama/x}]", "of Understudy already"),
        ("a: 1", "neither litellm"),
        ("- 1", "neither litellm"),
        ("a: [", "this is not YAML"),
        ("", "the file is empty"),
        ("litellm_settings: {a: 1, a: 2}\nmodel_list: []", "given twice"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nlitellm_settings: &c [*c]", "nests deeper"),
    ],
)
def test_what_is_no_such_file_is_an_error(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    done = run(path)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.output


def test_what_the_file_is_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_list": [{"model_name": "a", "model": "ollama/x"}]}), encoding="utf-8")
    assert run(path, "--from", "picoclaw").exit_code == 0
    assert run(path, "--from", "litellm").exit_code == 1
    assert run(path, "--from", "other").exit_code == 2


@pytest.mark.parametrize(("name", "place"), [("config.yaml", 0), ("config.json", 2)])
def test_the_examples_in_the_documentation_are_true(tmp_path: Path, name: str, place: int) -> None:
    examples = re.findall(r"```(?:yaml|json)\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / name
    path.write_text(examples[place].replace("…", "x"), encoding="utf-8")
    done = run(path)
    assert done.exit_code == 0, done.output
    comment, _, config = done.stdout.partition("\n")
    assert comment.startswith("#")
    assert config.replace(str(tmp_path), "/home/me/.picoclaw") == examples[place + 1]
