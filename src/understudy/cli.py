"""The command line. It reads arguments and prints; everything else is done by the packages."""

from __future__ import annotations

from pathlib import Path

import click
import trio
from rich.console import Console
from rich.table import Table

from . import __version__
from .actors.errors import UnderstudyError
from .actors.messages import AttemptRecord
from .importing import import_command
from .rehearsing import FILE, fail, fuzz, replay, simulate
from .supervisors.config import Config, Entry, load_config
from .supervisors.runtime import open_router


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="understudy")
def cli() -> None:
    """Route LLM requests to the first healthy candidate, and rehearse what happens when it fails."""


for command in (simulate, fuzz, replay, import_command):
    cli.add_command(command)


@cli.command()
@click.argument("config", type=FILE)
def check(config: Path) -> None:
    """Validate CONFIG; show each route's order, identities and limits. No secret needs to be there."""
    try:
        loaded = load_config(config, secrets=False)
    except UnderstudyError as exc:
        fail(str(exc))
    show_routes(loaded, Console())


def show_routes(loaded: Config, console: Console) -> None:
    """Print each route with its order, identities and limits."""
    for name, keys in loaded.routes.items():
        console.print(_route_table(name, [loaded.entries[key] for key in keys]))
    for name, keys in loaded.image_routes.items():
        console.print(_route_table(f"{name} (requests with images)", [loaded.entries[key] for key in keys]))
    console.print(_totals(loaded))


@cli.command()
@click.argument("config", type=FILE)
@click.argument("model")
@click.argument("prompt")
@click.option("--stream", is_flag=True, help="Print the reply as it is written.")
@click.option("--timeout", type=float, default=None, help="Seconds until the request must have ended.")
def chat(config: Path, model: str, prompt: str, stream: bool, timeout: float | None) -> None:
    """Send PROMPT to MODEL, one real request; the attempts are shown on standard error."""
    try:
        trio.run(_chat, config, model, prompt, stream, timeout)
    except UnderstudyError as exc:
        fail(str(exc))


async def _chat(config: Path, model: str, prompt: str, stream: bool, timeout: float | None) -> None:
    messages = [{"role": "user", "content": prompt}]
    async with open_router(config) as router:
        if not stream:
            reply = await router.chat(model, messages, timeout=timeout)
            click.echo(reply.text)
            _show_attempts(reply.attempts)
            return
        async with router.stream(model, messages, timeout=timeout) as chunks:
            async for chunk in chunks:
                click.echo(chunk.text, nl=False)
            click.echo()
            _show_attempts(chunks.attempts)


def _show_attempts(attempts: tuple[AttemptRecord, ...]) -> None:
    for attempt in attempts:
        click.echo(f"  {attempt}", err=True)


def _route_table(name: str, entries: list[Entry]) -> Table:
    table = Table(title=name, title_justify="left", header_style="bold")
    for column in ("", "candidate", "model", "credential", "base URL", "dialect", "limits"):
        table.add_column(column)
    for place, entry in enumerate(entries, start=1):
        key = entry.key
        table.add_row(
            str(place),
            key.name,
            f"{key.provider}/{key.model}",
            key.credential or "none",
            entry.endpoint.api_base,
            entry.endpoint.dialect,
            _limits(entry),
        )
    return table


def _limits(entry: Entry) -> str:
    limits = entry.limits
    stated = {"rpm": limits.rpm, "tpm": limits.tpm, "parallel": limits.max_parallel, "burst": limits.burst}
    return ", ".join(f"{value:g} {name}" for name, value in stated.items() if value is not None) or "none"


def _totals(config: Config) -> str:
    return f"{len(config.routes)} routes over {len(config.entries)} candidates. The config holds."
