"""An oracle: what Erlang's supervisor would make of a play, without trio and without Understudy.

A *play* says beforehand what every life of every child will do if it is left alone, and when the supervisor
is sent home. Since only the supervisor acts upon the children, one loop over its actions, in the order of
`supervisor.erl`, yields the whole trace: who starts, gets ready, is asked, is cancelled and ends, and when.

Each duration carries a tiny fraction of its own, so that no two things happen at the same instant unless one
causes the other. All of them are multiples of 2 to the -36: the sums are exact.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

from attrs import define, field, frozen

FOREVER = math.inf
LINGER = 5.0


def own(whole: float, name: str) -> float:
    """Return a duration that no other one resembles."""
    return whole + random.Random(name).randrange(1, 2**34) * 2.0**-36


@frozen
class Life:
    """What one life of a child does: after `rehearsal` it is ready (or fails), after `span` it ends."""

    rehearsal: float = 0.25
    opening: str = "ready"  # or: returns, crashes
    span: float = FOREVER
    ending: str = "returns"  # or: crashes, crashes as a group, cancels itself
    farewell: float = 0.25  # from being asked to its end
    curtain: float = 0.0  # from being cancelled to its end


@frozen
class Part:
    """A child: its specification, and its lives one after another; the last one repeats."""

    name: str
    restart: str = "permanent"
    shutdown: float = 5.0
    can_be_asked: bool = True
    lives: tuple[Life, ...] = (Life(),)

    def life(self, number: int) -> Life:
        life = self.lives[min(number, len(self.lives) - 1)]
        return Life(
            own(life.rehearsal, f"{self.name} {number} rehearsal"),
            life.opening,
            own(life.span, f"{self.name} {number} span"),
            life.ending,
            own(life.farewell, f"{self.name} {number} farewell"),
            own(life.curtain, f"{self.name} {number} curtain") if life.curtain else 0.0,
        )


@frozen
class Play:
    """A supervisor, its children, and its end: ``"shut down"`` or ``"cancelled"`` at a time."""

    parts: tuple[Part, ...]
    strategy: str = "one_for_one"
    max_restarts: int = 3
    period: float = 5.0
    waits: tuple[float, ...] = (0.0,)  # before the first, second... consecutive restart; the last one repeats
    grace: float = 3.0
    end: str = "shut down"
    end_at: float = 100.0


@frozen
class Moment:
    at: float
    what: str
    name: str


@define(eq=False)
class Process:
    life: Life
    since: float
    consumed: bool = False
    is_announced: bool = False
    lingers_until: float | None = None

    @property
    def ready_at(self) -> float:
        return self.since + self.life.rehearsal if self.life.opening == "ready" else FOREVER

    @property
    def exit_at(self) -> float:
        return self.since + self.life.rehearsal + (self.life.span if self.life.opening == "ready" else 0)

    @property
    def crashes(self) -> bool:
        return self.life.ending.startswith("crashes")


@define(eq=False)
class Otp:
    play: Play
    now: float = 0.0
    processes: dict[str, Process] = field(factory=dict)
    born: dict[str, int] = field(factory=dict)
    restarts: list[float] = field(factory=list)
    failures: dict[str, int] = field(factory=dict)
    due: list[tuple[float, str]] = field(factory=list)
    trace: list[Moment] = field(factory=list)
    outcome: str = ""
    leave_at: float = FOREVER

    def run(self) -> tuple[list[Moment], str, float]:
        self.leave_at = self.play.end_at
        names = [part.name for part in self.play.parts]
        failed = self.start_children(names)
        if failed:
            self.outcome, self.leave_at = f"could not start {failed}", self.now
        while self.now < self.leave_at:
            self.receive(names)
        self.terminate_children(names)
        self.now = max([self.now, *(p.lingers_until or 0 for p in self.processes.values())])
        if self.play.end == "cancelled" and self.play.end_at <= self.now:
            self.outcome = "cancelled"
        return sorted(self.trace, key=lambda moment: moment.at), self.outcome or "returned", self.now

    def receive(self, names: list[str]) -> None:
        exits = [(self.processes[n].exit_at, n) for n in names if self.is_current(n)]
        upcoming = max(self.now, min([at for at, _ in exits + self.due], default=FOREVER))
        if upcoming >= self.leave_at:
            self.now = max(self.now, self.leave_at)
            return
        self.now = upcoming
        ripe = sorted(item for item in self.due if item[0] <= self.now)
        if ripe:
            self.due.remove(ripe[0])
            self.start_children(self.split(ripe[0][1]), again=True)
        else:
            self.exit(min(exits)[1])

    def is_current(self, name: str) -> bool:
        return name in self.processes and not self.processes[name].consumed

    def part(self, name: str) -> Part:
        return next(part for part in self.play.parts if part.name == name)

    def split(self, name: str) -> list[str]:
        names = [part.name for part in self.play.parts]
        match self.play.strategy:
            case "one_for_one":
                return [name]
            case "one_for_all":
                return names
            case _:
                return names[names.index(name) :]

    def exit(self, name: str) -> None:
        process = self.processes[name]
        self.bury(name)
        if process.life.opening == "ready":
            match self.part(name).restart, process.crashes:
                case ("temporary", _) | ("transient", False):
                    return
        self.add_restart(name)

    def add_restart(self, name: str) -> None:
        self.restarts.append(self.now)
        if len([at for at in self.restarts if at >= self.now - self.play.period]) > self.play.max_restarts:
            self.outcome, self.leave_at = f"gave up on {name}", min(self.leave_at, self.now)
            return
        number = self.failures[name] = self.failures.get(name, 0) + 1
        due = self.now + self.play.waits[min(number, len(self.play.waits)) - 1]
        group = self.split(name)
        self.terminate_children(group)
        self.due = [item for item in self.due if item[1] not in group] + [(due, name)]

    def start_children(self, names: Iterable[str], *, again: bool = False) -> str | None:
        for name in names:
            part = self.part(name)
            if again and part.restart == "temporary":
                continue
            lingering = self.processes.get(name)
            if lingering and lingering.lingers_until is not None:
                self.now = max(self.now, min(lingering.lingers_until, self.leave_at))
            if self.now >= self.leave_at:
                return None
            number = self.born.get(name, 0)
            self.born[name] = number + 1
            process = self.processes[name] = Process(part.life(number), self.now)
            self.note("starts", name)
            # Sent home while it waits, the supervisor leaves the child as it is until its turn to be stopped.
            known_at = self.now + process.life.rehearsal
            self.now = min(known_at, self.leave_at)
            if self.now < known_at:
                return None
            self.announce(name)
            if process.life.opening != "ready":
                return name
        return None

    def announce(self, name: str) -> None:
        """Take note of how the start of a child went, if it has come to that."""
        process = self.processes[name]
        known_at = process.since + process.life.rehearsal
        if not process.is_announced and known_at <= self.now:
            process.is_announced = True
            what = "is ready" if process.life.opening == "ready" else "fails to start"
            self.trace.append(Moment(known_at, what, name))

    def terminate_children(self, names: list[str]) -> None:
        for name in reversed(names):
            if self.is_current(name):
                self.announce(name)
                if self.processes[name].exit_at <= self.now:
                    self.bury(name)
                else:
                    self.shutdown(name)

    def bury(self, name: str) -> None:
        """Take note of an end that the child came to by itself."""
        process = self.processes[name]
        process.consumed = True
        if process.life.opening == "ready":
            self.trace.append(Moment(process.exit_at, "crashes" if process.crashes else "returns", name))

    def shutdown(self, name: str) -> None:
        process, part = self.processes[name], self.part(name)
        process.consumed = True
        if part.can_be_asked and part.shutdown > 0 and process.ready_at <= self.now:
            self.note("is asked", name)
            gone_at = self.now + process.life.farewell
            grace = self.play.end_at + self.play.grace if self.play.end == "cancelled" else FOREVER
            limit = max(self.now, min(self.now + part.shutdown, grace))
            self.now = min(gone_at, limit)
            if gone_at <= limit:
                self.note("leaves", name)
                return
        self.note("is cancelled", name)
        gone_at = self.now + process.life.curtain
        self.trace.append(Moment(gone_at, "leaves", name))
        self.now = min(gone_at, self.now + LINGER)
        if self.now < gone_at:
            process.lingers_until = gone_at

    def note(self, what: str, name: str) -> None:
        self.trace.append(Moment(self.now, what, name))
