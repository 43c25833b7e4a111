"""What a request should do next, decided anew each time from the whole list of what it was told."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from understudy.actors.demand import Demand
from understudy.actors.failures import Failure
from understudy.actors.itinerary import MAX_FAILURES, Candidate
from understudy.actors.messages import Failed, Refusal, Refused
from understudy.actors.policy import Next, Policy


@frozen
class Line:
    """One question and its answer (None: served), which came `at` that time."""

    at: float
    place: int
    wait: bool
    again: bool
    answer: Refused | Failed | None


@frozen
class Told:
    """The reference's decision: `what` is ask, deliver, reject or give up."""

    what: str
    place: int = -1
    wait: bool = False
    again: bool = False
    not_before: float | None = None
    retry_at: float | None = None
    failure: Failure | None = None


@frozen
class Request:
    plan: Sequence[Candidate]
    demand: Demand
    policy: Policy
    deadline: float
    wait_for_cooldown: bool


def decide(request: Request, story: Sequence[Line], now: float) -> Told:
    """Read the whole story and say what comes next."""
    last = story[-1] if story else None
    if last is not None and last.answer is None:
        return Told("deliver")
    if last is not None and isinstance(last.answer, Failed):
        if _is_tried_again(request, story):
            return Told("ask", last.place, again=True, not_before=last.answer.retry_at)
        ended = None if last.answer.crashed else _ends_it(request, story, now)
        if ended is not None:
            return ended
    left = [place for place in range(len(request.plan)) if not _is_out(request, story, place)]
    for place in _to_ask(request, story, left):
        return Told("ask", place)
    return _wait(request, story, left, now)


def _to_ask(request: Request, story: Sequence[Line], left: Sequence[int]) -> list[int]:
    """Who has yet to be asked in this pass. A full queue sends on to the next queue, unless a new pass has begun."""
    lines = _this_pass(request, story)
    if lines and _goes_straight_on_waiting(lines[-1]):
        return []
    asked = {line.place for line in lines}
    return [place for place in left if place not in asked]


def _goes_straight_on_waiting(last: Line) -> bool:
    """A full queue sends on to the next queue; that whoever waits has asked everybody goes without saying."""
    return last.wait and isinstance(last.answer, Refused) and last.answer.full


def _wait(request: Request, story: Sequence[Line], left: Sequence[int], now: float) -> Told:
    full = {
        line.place
        for line in _this_pass(request, story)
        if line.wait and isinstance(line.answer, Refused) and line.answer.full
    }
    said = {place: _last_refusal(request, story, place) for place in left if place not in full}
    hopes = {
        place: refused
        for place, refused in said.items()
        if refused is not None
        and refused.refusal is not Refusal.DOWN
        and (refused.refusal is not Refusal.COOLING or request.wait_for_cooldown)
        and (refused.ready_at is None or refused.ready_at < request.deadline)
    }
    by_time = sorted((refused.ready_at, place) for place, refused in hopes.items() if refused.ready_at is not None)
    by_queue = sorted((refused.queued, place) for place, refused in hopes.items() if refused.ready_at is None)
    for _, place in [*by_time, *by_queue]:
        return Told("ask", place, wait=True)
    return give_up(request, story, now)


def give_up(request: Request, story: Sequence[Line], now: float) -> Told:
    last_words = {line.place: line.answer for line in story}
    times = [answer.ready_at for answer in last_words.values() if answer is not None and answer.ready_at is not None]
    return Told("give up", retry_at=max(now, min(times)) if times else None)


def _ends_it(request: Request, story: Sequence[Line], now: float) -> Told | None:
    """The request's own fault ends it, unless somebody later has a larger window."""
    answer, place = story[-1].answer, story[-1].place
    assert isinstance(answer, Failed)
    goes_on = request.policy[answer.failure.reason].next
    if goes_on is Next.YES:
        return None
    if goes_on is Next.NO and answer.failure.retriable:
        return give_up(request, story, now)
    if goes_on is Next.LARGER and any(
        not _is_out(request, story, other) for other in range(place + 1, len(request.plan))
    ):
        return None
    return Told("reject", place, failure=answer.failure)


