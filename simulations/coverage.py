"""What a run has reached: states of cooldowns, refusals, reasons, dialects, ends of streams, restarts, queues.

A search that never gets into the interesting states proves nothing. So each run is asked what it has reached, and the
fuzzer prints how many of its examples reached each point; those that few reached show where it is blind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ..actors.failures import Reason
from ..actors.identity import ModelKey
from ..actors.messages import Refusal
from ..actors.part import State
from ..actors.trace import Fact, Kind
from .dialects import LIKE_OPENAI, SPOKEN
from .faults import STREAM_FAULTS, FaultKind
from .run import Run
from .trace import Record, Scene, Sight

STREAM_ENDS: Final = (
    "read whole",
    "left by the reader",
    "interrupted",
    "restarted elsewhere",
    "fell back before content",
    *(kind.value for kind in STREAM_FAULTS),
)
FOREIGN: Final = tuple(dialect for dialect in SPOKEN if dialect not in LIKE_OPENAI)
"""The dialects into which requests are translated."""

QUEUE: Final = ("waited", "left the line", "sent on", "admitted from the line", "line full")
ENDS: Final = (
    "served",
    "served by a fallback",
    "left",
    "AllCandidatesFailed",
    "DeadlineExceeded",
    "RequestRejected",
    "StreamInterrupted",
    "RouterOverloaded",
    "RouterCrashed",
)

POINTS: Final = (
    *(f"state: {state.value}" for state in State),
    *(f"health: {kind.value}" for kind in (Kind.COOLING, Kind.EXTENDED, Kind.RECOVERED, Kind.RETURNED)),
    "health: struck by a sharer",
    "health: a failure without effect",
    *(f"refused: {refusal.value}" for refusal in Refusal),
    *(f"failed: {reason.value}" for reason in Reason),
    *(f"stream: {end}" for end in STREAM_ENDS),
    *(f"queue: {state}" for state in QUEUE),
    *(f"{dialect}: {end}" for dialect in SPOKEN for end in ("answered whole", "answered as a stream", "failed")),
    *(f"{dialect}: has no word for it" for dialect in FOREIGN),
    "request: served in another dialect than it failed in",
    "restart: model",
    "restart: router",
    "restart: down",
    "restart: revived",
    "second try",
    "limits stated by the provider",
    *(f"request: {end}" for end in ENDS),
    *(f"fault: {kind.value}" for kind in FaultKind),
)
"""Everything that a search should reach."""


def reached(run: Run) -> set[str]:
    """Return the points that a run has reached."""
    view = _View({key: entry.endpoint.dialect for key, entry in run.config.entries.items()})
    for record in run.trace.records:
        view.found.update(view.of_fact(record) if isinstance(record, Fact) else view.of_sight(record))
    return view.found


class _View:
    """What must be remembered from one record to the next."""

    def __init__(self, dialects: Mapping[ModelKey, str]) -> None:
        self.found: set[str] = set()
        self._dialects = dialects
        self._failed_in: dict[int | None, set[str]] = {}
        self._queued: set[int | None] = set()
        self._streams: dict[int | None, bool] = {}
        self._opened: set[int | None] = set()
        self._reads: dict[int | None, bool] = {}
        self._began: set[int | None] = set()
        self._last: Record | None = None

    def of_fact(self, fact: Fact) -> Iterator[str]:
        """Return the points that a fact reaches."""
        yield from self._health(fact)
        yield from self._queue(fact)
        yield from self._stream(fact)
        yield from self._dialect(fact)
        match fact.kind:
            case Kind.REFUSED | Kind.SKIPPED:
                yield f"refused: {fact.details.get('reason', Refusal.UNFIT.value)}"
            case Kind.FAILED:
                yield f"failed: {fact.details['reason']}"
            case Kind.DISPATCHED if fact.details["again"]:
                yield "second try"
            case Kind.DELIVERED if int(fact.details["attempts"] or 0) > 1:
                yield "request: served by a fallback"
            case Kind.STATED:
                yield "limits stated by the provider"
            case Kind.RESTARTING:
                yield "restart: router" if str(fact.details["actor"]).startswith("root/") else "restart: model"
            case Kind.DOWN | Kind.REVIVED:
                yield f"restart: {fact.kind.value}"
        self._last = fact

    def _dialect(self, fact: Fact) -> Iterator[str]:
        dialect = "" if fact.key is None else self._dialects[fact.key]
        match fact.kind:
            case Kind.SERVED:
                how = "as a stream" if self._streams.get(fact.request) else "whole"
                yield f"{dialect}: answered {how}"
            case Kind.FAILED:
                self._failed_in.setdefault(fact.request, set()).add(dialect)
                yield f"{dialect}: failed"
            case Kind.SKIPPED if "logit_bias" in str(fact.details.get("detail")):
                yield f"{dialect}: has no word for it"
            case Kind.DELIVERED if self._failed_in.get(fact.request, set()) - {dialect}:
                yield "request: served in another dialect than it failed in"

    def _stream(self, fact: Fact) -> Iterator[str]:
        match fact.kind:
            case Kind.OPENED:
                self._opened.add(fact.request)
            case Kind.FAILED if self._streams.get(fact.request) and fact.request not in self._opened:
                yield "stream: fell back before content"
            case Kind.RESTARTED_STREAM:
                yield "stream: restarted elsewhere"
            case Kind.GAVE_UP if fact.details["reason"] == "interrupted":
                yield "stream: interrupted"

    def _health(self, fact: Fact) -> Iterator[str]:
        if fact.kind in (Kind.COOLING, Kind.EXTENDED, Kind.RECOVERED, Kind.RETURNED):
            yield f"health: {fact.kind.value}"
            if fact.details.get("by") is not None:
                yield "health: struck by a sharer"
        elif isinstance(self._last, Fact) and self._last.kind is Kind.FAILED:
            yield "health: a failure without effect"

    def _queue(self, fact: Fact) -> Iterator[str]:
        match fact.kind:
            case Kind.QUEUED:
                self._queued.add(fact.attempt)
                yield "queue: waited"
            case Kind.UNQUEUED if fact.details["reason"] == "left":
                yield "queue: left the line"
            case Kind.UNQUEUED:
                yield "queue: sent on"
            case Kind.ADMITTED if fact.attempt in self._queued:
                yield "queue: admitted from the line"
            case Kind.DISPATCHED if fact.details["wait"]:
                self._queued.discard(fact.attempt)
            case Kind.REFUSED if fact.details.get("full"):
                yield "queue: line full"

    def of_sight(self, sight: Sight) -> Iterator[str]:
        """Return the points that a sight reaches."""
        match sight.kind:
            case Scene.ASKED:
                request = sight.details["request"]
                self._streams[request if isinstance(request, int) else None] = bool(sight.details["stream"])
                self._reads[sight.caller] = bool(sight.details["stream"])
            case Scene.BEGAN:
                self._began.add(sight.caller)
            case Scene.STATUS:
                yield f"state: {sight.details['state']}"
            case Scene.TOLD:
                yield from self._told(sight)
            case Scene.ANSWERED:
                yield from self._answered(sight)
            case Scene.RECEIVED:
                yield from (f"fault: {kind}" for kind in str(sight.details["meets"] or "").split(",") if kind)
            case Scene.UNREACHED:
                yield f"fault: {sight.details['fault']}"
            case Scene.FAULT if sight.details["what"] == "happened":
                yield f"fault: {sight.details['fault']}"
        self._last = sight

    def _told(self, sight: Sight) -> Iterator[str]:
        outcome = sight.details["outcome"]
        yield f"request: {outcome}"
        if outcome == "served" and self._reads.get(sight.caller):
            yield "stream: read whole"
        if outcome == "left" and sight.caller in self._began:
            yield "stream: left by the reader"

    def _answered(self, sight: Sight) -> Iterator[str]:
        fault = str(sight.details["fault"])
        if fault in STREAM_FAULTS:
            yield f"stream: {fault}"
