"""An environment of its own for each peer: made once, kept in a folder. Only this may use the network, by pip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from attrs import frozen

HERE: Final = Path(__file__).parent
CONTESTANTS: Final = HERE / "contestants"
MADE: Final = "made-of.txt"
PATIENCE: Final = 600.0
"""Seconds that pip is given."""


@frozen
class Contestant:
    """Who takes part: `script` in the folder contestants; a peer needs `packages`, of which the first is named."""

    name: str
    script: str
    packages: tuple[str, ...] = ()

    @property
    def is_peer(self) -> bool:
        """Whether it needs an environment of its own."""
        return bool(self.packages)

    @property
    def home(self) -> str:
        """The name of its environment, which it shares with others of the same packages."""
        return self.packages[0].partition("[")[0]


LIMIT: Final = "trio stream, httptools (limit)"
LIMIT_ALONE: Final = "three actors and nothing else (limit)"
OURS: Final = "understudy"
TENSORZERO: Final = ("tensorzero",)
PYDANTIC_AI: Final = ("pydantic-ai-slim[openai]", "trio")
LANGCHAIN: Final = ("langchain-openai",)
LITELLM: Final = ("litellm",)

CONTESTANTS_ALL: Final = (
    Contestant(LIMIT, "trio_httptools.py"),
    Contestant("trio stream, h11", "trio_h11.py"),
    Contestant("httpx on trio", "httpx_loop.py"),
    Contestant(OURS, "understudy_router.py"),
    Contestant("understudy without extras", "understudy_plain.py"),
    Contestant("TensorZero embedded", "tensorzero_embedded.py", TENSORZERO),
    Contestant("pydantic-ai FallbackModel", "pydantic_ai_fallback.py", PYDANTIC_AI),
    Contestant("LangChain with_fallbacks", "langchain_fallbacks.py", LANGCHAIN),
    Contestant("LiteLLM Router", "litellm_router.py", LITELLM),
)
"""Those who ask over HTTP."""

CONTESTANTS_ALONE: Final = (
    Contestant("the JSON of it", "alone_json.py"),
    Contestant(LIMIT_ALONE, "alone_sketch.py"),
    Contestant("httpx over a mock transport", "alone_httpx.py"),
    Contestant(OURS, "alone_understudy.py"),
    Contestant("pydantic-ai FallbackModel", "alone_pydantic_ai.py", PYDANTIC_AI),
    Contestant("LangChain with_fallbacks", "alone_langchain.py", LANGCHAIN),
    Contestant("LiteLLM Router", "alone_litellm.py", LITELLM),
)
"""Those whose providers answer at once."""


class Unavailable(Exception):
    """A peer cannot be had; the message says why."""


def python_for(contestant: Contestant, folder: Path) -> tuple[str, str]:
    """Return the interpreter that has what this contestant needs, and the version of the peer.

    Raises:
        Unavailable: pip could not get it.

    """
    if not contestant.is_peer:
        return sys.executable, ""
    home = folder / contestant.home
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    made = home / MADE
    wanted = "\n".join(contestant.packages)
    if not made.exists() or made.read_text(encoding="utf-8") != wanted:
        print(f"making an environment for {contestant.name} …", file=sys.stderr)
        _run([sys.executable, "-m", "venv", str(home)])
        _run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *contestant.packages])
        made.write_text(wanted, encoding="utf-8")
    asked = f"from importlib.metadata import version; print(version({contestant.home!r}))"
    return str(python), _run([str(python), "-c", asked]).strip()


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - Python itself
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise Unavailable(str(exc)) from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise Unavailable((lines or ["it failed without a word"])[-1][:200])
    return done.stdout
