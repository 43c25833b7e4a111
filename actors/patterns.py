"""Expressions that are compiled when they are first needed: many are dear and seldom wanted, and import is cheap."""

from __future__ import annotations

import re
from functools import cache


@cache
def compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Return an expression, compiled once. It is for patterns of ours, which are few."""
    return re.compile(pattern, flags)
