"""The configuration: what is read from a file or a mapping, checked, and resolved into entries and routes.

`load_config` is the whole of it. All mistakes are told at once, in one `ConfigError`, each with its place; what comes
out is complete and consistent, so that nobody behind it needs to check anything again. Secrets are in the entries'
endpoints, and nowhere else: no `repr` of anything here shows one.

`config_read` and its neighbours turn a file into plain values, `config_fields` has the tables of all fields,
`config_secrets` finds the secrets, `config_entries` makes the candidates, `config_routes` decides what references
mean and makes the routes. Here is where they meet.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from attrs import Factory, field, frozen

from ..actors.errors import UnknownModel
from ..actors.identity import ModelKey
from ..actors.policy import DEFAULT, Policy
from .config_checks import route_members, text
from .config_entries import Entry, EntryBook
from .config_fields import TOP, read_fields
from .config_mistakes import Mistaken, Spot
from .config_read import Document, read_document
from .config_routes import CANDIDATES_MAX, Directory, Planner
from .config_secrets import Vault

__all__ = ["Config", "Entry", "Restarts", "load_config"]


@frozen
class Restarts:
    """How often the actors may be restarted: `max_restarts` times within `period` seconds."""

    max_restarts: int = 5
    period: float = 60.0


@frozen
class Config:
    """A checked configuration.

    Attributes:
        entries: every candidate that is enabled, in the file's order, an entry's further keys after it, and last
            those that only a reference brought in.
        routes: the candidates behind every name that may be asked for: the entries' names, those of their
            further keys, and the named routes.
        image_routes: the candidates for requests with images, for those names that have a list of their own.
        policy: what each reason of failure does.
        default_provider: what applies to references that name no provider.
        default_timeout: a request's deadline in seconds where its caller names none.
        max_pending: how many requests may be under way at once.
        max_retry_after: for how many seconds at most a provider's stated wait is believed.
        mix_embeddings: whether a request for embeddings may fall back to another model than the one asked for.
        shutdown_timeout: how many seconds running requests have to end when the router closes.
        restarts: how often the actors may be restarted.
        disabled: names that are configured and lead to nobody, because every entry behind them is disabled.

    """

    entries: Mapping[ModelKey, Entry]
    routes: Mapping[str, tuple[ModelKey, ...]]
    image_routes: Mapping[str, tuple[ModelKey, ...]] = Factory(dict)
    policy: Policy = DEFAULT
    default_provider: str | None = None
    default_timeout: float = 600.0
    max_pending: int = 1000
    max_retry_after: float = 600.0
    mix_embeddings: bool = False
    shutdown_timeout: float = 5.0
    restarts: Restarts = Restarts()
    disabled: tuple[str, ...] = ()
    _directory: Directory = field(
        init=False,
        repr=False,
        eq=False,
        default=Factory(lambda self: _list_names(self), takes_self=True),  # noqa: PLW0108 - it is defined below
    )

    def resolve(self, model: str) -> str:
        """Return the name of the route that a caller means.

        That is a route's own name, else the first entry with this full ``provider/model`` (aliases resolved,
        the default provider applied), else the first with this bare model name.

        Raises:
            UnknownModel: if there is none; it suggests the nearest name.

        """
        name = self._directory.find(model)
        if name is not None:
            return name
        note = " (it is disabled)" if model in self.disabled else ""
        raise UnknownModel(model, self._directory.known(), note)


def _list_names(config: Config) -> Directory:
    refs = [(key.name, key.ref) for key in config.entries if key.name in config.routes]
    return Directory(config.routes, refs, config.default_provider)


def load_config(
    source: str | os.PathLike[str] | Mapping[str, object] | Config,
    *,
    environ: Mapping[str, str] | None = None,
    secrets: bool = True,
) -> Config:
    """Read a configuration from a file (YAML, TOML or JSON, told by its ending) or from a mapping.

    Secrets that are given as ``env:NAME`` are looked up in `environ`, by default the process's own environment;
    relative paths in ``file:PATH`` start from the file's folder. With ``secrets=False`` none is looked up: every
    entry gets a placeholder made of its credential's label instead. A `Config` is returned as it is.

    >>> config = load_config({"model_list": [{"model_name": "local", "model": "ollama/llama3"}]})
    >>> config.routes["local"]
    (ModelKey(name='local', provider='ollama', model='llama3', credential=None),)

    Raises:
        ConfigError: if there are mistakes; it tells all of them.

    """
    if isinstance(source, Config):
        return source
    document = read_document(source)
    environ = os.environ if environ is None else environ
    try:
        config = _load(document, Vault(environ, document.folder, secrets))
    except Mistaken:
        document.mistakes.fail()
    document.mistakes.raise_if_any()
    return config


def _load(document: Document, vault: Vault) -> Config:
    """Put a configuration together. Mistakes are noted on the way; the result counts only if there are none."""
    root = Spot(document.tree, (), document.mistakes)
    top = read_fields(root, TOP)
    book = EntryBook(vault, top["default_provider"], top["max_pending"])
    for spot in top["model_list"]:
        book.add(spot)
    planner = Planner(book.groups, top["default_provider"], book.add_implicit)
    planner.plan(_named_routes(top["routes"], planner))
    where = root.at("model_list", None)
    if book.groups and not any(group.enabled for group in book.groups):
        where.note("every entry is disabled")
    if len(book.entries) > CANDIDATES_MAX:
        where.note(f"makes {len(book.entries)} candidates, more than {CANDIDATES_MAX}")
    return Config(
        entries=book.entries,
        routes=planner.routes,
        image_routes=planner.image_routes,
        policy=top["policy"],
        default_provider=top["default_provider"],
        default_timeout=top["default_timeout"],
        max_pending=top["max_pending"],
        max_retry_after=top["max_retry_after"],
        mix_embeddings=top["mix_embeddings"],
        shutdown_timeout=top["shutdown_timeout"],
        restarts=Restarts(*top["restarts"]),
        disabled=tuple(planner.idle),
    )


def _named_routes(spots: Sequence[tuple[str, Spot]], planner: Planner) -> list[tuple[str, tuple[Spot, ...]]]:
    """Check the named routes, and return each with its members."""
    named: list[tuple[str, tuple[Spot, ...]]] = []
    for name, spot in spots:
        try:
            text(Spot(name, spot.path, spot.mistakes))
            if planner.is_taken(name):
                spot.note("an entry, or one of its keys, has this name already")
            named.append((name, route_members(spot)))
        except Mistaken:
            continue
    if len(named) > CANDIDATES_MAX:
        raise named[CANDIDATES_MAX][1][0].wrong(f"there are more than {CANDIDATES_MAX} routes")
    return named
