"""What a request needs is read from any JSON at all, and never fails."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy import ModelKey
from understudy.actors.demand import TOKENS_MAX, TOKENS_PER_IMAGE, Capabilities, Demand, estimate_demand, text_tokens
from understudy.actors.itinerary import Candidate

FIELDS = [
    "messages",
    "content",
    "type",
    "text",
    "input",
    "prompt",
    "tools",
    "functions",
    "max_tokens",
    "max_completion_tokens",
    "response_format",
    "image_url",
    "properties",
]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["image_url", "image", "text", "\ud800"]),
)
names = st.one_of(st.sampled_from(FIELDS), st.text(max_size=5))
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)),
    max_leaves=12,
)
bodies = st.dictionaries(names, anything, max_size=6)


@given(bodies)
def test_any_json_at_all_has_an_estimate(body: dict[str, Any]) -> None:
    demand = estimate_demand(body)
    assert demand.prompt_tokens >= 0
    assert 0 <= demand.answer_tokens <= TOKENS_MAX
    assert math.isfinite(float(demand.tokens))
    assert type(demand.answer_tokens) is int
    assert demand.unfit_for(Capabilities(), None) is None


def text_of(value: object) -> str:
    """All text below, found by recursion; pictures are left out as a whole."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return (
            "" if value.get("type") in ("image", "image_url", "input_image") else "".join(map(text_of, value.values()))
        )
    return "".join(map(text_of, value)) if isinstance(value, list) else ""


@given(bodies)
def test_the_estimate_counts_every_text_and_no_other(body: dict[str, Any]) -> None:
    messages = body.get("messages") if isinstance(body.get("messages"), list) else []
    assert isinstance(messages, list)
    parts = [*messages, *(body.get(name) for name in ("input", "prompt", "tools", "functions", "response_format"))]
    text = "".join(map(text_of, parts))
    ascii_ = sum(char < "\x80" for char in text)
    pictures = sum(map(count_pictures, parts))
    expected = ascii_ / 4 + (len(text) - ascii_) / 1.5 + 4 * len(messages) + 800 * pictures
    demand = estimate_demand(body)
    assert demand.prompt_tokens == pytest.approx(expected, abs=1.0)
    assert demand.images == (pictures > 0)


def count_pictures(value: object) -> int:
    if isinstance(value, dict):
        if value.get("type") in ("image", "image_url", "input_image"):
            return 1
        return sum(map(count_pictures, value.values()))
    return sum(map(count_pictures, value)) if isinstance(value, list) else 0


def chat(content: object, **more: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], **more}


@given(st.text(), st.text())
def test_more_text_never_needs_fewer_tokens(text: str, more: str) -> None:
    assert text_tokens(text) <= text_tokens(text + more)
    assert estimate_demand(chat(text)).tokens <= estimate_demand(chat(text + more)).tokens


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("four", 1), ("eightletters", 3), ("äöü", 2), ("abcdäöü", 3), ("\ud800", 2 / 3)]
)
def test_four_ascii_characters_are_a_token_and_three_others_are_two(text: str, tokens: float) -> None:
    assert text_tokens(text) == pytest.approx(tokens)


@pytest.mark.parametrize("depth", [10, 1000, 200_000])
def test_no_depth_of_nesting_is_too_deep(depth: int) -> None:
    value: Any = "four"
    for n in range(depth):
        value = [value] if n % 2 else {"x": value}
    assert estimate_demand({"input": value}).prompt_tokens == 1
    while isinstance(value, (list, dict)):  # taken apart by hand: the interpreter would do it by recursion
        value = value[0] if isinstance(value, list) else value["x"]


