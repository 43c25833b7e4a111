"""The scripted providers speak every dialect: they hold callers to its rules, and all that goes wrong works in each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from understudy import Kind, Reason, classify
from understudy.actors.identity import ModelKey
from understudy.actors.messages import Answer, Call
from understudy.actors.providers.dialects import DIALECTS
from understudy.actors.providers.sse import SSEParser
from understudy.actors.providers.stated import stated_left
from understudy.simulations.asking import request_of
from understudy.simulations.dialects import SPOKEN, Written, caller_of, differences
from understudy.simulations.dialects.spoken import Left
from understudy.simulations.exchange import Exchange
from understudy.simulations.faults import STREAM_FAULTS, Fault, FaultKind
from understudy.simulations.invariants import violations
from understudy.simulations.rehearsal import rehearse
from understudy.simulations.run import Run
from understudy.simulations.scenario import Caller, Flaw, ProviderScript, Scenario
from understudy.simulations.stage import Schedule, perform
from understudy.simulations.trace import Scene
from understudy.simulations.wire import DIAL_TIMES
from understudy.simulations.world import World

from .test_world import FAILS_AS

TIMEOUTS = {"first_event_timeout": 10, "idle_timeout": 10, "request_timeout": 40}
STEADY = ProviderScript(latency=((0.0, 1.0), (1.0, 1.0)), per_token=0.1)
CANDIDATES = {"openai": "openai/m", "azure": "azure/m", "anthropic": "anthropic/m", "gemini": "gemini/m"}


def config(*dialects: str) -> dict[str, Any]:
    """A chain of candidates, each of which is spoken to in another dialect."""
    return {
        "model_list": [
            {
                "model_name": f"{place}-{dialect}",
                "model": CANDIDATES[dialect],
                "api_base": f"https://{dialect}{place}.example/v1",
                "dialect": dialect,
                "api_key": f"env:KEY_{place}",
                "fallbacks": [f"{i}-{other}" for i, other in enumerate(dialects) if i > place],
                **TIMEOUTS,
            }
            for place, dialect in enumerate(dialects)
        ]
    }


def play(
    dialects: tuple[str, ...], *faults: Fault, wire: bool = True, script: ProviderScript = STEADY, **more: Any
) -> Run:
    callers = (Caller(0.0, f"0-{dialects[0]}", timeout=200.0, **more),)
    scenario = Scenario("a test", config(*dialects), callers=callers, providers=(script,), faults=faults, wire=wire)
    run = rehearse(scenario, Schedule(None))
    assert [str(each) for each in violations(run)] == []
    return run


def told(run: Run) -> tuple[object, object, str | None]:
    (sight,) = run.trace.sights(Scene.TOLD)
    return sight.details["outcome"], sight.details["whole"], None if sight.key is None else sight.key.name


# Whole rehearsals


@pytest.mark.parametrize("wire", [True, False])
@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("kind", FAILS_AS)
def test_every_fault_is_understood_in_every_dialect_and_another_one_serves(
    kind: FaultKind, dialect: str, wire: bool
) -> None:
    other = "anthropic" if dialect == "gemini" else "gemini"
    fault = Fault(kind, candidate=f"0-{dialect}", after=0)
    run = play((dialect, other), fault, wire=wire, stream=kind in STREAM_FAULTS, tools=True)
    failed = [fact.details["reason"] for fact in run.trace.facts() if fact.kind is Kind.FAILED]
    assert failed == [FAILS_AS[kind]]
    assert told(run) == ("served", 1, f"1-{other}")


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("kind", STREAM_FAULTS)
def test_a_stream_that_breaks_in_any_dialect_is_interrupted_or_starts_over_in_another(
    kind: FaultKind, dialect: str
) -> None:
    fault = Fault(kind, candidate=f"0-{dialect}", after=2)
    assert told(play((dialect, "openai"), fault, stream=True))[0] == "StreamInterrupted"
    assert told(play((dialect, "anthropic"), fault, stream=True, on_interrupt="restart")) == (
        "served",
        1,
        "1-anthropic",
    )


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_stream_in_any_dialect_may_be_slow_to_start_and_send_pings_meanwhile(dialect: str) -> None:
    run = play((dialect, "openai"), Fault(FaultKind.SLOW_START, candidate="0-*", seconds=7.0), stream=True)
    (began,) = run.trace.sights(Scene.BEGAN)
    assert any(began.at == pytest.approx(1.0 + dialled + 7 + 0.1) for dialled in DIAL_TIMES)
    assert told(run) == ("served", 1, f"0-{dialect}")
    late = play((dialect, "openai"), Fault(FaultKind.SLOW_START, candidate="0-*", seconds=12.0), stream=True)
    assert told(late) == ("served", 1, "1-openai")


@pytest.mark.parametrize("dialect", SPOKEN)
def test_what_is_stated_in_any_dialect_is_believed(dialect: str) -> None:
    lie = Fault(FaultKind.MISSTATED, candidate="0-*", left=3, wait=20.0)
    for run in (play((dialect,), lie), play((dialect,), script=evolve(STEADY, rpm=4, states_limits=True))):
        (stated, *_) = [fact for fact in run.trace.facts() if fact.kind is Kind.STATED]
        assert (stated.details["what"], stated.details["left"]) == ("requests", 3.0)


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("flaw", Flaw)
def test_a_request_at_fault_is_told_so_in_every_dialect(flaw: Flaw, dialect: str) -> None:
    run = play((dialect, "openai"), flaw=flaw)
    assert told(run)[0] == "RequestRejected"
    assert len(list(run.trace.sights(Scene.RECEIVED))) == 1


def test_whoever_has_no_word_for_it_is_skipped_and_told_of() -> None:
    run = play(("anthropic", "gemini", "azure", "openai"), logit_bias=True)
    skipped = {
        fact.key.name: fact.details["detail"] for fact in run.trace.facts() if fact.kind is Kind.SKIPPED and fact.key
    }
    assert set(skipped) == {"0-anthropic", "1-gemini"}
    assert all("logit_bias" in str(why) for why in skipped.values())
    assert told(run) == ("served", 1, "2-azure")


# What is heard is what was asked


@given(
    st.sampled_from(list(SPOKEN)),
    st.integers(0, 10**6),
    st.builds(
        Caller,
        at=st.just(0.0),
        route=st.just("r"),
        prompt_tokens=st.integers(1, 50),
        answer_tokens=st.integers(1, 9),
        stream=st.booleans(),
        images=st.booleans(),
        tools=st.booleans(),
    ),
)
def test_what_is_heard_in_any_dialect_is_what_was_asked(dialect: str, number: int, caller: Caller) -> None:
    messages, params = request_of(number, caller, introduces=True)
    body = {**params, "messages": messages}
    (entry,) = Scenario("s", config(dialect)).load().entries.values()
    sent = DIALECTS[dialect].outgoing(entry.endpoint, entry.key, Call("r", body, stream=caller.stream))
    assert differences(SPOKEN["openai"].said(body), SPOKEN[dialect].said(sent.body)) is None
    assert caller_of(sent.body) == number
    assert differences(SPOKEN["openai"].said({**body, "messages": messages[:-1]}), SPOKEN[dialect].said(sent.body))


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_stream_and_a_whole_answer_say_the_same(dialect: str) -> None:
    spoken, ours = SPOKEN[dialect], DIALECTS[dialect]
    written = Written(7, "m", "host|key|m", ("one ", "two ", "three"), 10, 3)
    (entry,) = Scenario("s", config(dialect)).load().entries.values()
    call = Call("r", {"messages": [{"role": "user", "content": "Hi"}]}, stream=True)
    assert ours.outgoing(entry.endpoint, entry.key, call).body
    whole = ours.answer(call, {}, spoken.whole(written))
    events = b"".join((*spoken.beginning(written), spoken.ping(written), *spoken.events(written), *spoken.end(written)))
    streamed = read_stream(dialect, call, events)
    assert isinstance(whole, Answer)
    for answer in (whole, streamed):
        assert answer.tokens == 13
        (choice,) = answer.body["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("one two three", "stop")
        assert answer.body["usage"]["total_tokens"] == 13
        assert answer.body["id"].startswith("7")
    assert whole.body["id"] == streamed.body["id"]


def read_stream(dialect: str, call: Call, events: bytes) -> Answer:
    reader = DIALECTS[dialect].reader(call, {})
    for event in SSEParser().feed(events):
        reader.feed(event)
    assert reader.complete
    return reader.answer()


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_statement_is_understood_for_as_long_as_it_says(dialect: str) -> None:
    headers = SPOKEN[dialect].statement([Left("requests", 3.4, 60.0), Left("tokens", 70.0, 60.0)], 100.0)
    assert [(left.what, left.amount, left.reset) for left in stated_left(headers)] == [
        ("requests", 3.0, 60.0),
        ("tokens", 70.0, 60.0),
    ]
    assert not SPOKEN[dialect].statement([], 100.0)


# Raw requests, and the rules that they break

Request = dict[str, Any]
TALK: list[Any] = [{"role": "user", "content": "caller-0: word"}]
CONTENTS: list[Any] = [{"role": "user", "parts": [{"text": "caller-0: word"}]}]
WELL: Mapping[str, Request] = {
    "openai": {
        "path": "/chat/completions",
        "headers": {"authorization": "Bearer SECRET"},
        "body": {"model": "m", "messages": TALK, "max_tokens": 10},
    },
    "azure": {
        "path": "/openai/deployments/m/chat/completions?api-version=2024-10-21",
        "headers": {"api-key": "SECRET"},
        "body": {"messages": TALK, "max_tokens": 10},
    },
    "anthropic": {
        "path": "/messages",
        "headers": {"x-api-key": "SECRET", "anthropic-version": "2023-06-01", "content-type": "application/json"},
        "body": {"model": "m", "messages": TALK, "max_tokens": 10, "system": "Answer in words."},
    },
    "gemini": {
        "path": "/models/m:generateContent",
        "headers": {"x-goog-api-key": "SECRET", "content-type": "application/json"},
        "body": {
            "contents": CONTENTS,
            "systemInstruction": {"parts": [{"text": "Answer in words."}]},
            "generationConfig": {"maxOutputTokens": 10},
        },
    },
}
for _name in ("openai", "azure"):
    WELL[_name]["body"]["messages"] = [{"role": "system", "content": "Answer in words."}, *TALK]


def ask(dialect: str, change: Callable[[Request], object] = lambda _: None) -> tuple[Exchange, Any]:
    """Send a raw request, and return the exchange and the body of its answer."""
    # Another candidate makes callers introduce themselves, whatever the dialect of the first one is.
    scenario = Scenario("raw", config(dialect, "gemini"), callers=(Caller(0.0, f"0-{dialect}", prompt_tokens=1),))
    run = Run(scenario, scenario.load(), Schedule(), scenario.callers)
    world = World(run, 0, run.trace.records.append)
    first = next(iter(run.config.entries.values()))
    assert first.endpoint.secret is not None
    request = json.loads(json.dumps(WELL[dialect]).replace("SECRET", first.endpoint.secret.reveal()))
    change(request)
    exchange = world.exchange(f"https://{dialect}0.example/v1{request['path']}", request["headers"], request["body"])
    pieces: list[bytes] = []

    async def talk() -> None:
        await exchange.begin()
        while (piece := await exchange.piece()) is not None:
            pieces.append(piece)

    perform(talk, longest=100.0)
    return exchange, b"".join(pieces)


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_request_that_keeps_the_rules_is_answered_in_its_dialect(dialect: str) -> None:
    exchange, body = ask(dialect)
    assert (exchange.status, exchange.amiss, exchange.dialect) == (200, None, dialect)
    named = json.loads(body)
    stamp = named.get("system_fingerprint") or named.get("id", named.get("responseId")).partition("|")[2]
    assert stamp == f"{dialect}0.example/v1|env:KEY_0|m"


def _without(where: str, name: str) -> Callable[[Request], object]:
    return lambda request: request[where].pop(name)


def _with(**body: Any) -> Callable[[Request], object]:
    return lambda request: request["body"].update(body)


def _at(path: str) -> Callable[[Request], object]:
    return lambda request: request.update(path=path)


CALLED = {"type": "tool_use", "id": "t1", "name": "look_up", "input": {}}
GIVEN = {"type": "tool_result", "tool_use_id": "t2", "content": "found"}
RULES: list[tuple[str, Callable[[Request], object], str]] = [
    ("openai", _with(messages=[]), "messages"),
    ("openai", _with(messages=[{"role": "model", "content": "caller-0: word"}]), "role"),
    ("openai", _with(max_tokens=11), "limit"),
    ("openai", _with(messages=TALK), "system"),
    ("azure", _at("/openai/deployments/m/chat/completions"), "api-version"),
    ("anthropic", _without("headers", "anthropic-version"), "anthropic-version"),
    ("anthropic", _without("headers", "content-type"), "content-type"),
    ("anthropic", _without("body", "max_tokens"), "max_tokens"),
    ("anthropic", _without("body", "system"), "system"),
    ("anthropic", _with(user="caller-0"), "user: Extra inputs are not permitted"),
    ("anthropic", _with(metadata={"user_id": "caller-1"}), "metadata.user_id"),
    ("anthropic", _with(messages=[{"role": "system", "content": "Answer in words."}, *TALK]), "first message"),
    ("anthropic", _with(messages=[*TALK, {"role": "tool", "content": "found"}]), "role"),
    ("anthropic", _with(messages=[*TALK, {"role": "assistant", "content": [{"type": "image_url"}]}]), "content.0"),
    ("anthropic", _with(messages=[*TALK, {"role": "assistant", "content": ""}]), "non-empty"),
    ("anthropic", _with(messages=[*TALK, {"role": "user", "content": [GIVEN]}]), "tool_result"),
    ("anthropic", _with(messages=[*TALK, {"role": "assistant", "content": [CALLED]}, *TALK]), "tool_result"),
    ("anthropic", _with(tools=[{"type": "function", "function": {"name": "look_up"}}]), "tools.0.name"),
    ("anthropic", _with(tools=[{"name": "look_up", "input_schema": {"type": "object"}}]), "tool"),
    ("anthropic", _with(messages=[{"role": "user", "content": "word"}]), "nobody says who asks"),
    ("gemini", _without("headers", "content-type"), "content-type"),
    ("gemini", _at("/models/m:streamGenerateContent"), "alt=sse"),
    ("gemini", _at("/models/m:generateContent?alt=sse"), "alt=sse"),
    ("gemini", _with(messages=TALK), "messages"),
    ("gemini", _with(contents=[]), "contents is not specified"),
    ("gemini", _with(contents=[{"role": "assistant", "parts": [{"text": "caller-0: word"}]}]), "valid role"),
    ("gemini", _with(contents=[*CONTENTS, {"role": "model", "parts": [{}]}]), "kinds of data"),
    ("gemini", _with(contents=[*CONTENTS, {"role": "user", "parts": [{"functionResponse": {}}]}]), "function response"),
    ("gemini", _with(generationConfig={"max_tokens": 10}), "max_tokens"),
    ("gemini", _with(generationConfig={"maxOutputTokens": 11}), "limit"),
    ("gemini", _with(systemInstruction="Answer in words."), "systemInstruction"),
    ("gemini", _without("body", "systemInstruction"), "system"),
    ("gemini", _with(tools=[{"functionDeclarations": [{"description": "nameless"}]}]), "has a name"),
]


@pytest.mark.parametrize(("dialect", "change", "words"), RULES, ids=[f"{d}-{w}" for d, _, w in RULES])
def test_a_request_that_breaks_a_rule_or_is_not_what_was_asked_is_refused_in_its_dialect(
    dialect: str, change: Callable[[Request], object], words: str
) -> None:
    exchange, body = ask(dialect, change)
    assert exchange.amiss is not None
    assert words in exchange.amiss
    assert exchange.status == 400
    assert words in json.loads(body)["error"]["message"]
    assert classify(exchange.status, exchange.headers, body).reason is not Reason.UNKNOWN


@pytest.mark.parametrize("spoken", SPOKEN)
@pytest.mark.parametrize("dialect", SPOKEN)
def test_nobody_is_understood_in_a_dialect_that_is_not_spoken_there(dialect: str, spoken: str) -> None:
    if dialect == spoken:
        return
    other = WELL[spoken]
    key = {"openai": "authorization", "azure": "api-key", "anthropic": "x-api-key", "gemini": "x-goog-api-key"}

    def change(request: Request) -> None:
        secret = request["headers"][key[dialect]].removeprefix("Bearer ")
        headers = json.loads(json.dumps(other["headers"]).replace("SECRET", secret))
        request.update(path=other["path"], headers=headers, body={"model": "m", **other["body"]})

    exchange, body = ask(dialect, change)
    assert exchange.status == 404
    assert exchange.amiss == f"the dialect of {spoken} is not spoken here"
    assert json.loads(body)["error"]["message"] == exchange.amiss


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_key_in_another_dialects_header_is_a_strangers(dialect: str) -> None:
    def change(request: Request) -> None:
        request["headers"] = {"x-key": "".join(request["headers"].values()), "content-type": "application/json"}
        if dialect == "azure":
            request["headers"]["api-key"] = ""

    exchange, body = ask(dialect, change)
    assert exchange.credential == "foreign"
    assert classify(exchange.status, exchange.headers, body).reason is Reason.AUTH


def test_a_path_that_nobody_has_is_told_so() -> None:
    exchange, body = ask("openai", _at("/v1/chat/completions"))
    assert (exchange.status, exchange.dialect) == (404, None)
    assert b"there is no path" in body


def test_azures_newer_addresses_have_the_model_in_the_body() -> None:
    exchange, _ = ask(
        "azure", lambda request: request.update(path="/chat/completions", body={"model": "m", **request["body"]})
    )
    assert (exchange.status, exchange.dialect, exchange.model) == (200, "azure", "m")


def test_two_entries_at_one_door_may_be_spoken_to_in_two_dialects() -> None:
    topology = config("anthropic", "openai")
    for entry in topology["model_list"]:
        entry.update(api_base="https://one.example/v1", model="anthropic/m", api_key="env:SHARED")
    for route in ("0-anthropic", "1-openai"):
        callers = (Caller(0.0, route, tools=True), Caller(1.0, route, stream=True))
        run = rehearse(Scenario("a test", topology, callers=callers))
        assert not list(violations(run))
        assert {sight.key for sight in run.trace.sights(Scene.TOLD)} == {
            ModelKey(route, "anthropic", "m", "env:SHARED")
        }
