"""The queue of a candidate, against a plain list of those who wait."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from understudy.actors.bucket import Limits
from understudy.actors.demand import Demand
from understudy.actors.identity import ModelKey
from understudy.actors.messages import Attempt, Call, Leash, Refusal
from understudy.actors.part import Held, Obstacle
from understudy.actors.queue import STALE_MAX, Queue

from .reached import fixed

KEY = ModelKey("glm", "zhipu", "glm-4.7", "key 1")
TIMES = st.sampled_from([0.0, 1.0, 1.5, 2.0, 3.0, 60.0, math.inf])
OBSTACLES = st.builds(Obstacle, st.sampled_from([*Refusal]), st.none() | TIMES)
ATTEMPTS = st.tuples(st.integers(0, 300), TIMES, st.booleans())
MINUTES = st.sampled_from([math.inf, 100, 0.5, 33.1])

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), ATTEMPTS),
        st.tuples(st.just("append"), ATTEMPTS),
        st.tuples(st.just("popleft"), st.none()),
        st.tuples(st.just("remove"), st.integers(0, 99)),
        st.tuples(st.just("return"), st.none()),
        st.tuples(st.just("clear"), st.none()),
        st.tuples(st.just("in doubt"), OBSTACLES),
    ),
    max_size=60,
)


def held(tokens: int = 0, deadline: float = math.inf, *, patient: bool = False) -> Held:
    call = Call("glm", wait_for_cooldown=patient)
    return Held(Attempt(1, 1, KEY, call, Demand(tokens), deadline, Leash(), lambda _: None, wait=True))


def would_leave(each: Held, obstacle: Obstacle) -> bool:
    """Whether one who waits will not, or need not, wait for this: the rule of the model actor, said another way."""
    if obstacle.refusal is Refusal.DOWN or (
        obstacle.refusal is Refusal.COOLING and not each.attempt.call.wait_for_cooldown
    ):
        return True
    return obstacle.ready_at is not None and not obstacle.ready_at < each.attempt.deadline


@fixed(examples=400)
@given(MINUTES, STEPS)
def test_it_knows_without_looking_what_a_list_would_tell(minute: float, steps: Sequence[tuple[str, object]]) -> None:
    queue, line, gone = Queue(Limits(tpm=None if minute == math.inf else minute)), list[Held](), held()
    for what, about in steps:
        match what, about:
            case "append", (int(tokens), float(deadline), bool(patient)):
                line.append(held(tokens, deadline, patient=patient))
                queue.append(line[-1])
            case "return", _:  # one that has waited here before
                if gone not in line:
                    line.append(gone)
                    queue.append(gone)
            case "popleft", _ if line:
                gone = line.pop(0)
                assert queue.popleft() is gone
            case "remove", int(which) if line:
                gone = line.pop(which % len(line))
                queue.remove(gone)
            case "clear", _:
                line.clear()
                queue.clear()
            case "in doubt", Obstacle() as obstacle:
                assert queue.in_doubt(obstacle) == [each for each in line if would_leave(each, obstacle)]
        assert list(queue) == line
        assert (len(queue), bool(queue)) == (len(line), bool(line))
        assert (gone in queue) == (gone in line)
        assert all(each in queue for each in line)
        assert math.isclose(queue.tokens, sum(min(each.attempt.demand.tokens, minute) for each in line), abs_tol=1e-9)
        assert queue.holds_together()
        if line:
            assert queue.first is line[0]


def test_nothing_remains_of_many_who_came_and_went() -> None:
    queue = Queue(Limits())
    last = held(7)
    queue.append(last)
    for number in range(10_000):
        queue.append(held(1, deadline=1e9 + number))
        queue.remove(last)
        last = queue.first
    assert len(queue) == 1
    assert len(queue._deadlines) <= 2 + STALE_MAX + 1
    assert queue.tokens == 1


def test_what_is_known_wrongly_is_noticed() -> None:
    queue = Queue(Limits())
    queue.append(held(10))
    assert queue.holds_together()
    queue._tokens = 4
    assert not queue.holds_together()
