"""Whether the parts of a scenario fit together, and fit its config: whoever is named must be there.

A fault that touches nobody, a route that does not exist, an expectation about callers who never come: with none of
these a rehearsal would fail, and with each of them it would prove nothing. So all of them are mistakes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

from ...actors.errors import UnknownModel
from ...actors.identity import ModelKey
from ...supervisors.config import Config
from ...supervisors.config_fields import Values
from ...supervisors.config_mistakes import Spot, show
from ..faults import Fault, FaultKind, label_of
from ..scenario import Expectation, ProviderScript
from ..traffic import amount_of
from .scenario_faults import TAKES
from .scenario_tables import Read, Tables

CALLERS_MAX: Final = 2_000_000
"""How many callers a scenario may have."""

NAMED_MAX: Final = 12
"""How many names a message tells where none of them is near to what was written."""


def check_callers(root: Spot, read: Values) -> None:
    """Note it if nobody asks, if too many do, or if something is about none of them."""
    traffic, callers = read["traffic"], read["caller"]
    if "traffic" in read.wrong or "caller" in read.wrong:
        return
    if not traffic.count and not callers.count:
        root.note("nobody asks for anything; add a [[traffic]] or a [[caller]]")
        return
    amount = len(callers.made) + sum(map(amount_of, traffic.made))
    if amount > CALLERS_MAX:
        root.note(f"makes about {amount:,.0f} callers, more than {CALLERS_MAX:,}")
    if not traffic.is_whole or not callers.is_whole:
        return
    classes = [*(each.name for each in traffic.made), *(each.group for each in callers.made)]
    for each in _made(read["expect"]):
        _check_glob(each.spot.at("callers", None), each.made.callers, classes, "class of callers is called")
    routes = [each.route for each in (*traffic.made, *callers.made)]
    for each in _made(read["fault"]):
        if each.made.kind is FaultKind.CALLERS_LEAVE:
            _check_glob(each.spot.at("route", None), each.made.route, routes, "caller asks for")


def check_fit(read: Values, config: Config) -> None:
    """Note whatever is about routes or candidates that the config does not have."""
    for each in (*read["traffic"].read, *read["caller"].read):
        _check_route(each, config)
    keys = list(config.entries)
    for each in _made(read["provider"]):
        _check_touch(each, keys)
    for each in _made(read["fault"]):
        if "candidate" in TAKES[each.made.kind]:
            _check_touch(each, keys)
    names = [key.name for key in keys]
    for each in _made(read["expect"]):
        expected: Expectation = each.made
        for field, globs in (("share", expected.share), ("spent", expected.spent)):
            for glob in globs:
                _check_glob(each.spot.at(field, None).at(glob, None), glob, names, "candidate is called")


def _made(tables: Tables) -> list[Read]:
    return [each for each in tables.read if each.made is not None]


def _check_route(each: Read, config: Config) -> None:
    if "route" in each.fields.wrong:
        return
    try:
        config.resolve(each.fields["route"])
    except UnknownModel as unknown:
        each.spot.at("route", None).note(str(unknown))


def _check_touch(each: Read, keys: Sequence[ModelKey]) -> None:
    """Note it if a fault or a script is about no candidate, at the glob that nobody fits."""
    about: Fault | ProviderScript = each.made
    globs: list[tuple[str, str, list[str], str]] = [
        ("candidate", about.candidate, [key.name for key in keys], "candidate is called"),
        ("provider", about.provider, [key.provider for key in keys], "candidate's provider is"),
    ]
    if isinstance(about, Fault):
        # Who has no credential goes by that word, as in `Fault.touches`.
        labels = [label_of(key) for key in keys]
        globs.append(("credential", about.credential, labels, "candidate's credential is"))
    fits = [_check_glob(each.spot.at(name, None), glob, names, nobody) for name, glob, names, nobody in globs]
    theirs = zip(*(names for _, _, names, _ in globs), strict=True)
    together = (all(map(fnmatchcase, names, [glob for _, glob, _, _ in globs])) for names in theirs)
    if all(fits) and not any(together):
        each.spot.note("touches nobody: each of its globs fits a candidate, but no candidate fits them all")


def _check_glob(spot: Spot, glob: str, names: Iterable[str], nobody: str) -> bool:
    """Note it if a glob fits none of the names, and return whether it fits any."""
    known = list(dict.fromkeys(names))
    if any(fnmatchcase(name, glob) for name in known):
        return True
    more = ", …" if len(known) > NAMED_MAX else ""
    hint = spot.mistakes.suggest(glob, known) or f"; there are {', '.join(map(show, known[:NAMED_MAX]))}{more}"
    spot.note(f"no {nobody} {show(glob)}{hint}")
    return False
