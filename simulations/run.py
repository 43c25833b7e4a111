"""One run of a scenario, as it is recorded and as the checkers read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from attrs import define, field

from ..actors.identity import ModelKey
from ..supervisors.config import Config, Entry
from .dialects import LIKE_OPENAI
from .faults import label_of
from .scenario import Caller, Scenario
from .stage import Schedule
from .trace import Trace


@define(eq=False)
class Run:
    """All that is known of one run.

    Attributes:
        scenario: what was played.
        config: its topology, loaded; the secrets in it are placeholders.
        schedule: how tasks were scheduled.
        callers: everybody who asked, by number; those that scripts and traffic made of the scenario.
        trace: everything that happened.
        ended_at: when the router was closed, in virtual seconds.
        tasks_left: how many tasks the router left behind.
        hung: why the run did not come to its end, ``None`` if it did.

    """

    scenario: Scenario
    config: Config
    schedule: Schedule
    callers: Sequence[Caller] = ()
    trace: Trace = field(factory=Trace)
    ended_at: float = 0.0
    tasks_left: int = 0
    hung: str | None = None

    @cached_property
    def introduces(self) -> bool:
        """Whether callers say in their prompt who they are: some candidate's dialect is not OpenAI's."""
        return any(entry.endpoint.dialect not in LIKE_OPENAI for entry in self.config.entries.values())

    def hosts(self) -> Mapping[ModelKey, str]:
        """Return each candidate's address, as the world's providers are known by."""
        return {key: host_of(entry.endpoint.api_base) for key, entry in self.config.entries.items()}


def door_of(entry: Entry) -> tuple[str, str, str]:
    """Return what a candidate is to its provider: address, credential and model. Several may be the same."""
    return host_of(entry.endpoint.api_base), label_of(entry.key), entry.key.model


def host_of(api_base: str) -> str:
    """Return the name by which a provider is known: its base URL without the scheme.

    >>> host_of("https://api.openai.com/v1")
    'api.openai.com/v1'
    """
    return api_base.partition("://")[2]
