"""All benchmarks of the router, side by side with the limit, with bare httpx and with other routers.

    python benchmarks/run.py                     everything, in half an hour or so
    python benchmarks/run.py --quick             in a minute or so, without peers and with wider ranges
    python benchmarks/run.py --only wire         one part: see PARTS below; may be given several times
    python benchmarks/run.py --no-peers          nobody else's routers
    python benchmarks/run.py --write FOLDER      as benchmarks.json and benchmarks.md, too
    python benchmarks/run.py --profile healthy   where the time of one case goes (cProfile); `--profile list` names them
    python benchmarks/run.py --requests 1000000  so many requests for the endurance

Nothing is sent but over loopback. Peers live in environments of their own, which pip fills once (`--peers` says where);
one that cannot be had is left out, with a word. What is measured, and how, is told in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import httpx
import trio
from alone import BODIES, CARRIED, CARRIED_KINDS, FULL, MANY, REQUESTS, SIZES, STREAMS
from alone import KINDS as KINDS_OF_BODIES
from alone import profile as profile_alone
from attrs import evolve, field, frozen
from children import HERE, Child, ChildDied, environment, tell, upstream
from environments import (
    CONTESTANTS,
    CONTESTANTS_ALL,
    CONTESTANTS_ALONE,
    OURS,
    Contestant,
    Unavailable,
    python_for,
)
from measuring import Core
from tables import CALLERS, HOP, Book, Figure, Reading
from tables import number as rounded
from upstream import EVENTS

MICROSECONDS: Final = "µs of CPU"
KINDS: Final = {
    "plain": (False, False),
    "plain, every request fails over once": (False, True),
    "streamed, 200 chunks": (True, False),
    "streamed, every request fails over once": (True, True),
}
"""Whether it is streamed, and whether the first candidate fails."""

PLAIN: Final = [kind for kind, (stream, _) in KINDS.items() if not stream]

PAUSES: Final = {1: 1, 16: 4}
"""Milliseconds between one chunk and the next, for so many callers, where the provider does not write all at once."""

JSON_READER: Final = "msgspec" if find_spec("msgspec") else "the standard library"
HTTP_READER: Final = "httptools" if find_spec("httptools") else "h11"
"""What reads answers in our own processes: see the extra `fast`."""


@frozen
class Bench:
    """How much is to be measured, and where the readings go."""

    args: argparse.Namespace
    core: Core = field(factory=Core)
    skipped: list[str] = field(factory=list)

    def rounds(self) -> Iterator[int]:
        """Count the rounds, and say so."""
        for number in range(self.args.rounds):
            print(f"  round {number + 1} of {self.args.rounds}", file=sys.stderr)
            yield number

    def reading(self, told: Mapping[str, Any]) -> Reading:
        """Take in what a child told: CPU time a piece."""
        for loop in told["loops"]:
            self.core.note(loop)
        return Reading(told["seconds"] / told["count"] * 1e6, statistics.mean(told["loops"]))

    def scaled(self, readings: Sequence[Reading]) -> list[float]:
        """Return what they are at the core's quickest."""
        return [reading.scaled(self.core.quickest) for reading in readings]


def alone(bench: Bench, cases: Sequence[str]) -> dict[str, list[float]]:
    """Perform cases of the router alone, each in every round."""
    readings: dict[str, list[Reading]] = defaultdict(list)
    with child(HERE / "alone.py") as it:
        for _ in bench.rounds():
            for case in cases:
                readings[case].append(bench.reading(it.ask({"case": case, "seconds": bench.args.seconds})))
    return {case: bench.scaled(readings[case]) for case in cases}


@contextmanager
def child(program: Path, *arguments: str) -> Iterator[Child]:
    it = Child(program, sys.executable, *arguments)
    try:
        yield it
    finally:
        it.close()


# The parts


def router(bench: Bench) -> Iterator[Figure]:
    """(a) The router alone: healthy, falling back, with many keys, past many that cool."""
    part = "The router alone, its provider a line that answers at once"
    took = alone(bench, list(REQUESTS))
    for case, values in took.items():
        yield Figure(part, case, OURS, f"{MICROSECONDS} a request", values)
    yield from each_further(part, took, (1, *MANY))
    yield from each_further(part, took, FULL, " by those who are full")


