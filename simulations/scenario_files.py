"""Scenario files: read with all their mistakes told at once, written so that what is read again is the same.

A file is TOML, YAML or JSON, told by its ending; ``docs/scenarios.md`` is its reference. `load_scenario` reads one,
`write_scenario` writes one as TOML, and `find_scenario` knows those that come with the package as well. Reading a file
is the same as reading a config, with the same words for mistakes; its fields are told in `scenario_fields`, and
whether its parts fit together is seen in `scenario_fit`. How a scenario becomes text is told in `scenario_text`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from attrs import evolve

from ..actors.errors import ConfigError
from ..supervisors.config_fields import Values, read_fields
from ..supervisors.config_mistakes import Mistaken, Mistakes, Spot, kind, nearest, show
from ..supervisors.config_read import PARSERS, Document, read_document
from ..supervisors.config_toml import toml_lines
from .files.scenario_fields import SCENARIO
from .files.scenario_fit import check_callers, check_fit
from .files.scenario_text import scenario_text
from .scenario import Scenario

FOLDER: Final = Path(__file__).parent / "scenarios"
"""Where the scenarios are that come with the package."""


class ScenarioError(ConfigError):
    """The scenario does not hold; `problems` names every mistake with its place."""

    def __init__(self, problems: Sequence[str], source: str | None = None) -> None:
        super().__init__(problems, "the scenario" if source is None else source)
        self.source = source


class UnknownScenario(ScenarioError):
    """No scenario that comes with the package has this name, and it is no path either."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        near = nearest(name, known)
        hint = f"did you mean {show(near)}?" if near else f"there are: {', '.join(known) or 'none'}."
        text = (
            f"no scenario that comes with understudy is called {show(name)}; {hint}"
            f" A file of your own is named by its path, with its ending ({', '.join(PARSERS)})."
        )
        super().__init__([text])
        self.args = (text,)


# Reading


def load_scenario(source: str | os.PathLike[str] | Mapping[str, object]) -> Scenario:
    """Read a scenario from a file (TOML, YAML or JSON, told by its ending) or from a mapping of the same shape.

    A relative path of a config starts from the file's folder. The config is read as well, without its secrets, and
    whatever the scenario says about routes and candidates is held against it.

    >>> scenario = load_scenario({
    ...     "name": "one caller",
    ...     "config": {"model_list": [{"model_name": "local", "model": "ollama/llama3"}]},
    ...     "caller": [{"at": "5 min", "route": "local"}],
    ... })
    >>> scenario.callers[0].at
    300.0

    Raises:
        ScenarioError: if there are mistakes; it tells all of them.
        ConfigError: if the only mistakes are the config's.

    """
    document = _read(source)
    broken: ConfigError | None = None
    scenario: Scenario | None = None
    with suppress(Mistaken):
        root = Spot(document.tree, (), document.mistakes)
        read = read_fields(root, SCENARIO)
        check_callers(root, read)
        if "config" not in read.wrong:
            scenario = _scenario(read, document.folder)
            broken = _check_config(scenario, read)
    try:
        document.mistakes.raise_if_any()
    except ConfigError as own:
        problems = [*own.problems, *(f"config: {problem}" for problem in (broken.problems if broken else ()))]
        raise ScenarioError(problems, own.source) from None
    if broken is not None:
        raise broken
    assert scenario is not None, "without mistakes there is a scenario"
    return scenario


def _check_config(scenario: Scenario, read: Values) -> ConfigError | None:
    """Hold the scenario against its config, or return what is wrong with that."""
    try:
        check_fit(read, scenario.load())
    except ConfigError as error:
        return error
    return None


def _read(source: object) -> Document:
    """Read the file; its lines are known, whatever its format."""
    if not isinstance(source, (str, os.PathLike, Mapping)):
        raise ScenarioError([f"a scenario is the path of a file or a mapping, not {kind(source)}"])
    with _as_scenario_error():
        document = read_document(source)
    if not isinstance(source, Mapping) and Path(os.fsdecode(source)).suffix.lower() == ".toml":
        document.mistakes.lines = toml_lines(Path(os.fsdecode(source)).read_text(encoding="utf-8-sig"))
    return document


@contextmanager
def _as_scenario_error() -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ScenarioError(error.problems, error.source) from None


def _scenario(read: Values, folder: Path) -> Scenario:
    config = read["config"]
    return Scenario(
        name=read["name"] or "",
        config=_beside(folder, config) if isinstance(config, str) else config,
        teaches=read["teaches"],
        traffic=read["traffic"].made,
        callers=read["caller"].made,
        providers=read["provider"].made,
        faults=read["fault"].made,
        expectations=read["expect"].made,
        seed=read["seed"],
        script=read["script"],
        own_turns=read["own_turns"],
        wire=read["wire"],
        healed_at=read["healed_at"],
    )


def _beside(folder: Path, path: str) -> str:
    """Return a path that starts from a folder, without detours as far as that leads to the same file."""
    whole = folder / path
    short = Path(os.path.normpath(whole))
    try:
        # Where a folder is a link, going up from it leads elsewhere than the text of the path does.
        is_same = short.samefile(whole)
    except OSError:
        is_same = False
    return str(short if is_same else whole)


# Writing


def dump_scenario(scenario: Scenario) -> str:
    """Return a scenario as TOML: only what differs from the defaults, and everything exactly.

    Secrets that stand literally in its config are replaced by placeholders, which changes nothing in a run. What a
    kind of fault does not take is left out. The path of a config is written as it is.

    Raises:
        ScenarioError: there is something in its config that TOML cannot say.

    """
    mistakes = Mistakes()
    text = ""
    with suppress(Mistaken):
        text = scenario_text(scenario, mistakes)
    with _as_scenario_error():
        mistakes.raise_if_any()
    return text


def write_scenario(scenario: Scenario, path: str | os.PathLike[str]) -> None:
    """Write a scenario to a TOML file, from which `load_scenario` reads an equal one.

    See `dump_scenario`; a relative path of a config is written so that it starts from the file's folder.

    Raises:
        ScenarioError: there is something in its config that TOML cannot say, or the file's ending is another.
        OSError: the file cannot be written.

    """
    file = Path(path)
    if file.suffix.lower() != ".toml":
        raise ScenarioError([f"a scenario is written as TOML, so that the file's ending must be .toml: {file}"])
    file.write_text(dump_scenario(_moved(scenario, file.parent)), encoding="utf-8", newline="\n")


def _moved(scenario: Scenario, folder: Path) -> Scenario:
    """Return the scenario with a relative path of its config made to start from a folder."""
    if isinstance(scenario.config, Mapping):
        return scenario
    config = Path(os.fsdecode(scenario.config))
    if config.is_absolute():
        return scenario
    # Links are followed first: a way up starts where a link leads to.
    there = config.parent.resolve() / config.name
    return evolve(scenario, config=Path(os.path.relpath(there, folder.resolve())).as_posix())


# Finding


def built_in_scenarios() -> dict[str, Path]:
    """Return the files of the scenarios that come with the package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def find_scenario(name: str) -> Scenario:
    """Read a scenario by the name of one that comes with the package, or by the path of a file.

    Raises:
        ScenarioError: there is none, or there are mistakes in it.
        ConfigError: its config does not hold.

    """
    known = built_in_scenarios()
    if name in known:
        return load_scenario(known[name])
    path = Path(name)
    if path.suffix.lower() in PARSERS or path.is_file() or path.name != name:
        return load_scenario(path)
    raise UnknownScenario(name, list(known))