def _this_pass(request: Request, story: Sequence[Line]) -> Sequence[Line]:
    """What was asked since the last pass began: after a queue dropped this request, or when a named time had come."""
    begins = 0
    for end in range(1, len(story) + 1):
        if _is_a_drop(story[end - 1]) or _goes_round(request, story[:end], story[begins:end]):
            begins = end
    return story[begins:]


def _is_a_drop(line: Line) -> bool:
    return line.wait and isinstance(line.answer, Refused) and not line.answer.full


def _goes_round(request: Request, story: Sequence[Line], lines: Sequence[Line]) -> bool:
    """Whether nobody was left to ask in this pass when the time had come that somebody had named."""
    last = story[-1]
    if last.answer is None or (isinstance(last.answer, Failed) and _is_tried_again(request, story)):
        return False
    left = [place for place in range(len(request.plan)) if not _is_out(request, story, place)]
    asked = {line.place for line in lines}
    if not _goes_straight_on_waiting(last) and any(place not in asked for place in left):
        return False
    return any(_is_due(request, story, place, last.at) for place in left)


def _is_tried_again(request: Request, story: Sequence[Line]) -> bool:
    answer = story[-1].answer
    assert isinstance(answer, Failed)
    at = answer.retry_at
    return at is not None and at < request.deadline and _tries_left(request, story) > 0


def _is_due(request: Request, story: Sequence[Line], place: int, now: float) -> bool:
    final = [i for i, _ in _final_failures(request, story, place)]
    for i, line in reversed(list(enumerate(story))):
        if line.place == place and (isinstance(line.answer, Refused) or i in final):
            assert line.answer is not None
            ready_at = line.answer.ready_at
            return ready_at is not None and line.at < ready_at <= now
    return False


def _tries_left(request: Request, story: Sequence[Line]) -> int:
    place = story[-1].place
    return request.plan[place].retries - sum(1 for line in story if line.place == place and line.again)


def _final_failures(request: Request, story: Sequence[Line], place: int) -> list[tuple[int, Failed]]:
    """The failures of this candidate that were not followed by a second try."""
    return [
        (i, line.answer)
        for i, line in enumerate(story)
        if line.place == place
        and isinstance(line.answer, Failed)
        and not (i + 1 < len(story) and story[i + 1].again and story[i + 1].place == place)
    ]


def _is_out(request: Request, story: Sequence[Line], place: int) -> bool:
    candidate = request.plan[place]
    if request.demand.unfit_for(candidate.capabilities, candidate.tpm) is not None:
        return True
    failures = _final_failures(request, story, place)
    if failures and not request.wait_for_cooldown:
        return True
    if len(failures) >= MAX_FAILURES or any(failed.ready_at is None for _, failed in failures):
        return True
    return any(_is_too_small(request, story, i, place) for i in range(len(story)))


def _is_too_small(request: Request, story: Sequence[Line], i: int, place: int) -> bool:
    """Whether the i-th answer was that the window is too small, and this place is not a later, larger one."""
    answer = story[i].answer
    if not isinstance(answer, Failed) or answer.crashed:
        return False
    if request.policy[answer.failure.reason].next is not Next.LARGER:
        return False
    if i not in [j for j, _ in _final_failures(request, story, story[i].place)]:
        return False
    window = request.plan[story[i].place].capabilities.context_window or request.demand.prompt_tokens
    return place < story[i].place or (request.plan[place].capabilities.context_window or 0) <= window


def _last_refusal(request: Request, story: Sequence[Line], place: int) -> Refused | None:
    """What it last said about when it is ready; a failure that says so counts as a refusal of one that cools."""
    final = [i for i, _ in _final_failures(request, story, place)]
    for i, line in reversed(list(enumerate(story))):
        if line.place == place and isinstance(line.answer, Refused):
            return line.answer
        if i in final:
            return Refused(1, Refusal.COOLING, line.answer.ready_at if line.answer is not None else None)
    return None
