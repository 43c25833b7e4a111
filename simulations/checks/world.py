"""What only the world knows: who truly answered, when, and whether a secret was written down."""

from __future__ import annotations

import json
from collections import defaultdict

from ...actors.identity import ModelKey
from ...actors.trace import Fact
from ..reference.candidate import Flight
from ..reference.clock import awake_at, jumps_of
from ..reference.limits import CLOSE
from ..reference.telling import Telling
from ..trace import Sight
from .retelling import Invariant


class Provenance(Invariant):
    """Who is said to have answered is whose endpoint, credential and model truly received that request."""

    name = "provenance"

    def __init__(self, told: Telling) -> None:
        super().__init__(told)
        self._hosts = told.run.hosts()
        self._served: dict[int, Flight] = {}
        self._opened: defaultdict[int, list[ModelKey]] = defaultdict(list)

    def on_received(self, sight: Sight) -> None:
        """The request comes to where its attempt was sent, with that credential, for that model, as it was asked."""
        flight = self.told.ledger.flight_of(sight.caller)
        if sight.details.get("amiss") is not None:
            self.say(f"a request at {sight.details['host']} is not what was asked: {sight.details['amiss']}")
        if flight is None:
            return
        seen = sight.details
        true = f"{seen['host']}|{seen['seen_credential']}|{seen['seen_model']}"
        if true != self._stamp(flight.key):
            self.say(f"attempt {flight.attempt} at {flight.key.name} went to {true}", key=flight.key)

    def on_unreached(self, sight: Sight) -> None:
        """Where there is no connection, it was the right one."""
        flight = self.told.ledger.flight_of(sight.caller)
        if flight is not None and sight.details["host"] != self._hosts[flight.key]:
            self.say(f"attempt {flight.attempt} at {flight.key.name} went to {sight.details['host']}", key=flight.key)

    def on_opened(self, fact: Fact) -> None:
        """Note whose stream it is."""
        if fact.key is not None:
            self._opened[fact.request or 0].append(fact.key)

    def on_served(self, fact: Fact) -> None:
        """What is counted is what the provider counted, and it has truly answered."""
        flight = self.told.flight_of(fact)
        if flight is None:
            return
        self._served[flight.request] = flight
        if flight.answer != "whole":
            self.say(f"attempt {flight.attempt} has served, and {flight.key.name} has not answered it whole")
        elif fact.details.get("tokens") != flight.tokens:
            told = fact.details.get("tokens")
            self.say(f"attempt {flight.attempt} is said to have used {told} tokens, which were {flight.tokens:g}")

    def on_began(self, sight: Sight) -> None:
        """A stream comes from one that has begun it."""
        request = self.told.ledger.request_of(sight.caller)
        if sight.key not in self._opened.get(request or 0, ()):
            self.say(f"its stream is said to come from {sight.key}, which has begun none for it")

    def on_told(self, sight: Sight) -> None:
        """A caller is served by whom it is told, and with the very text that was written for it."""
        request = self.told.ledger.request_of(sight.caller)
        flight = self._served.pop(request or 0, None)
        self._opened.pop(request or 0, None)
        if sight.details["outcome"] != "served":
            return
        if sight.key is None or sight.key not in self._hosts:
            self.say(f"it is told that {sight.key} has served, which is nobody")
            return
        stamp = sight.details.get("stamp")
        if stamp != self._stamp(sight.key):
            self.say(f"it is told that {self._stamp(sight.key)} has served, and {stamp} has")
        if flight is None or flight.key != sight.key:
            self.say(f"it is told that {sight.key.name} has served, and no attempt there has")
        if sight.details.get("whole") != 1:
            self.say(f"the text from {sight.key.name} is not the one that was written for it")

    def _stamp(self, key: ModelKey) -> str:
        return f"{self._hosts[key]}|{key.credential or 'none'}|{key.model}"


class Deadline(Invariant):
    """Every request ends by its deadline."""

    name = "deadline"

    def __init__(self, told: Telling) -> None:
        super().__init__(told)
        self._deadlines: dict[int | None, float] = {}
        self._jumps = jumps_of(told.run.scenario)

    def on_asked(self, sight: Sight) -> None:
        """Note by when it must be told."""
        self._deadlines[sight.caller] = float(sight.details["deadline"] or 0.0)

    def on_told(self, sight: Sight) -> None:
        """It must be told by then; if its machine sleeps through that, when it wakes."""
        deadline = self._deadlines.pop(sight.caller, None)
        if deadline is None:
            return
        # A reader that takes its time over a piece hears of nothing until it asks for the next.
        nap = 0.0 if sight.caller is None else self.run.callers[sight.caller].reads_every
        if sight.at > awake_at(self._jumps, deadline + nap) + CLOSE:
            self.say(f"it is told {sight.details['outcome']} {sight.at - deadline:.6f} s after its deadline")
        if sight.details["outcome"] == "DeadlineExceeded" and sight.at < deadline - CLOSE:
            self.say(f"it is told that its time has run out, {deadline - sight.at:.6f} s before that")


class Secrecy(Invariant):
    """No key appears in trace, log, error or report."""

    name = "secrecy"

    def at_end(self) -> None:
        """No text that anybody may read has a secret in it."""
        entries = self.run.config.entries.values()
        secrets = {secret: entry.key.name for entry in entries for secret in entry.endpoint.secrets()}
        written = {json.dumps(dict(self.run.trace.header), ensure_ascii=False): -1, repr(self.run.config): -1}
        for place, record in enumerate(self.run.trace.records):
            # Most texts are written again and again: each is looked at once.
            for text in (record.key, *record.details.values()):
                if isinstance(text, str | ModelKey):
                    written.setdefault(str(text), place)
        for text, place in written.items():
            for secret, name in secrets.items():
                if secret in text:
                    self._say_where(name, place)

    def _say_where(self, name: str, place: int) -> None:
        where = "a header or the config" if place < 0 else f"record {place + 1}"
        self.told.place = place
        self.say(f"a secret of {name} is written in {where}")
