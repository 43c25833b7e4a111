"""What an import tells: what was changed on the way, what was left out and why, and what holds for the whole file.

Each note has the place of what it is about. Values are not shown, and what was meant to be secret is struck out of
every line, as keys do get pasted into the wrong field.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, define, frozen

from ..config_mistakes import Mistakes, Steps, show_path


@frozen
class Note:
    """What became of the value at one place of the foreign file, or of everything below it."""

    path: Steps
    text: str


@define(eq=False)
class Report:
    """Everything that an import has to tell.

    Attributes:
        changed: what is in the result, and means something else there than in the foreign file.
        left_out: what is not in the result.
        remarks: what is true of the whole, each told once.

    """

    changed: list[Note] = Factory(list)
    left_out: list[Note] = Factory(list)
    remarks: list[str] = Factory(list)

    def remark(self, text: str) -> None:
        """Tell something about the whole, once however often it is found."""
        if text not in self.remarks:
            self.remarks.append(text)

    def lines(self, mistakes: Mistakes, order: Mapping[Steps, int]) -> list[str]:
        """Return the report as lines of text, the notes in the order of the file."""
        told = [*self.remarks]
        for title, notes in (("Imported with a change:", self.changed), ("Left out:", self.left_out)):
            if notes:
                in_order = sorted(notes, key=lambda note: order.get(note.path, len(order)))
                told += [title, *(f"  {_place(note.path, mistakes)}: {note.text}" for note in in_order)]
        return [mistakes.strike(line) for line in told]


def _place(path: Steps, mistakes: Mistakes) -> str:
    line = mistakes.lines.get(path)
    return show_path(path) + ("" if line is None else f" (line {line})")
