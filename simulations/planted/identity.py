"""Bugs in which one candidate is taken for another: what is counted, limited, cooled, sent or reported goes astray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve

from ...actors.bucket import Permit
from ...actors.itinerary import Plan
from ...actors.model import ModelActor
from ...actors.part import Part
from ...actors.router import RouterActor
from ...supervisors import runtime
from ...supervisors.config import Entry
from ...supervisors.runtime import Stage
from .bug import INCIDENT, ISOLATION, NEEDLESS, ONE_ANSWER, ORDER, PROVENANCE, SECRECY, SILENCE, Patch, bug


def _shared(attribute: str, group: Callable[[Part], object]) -> Patch:
    """Let all parts of a group share what each should have to itself."""

    def make(original: Any) -> Any:
        def part(self: Stage, entry: Entry, now: float) -> Part:
            made: Part = original(self, entry, now)
            table = self.__dict__.setdefault(f"_shared_{attribute}", {})
            setattr(made, attribute, table.setdefault(group(made), getattr(made, attribute)))
            return made

        return part

    return Stage, "_part", make


@bug("identity", "the cooldown is kept per provider", ISOLATION, INCIDENT, SILENCE, ORDER)
def cooldown_per_provider() -> list[Patch]:
    return [_shared("cooldown", lambda part: part.key.provider)]


@bug("identity", "the cooldown is kept per provider and model: two keys of one model cool together", ISOLATION)
def cooldown_per_model() -> list[Patch]:
    return [_shared("cooldown", lambda part: part.key.ref)]


@bug("identity", "the limiter is keyed by the model at run time, not by the configured entry", ISOLATION, ORDER)
def limiter_per_model() -> list[Patch]:
    return [_shared("bucket", lambda part: part.key.ref)]


@bug("identity", "failures are counted per provider", ISOLATION)
def counters_per_provider() -> list[Patch]:
    return [_shared("failures", lambda part: part.key.provider)]


def with_the_primarys(change: Callable[[Entry, Entry], Entry]) -> Patch:
    """Let every candidate but the first of the config be reached with something of the first one's."""

    def make(original: Any) -> Any:
        def init(self: Stage, config: Any, open_line: Any, *more: Any) -> None:
            first = next(iter(config.entries.values()))
            entries = {key: change(entry, first) for key, entry in config.entries.items()}
            original(self, evolve(config, entries=entries), open_line, *more)

        return init

    return Stage, "__init__", make


@bug("identity", "a fallback is called with the primary's key", PROVENANCE, SECRECY)
def fallback_with_the_primarys_key() -> list[Patch]:
    def change(entry: Entry, first: Entry) -> Entry:
        return evolve(entry, endpoint=evolve(entry.endpoint, secret=first.endpoint.secret))

    return [with_the_primarys(change)]


@bug("identity", "a fallback is called at the primary's base URL", PROVENANCE)
def fallback_at_the_primarys_address() -> list[Patch]:
    def change(entry: Entry, first: Entry) -> Entry:
        return evolve(entry, endpoint=evolve(entry.endpoint, api_base=first.endpoint.api_base))

    return [with_the_primarys(change)]


@bug("identity", "a fallback is asked for the primary's model", PROVENANCE)
def fallback_for_the_primarys_model() -> list[Patch]:
    from ...actors.providers.openai import OpenAIDialect

    def make(original: Any) -> Any:
        first: dict[str, str] = {}

        def outgoing(self: Any, endpoint: Any, key: Any, call: Any) -> Any:
            return original(self, endpoint, evolve(key, model=first.setdefault(call.model, key.model)), call)

        return outgoing

    return [(OpenAIDialect, "outgoing", make)]


