"""picoclaw's ``config.json`` as a configuration of ours.

Its `model_list` is near to ours. Entries of one name take turns there, which is a route here; `agents.defaults` says
which model its agent asks, and who follows, which becomes the route ``default``. The older format has no `model_list`,
but a section `providers` with a key for each, and the models only where the agent names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ...actors.identity import normalise_provider
from ..config_checks import text
from ..config_mistakes import Steps, show
from . import picoclaw_words as words
from .draft import Deployment, Draft, Fields
from .foreign import Foreign, Place, names_of
from .litellm_words import NO_COUNTERPART
from .picoclaw_entry import Entries, read_entry, split_model

ROUTE: Final = "default"
"""What the agent's own choice of models is called."""

NO_IMAGES: Final = (
    "A named route has no list of its own for requests with images: for those, ask for {} instead of `{}`."
)


def from_picoclaw(foreign: Foreign, folder: Path) -> Fields:
    """Return our configuration for picoclaw's. What is wrong with the file is noted as mistakes.

    `folder` is where the file is: files of keys are looked for there.
    """
    root = foreign.root
    defaults = root.section("agents").section("defaults")
    reading = Entries(folder)
    if root.get("model_list") is not None:
        found = [read_entry(place, reading) for place in root.elements("model_list")]
        if (old := root.get("providers")) is not None:
            old.drop(words.PROVIDERS_IGNORED)
    else:
        found = list(_of_providers(root.section("providers"), defaults, reading))
    read = [one for one in found if isinstance(one, Deployment)]
    kept = {one.group for one in read}
    gone = dict.fromkeys(one for one in found if isinstance(one, str) and one not in kept)
    provider = defaults.get("provider")
    draft = Draft(read, foreign.report, left_out=gone, default_provider=_implied(provider))
    for one in read:
        draft.follow(one.group, [name for place in _listed(one.place.get("fallbacks")) for name in draft.find(place)])
    primary = defaults.get("model_name") or defaults.get("model")
    route = _route(draft, ROUTE, primary, _listed(defaults.get("model_fallbacks")))
    _set_images(draft, defaults, primary, route)
    _add_agents(draft, root.section("agents"))
    if draft.default_used and provider is not None:
        provider.use()
    draft.note_chains()
    foreign.settle(lambda path: names_of(path) in words.SECTIONS or names_of(path) in reading.sections, explain)
    return draft.config()


def explain(path: Steps) -> str:
    """Say what a part of picoclaw's file was for, and what to do without it."""
    *section, name = names_of(path).split(".")
    at = ".".join(section)
    if at.startswith("providers."):
        return words.ENTRY.get(name, NO_COUNTERPART)
    table, otherwise = words.TABLES.get(at, ({}, NO_COUNTERPART))
    return table.get(name, otherwise)


def _listed(place: Place | None) -> list[Place]:
    if place is None:
        return []
    return place.inside() if isinstance(place.value, list) else [place]


def _route(draft: Draft, name: str, primary: Place | None, fallbacks: list[Place]) -> str | None:
    """Make a named route of a model and who follows it; return its name."""
    if primary is None:
        return None
    first = draft.find(primary)
    chain = draft.chain(str(primary.value))
    names = [*first, *chain, *(name for place in fallbacks for name in draft.find(place))]
    if not names:
        return None
    while draft.is_taken(name):
        name += "-route"
    draft.add_route(name, names)
    return name


def _set_images(draft: Draft, defaults: Place, primary: Place | None, route: str | None) -> None:
    """Have requests with images go where the agent sends them: to its model for images, and who follows that."""
    places = [*_listed(defaults.get("image_model")), *_listed(defaults.get("image_model_fallbacks"))]
    entries = draft.group(str(primary.value)) if primary is not None else []
    if not places or route is None or primary is None:
        return
    if len(entries) != 1 or draft.routes.get(str(primary.value)):
        for place in places:
            place.drop(f"is for requests with images; give `image_fallbacks` to the entries of {show(route)}")
        return
    names = list(dict.fromkeys(name for place in places for name in draft.find(place)))
    if not names:
        return
    (entry,) = entries
    entry.fields["image_fallbacks"] = [name for name in names if name != entry.name]
    if entry.name not in names:
        entry.fields["vision"] = False
        told = (
            f"{show(entry.name)} has `vision: false`, so that images go past it as before; take it away if it can see"
        )
        places[0].foreign.note_changed(places[0].path, told)
    draft.report.remark(NO_IMAGES.format(show(entry.name), route))


def _add_agents(draft: Draft, agents: Place) -> None:
    """Make a route of each agent that has models of its own; it is called by the agent's id."""
    for agent in agents.elements("list"):
        name, model = agent.get("id"), agent.get("model")
        if name is None or model is None or name.judge(text, name.value) is not None:
            continue
        primary = model.get("primary") if isinstance(model.value, Mapping) else model
        route = _route(draft, str(name.value), primary, _listed(model.get("fallbacks")))
        if route is not None:
            name.use()


def _of_providers(providers: Place, defaults: Place, reading: Entries) -> Iterator[Deployment | str]:
    """Make an entry of each model that the agent names, with the address and the keys of its provider."""
    names = ("model_name", "model", "image_model")
    places = [place for name in names if (place := defaults.get(name)) is not None]
    for name in ("model_fallbacks", "image_model_fallbacks"):
        places += _listed(defaults.get(name))
    provider = defaults.get("provider")
    sections = {_canonical(place): place for place in reversed(providers.inside()) if isinstance(place.value, Mapping)}
    implied = (
        str(provider.value) if provider is not None else next(iter(sections), "") if len(sections) == 1 else "openai"
    )
    seen: dict[str, None] = {}
    for place in places:
        if not isinstance(place.value, str) or not place.value.strip() or place.value in seen:
            continue
        seen[place.value] = None
        head, model = split_model(place.value, implied)
        section = sections.get(head)
        if section is None:
            continue
        reading.sections[names_of(section.path)] = None
        if provider is not None:
            provider.use()
        yield reading.make(section, place.value, head, model)


def _canonical(section: Place) -> str:
    name = str(section.path[-1]).lower()
    return words.ALIASES.get(name, name)


def _implied(provider: Place | None) -> str:
    """Return, by its name here, the provider of models that name none."""
    name = "openai" if provider is None else str(provider.value).strip().lower()
    return normalise_provider(words.ALIASES.get(name, name))
