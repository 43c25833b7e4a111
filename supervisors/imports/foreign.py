"""A foreign configuration that remembers which of its values were read.

A `Place` is one value with the path that leads to it. Whoever reads a place says what becomes of it: it is *used*, it
is *changed* (used, and told), or it is *dropped* (told). What nobody has said anything about is dropped in the end by
`Foreign.settle`, so that forgetting a value is impossible. A value that is empty says nothing and needs no account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from attrs import Factory, define, field, frozen

from ..config_checks import text
from ..config_mistakes import Mistaken, Mistakes, Spot, Steps, kind
from .report import Note, Report

EMPTY: Final[tuple[object, ...]] = (None, "", [], {})


def is_empty(value: object) -> bool:
    """Whether a value says nothing: it is not there, or an empty text, list or mapping."""
    return any(type(value) is type(empty) and value == empty for empty in EMPTY)


@define(eq=False)
class Foreign:
    """One foreign configuration, and the account of it: the paths of all single values that were `used`."""

    tree: object
    mistakes: Mistakes
    report: Report = Factory(Report)
    used: dict[Steps, None] = field(factory=dict, init=False)
    _changed: dict[Note, None] = field(factory=dict, init=False)
    _dropped: dict[Steps, None] = field(factory=dict, init=False)
    _touched: dict[Steps, None] = field(factory=dict, init=False)
    """Every place in which something was used or told."""

    @property
    def root(self) -> Place:
        """The whole file."""
        return Place(self.tree, (), self)

    def note_used(self, path: Steps) -> None:
        """Keep in mind that a single value became a part of the result."""
        self.used[path] = None
        self._touch(path)

    def note_changed(self, path: Steps, text: str) -> None:
        """Tell that something was taken over, and means something else."""
        note = Note(path, text)
        if note not in self._changed:
            self._changed[note] = None
            self._touch(path)
            self.report.changed.append(note)

    def note_dropped(self, path: Steps, text: str) -> None:
        """Tell that something, with all that is in it, was not taken over. The first reason is the one that counts."""
        if path not in self._dropped:
            self._dropped[path] = None
            self._touch(path)
            self.report.left_out.append(Note(path, text))

    def _touch(self, path: Steps) -> None:
        for depth in range(len(path) + 1):
            self._touched[path[:depth]] = None

    def settle(self, is_section: Callable[[Steps], bool], explain: Callable[[Steps], str]) -> None:
        """Drop everything that nobody has accounted for.

        A part of the tree of which nothing was read is told in one line, unless it is a section: what is inside a
        section is told one by one. `explain` says what a part was for, and what to do without it.
        """
        waiting = [self.root]
        while waiting:
            place = waiting.pop()
            if place.path in self._dropped or place.path in self.used or is_empty(place.value):
                continue
            inside = place.inside()
            if inside and (is_section(place.path) or place.path in self._touched):
                waiting += inside
            else:
                self.note_dropped(place.path, explain(place.path))


@frozen(eq=False)
class Place:
    """One value of a foreign configuration."""

    value: object
    path: Steps
    foreign: Foreign

    def at(self, step: str | int, value: object) -> Place:
        """Return the place of a value inside this one."""
        return Place(value, (*self.path, step), self.foreign)

    def inside(self) -> list[Place]:
        """Return the places right inside this one; a single value has none."""
        if isinstance(self.value, Mapping):
            return [self.at(str(name), value) for name, value in self.value.items()]
        if isinstance(self.value, list):
            return [self.at(n, value) for n, value in enumerate(self.value)]
        return []

    def get(self, name: str) -> Place | None:
        """Return the place of a field, ``None`` if it is not there or says nothing."""
        if not isinstance(self.value, Mapping) or is_empty(self.value.get(name)):
            return None
        return self.at(name, self.value[name])

    def section(self, name: str) -> Place:
        """Return the place of a mapping, an empty one if it is not there. Anything else there is a mistake."""
        found = self.get(name)
        if found is None:
            return self.at(name, {})
        if not isinstance(found.value, Mapping):
            self.note(name, f"must be a mapping of names to values, not {kind(found.value)}")
            return self.at(name, {})
        return found

    def elements(self, name: str) -> Iterator[Place]:
        """Return the places in a list that has to be one, none if it is not there."""
        found = self.get(name)
        if found is not None and not isinstance(found.value, list):
            self.note(name, f"must be a list, not {kind(found.value)}")
            return iter(())
        return iter([] if found is None else found.inside())

    def text(self, name: str) -> str | None:
        """Return a field that has to be there and to be text; what is wrong with it is noted as a mistake."""
        found = self.get(name)
        if found is None:
            self.note(None, f"`{name}` is missing")
            return None
        try:
            value = text(Spot(found.value, found.path, self.foreign.mistakes))
        except Mistaken:
            return None
        found.use()
        return value

    def note(self, name: str | None, text: str) -> None:
        """Note a mistake here, or at a field of this."""
        self.foreign.mistakes.note(self.path if name is None else (*self.path, name), text)

    def use(self) -> object:
        """Say that this became a part of the result as it is, and return it."""
        for path in leaves(self):
            self.foreign.note_used(path)
        return self.value

    def change(self, text: str) -> None:
        """Say that this became a part of the result, and how it differs."""
        self.use()
        self.foreign.note_changed(self.path, text)

    def drop(self, text: str) -> None:
        """Say that this did not become a part of the result, and why."""
        self.foreign.note_dropped(self.path, text)

    def judge(self, check: Callable[[Spot], object], value: object) -> str | None:
        """Return what is wrong with a value in the eyes of a check of ours, ``None`` if nothing is."""
        try:
            check(Spot(value, self.path, Mistakes()))
        except Mistaken as mistake:
            return str(mistake)
        return None


def leaves(place: Place) -> Iterator[Steps]:
    """Return the paths of all single values from a place on, and of whatever is empty there."""
    inside = place.inside()
    if not inside:
        yield place.path
    for below in inside:
        yield from leaves(below)


def places_in_order(root: Place) -> dict[Steps, int]:
    """Return where in the file each place is, counted from the first."""
    order: dict[Steps, int] = {}
    waiting = [root]
    while waiting:
        place = waiting.pop()
        order[place.path] = len(order)
        waiting += reversed(place.inside())
    return order


def names_of(path: Steps) -> str:
    """Return a path without its positions in lists, as the tables have it: ``model_list.litellm_params.weight``."""
    return ".".join(step for step in path if isinstance(step, str))