def each_further(
    part: str, took: Mapping[str, Sequence[float]], counts: Sequence[int], by: str = ""
) -> Iterator[Figure]:
    """Tell what each refusal more takes than fewer do; without any, it is a healthy request."""
    for fewer, more in pairwise(counts):
        base = took["healthy"] if fewer == 1 else took[f"{fewer - 1} refusals{by}"]
        pairs = zip(base, took[f"{more - 1} refusals{by}"], strict=True)
        values = [(many - few) / (more - fewer) for few, many in pairs]
        yield Figure(part, f"each further refusal{by}, from {fewer - 1} to {more - 1}", OURS, MICROSECONDS, values)


def beside(bench: Bench) -> Iterator[Figure]:
    """(a) The router alone beside others alone, everybody in turn."""
    part = "Routers alone, beside each other: whoever they ask answers at once, and without HTTP"
    cases = [(kind, 1) for kind in PLAIN]
    yield from each_request(bench, part, contested(bench, cases, CONTESTANTS_ALONE))


def bodies(bench: Bench) -> Iterator[Figure]:
    """(g) Bodies of three sizes, beside the standard library's JSON of the same."""
    part = "Bodies: request and answer of this size each; of embeddings the answer alone"
    took = alone(bench, list(BODIES))
    for size in SIZES:
        for kind in KINDS_OF_BODIES:
            bare, through = took[f"{size}, {kind}, JSON alone"], took[f"{size}, {kind}, router"]
            times = statistics.median(through) / statistics.median(bare)
            yield Figure(part, f"{size}, {kind}: json.dumps and json.loads", OURS, f"{MICROSECONDS} a request", bare)
            yield Figure(
                part, f"{size}, {kind}: the router", OURS, f"{MICROSECONDS} a request", through, f"{times:.2f} times"
            )


def streams(bench: Bench) -> Iterator[Figure]:
    """(g) Streams through the router alone, and a long one with a slow reader."""
    part = "Streams through the router alone"
    for case, values in alone(bench, list(STREAMS)).items():
        yield Figure(part, f"a chunk, {case}", OURS, MICROSECONDS, values)
    with child(HERE / "alone.py") as it:
        told = it.ask({"case": "slow reader", "chunks": bench.args.chunks})
    memory = told["memory"]
    long = f"{told['chunks']:,} chunks and a slow reader"
    yield Figure(part, f"{long}: pieces taken ahead of the reader", OURS, "at most", [told["ahead"]])
    yield Figure(
        part,
        f"{long}: memory, last tenth minus first",
        OURS,
        "KB",
        [(memory[-1] - memory[0]) / 1e3],
        "its text included",
    )
    yield Figure(part, "the first chunk, from the provider to the reader", OURS, "µs", [told["first"] * 1e6])


def carried(bench: Bench) -> Iterator[Figure]:
    """(g) What an HTTP client takes over the router, as SDKs use it, beside the same client over a mock transport."""
    part = "An HTTP client of httpx's over RouterTransport, the router alone behind it"
    took = alone(bench, list(CARRIED))
    for what in (*(f"{size}, {kind}" for size in SIZES for kind in CARRIED_KINDS), "a chunk"):
        unit = MICROSECONDS if what == "a chunk" else f"{MICROSECONDS} a request"
        bare, through = took[f"{what}, mock"], took[f"{what}, the router"]
        added = statistics.median(through) - statistics.median(bare)
        yield Figure(part, f"{what}: over a mock transport", OURS, unit, bare)
        yield Figure(part, f"{what}: over the router", OURS, unit, through, f"{rounded(added)} more")


def wire(bench: Bench) -> Iterator[Figure]:
    """(b) End to end over HTTP on loopback, everybody in turn."""
    part = "Over HTTP on loopback, router and JSON included"
    cases = [(kind, callers) for kind in KINDS for callers in CALLERS]
    yield from each_request(bench, part, contested(bench, cases, CONTESTANTS_ALL))


