"""Pieces of a page: tables, tiles and words, as HTML. Whatever text is put in is escaped here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

ROWS_MAX: Final = 300
"""Of any table; past that it says how many more there are."""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, folded: bool = False) -> str:
    """Return a table; nothing if it has no rows. Numbers stand to the right."""
    found = list(rows)
    if not found:
        return ""
    shown = found[:ROWS_MAX]
    numeric = [all(isinstance(row[i], int | float) for row in shown) for i in range(len(columns))]
    kinds = [' class="number"' if is_numeric else "" for is_numeric in numeric]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(columns, kinds, strict=True))
    body = "\n".join(
        f"<tr>{''.join(f'<td{kind}>{_cell(cell)}</td>' for cell, kind in zip(row, kinds, strict=True))}</tr>"
        for row in shown
    )
    more = f'<p class="faint">and {len(found) - len(shown):,} more</p>' if len(found) > len(shown) else ""
    whole = f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}'
    if folded:
        return f"<details><summary>{escape(title)} ({len(found):,})</summary>{whole}</details>"
    return f"<h2>{escape(title)}</h2>{whole}"


def _cell(cell: object) -> str:
    return cell if isinstance(cell, Html) else f"{cell:,}" if isinstance(cell, int | float) else escape(str(cell))


def word(text: str, *, good: bool) -> Html:
    """Return a word that is good or bad."""
    return Html(f'<span class="{"good" if good else "bad"}">{escape(text)}</span>')


def tile(number: str, words: str, *, good: bool | None = None) -> str:
    """Return a number with its words."""
    kind = "" if good is None else ' class="good"' if good else ' class="bad"'
    return f'<div class="tile"><b{kind}>{escape(number)}</b><span>{escape(words)}</span></div>'
