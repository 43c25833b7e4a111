"""``python -m understudy`` and the ``understudy`` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say what it needs."""
    try:
        from .cli import cli
    except ModuleNotFoundError as exc:
        if exc.name not in ("click", "rich", "hypothesis"):
            raise
        sys.exit(f'the command line needs {exc.name}: install it with pip install "understudy[cli]"')
    cli()


if __name__ == "__main__":
    main()