def headers(bench: Bench) -> Iterator[Figure]:
    """(b) The same, plain, where the provider sends as many headers as real ones do."""
    part = "Over HTTP on loopback, where answers have the headers that a provider sends"
    cases = [(kind, callers) for kind in PLAIN for callers in CALLERS]
    it = contested(bench, cases, CONTESTANTS_ALL, below="/headers")
    yield from each_request(bench, part, it, ", many headers")


def paced(bench: Bench) -> Iterator[Figure]:
    """(b) Streams as a model writes them, one chunk after another: each is a read, and a wait, of its own."""
    part = "Streams over HTTP on loopback, one chunk after another"
    for callers, pause in PAUSES.items():
        case = ("streamed, 200 chunks", callers)
        for _, who, values in contested(bench, [case], CONTESTANTS_ALL, below=f"/every/{pause}"):
            each = [value / len(EVENTS) for value in bench.scaled(values)]
            yield Figure(part, "a chunk by itself", who, MICROSECONDS, each, callers=callers)


def tls(bench: Bench) -> Iterator[Figure]:
    """(b) The same over TLS, for those who trust whom `SSL_CERT_FILE` names."""
    part = "Over TLS on loopback"
    cases = [(kind, callers) for kind in PLAIN for callers in CALLERS]
    trusting = [who for who in CONTESTANTS_ALL if not who.is_peer]
    yield from each_request(bench, part, contested(bench, cases, trusting, tls=True), ", over TLS")


def hop(bench: Bench) -> Iterator[Figure]:
    """(c) From the first answer to the next request, as the provider sees it."""
    part = "One failover hop, from the first provider's answer to the next request, measured at the provider"
    kind = "plain, every request fails over once"
    for _, who, values in contested(bench, [(kind, 1)], CONTESTANTS_ALL, hops=True):
        yield Figure(part, HOP, who, "µs", bench.scaled(values), callers=1)


Contested = Iterator[tuple[tuple[str, int], str, list[Reading]]]


def each_request(bench: Bench, part: str, readings: Contested, how: str = "") -> Iterator[Figure]:
    """Tell what a request takes of everybody; `how` it was made is added to what it is called."""
    for (kind, callers), who, values in readings:
        yield Figure(part, f"{kind}{how}", who, f"{MICROSECONDS} a request", bench.scaled(values), callers=callers)


def contested(
    bench: Bench,
    cases: Sequence[tuple[str, int]],
    contestants: Sequence[Contestant],
    *,
    hops: bool = False,
    tls: bool = False,
    below: str = "",
) -> Contested:
    """Let everybody perform every case in every round, one after another; what they ask lies `below` the origin."""
    readings: dict[tuple[tuple[str, int], str], list[Reading]] = defaultdict(list)
    with upstream(tls=tls) as origin, ExitStack() as stack:
        running = {who.name: it for who in contestants if (it := entered(bench, who, stack)) is not None}
        for number in bench.rounds():
            for case in cases:
                if KINDS[case[0]][0] and number % 3:
                    continue  # streams take long, and vary less
                for name, it in running.items():
                    reading = performed(bench, origin + below, case, name, it)
                    if reading is not None and hops:
                        reading = evolve(reading, value=median_hop(origin) * 1e6)
                    if reading is not None:
                        readings[case, name].append(reading)
    for case in cases:
        for who in contestants:
            if (case, who.name) in readings:
                yield case, who.name, readings[case, who.name]


def performed(bench: Bench, origin: str, case: tuple[str, int], name: str, it: Child) -> Reading | None:
    """Let one of them perform a case; what goes wrong is told in the end."""
    try:
        told = it.ask(order(bench, origin, *case))
    except ChildDied as exc:
        told = {"error": f"it ended: {exc}"}
    if "error" in told:
        note = f"{name}, {case[0]}, {case[1]} at once: {told['error']}"
        bench.skipped.append(" ".join(note.split()))
        return None
    return bench.reading(told)


