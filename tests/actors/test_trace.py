"""The record of what happened: lines that are the same everywhere, and listeners that come and go."""

from __future__ import annotations

import logging
import subprocess
import sys
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.actors import trace as trace_module
from understudy.actors.identity import ModelKey
from understudy.actors.trace import MAX_SINKS, Detail, Fact, Kind, Trace

KEY = ModelKey("glm", "zhipu", "glm-4.7", "key 1")


@pytest.mark.parametrize(
    ("fact", "line"),
    [
        (Fact(0.0, Kind.STARTED), '{"at":0.0,"kind":"started"}'),
        (
            Fact(1.5, Kind.ADMITTED, 1, 2, KEY, {"tokens": 0.1, "probe": 3, "again": 0}),
            (
                '{"at":1.5,"kind":"admitted","request":1,"attempt":2,"key":"glm","model":"zhipu/glm-4.7",'
                '"credential":"key 1","again":0,"probe":3,"tokens":0.1}'
            ),
        ),
        (
            Fact(1e6, Kind.FAILED, key=ModelKey("a", "b", "c"), details={"status": None, "reason": "time\nout"}),
            '{"at":1000000.0,"kind":"failed","key":"a","model":"b/c","reason":"time\\nout"}',
        ),
    ],
)
def test_a_fact_is_one_exact_line(fact: Fact, line: str) -> None:
    assert fact.line() == line


details = st.dictionaries(
    st.sampled_from("abcde"), st.one_of(st.none(), st.integers(), st.floats(), st.text("xyz é", max_size=5))
)
facts = st.builds(
    Fact,
    st.floats(0, 1e7),
    st.sampled_from(Kind),
    st.one_of(st.none(), st.integers(0, 99)),
    st.one_of(st.none(), st.integers(0, 99)),
    st.sampled_from([None, KEY]),
    details,
)


@given(facts, st.randoms())
def test_a_line_does_not_depend_on_the_order_in_which_details_were_given(fact: Fact, random: Random) -> None:
    names = list(fact.details)
    random.shuffle(names)
    again = Fact(fact.at, fact.kind, fact.request, fact.attempt, fact.key, {name: fact.details[name] for name in names})
    assert again.line() == fact.line()


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_times_that_differ_in_the_last_bit_give_lines_that_differ(one: float, other: float) -> None:
    same = one.hex() == other.hex()
    assert (Fact(one, Kind.SENT).line() == Fact(other, Kind.SENT).line()) == same
    values: tuple[dict[str, Detail], ...] = ({"until": one}, {"until": other})
    lines = {Fact(0.0, Kind.SENT, details=each).line() for each in values}
    assert len(lines) == (1 if same else 2)


