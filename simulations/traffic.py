"""From classes of callers to single callers: who comes when, and what each is like.

A class of callers (`scenario.Traffic`) has a rate that is made of straight lines. Added up over time, the rate tells
how many callers have come by then; so a caller comes when that sum, the *cumulated* rate, reaches a number of its own:
each whole number where callers come evenly, or numbers whose gaps are exponential where they come at random, which
makes the arrivals a Poisson process. The cumulated rate is a parabola in each piece, and is inverted as such.

Each class draws from a stream of its own, and each caller the same number of times: changing one class moves nobody in
another, and changing a share (of streams, of images …) moves nobody in time. Only + - * / and the square root are used,
which are the same to the last bit everywhere; a logarithm is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, pairwise
from math import sqrt
from random import Random
from typing import Final

from attrs import frozen

from .scenario import Arrivals, Caller, Flaw, Scenario, Traffic
from .stage import stream

ROUNDING: Final = 1e-9
"""A caller that would come evenly, but only in this last share of all, owes that to rounding, and does not come."""


def callers_of(scenario: Scenario, seed: int) -> tuple[Caller, ...]:
    """Return everybody who asks in a scenario, by time: its own callers, and those that its traffic amounts to.

    A caller's number is its place. Those who come at the same instant are in the order of the scenario, its own
    callers first.
    """
    everybody = list(scenario.callers)
    for number, traffic in enumerate(scenario.traffic):
        draw = stream(seed, f"traffic {number} {traffic.name}")
        everybody += [_caller(traffic, at, draw) for at in _arrivals(traffic, draw)]
    everybody.sort(key=lambda caller: caller.at)
    return tuple(everybody)


def amount_of(traffic: Traffic) -> float:
    """Return how many callers a class of them amounts to, on average."""
    pieces = _pieces(traffic)
    return traffic.burst + (pieces[-1].after if pieces else 0.0)


# When they come


@frozen
class _Piece:
    """A time in which the rate is one straight line, from `low` to `high` callers a second.

    `before` and `after` are the cumulated rate at its beginning and at its end.
    """

    at: float
    seconds: float
    low: float
    high: float
    before: float
    after: float

    def when(self, amount: float) -> float:
        """Return the time at which the cumulated rate reaches an amount between `before` and `after`.

        That is the root of low·x + (high - low)/(2·seconds)·x² = amount - before, in the form that subtracts nothing
        from its like.
        """
        rest = amount - self.before
        if rest <= 0:
            return self.at
        square = self.low * self.low + 2 * rest * (self.high - self.low) / self.seconds
        return self.at + min(self.seconds, 2 * rest / (self.low + sqrt(max(0.0, square))))


def _pieces(traffic: Traffic) -> list[_Piece]:
    """Return the rate from the traffic's start to its end, piece by piece, without those in which nobody comes."""
    if not traffic.rate:
        return []
    start, end = float(traffic.start), float(traffic.end)
    (first_at, first), (last_at, last) = traffic.rate[0], traffic.rate[-1]
    pieces: list[_Piece] = []
    sum_so_far = 0.0
    for (t0, r0), (t1, r1) in pairwise([(min(start, first_at), first), *traffic.rate, (max(end, last_at), last)]):
        begins, ends = max(t0, start), min(t1, end)
        if begins >= ends or max(r0, r1) <= 0:
            continue
        slope = (r1 - r0) / (t1 - t0)
        low = r0 if begins == t0 else r0 + slope * (begins - t0)
        high = r1 if ends == t1 else r0 + slope * (ends - t0)
        amount = (ends - begins) * (low + high) / 2
        pieces.append(_Piece(begins, ends - begins, low, high, sum_so_far, sum_so_far + amount))
        sum_so_far += amount
    return pieces


def _arrivals(traffic: Traffic, draw: Random) -> Iterator[float]:
    """Return when the callers of one class come. Each is drawn before the next one's time is."""
    for _ in range(traffic.burst):
        yield float(traffic.start)
    pieces = iter(_pieces(traffic))
    piece = next(pieces, None)
    total = amount_of(traffic) - traffic.burst
    amounts = _whole(total) if traffic.arrivals is Arrivals.EVEN else _random(draw)
    for amount in amounts:
        while piece is not None and amount >= piece.after:
            piece = next(pieces, None)
        if piece is None:
            return
        yield piece.when(amount)


def _whole(total: float) -> Iterator[float]:
    """Return the whole numbers from 0 that are less than the total."""
    for amount in count():
        if amount >= total - total * ROUNDING:
            return
        yield float(amount)


def _random(draw: Random) -> Iterator[float]:
    """Return random numbers whose gaps are exponential, with a mean of 1."""
    amount = 0.0
    while True:
        amount += exponential(draw)
        yield amount


def exponential(draw: Random) -> float:
    """Return an exponential variate of mean 1, without a logarithm.

    This is the comparison method of J. von Neumann, "Various techniques used in connection with random digits",
    National Bureau of Standards Applied Mathematics Series 12 (1951), pages 36 to 38: uniform variates are drawn as
    long as each is less than the one before. If their number is odd, the first of them is the fraction of the result;
    for a first one of x that happens with probability e^-x. If it is even, the result's whole part grows by 1, and
    all begins anew. It takes 4.3 uniform variates on average.
    """
    whole = 0.0
    while True:
        first = last = draw.random()
        is_odd = True
        while (following := draw.random()) < last:
            last = following
            is_odd = not is_odd
        if is_odd:
            return whole + first
        whole += 1.0


# What they are like


def _caller(traffic: Traffic, at: float, draw: Random) -> Caller:
    """Draw one caller. Whatever its class is like, it draws eight times; only for `logit_bias` it draws once more."""
    chance = draw.random
    stays = chance() >= traffic.leave
    leaves_after = _between(traffic.leaves_after, chance())
    return Caller(
        at=at,
        route=traffic.route,
        group=traffic.name,
        stream=chance() < traffic.stream,
        timeout=traffic.timeout,
        prompt_tokens=_whole_between(traffic.prompt_tokens, chance()),
        answer_tokens=_whole_between(traffic.answer_tokens, chance()),
        wait_for_cooldown=traffic.wait_for_cooldown,
        on_interrupt=traffic.on_interrupt,
        leaves_after=None if stays else leaves_after,
        reads_every=traffic.reads_every,
        flaw=_flaw(traffic, chance()),
        images=chance() < traffic.images,
        tools=chance() < traffic.tools,
        logit_bias=traffic.logit_bias > 0.0 and chance() < traffic.logit_bias,
        retries=traffic.retries,
        retry_wait=traffic.retry_wait,
    )


def _between(bounds: tuple[float, float], chance: float) -> float:
    low, high = bounds
    return low + (high - low) * chance


def _whole_between(bounds: tuple[int, int], chance: float) -> int:
    low, high = bounds
    return low + int((high - low + 1) * chance)


def _flaw(traffic: Traffic, chance: float) -> Flaw | None:
    """Return the flaw in whose share a chance falls. The order is that of all flaws, not that of a mapping."""
    for flaw in Flaw if traffic.flaws else ():
        share = traffic.flaws.get(flaw, 0.0)
        if chance < share:
            return flaw
        chance -= share
    return None