def order(bench: Bench, origin: str, kind: str, callers: int) -> dict[str, Any]:
    stream, failing = KINDS[kind]
    return {
        "origin": origin,
        "callers": callers,
        "stream": stream,
        "failing": failing,
        "seconds": bench.args.seconds,
    }


def entered(bench: Bench, who: Contestant, stack: ExitStack) -> Child | None:
    """Start a contestant, if it can be had."""
    if who.is_peer and bench.args.no_peers:
        return None
    try:
        python, version = python_for(who, bench.args.peers)
    except Unavailable as exc:
        bench.skipped.append(f"{who.name}: {exc}")
        return None
    print(f"  {who.name} {version}".rstrip(), file=sys.stderr)
    it = Child(CONTESTANTS / who.script, python, peer=who.is_peer)
    stack.callback(it.close)
    return it


def median_hop(origin: str) -> float:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{origin}/hops") as answer:
        seconds: list[float] = json.load(answer)
    return statistics.median(seconds)


def endurance(bench: Bench) -> Iterator[Figure]:
    """(d) What remains of many requests."""
    requests = bench.args.requests
    yield from remains(f"{requests:,} requests through the router alone", tell("endurance.py", str(requests)))
    with upstream() as origin:
        fewer = max(requests // 10, 110)
        yield from remains(f"{fewer:,} requests over HTTP", tell("endurance.py", str(fewer), origin))


def remains(what: str, samples: Sequence[Sequence[int]]) -> Iterator[Figure]:
    part = "What remains of many requests: a last sample minus the first, at a tenth"
    objects, tasks, memory = ([sample[place] for sample in samples] for place in (1, 2, 3))
    # The last two and the first two samples, so that what only comes and goes is no growth.
    yield Figure(part, f"{what}: objects", OURS, "objects", [min(objects[-2:]) - max(objects[:2])])
    yield Figure(part, f"{what}: tasks", OURS, "tasks", [min(tasks[-2:]) - max(tasks[:2])])
    yield Figure(part, f"{what}: memory", OURS, "KB", [(memory[-1] - memory[0]) / 1e3], f"of {memory[-1] / 1e6:.1f} MB")


def startup(bench: Bench) -> Iterator[Figure]:
    """(e) To import, to open, and what is resident then."""
    part = "To begin"
    readings: dict[str, list[Reading]] = defaultdict(list)
    resident: list[float] = []
    with compiled() as environ:
        for _ in bench.rounds():
            for what in ("none", "import", "open 1000"):
                readings[what].append(bench.reading(tell("startup.py", *what.split(), environ=environ)))
            resident.append(tell("startup.py", "open", "10", environ=environ)["resident"] / 1e6)
    base, whole, opened = ([took / 1e3 for took in bench.scaled(each)] for each in readings.values())
    added = [more - less for less, more in zip(base, whole, strict=True)]
    yield Figure(part, "a process that imports trio and httpx", OURS, "ms of CPU", base)
    yield Figure(part, "import understudy, added to that", OURS, "ms of CPU", added)
    yield Figure(part, "open_router with 1,000 model keys", OURS, "ms of CPU", opened)
    yield Figure(part, "resident memory with 10 model keys", OURS, "MB", resident)


@contextmanager
def compiled() -> Iterator[dict[str, str]]:
    """Yield what children find around them who begin with bytecode, as whoever has installed a package does.

    A checkout may have none, or be told to write none; then each process compiles every module that it imports.
    """
    with tempfile.TemporaryDirectory() as folder:
        environ = environment() | {"PYTHONPYCACHEPREFIX": folder}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        tell("startup.py", "open", "1", environ=environ)
        yield environ


def simulation(bench: Bench) -> Iterator[Figure]:
    """(f) Requests a second of a rehearsal: what `simulation.py` measures."""
    with tempfile.TemporaryDirectory() as folder:
        asked = ["--requests", str(bench.args.rehearsed), "--rounds", str(bench.args.rounds), "--write", folder]
        command = [sys.executable, str(HERE / "simulation.py"), *asked]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment())  # noqa: S603 - ours
        figures = json.loads((Path(folder) / "simulation.json").read_text(encoding="utf-8"))["figures"]
    for told in figures:
        yield Figure("Simulation", told["name"], OURS, told["unit"], told["values"])


