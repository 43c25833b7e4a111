"""Understudy as it is installed without extras: h11 reads HTTP, and the standard library JSON."""

from __future__ import annotations

import sys
from typing import Any

FAST: dict[str, Any] = dict.fromkeys(("httptools", "msgspec"))
sys.modules.update(FAST)  # what is None there cannot be imported

import contest  # noqa: E402
from understudy_router import session  # noqa: E402

if __name__ == "__main__":
    contest.serve(session, contest.on_trio)
