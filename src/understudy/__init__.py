"""Understudy routes LLM requests to the first healthy candidate, and can prove it."""

from __future__ import annotations

from pathlib import Path as _Path

# A checkout without symbolic links (some archives, some file systems) has plain files where the links to the
# rooms should be; the rooms are then found at the repository's root.
if not (_Path(__file__).parent / "actors").is_dir():
    __path__.append(str(_Path(__file__).parents[2]))
