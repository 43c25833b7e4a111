"""Whoever a reply names is the one who was truly asked; whatever is counted is counted there and nowhere else."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import trio
from attrs import define, field

from understudy import (
    AllCandidatesFailed,
    Config,
    DeadlineExceeded,
    ModelKey,
    Outcome,
    Reply,
    Restarted,
    Router,
    StreamInterrupted,
    load_config,
    open_router,
)
from understudy.actors.bucket import WINDOW, WINDOW_GUARD

from .virtual import HELLO, Deal, Json, Provider, Received, config, entry, fail, run, words

TOPOLOGIES = 60
ATTEMPTS_AT_LEAST = 20_000


def topology(draw: random.Random) -> Json:
    """Entries that share providers, models and credentials in every way that a config allows."""
    models = ["maker/m1", "Claude/m1", "anthropic/m1", "maker/m2", "other/maker/m2"]
    keys = [f"k{i}" for i in range(4)]
    hosts = ["h1.example", "h2.example", "h3.example"]
    names = [f"e{i}" for i in range(draw.randrange(2, 6))]
    entries: list[Json] = []
    for name in names:
        more: Json = {"fallbacks": draw.sample(names, draw.randrange(len(names)))}
        if draw.random() < 0.4:
            more["api_keys"] = draw.sample(keys, draw.randrange(1, 4))
        if draw.random() < 0.3:
            more["rpm"] = draw.randrange(20, 60)
        if draw.random() < 0.3:
            more["max_parallel"] = draw.randrange(1, 4)
        more["tpm"] = 1_000_000
        more["dialect"] = "openai"  # as all providers speak here, whoever they are
        more["retries"] = draw.randrange(2)
        more["fallbacks"] = [other for other in more["fallbacks"] if other != name]
        entries.append(entry(name, model=draw.choice(models), host=draw.choice(hosts), key=draw.choice(keys), **more))
    return config(*entries, routes={"all": draw.sample(names, len(names))})


@define(eq=False)
class Oracle:
    """What truly happened, by the identity that reached the provider, and what each attempt was told."""

    config: Config
    draw: random.Random
    used: dict[int, tuple[int, int]] = field(factory=dict)
    fails: set[int] = field(factory=set)
    attempts: int = 0
    wrong: list[str] = field(factory=list)
    replies: int = 0

    def identity(self, key: ModelKey) -> str:
        endpoint = self.config.entries[key].endpoint
        assert endpoint.secret is not None
        host = endpoint.api_base.removeprefix("https://").removesuffix("/v1")
        return f"{host}|{endpoint.secret.reveal()}|{key.model}"

    def script(self, received: Received) -> Deal:
        after = self.draw.randrange(1, 40) / 10
        chance = self.draw.random()
        who = received.identity
        # Seven tokens are what is reserved for this request, and what the provider counts for it.
        self.used[received.number] = (7, 7)
        if chance < 0.08:
            self.fails.add(received.number)
            statuses = (429, 500, 503, 529) if self.draw.random() < 0.97 else (404, 401, 402)
            return fail(self.draw.choice(statuses), after=after, retry_after=self.draw.choice((None, 1, 2, 3, 4)))
        if chance < 0.09:
            self.fails.add(received.number)
            self.used[received.number] = (0, 0)
            return Deal(after, unreachable=True)
        if received.body.get("stream") and chance < 0.9:
            broken = self.draw.random() < 0.05
            if broken:
                self.fails.add(received.number)
                self.used[received.number] = (7, 30)
            return words(f"{received.number} ", "of ", who, error=broken, tokens=7)
        return Deal(after, tokens=7, headers={"x-seen": who})

    def check(self, reply: Reply, provider: Provider) -> None:
        self.replies += 1
        who = self.identity(reply.served_by)
        said = str(reply.body.get("system_fingerprint") or reply.text.split(" of ")[-1])
        number = int(str(reply.body.get("id") or reply.text.split(" ")[0]))
        if not said == who == provider.log[number].identity:
            self.wrong.append(f"{reply.served_by} is {who}, not {said}")
        assert reply.attempts[-1].key == reply.served_by
        assert reply.attempts[-1].outcome is Outcome.SERVED


def perform(seed: int) -> Oracle:
    draw = random.Random(f"{seed}/identity")
    made = load_config(topology(draw))
    oracle = Oracle(made, draw)
    provider = Provider(oracle.script)
    routes = [*made.routes]

    async def caller(router: Router, i: int) -> None:
        await trio.sleep(i * 0.35)
        model = routes[i % len(routes)]
        try:
            if i % 4:
                patient = i % 2 == 1
                reply = await router.chat(model, HELLO, timeout=600, wait_for_cooldown=patient)
                oracle.check(reply, provider)
                return
            async with router.stream(model, HELLO, timeout=600, on_interrupt="restart") as reader:
                async for chunk in reader:
                    if isinstance(chunk, Restarted):
                        assert chunk.served_by == reader.served_by
            oracle.check(reader.reply, provider)
        except (AllCandidatesFailed, StreamInterrupted, DeadlineExceeded):
            return

    async def play() -> None:
        async with open_router(made, transport=provider) as router:
            async with trio.open_nursery() as nursery:
                for i in range(400):
                    nursery.start_soon(caller, router, i)
            await trio.sleep(1)
            count(router, oracle, provider)

    run(play, seed=seed)
    return oracle


def count(router: Router, oracle: Oracle, provider: Provider) -> None:
    """Compare what each candidate has counted with what truly reached it, where its identity is its own."""
    said_served: Counter[str] = Counter()
    said_failed: Counter[str] = Counter()
    said_tokens: Counter[str] = Counter()
    for status in router.snapshot():
        who = oracle.identity(status.key)
        part = router._house.parts[status.name]
        said_served[who] += status.served
        said_failed[who] += sum(status.failures.values())
        gauge = part.bucket._tokens
        gauge.balance(trio.current_time())  # it forgets what is past only when it is asked
        said_tokens[who] += round(gauge._in_window)
        assert (status.in_flight, status.queued) == (0, 0)
    ended = [received for received in provider.log if not received.cancelled]
    assert +said_served == Counter(r.identity for r in ended if r.number not in oracle.fails)
    assert +said_failed == Counter(r.identity for r in ended if r.number in oracle.fails)
    oracle.attempts = len(provider.log)
    now = trio.current_time()
    for who in {received.identity for received in provider.log}:
        recent = [
            oracle.used[r.number] for r in provider.log if r.identity == who and now - r.at < WINDOW + WINDOW_GUARD
        ]
        # Of one that was broken off nobody knows whether it was going to be unreachable.
        aborted = sum(received.cancelled for received in provider.log)
        least, most = (sum(amounts) for amounts in zip(*recent, strict=True)) if recent else (0, 0)
        assert least - 7 * aborted <= said_tokens[who] <= most + 7 * aborted


@pytest.fixture(scope="module")
def oracles() -> list[Oracle]:
    return [perform(seed) for seed in range(TOPOLOGIES)]


def test_every_reply_names_the_one_that_truly_answered(oracles: list[Oracle]) -> None:
    assert [oracle.wrong for oracle in oracles] == [[]] * TOPOLOGIES
    assert sum(oracle.replies for oracle in oracles) > 10_000


def test_the_attempts_that_were_compared_are_many(oracles: list[Oracle]) -> None:
    assert sum(oracle.attempts for oracle in oracles) >= ATTEMPTS_AT_LEAST
