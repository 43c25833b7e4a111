"""The command ``import``: another program's config becomes one of ours. It reads arguments, prints and writes."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console

from .actors.errors import UnderstudyError
from .rehearsing import FILE, fail
from .supervisors.config import Config, load_config
from .supervisors.imports.kinds import LITELLM, PICOCLAW, Imported, import_config
from .supervisors.imports.write import to_json, to_yaml, without_secrets

YAML_ENDINGS = (".yaml", ".yml")
JSON_ENDING = ".json"


@click.command(name="import")
@click.argument("file", type=FILE)
@click.option(
    "--from", "kind", type=click.Choice([LITELLM, PICOCLAW]), help="What FILE is.  [default: what it looks like]"
)
@click.option("--output", type=FILE, help="Write the config here (.yaml, .yml or .json) instead of to standard output.")
@click.option("--force", is_flag=True, help="Let --output overwrite a file.")
def import_command(file: Path, kind: str | None, output: Path | None, force: bool) -> None:
    """Turn FILE, a config of LiteLLM's or picoclaw's, into one of ours.

    What could not be taken over is told on standard error, and so are the routes that come out. Keys that FILE
    holds are written to --output alone; on standard output each is replaced by a variable for you to set.
    """
    if output is not None:
        _check_output(file, output, force)
    try:
        imported = import_config(file, kind)
    except UnderstudyError as exc:
        fail(str(exc))
    for line in imported.lines:
        click.echo(line, err=True)
    config = imported.config if output is not None else _without_secrets(imported)
    as_json = output is not None and output.suffix.lower() == JSON_ENDING
    text = to_json(config) if as_json else to_yaml(config, _origin(imported, file))
    # What is handed out is what is checked and shown.
    loaded = load_config(config, secrets=False)
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(text, output, force)
    _show_routes(loaded)


def _check_output(file: Path, output: Path, force: bool) -> None:
    if output.suffix.lower() not in (*YAML_ENDINGS, JSON_ENDING):
        fail(f"{output}: the ending of a config tells its format; write to .yaml, .yml or .json")
    if output.exists() and file.exists() and output.samefile(file):
        fail(f"{output}: this is the file that is imported; write to another one")
    if output.exists() and not force:
        fail(f"{output}: this file exists; write to another one, or let it be overwritten with --force")


def _without_secrets(imported: Imported) -> dict[str, object]:
    """Replace what may not be printed, and say by what."""
    config, names = without_secrets(imported.config, [key.credential for key in imported.loaded.entries])
    if names:
        click.echo(
            "No key is printed. Set these variables to the keys in the file, or write them with --output:", err=True
        )
        for name in names:
            click.echo(f"  {name}", err=True)
    return config


def _write(text: str, output: Path, force: bool) -> None:
    # It may hold keys: nobody else needs to read it.
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with os.fdopen(os.open(output, flags, 0o600), "w", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as exc:
        fail(f"{output}: {exc.strerror or exc}")
    click.echo(f"Written to {output}.", err=True)


def _origin(imported: Imported, file: Path) -> str:
    """Name the file in a way that fits into a comment."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in file.name)
    return f"{shown} ({imported.kind})"


def _show_routes(loaded: Config) -> None:
    # The command line imports this module: its way of showing routes is fetched when it is needed.
    from .cli import show_routes

    show_routes(loaded, Console(stderr=True))
