"""The whole record of a run: what the actors did, what the providers saw, and how the callers fared, in one order.

The actors' facts are those of production (`understudy.actors.trace`). A rehearsal adds *sights*: what only the world
around the actors can know. Both are written as JSON Lines, and a run's digest is the SHA-256 of just these lines, so
that two runs are the same if and only if their files are.

| sight | what happened | details |
|---|---|---|
| `asked` | a caller made its request | `group`, `route`, `request`, `deadline`, `stream` … (see below) |
| `began` | its stream's first content reached it | |
| `told` | it was answered, or left | `outcome` (`served`, `left` or the error), `stamp`, `whole`, `message` |
| `received` | a provider got a request | `number`, `host`, `seen_credential`, `seen_model` … (see below) |
| `answered` | the provider is done with it | `number`, `status`, `fault`, `tokens`, `how` |
| `unreached` | a request got no connection | `host`, `fault` |
| `status` | how a candidate was doing | `state`, `cooling`, `left`, `in_flight`, `queued`, `served`, `failed` |
| `fault` | a fault began, ended or happened | `fault`, `what`, `number` (its place in the scenario) |
| `logged` | a line was logged | `level`, `text` |

Of `asked`: `request` is the number that the request has if it was let in, `prompt` and `answer` are tokens, `waits`
is for cooldowns, `turn` counts from 1; `restarts`, `flaw`, `images`, `tools` and `logit_bias` are the caller's. Of
`told`: `whole` is 1 if the answer is the very one that was written for this caller. Of `received`: `seen_credential`
is ``foreign`` if it is none of this host's; `stream`, `in_work` (how many are at work there), `meets` (the faults that
are on) and `amiss` (what is wrong with how the request is put) come besides. Of `answered`: `how` is ``whole``,
``error``, ``broken`` or ``left``. Of `status`: `cooling` is in seconds, `left` in requests.

`caller` is a caller's number, in the order in which the scenario has them. A trace begins with a header, which names
the scenario, the seed, and each candidate with its limits. A file of facts alone, recorded in production with
`TraceWriter`, is a trace as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import IO, Any, Final

from attrs import define, field, frozen

from ..actors.identity import ModelKey
from ..actors.trace import Detail, Fact, Kind, identity_of, json_line

VERSION: Final = 1
"""Of the file's format."""


class TraceError(Exception):
    """A file is not a trace; the message says where and why."""


class Scene(StrEnum):
    """What only the world around the actors sees; the table in the module's text says what each kind means."""

    ASKED = "asked"
    BEGAN = "began"
    TOLD = "told"
    RECEIVED = "received"
    ANSWERED = "answered"
    UNREACHED = "unreached"
    STATUS = "status"
    FAULT = "fault"
    LOGGED = "logged"


@frozen
class Sight:
    """One thing that the world saw, at `at` virtual seconds."""

    at: float
    kind: Scene
    caller: int | None = None
    key: ModelKey | None = None
    details: Mapping[str, Detail] = field(factory=dict)

    def line(self) -> str:
        """Return the sight as one line of JSON."""
        told: dict[str, Detail] = {"at": self.at, "sight": self.kind.value}
        if self.caller is not None:
            told["caller"] = self.caller
        if self.key is not None:
            told |= identity_of(self.key)
        return json_line(told, self.details)


Record = Fact | Sight


@define(eq=False)
class Trace:
    """A header, and everything that happened, in order."""

    header: Mapping[str, Any] = field(factory=dict)
    records: list[Record] = field(factory=list)

    def facts(self) -> Iterator[Fact]:
        """Return what the actors recorded."""
        return (record for record in self.records if isinstance(record, Fact))

    def sights(self, *kinds: Scene) -> Iterator[Sight]:
        """Return what the world saw: all of it, or only some kinds."""
        for record in self.records:
            if isinstance(record, Sight) and (not kinds or record.kind in kinds):
                yield record

    def lines(self) -> Iterator[str]:
        """Return the trace as lines of JSON, the header first."""
        if self.header:
            yield json.dumps({"trace": VERSION, **self.header}, ensure_ascii=False, separators=(",", ":"))
        for record in self.records:
            yield record.line()

    def digest(self) -> str:
        """Return the SHA-256 of the lines: what ``sha256sum`` says of the written file."""
        sum_of_all = sha256()
        for line in self.lines():
            sum_of_all.update(line.encode())
            sum_of_all.update(b"\n")
        return sum_of_all.hexdigest()

    def write(self, path: str | PathLike[str]) -> None:
        """Write the trace to a file."""
        with Path(path).open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in self.lines())


class TraceWriter:
    """A sink that writes every fact to an open file: ``router.listen(TraceWriter(file))`` records in production."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def __call__(self, fact: Fact | None) -> None:
        """Write one fact; flush at the end."""
        if fact is None:
            self._file.flush()
        else:
            self._file.write(f"{fact.line()}\n")


def read_trace(path: str | PathLike[str]) -> Trace:
    """Read a trace from a file.

    Raises:
        TraceError: it is not a trace; the message names the line.
        OSError: it cannot be read.

    """
    trace = Trace()
    with Path(path).open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                told = json.loads(line)
                if not isinstance(told, dict):
                    raise ValueError("it is no JSON object")
                if number == 1 and "trace" in told:
                    trace.header = _checked_header(told)
                else:
                    trace.records.append(_read_record(told))
            except (ValueError, KeyError, TypeError, UnicodeDecodeError) as exc:
                raise TraceError(f"{path}, line {number}: this is no line of a trace ({exc})") from None
    return trace


def _checked_header(told: dict[str, Any]) -> dict[str, Any]:
    version = told.pop("trace")
    if version != VERSION:
        raise ValueError(f"version {version} of the format is not known, only {VERSION}")
    return told


def _read_record(told: dict[str, Any]) -> Record:
    at = float(told.pop("at"))
    key = _read_key(told)
    if "sight" in told:
        return Sight(at, Scene(told.pop("sight")), told.pop("caller", None), key, told)
    return Fact(at, Kind(told.pop("kind")), told.pop("request", None), told.pop("attempt", None), key, told)


def _read_key(told: dict[str, Any]) -> ModelKey | None:
    name = told.pop("key", None)
    if name is None:
        return None
    provider, _, model = told.pop("model").partition("/")
    return ModelKey(name, provider, model, told.pop("credential", None))


def first_difference(one: Iterable[str], other: Iterable[str]) -> tuple[int, str | None, str | None] | None:
    """Return the first line in which two traces differ, with its number from 1; ``None`` if they are the same."""
    left, right = iter(one), iter(other)
    number = 0
    while True:
        number += 1
        a, b = next(left, None), next(right, None)
        if a != b:
            return number, a, b
        if a is None:
            return None