@bug("identity", "usage is charged to the first candidate, not to the one that answered", PROVENANCE, ISOLATION)
def usage_charged_to_the_first_candidate() -> list[Patch]:
    first: dict[str, Part] = {}

    def note(original: Any) -> Any:
        def part(self: Stage, entry: Entry, now: float) -> Part:
            made: Part = original(self, entry, now)
            if not self.__dict__.setdefault("_has_first", False):
                self.__dict__["_has_first"] = True
                first["part"] = made
            return made

        return part

    def make(original: Any) -> Any:
        def on_success(self: ModelActor, held: Any, answer: Any, now: float) -> None:
            charged = first["part"]
            if charged is not self.part and answer.tokens is not None:
                permit = charged.bucket.take(now, answer.tokens)
                if isinstance(permit, Permit):
                    charged.bucket.release(permit, now, sent=True)
                answer = evolve(answer, tokens=0.0)
            original(self, held, answer, now)

        return on_success

    return [(Stage, "_part", note), (ModelActor, "_on_success", make)]


@bug("identity", "candidates of the same provider and model are taken for duplicates", ORDER, NEEDLESS)
def duplicates_collapsed_by_model() -> list[Patch]:
    def make(original: Any) -> Any:
        def plans(config: Any, routes: Any) -> Any:
            made = original(config, routes)
            return {
                name: Plan(reversed({each.key.ref: each for each in reversed(plan)}.values()))
                for name, plan in made.items()
            }

        return plans

    return [(runtime, "_plans", make)]


@bug("identity", "the reply is said to come from the first candidate", PROVENANCE)
def reply_ascribed_to_the_first_candidate() -> list[Patch]:
    def make(original: Any) -> Any:
        def deliver(self: RouterActor, journey: Any, answer: Any, now: float) -> None:
            records = journey.route.records
            records[-1] = records[-1]._replace(key=records[0].key)
            original(self, journey, answer, now)

        return deliver

    return [(RouterActor, "_deliver", make)]


@bug("identity", "a reply is delivered to the wrong caller", PROVENANCE, ONE_ANSWER)
def reply_to_the_wrong_caller() -> list[Patch]:
    def make(original: Any) -> Any:
        def deliver(self: RouterActor, journey: Any, answer: Any, now: float) -> None:
            for other in self._journeys.by_request.values():
                if (
                    other is not journey
                    and not other.left
                    and not other.route.call.stream
                    and not journey.route.call.stream
                ):
                    other.route.slot, journey.route.slot = journey.route.slot, other.route.slot
                    break
            original(self, journey, answer, now)

        return deliver

    return [(RouterActor, "_deliver", make)]


@bug("identity", "a bad credential cools nobody but the key that met it", INCIDENT, ISOLATION)
def credential_failure_not_shared() -> list[Patch]:
    return [(ModelActor, "_strike_kin", lambda _: lambda self, failure: None)]


@bug("identity", "a bad credential cools every candidate, whoever's credential it is", ISOLATION, INCIDENT)
def credential_failure_for_all() -> list[Patch]:
    def make(_: Any) -> Any:
        def kin(self: Stage, key: Any) -> Any:
            return tuple(part.mailbox for part in self._parts.values() if part.key != key)

        return kin

    return [(Stage, "_kin", make)]


@bug("identity", "a failure of the model cools all that share its credential", ISOLATION, INCIDENT)
def model_failure_shared() -> list[Patch]:
    def make(original: Any) -> Any:
        def on_failure(self: ModelActor, held: Any, ended: Any, failure: Any, now: float) -> None:
            original(self, held, ended, failure, now)
            if failure.scope == "model":
                self._strike_kin(failure)

        return on_failure

    return [(ModelActor, "_on_failure", make)]


@bug("identity", "what one candidate served is counted for the whole of its provider", ISOLATION)
def served_counted_twice() -> list[Patch]:
    def make(original: Any) -> Any:
        def on_success(self: ModelActor, held: Any, answer: Any, now: float) -> None:
            original(self, held, answer, now)
            self.part.served += 1

        return on_success

    return [(ModelActor, "_on_success", make)]