PARTS: Final[dict[str, Callable[[Bench], Iterator[Figure]]]] = {
    "router": router,
    "beside": beside,
    "wire": wire,
    "headers": headers,
    "paced": paced,
    "tls": tls,
    "hop": hop,
    "endurance": endurance,
    "startup": startup,
    "simulation": simulation,
    "bodies": bodies,
    "streams": streams,
    "carried": carried,
}


# The command


def main() -> None:
    args = arguments()
    if args.profile is not None:
        profile(args)
        return
    bench = Bench(args)
    figures: list[Figure] = []
    for name in args.only or PARTS:
        print(name, file=sys.stderr)
        figures += PARTS[name](bench)
    book = Book(machine(bench), figures, list(dict.fromkeys(bench.skipped)))
    told = book.told()
    print(told)
    if args.write is not None:
        book.write(args.write, told)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a request costs, here and elsewhere.")
    parser.add_argument("--quick", action="store_true", help="a look in a minute: fewer rounds, no peers")
    parser.add_argument("--only", action="append", choices=PARTS, metavar="PART", help=f"one of {', '.join(PARTS)}")
    parser.add_argument("--no-peers", action="store_true", help="leave other routers out")
    parser.add_argument("--peers", type=Path, default=HERE / ".peers", metavar="FOLDER", help="their environments")
    parser.add_argument("--rounds", type=int, help="how often each case is performed (5; quick: 2)")
    parser.add_argument("--seconds", type=float, help="CPU seconds of each case in each round (0.4; quick: 0.1)")
    parser.add_argument("--requests", type=int, help="how many the endurance makes (100000; quick: 5000)")
    parser.add_argument("--chunks", type=int, help="how long the slow reader's stream is (100000; quick: 10000)")
    parser.add_argument("--rehearsed", type=int, help="requests of each rehearsal (2000; quick: 300)")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="where benchmarks.json and benchmarks.md go")
    parser.add_argument("--profile", metavar="CASE", help="only show where the time of one case goes; list: which")
    args = parser.parse_args()
    usual = {"rounds": (5, 2), "seconds": (0.4, 0.1), "requests": (100_000, 5_000), "chunks": (100_000, 10_000)}
    for name, choice in {**usual, "rehearsed": (2_000, 300)}.items():
        if getattr(args, name) is None:
            setattr(args, name, choice[args.quick])
        elif getattr(args, name) <= 0:
            parser.error(f"--{name} is more than nothing")
    args.no_peers = args.no_peers or args.quick
    return args


def profile(args: argparse.Namespace) -> None:
    """Print where the time of one case goes, of the router alone or over HTTP."""
    over_http = {f"{kind}, {callers} at once": (kind, callers) for kind in KINDS for callers in CALLERS}
    if args.profile in REQUESTS | BODIES | STREAMS | CARRIED:
        profile_alone(args.profile, args.seconds * 5)
    elif args.profile in over_http:
        with upstream() as origin, child(CONTESTANTS / "understudy_router.py") as it:
            asked = order(Bench(args), origin, *over_http[args.profile])
            it.ask({**asked, "seconds": args.seconds * 5, "profile": True})
            print(it.said())
    else:
        known = "\n".join(f"  {case}" for case in [*REQUESTS, *BODIES, *STREAMS, *CARRIED, *over_http])
        raise SystemExit(f"the cases are\n{known}")


def machine(bench: Bench) -> str:
    slowness = f", up to {bench.core.slowness:.0%} slower than its quickest" if bench.core.slowest else ""
    rounds = f"medians of {bench.args.rounds} rounds" if bench.args.rounds > 1 else "one round"
    return (
        f"Python {platform.python_version()}, trio {trio.__version__}, httpx {httpx.__version__},"
        f" HTTP read by {HTTP_READER} and JSON by {JSON_READER}, {platform.system()} on {platform.machine()};"
        f" {rounds}; CPU time of one core{slowness}"
    )


if __name__ == "__main__":
    main()
