"""Processes that measure, and are told what by lines of JSON; and the upstream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, Final
from unittest.mock import patch

HERE: Final = Path(__file__).parent
LOOPBACK: Final = "127.0.0.1"


def environment(*, peer: bool = False) -> dict[str, str]:
    """Return what a child finds around it: our modules, no proxy, and for a peer nothing of ours besides."""
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    inherited = "" if peer else environ.get("PYTHONPATH", "")
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), inherited]))
    return environ


class ChildDied(Exception):
    """A child has ended before its time; the message is the last that it said."""


class Child:
    """One process; what it says besides goes into a file, of which the last line is told if it dies."""

    def __init__(self, program: Path, python: str = sys.executable, *arguments: str, peer: bool = False) -> None:
        self._said: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed with the child
        self._process = subprocess.Popen(  # noqa: S603 - a program of ours
            [python, str(program), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env=environment(peer=peer),
        )

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Let it do something, and return what it tells."""
        assert self._process.stdin is not None
        try:
            print(json.dumps(order), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise ChildDied(self._last_words()) from None
        told: dict[str, Any] = json.loads(self.read())
        return told

    def read(self) -> str:
        """Return the next line that it prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ChildDied(self._last_words())
        return line

    def said(self) -> str:
        """Return all that it said besides."""
        self._said.seek(0)
        return self._said.read()

    def close(self) -> None:
        """Let it end; one that does not is ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()

    def _last_words(self) -> str:
        self._process.wait()
        return (self.said().strip().splitlines() or ["it said nothing"])[-1][:200]


@contextmanager
def upstream(*, tls: bool = False) -> Iterator[str]:
    """Keep an upstream running, and return its origin. If it speaks TLS, children that begin meanwhile trust it."""
    with certificate() if tls else nullcontext(()) as arguments:
        child = Child(HERE / "upstream.py", sys.executable, *arguments)
        try:
            yield f"{'https' if tls else 'http'}://{LOOPBACK}:{int(child.read())}"
        finally:
            child.close()


@contextmanager
def certificate() -> Iterator[tuple[str]]:
    """Yield the file of a certificate for this machine. Those who heed `SSL_CERT_FILE` trust it."""
    import trustme

    with tempfile.TemporaryDirectory() as folder:
        authority, trusted, own = trustme.CA(), Path(folder) / "authority.pem", Path(folder) / "own.pem"
        authority.cert_pem.write_to_path(str(trusted))
        authority.issue_cert(LOOPBACK).private_key_and_cert_chain_pem.write_to_path(str(own))
        with patch.dict(os.environ, {"SSL_CERT_FILE": str(trusted)}):
            yield (str(own),)


def tell(program: str, *arguments: str, environ: Mapping[str, str] | None = None) -> Any:
    """Run a program of this folder to its end, and return the JSON that it prints.

    It finds `environ` around it, or else what every child does.
    """
    done = subprocess.run(  # noqa: S603 - a program of ours
        [sys.executable, str(HERE / program), *arguments],
        capture_output=True,
        text=True,
        env=environment() if environ is None else environ,
        check=False,
    )
    if done.returncode != 0:
        raise ChildDied((done.stderr.strip().splitlines() or ["it said nothing"])[-1][:200])
    return json.loads(done.stdout)