def test_a_line_is_the_same_in_another_process_under_another_hash_seed() -> None:
    program = (
        "from understudy.actors.trace import *\n"
        "trace = Trace()\n"
        "trace.add(lambda fact: print(fact.line()))\n"
        "trace.record(0.1, Kind.FAILED, request=1, **{name: 1 / 3 for name in {'b', 'a', 'zeta', 'until'}})"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(runs) == 1


def test_every_kind_stands_in_the_modules_table() -> None:
    assert trace_module.__doc__ is not None
    assert [kind.value for kind in Kind if f"`{kind}`" not in trace_module.__doc__] == []


# Listeners


def listening() -> tuple[Trace, list[Fact | None]]:
    trace, heard = Trace(), list[Fact | None]()
    trace.add(heard.append)
    return trace, heard


def test_with_nobody_listening_nothing_is_made() -> None:
    trace = Trace()
    assert not trace.heard
    trace.record(0.0, Kind.SENT)
    trace, heard = listening()
    assert trace.heard
    trace.record(1.0, Kind.SENT, request=1, attempt=2, key=KEY, tokens=3)
    assert heard == [Fact(1.0, Kind.SENT, 1, 2, KEY, {"tokens": 3})]


def test_facts_are_heard_in_order_by_all_and_by_each_only_while_it_listens() -> None:
    trace, first = listening()
    second: list[Fact | None] = []
    trace.record(0.0, Kind.SENT)
    trace.add(second.append)
    trace.record(1.0, Kind.SENT)
    trace.remove(first.append)
    trace.record(2.0, Kind.SENT)
    assert [fact.at for fact in first if fact] == [0.0, 1.0]
    assert [fact.at for fact in second if fact] == [1.0, 2.0]


def test_removing_one_that_does_not_listen_does_nothing() -> None:
    trace, heard = listening()
    trace.remove(print)
    assert trace.heard
    trace.remove(heard.append)
    trace.remove(heard.append)
    assert not trace.heard


def test_one_that_is_removed_while_a_fact_is_told_hears_no_more() -> None:
    trace, heard = Trace(), list[Fact | None]()
    trace.add(lambda _: trace.remove(heard.append))
    trace.add(heard.append)
    trace.record(0.0, Kind.SENT)
    assert heard == []


def test_one_that_removes_itself_while_it_is_told_spares_the_others() -> None:
    trace, heard = Trace(), list[Fact | None]()

    def once(fact: Fact | None) -> None:
        heard.append(fact)
        trace.remove(once)

    trace.add(once)
    trace.add(heard.append)
    trace.record(0.0, Kind.SENT)
    trace.record(1.0, Kind.SENT)
    assert [fact.at for fact in heard if fact] == [0.0, 0.0, 1.0]


def test_one_that_is_added_while_a_fact_is_told_hears_the_next_one() -> None:
    trace, heard = Trace(), list[Fact | None]()

    def recruit(fact: Fact | None) -> None:
        trace.remove(recruit)
        trace.add(heard.append)

    trace.add(recruit)
    trace.record(0.0, Kind.SENT)
    trace.record(1.0, Kind.SENT)
    assert [fact.at for fact in heard if fact] == [1.0]


def test_at_the_end_all_are_told_once_and_hear_no_more() -> None:
    trace, heard = listening()
    assert not trace.ended
    trace.end()
    trace.end()
    trace.record(1.0, Kind.SENT)
    assert heard == [None]
    assert trace.ended
    assert not trace.heard


def test_nobody_hears_a_fact_after_the_end() -> None:
    trace, heard = Trace(), list[Fact | None]()
    trace.add(lambda fact: None if fact is None else trace.end())
    trace.add(heard.append)
    trace.record(0.0, Kind.SENT)
    assert heard == [None]


def test_a_listener_that_raises_is_told_no_more_and_hurts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    trace, told = Trace(), list[Fact | None]()

    def broken(fact: Fact | None) -> None:
        told.append(fact)
        raise ValueError("a bug")

    heard: list[Fact | None] = []
    trace.add(broken)
    trace.add(heard.append)
    with caplog.at_level(logging.ERROR):
        trace.record(0.0, Kind.SENT)
        trace.record(1.0, Kind.SENT)
    assert len(told) == 1
    assert len(heard) == 2
    assert "told no more" in caplog.text


def test_too_many_listeners_are_a_leak() -> None:
    trace = Trace()
    for n in range(MAX_SINKS):
        trace.add(lambda _, n=n: None)  # type: ignore[misc]
    with pytest.raises(RuntimeError, match="close event streams"):
        trace.add(print)


# Kinds


@given(st.lists(st.frozensets(st.sampled_from(Kind), max_size=4), max_size=4), st.data())
def test_each_hears_the_kinds_that_it_asked_for_and_what_nobody_hears_is_not_made(
    wishes: list[frozenset[Kind]], data: st.DataObject
) -> None:
    trace = Trace()
    heard: list[list[Fact | None]] = [[] for _ in wishes]
    for kinds, ear in zip(wishes, heard, strict=True):
        trace.add(ear.append, kinds=kinds)
    gone = data.draw(st.sets(st.integers(0, len(wishes) - 1)) if wishes else st.just(set()))
    for number in gone:
        heard[number].append(Fact(0.0, Kind.STARTED))  # from now on it differs from all others, which are compared
        trace.remove(heard[number].append)
    told = data.draw(st.lists(st.sampled_from(Kind), max_size=20))
    made: list[Fact] = []
    tell = trace.tell

    def make(fact: Fact) -> None:
        made.append(fact)
        tell(fact)

    trace.tell = make  # type: ignore[method-assign]
    for kind in told:
        trace.record(1.0, kind)
    left = [(kinds, ear) for i, (kinds, ear) in enumerate(zip(wishes, heard, strict=True)) if i not in gone]
    for kinds, ear in left:
        assert [fact.kind for fact in ear if fact] == [kind for kind in told if kind in kinds]
    assert [fact.kind for fact in made] == [kind for kind in told if any(kind in kinds for kinds, _ in left)]
    assert trace.heard == frozenset(kind for kinds, _ in left for kind in kinds)


# Doors


class Porter:
    """A door that writes down who comes and goes."""

    def __init__(self, breaks: bool = False) -> None:
        self.book: list[tuple[object, ...]] = []
        self.breaks = breaks

    def entered(self, request: int, at: float, route: str, *, endpoint: str, stream: bool) -> None:
        self.book.append((request, at, route, endpoint, stream))
        if self.breaks:
            raise ValueError("a bug")

    def closed(self, request: int, at: float) -> None:
        self.book.append((request, at))
        if self.breaks:
            raise ValueError("a bug")


def test_a_door_hears_who_comes_and_goes_as_long_as_its_sink_listens() -> None:
    trace, heard = Trace(), list[Fact | None]()
    porter = Porter()
    trace.add(heard.append, door=porter)
    trace.entered(1, 0.5, "glm", endpoint="/chat/completions", stream=True)
    trace.closed(1, 1.5)
    trace.remove(heard.append)
    trace.entered(2, 2.5, "glm", endpoint="/chat/completions", stream=False)
    assert porter.book == [(1, 0.5, "glm", "/chat/completions", True), (1, 1.5)]


@pytest.mark.parametrize("first", ["entered", "closed"])
def test_a_door_that_raises_is_told_no_more_and_neither_is_its_sink(
    first: str, caplog: pytest.LogCaptureFixture
) -> None:
    trace, heard = Trace(), list[Fact | None]()
    broken, well = Porter(breaks=True), Porter()
    trace.add(heard.append, door=broken)
    trace.add(lambda _: None, door=well)
    with caplog.at_level(logging.ERROR):
        if first == "entered":
            trace.entered(1, 0.0, "glm", endpoint="/", stream=False)
        trace.closed(1, 0.0)
    trace.record(0.0, Kind.SENT)
    assert (len(broken.book), heard) == (1, [])
    assert len(well.book) == (2 if first == "entered" else 1)
    assert "told no more" in caplog.text
