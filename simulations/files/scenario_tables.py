"""Lists of tables in a scenario file, such as all its ``[[fault]]``: read one by one, each made into an object.

What a table's fields are is told in `scenario_fields` and `scenario_faults`. A table that is mistaken does not stop
the others from being read, and what is known of it is kept: the rest of a file may be about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from attrs import fields_dict, frozen

from ...supervisors.config_checks import Check, list_of
from ...supervisors.config_fields import Field, Values, read_fields
from ...supervisors.config_mistakes import Mistaken, Spot


@frozen(eq=False)
class Read:
    """One table: its spot, its fields, and what was made of them, ``None`` if that is mistaken.

    What it has to do with others is seen later.
    """

    spot: Spot
    fields: Values
    made: Any


@frozen(eq=False)
class Tables:
    """A list of tables. `count` is how many there are; those that are no tables at all are not among the `read`."""

    read: tuple[Read, ...] = ()
    count: int = 0

    @property
    def made(self) -> tuple[Any, ...]:
        """What was made of them, as far as they are not mistaken."""
        return tuple(each.made for each in self.read if each.made is not None)

    @property
    def is_whole(self) -> bool:
        """Whether none of them is mistaken."""
        return len(self.made) == self.count


def tables(heading: str, fields: Mapping[str, Field], made_of: Callable[[Spot, Values], object]) -> Check:
    """Return a check that this is a list of tables with these fields, of each of which something is made."""

    def read_one(spot: Spot) -> Read:
        values = read_fields(spot, fields)
        made = None
        with suppress(Mistaken):
            made = made_of(spot, values)
        return Read(spot, values, made)

    read_list = list_of("tables", read_one)

    def check(spot: Spot) -> Tables:
        if isinstance(spot.value, Mapping):
            raise spot.wrong(f"must be a list of tables; in TOML, write [[{heading}]] above each")
        read: tuple[Read, ...] = read_list(spot)
        return Tables(read, len(list(spot.elements("tables"))))

    return check


def make(kind: type[Any], read: Values) -> Any:
    """Make an object of the fields that are given; the class knows what the others are."""
    if read.wrong:
        raise Mistaken("a field is mistaken")
    return kind(**{name: read[name] for name in read.given if name in fields_dict(kind)})


def maker(kind: type[Any]) -> Callable[[Spot, Values], object]:
    """Return what makes objects of one kind of the fields that are given."""
    return lambda _, read: make(kind, read)
