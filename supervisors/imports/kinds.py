"""Which program a configuration was made for, and the way from there to ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from attrs import frozen

from ...actors.errors import ConfigError
from ..config import Config, load_config
from ..config_mistakes import Mistakes
from ..config_read import Document, read_document
from .draft import Fields
from .foreign import Foreign, places_in_order
from .litellm import from_litellm
from .picoclaw import from_picoclaw

LITELLM: Final = "litellm"
PICOCLAW: Final = "picoclaw"

_OF_LITELLM: Final = ("litellm_settings", "router_settings", "general_settings", "credential_list")
_OF_PICOCLAW: Final = ("agents", "providers", "channels", "channel_list", "gateway")


@frozen(eq=False)
class Imported:
    """The result of an import.

    Attributes:
        kind: the program that the file was made for.
        config: what the file means here, as a mapping for `load_config`. It may hold secrets.
        loaded: the same, checked, with placeholders for the secrets.
        lines: what was changed and what was left out, in words, without a secret.
        foreign: the account of every value in the file.

    """

    kind: str
    config: Fields
    loaded: Config
    lines: list[str]
    foreign: Foreign


def import_config(
    source: str | os.PathLike[str] | Mapping[str, object],
    kind: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Imported:
    """Read another program's configuration, from a file or a mapping, and return what it means here.

    `kind` is ``"litellm"`` or ``"picoclaw"``, by default whichever it looks like. `environ` holds the variables that
    addresses in it may refer to, by default the process's own.

    Raises:
        ConfigError: if it cannot be read, is of neither kind, has mistakes, or has nothing that could be taken over.

    """
    document = read_document(source)
    kind = kind or _detect(document)
    environ = os.environ if environ is None else environ
    foreign = Foreign(document.tree, document.mistakes)
    if not isinstance(document.tree, Mapping):
        foreign.root.note(None, f"this is not a configuration of {kind}'s: it is no mapping of names to values")
        document.mistakes.fail()
    turn: Callable[[], Fields] = {
        LITELLM: lambda: from_litellm(foreign, environ),
        PICOCLAW: lambda: from_picoclaw(foreign, document.folder.absolute()),
    }[kind]
    config = turn()
    document.mistakes.raise_if_any()
    lines = foreign.report.lines(document.mistakes, places_in_order(foreign.root))
    if not config["model_list"]:
        told = "".join(f"\n  {line}" for line in lines)
        raise ConfigError([f"nothing in it can be taken over{told}"], document.mistakes.source)
    return Imported(kind, config, _check(config, document.mistakes), lines, foreign)


def _check(config: Fields, mistakes: Mistakes) -> Config:
    """Check the result. A file may be fine where it comes from and still be too much for us: too many candidates."""
    try:
        return load_config(config, environ={}, secrets=False)
    except ConfigError as error:
        problems = [mistakes.strike(f"what it means here does not hold: {problem}") for problem in error.problems]
    raise ConfigError(problems, mistakes.source)


def _detect(document: Document) -> str:
    tree = document.tree
    if not isinstance(tree, Mapping):
        raise ConfigError(["this is a configuration of neither litellm nor picoclaw"], document.mistakes.source)
    listed = tree.get("model_list")
    entries = [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
    of_litellm = any(name in tree for name in _OF_LITELLM) or any("litellm_params" in entry for entry in entries)
    of_picoclaw = any(name in tree for name in _OF_PICOCLAW)
    if of_litellm != of_picoclaw:
        return LITELLM if of_litellm else PICOCLAW
    if of_litellm:
        text = "this looks like a configuration of litellm and like one of picoclaw; say which with `--from`"
    elif any("model" in entry for entry in entries):
        text = (
            "this is a configuration of Understudy already (`understudy check` looks through it);"
            " if it is picoclaw's, say so with `--from picoclaw`"
        )
    else:
        text = (
            "this is a configuration of neither litellm (`model_list` with `litellm_params`)"
            " nor picoclaw (`model_list` and `agents`)"
        )
    raise ConfigError([text], document.mistakes.source)
