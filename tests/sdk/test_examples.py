"""The examples run as their texts say: with one command, and with one failover in sight."""

from __future__ import annotations

import pytest

from tests.portal.test_programs import ROOT, run

pytestmark = pytest.mark.skipif(not (ROOT / "examples").exists(), reason="a source distribution has no examples")


@pytest.mark.parametrize(
    ("program", "names"),
    [("examples/openai_sdk.py", ("clever", "local")), ("examples/anthropic_sdk.py", ("sonnet", "haiku"))],
)
def test_an_sdks_program_shows_who_served_before_and_after_an_outage(program: str, names: tuple[str, str]) -> None:
    # openai's own generators are found by the garbage collector, which trio does not like.
    lines = run(program, warnings="ignore::ResourceWarning").splitlines()
    first, second = names
    assert lines[0].endswith("of the first provider, and you said: Who are you?")
    assert lines[1] == f"    {first} served; {first}=served"
    assert lines[2].endswith("of the second provider, and you said: Are you still there?")
    assert lines[3] == f"    {second} served; {first}=failed:overloaded, {second}=served"
    assert "stream?" in lines[4]
    assert lines[5] == f"    {first}=refused:cooling, {second}=served"


def test_an_agent_goes_on_after_an_outage() -> None:
    lines = run("examples/pydantic_ai_agent.py").splitlines()
    assert lines[0] == "I am gpt-4o of the first provider, and you said: Who are you?"
    assert lines[1] == "I am llama3 of the second provider, and you said: Are you still there?"
    assert lines[2].strip() == "I am llama3 of the second provider, and you said: And as a stream?"
    assert lines[3:] == [
        "clever  cooling  served 1, failures 1",
        "local   healthy  served 2, failures 0",
    ]