@pytest.mark.parametrize("kind", ["image_url", "input_image", "image"])
def test_images_are_noticed_wherever_they_are_and_their_data_is_not_text(kind: str) -> None:
    picture = {"type": kind, "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    for body in (chat([{"type": "text", "text": "look"}, picture]), {"input": [{"content": [[picture]]}]}):
        demand = estimate_demand(body)
        assert demand.images
        assert TOKENS_PER_IMAGE <= demand.prompt_tokens < TOKENS_PER_IMAGE + 20
    assert not estimate_demand(chat("an image_url")).images


@pytest.mark.parametrize("name", ["tools", "functions"])
def test_tools_are_noticed_and_their_text_counts(name: str) -> None:
    schema = {"properties": {"type": {"type": ["string", "null"], "description": "x" * 400}}}
    demand = estimate_demand(chat("hi", **{name: [{"parameters": schema}]}))
    assert demand.tools
    assert not demand.images
    assert demand.prompt_tokens > 100
    assert not estimate_demand(chat("hi", **{name: []})).tools


@pytest.mark.parametrize(
    ("stated", "tokens"),
    [(None, 0), (0, 0), (-5, 0), (True, 0), ("100", 0), (100.5, 0), ([1], 0), (100, 100), (10**400, TOKENS_MAX)],
)
def test_the_tokens_of_the_answer_are_what_the_body_allows_it(stated: object, tokens: int) -> None:
    assert estimate_demand({"max_tokens": stated}).answer_tokens == tokens
    assert estimate_demand({"max_completion_tokens": stated}).answer_tokens == tokens


def test_the_newer_name_of_the_answers_limit_goes_first() -> None:
    assert estimate_demand({"max_completion_tokens": 7, "max_tokens": 9}).answer_tokens == 7
    assert Demand(3, 7).tokens == 10


@given(bodies)
def test_an_estimate_does_not_change_what_it_reads(body: dict[str, Any]) -> None:
    before = repr(body)
    first = estimate_demand(body)
    assert repr(body) == before
    assert estimate_demand(body) == first


@pytest.mark.parametrize(
    ("demand", "can", "tpm", "why"),
    [
        (Demand(10), Capabilities(context_window=10), None, None),
        (Demand(11), Capabilities(context_window=10), None, "its context window 10"),
        (Demand(10, 1000), Capabilities(context_window=10), None, None),
        (Demand(10), Capabilities(), 10.0, None),
        (Demand(11), Capabilities(), 10.0, "its limit is 10 a minute"),
        (Demand(1, 1000), Capabilities(), 10.0, None),
        (Demand(images=True), Capabilities(vision=False), None, "images"),
        (Demand(images=True), Capabilities(vision=None), None, None),
        (Demand(images=True), Capabilities(vision=True), None, None),
        (Demand(tools=True), Capabilities(tools=False), None, "tools"),
        (Demand(tools=True), Capabilities(), None, None),
        (Demand(), Capabilities(1, vision=False, tools=False), 1.0, None),
    ],
)
def test_a_candidate_is_unfit_only_for_what_it_is_known_not_to_take(
    demand: Demand, can: Capabilities, tpm: float | None, why: str | None
) -> None:
    said = demand.unfit_for(can, tpm)
    assert said is None if why is None else why in (said or "")


def test_what_a_json_reader_hands_over_can_be_estimated() -> None:
    body = json.loads('{"messages": [{"content": "\\ud800"}], "max_tokens": 1e999, "input": {"type": {"type": []}}}')
    assert estimate_demand(body).prompt_tokens > 0


PICTURE = "A" * 40_000


@pytest.mark.parametrize(
    ("body", "tokens", "images", "answer"),
    [
        (
            {
                "system": "word" * 10,
                "max_tokens": 7,
                "messages": [{"role": "user", "content": [{"type": "image", "source": {"data": PICTURE}}]}],
            },
            10 + 4 + 1 + TOKENS_PER_IMAGE,
            True,
            7,
        ),
        (
            {
                "systemInstruction": {"parts": [{"text": "word" * 10}]},
                "contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": PICTURE}}]}],
                "generationConfig": {"maxOutputTokens": 7},
            },
            10 + 4 + 1 + TOKENS_PER_IMAGE,
            True,
            7,
        ),
        (
            {
                "contents": [{"parts": [{"inline_data": {"mime_type": "audio/wav", "data": PICTURE}}]}],
                "generationConfig": {},
            },
            4 + TOKENS_PER_IMAGE,
            False,
            0,
        ),
        (
            {"instructions": "word" * 3, "input": "word", "max_output_tokens": 9},
            4,
            False,
            9,
        ),
        (
            {"messages": [{"content": [{"type": "input_audio", "input_audio": {"data": PICTURE}}]}]},
            4 + TOKENS_PER_IMAGE,
            False,
            0,
        ),
    ],
)
def test_a_request_in_any_dialect_is_understood_and_no_file_counts_as_text(
    body: dict[str, Any], tokens: int, images: bool, answer: int
) -> None:
    demand = estimate_demand(body)
    assert (demand.prompt_tokens, demand.images, demand.answer_tokens) == (tokens, images, answer)


def test_a_candidate_is_unfit_for_what_its_dialect_cannot_say_and_for_other_embeddings() -> None:
    key = ModelKey("a", "openai", "m")
    speaks = Candidate(key, dialect="anthropic")
    demand = Demand(unspoken={"anthropic": "it has no `seed`"}, embedding="m")
    assert speaks.unfit_for(demand) == "it has no `seed`"
    assert Candidate(key).unfit_for(demand) is None
    assert "those of m" in (Candidate(ModelKey("b", "openai", "n")).unfit_for(demand) or "")
