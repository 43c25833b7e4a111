"""From a config to a router that is open for requests: the supervision tree, built, watched and taken down.

::

    root (rest_for_one)
    ├── models (one_for_one)
    │   ├── glm-4.7          each key's actor under a supervisor of its own, so that its restarts are its own
    │   ├── glm-4.7__key_1   affair; one that crashes too often is replaced by a stand-in (down)
    │   └── …
    └── router

The services run in a nursery around the user's code, which therefore ends before they do. Leaving stops admission,
lets what is under way end within `shutdown_timeout`, cancels the rest, and takes the tree down in reverse order.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Final

import httpx
import trio

from ..actors.classify import classify
from ..actors.errors import ConfigError, RouterClosed
from ..actors.handle import House, Router
from ..actors.identity import ModelKey
from ..actors.itinerary import Candidate, Plan
from ..actors.mailbox import Mailbox
from ..actors.masking import presentable
from ..actors.messages import ModelMessage
from ..actors.model import ModelActor
from ..actors.observers.log import LogLines
from ..actors.part import Part
from ..actors.prompter import Prompter
from ..actors.providers.lean.idle import IdleConnections
from ..actors.providers.lean.line import LeanLine, dial_to, is_common, is_proxied
from ..actors.providers.line import Line, NetworkLine, TransportLine
from ..actors.providers.wire import HttpWire
from ..actors.router import Journeys, RouterActor, RouterMessage
from ..actors.stand_in import StandIn
from ..actors.trace import Kind, Trace
from .config import Config, Entry, load_config
from .spec import ChildSpec, Strategy
from .supervisor import (
    ChildEnded,
    ChildRestarting,
    ChildStarted,
    ChildStartFailed,
    Ending,
    IntensityExceeded,
    Report,
    Supervisor,
)

MESSAGES_PER_REQUEST: Final = 6
"""The most messages that one request can have in one mailbox at once (to a model: its attempt, what its worker
reports thrice, and its withdrawal, which a crash of the router repeats)."""

RESETS_AT_ONCE: Final = 1
"""Those who reset one candidate at the same time share a message."""

TREE_RESTARTS: Final = 3
"""How often the upper supervisors, which hold no state, may restart a child within the config's period."""

log = logging.getLogger("understudy")
log.addHandler(logging.NullHandler())  # a library prints nothing by itself


@asynccontextmanager
async def open_router(
    config: str | os.PathLike[str] | Mapping[str, object] | Config,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[Router]:
    """Open a router: ``async with understudy.open_router("models.yaml") as router``.

    `config` is a path, a mapping or a `Config`. `transport` is sent through instead of the network; it stays open.
    Leaving the context ends what is under way: see `shutdown_timeout`. Fallbacks and cooldowns are told to the logger
    `understudy`, as far as its level lets them pass (see `understudy.observe.log_requests`).

    Raises:
        ConfigError: the config does not hold; every mistake is named. Also where a candidate cannot even be opened:
            its proxy needs a package that is missing, or ``SSL_CERT_FILE`` names no certificates.

    """
    stage = Stage(load_config(config), transport_lines(transport))
    async with opened(stage) as router:
        LogLines(log).listen_to(router)
        yield router


Lines = Callable[[Entry], Line]
"""Opens the line to a candidate's provider, for each incarnation of its actor."""


def transport_lines(transport: httpx.AsyncBaseTransport | None) -> Lines:
    """Return what opens lines through a transport, or to the network where there is none."""
    # Asked for once, and not for each of a thousand candidates.
    tls = cache(httpx.create_ssl_context)
    proxied = cache(is_proxied)
    idle = IdleConnections()

    def open_line(entry: Entry) -> Line:
        endpoint = entry.endpoint
        if transport is not None:
            return TransportLine(transport, connect_timeout=endpoint.limits.connect)
        if is_common(endpoint) and not proxied():
            return LeanLine(dial_to(endpoint, tls), idle)
        return NetworkLine(endpoint, tls)

    return open_line


@asynccontextmanager
async def opened(stage: Stage) -> AsyncIterator[Router]:
    """Keep a stage open around the user's code, and close it after."""
    error: BaseException | None = None
    async with trio.open_nursery() as services:
        try:
            await services.start(stage.run)
            yield stage.router
        except ChildStartFailed as exc:
            error = _not_opened(exc)
        except BaseException as exc:
            # Kept until the services have ended, so that it leaves as itself and not in a group.
            error = exc
        await stage.leave(at_once=error is not None and not isinstance(error, Exception))
    if error is not None:
        raise error


def _not_opened(failed: ChildStartFailed) -> ConfigError:
    """Say which candidate could not be opened, and why, in place of the whole chain of supervisors."""
    cause: BaseException = failed
    child = failed.child
    while cause.__cause__ is not None:
        cause = cause.__cause__
        child = cause.child if isinstance(cause, ChildStartFailed) else child
    why = presentable(str(cause), 300) or type(cause).__name__
    return ConfigError([f"{child} cannot be opened: {why}"])


class Stage:
    """All that one open router consists of."""

    def __init__(self, config: Config, open_line: Lines, prompter: Prompter | None = None) -> None:
        self._config = config
        self._prompter = Prompter() if prompter is None else prompter
        self._open_line = open_line
        self._trace = Trace()
        room = MESSAGES_PER_REQUEST * config.max_pending
        self._mailbox = Mailbox[RouterMessage]("the router", room, self._prompter)
        self._journeys = Journeys()
        now = trio.current_time()
        self._parts = {entry.key: self._part(entry, now) for entry in config.entries.values()}
        self._sharers: defaultdict[str | None, list[Part]] = defaultdict(list)
        for part in self._parts.values():
            self._sharers[part.key.credential].append(part)
        self._plans = _plans(config, config.routes)
        self._image_plans = _plans(config, config.image_routes)
        self.router = Router(
            House(
                plan=self._plan,
                parts={key.name: part for key, part in self._parts.items()},
                mailbox=self._mailbox,
                trace=self._trace,
                default_timeout=config.default_timeout,
                max_pending=config.max_pending,
                mix_embeddings=config.mix_embeddings,
                routes=config.routes,
            )
        )
        self._root = self._supervisor(
            "root",
            [
                ChildSpec("models", self._models().run),
                ChildSpec("router", self._perform_router),
            ],
            strategy=Strategy.REST_FOR_ONE,
            max_restarts=max(TREE_RESTARTS, config.restarts.max_restarts),
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the tree up until it is asked to end, or cannot be kept up."""
        classify(None, {}, "warming up: the first failure should not wait for the classifier's rules")
        try:
            await self._root.run(task_status=task_status)
        except IntensityExceeded as exc:
            log.error("the router is given up: %s", exc)
            self.router.crashed(str(exc))
        finally:
            self._trace.end()

    async def leave(self, *, at_once: bool) -> None:
        """Close the door, let those inside finish, see out the rest, take the tree down."""
        self.router.close_door()
        try:
            if not at_once:
                with trio.move_on_after(self._config.shutdown_timeout):
                    await self.router.wait_idle()
        finally:
            # Also when this wait is cancelled: those who wait in other tasks are told.
            self.router.dismiss(RouterClosed)
            self._root.shut_down()

    # The parts and who performs them

    def _part(self, entry: Entry, now: float) -> Part:
        config = self._config
        room = MESSAGES_PER_REQUEST * config.max_pending + len(config.entries) + RESETS_AT_ONCE
        return Part(
            entry.key,
            entry.limits,
            config.policy,
            Mailbox[ModelMessage](entry.key.name, room, self._prompter),
            now=now,
            max_retry_after=config.max_retry_after,
            max_queued=entry.max_queued,
        )

    def _models(self) -> Supervisor:
        children = [
            ChildSpec(entry.key.name, partial(self._perform_model, entry)) for entry in self._config.entries.values()
        ]
        return self._supervisor("models", children, max_restarts=TREE_RESTARTS)

    async def _perform_model(
        self, entry: Entry, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Keep one candidate's actor on stage; where that cannot be done, the stand-in performs its part."""
        part = self._parts[entry.key]
        name = entry.key.name
        has_started = False
        while True:
            actor = self._supervisor(name, [ChildSpec(name, partial(self._perform_actor, entry))])
            try:
                await actor.run(task_status=task_status)
            except (IntensityExceeded, ChildStartFailed) as exc:
                if isinstance(exc, ChildStartFailed) and not has_started:
                    raise  # it has never been on stage: whoever opens the router is told
                log.error("%s is down until it is reset: %s", entry.key, exc)
                task_status, has_started = trio.TASK_STATUS_IGNORED, True
                await StandIn(part, answer=self._mailbox.post, trace=self._trace).run()
            else:
                return

    async def _perform_actor(
        self, entry: Entry, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        actor = ModelActor(
            self._parts[entry.key],
            lambda: HttpWire(entry.key, entry.endpoint, self._open_line(entry)),
            answer=self._mailbox.post,
            kin=self._kin(entry.key),
            retry_within=entry.retry_within,
            trace=self._trace,
        )
        await actor.run(task_status=task_status)

    async def _perform_router(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        actor = RouterActor(
            self._mailbox,
            self._journeys,
            self._parts,
            policy=self._config.policy,
            closed=self.router.closed,
            trace=self._trace,
        )
        await actor.run(task_status=task_status)

    def _kin(self, key: ModelKey) -> tuple[Mailbox[ModelMessage], ...]:
        """Return the mailboxes of all others that share this key's credential."""
        sharers = () if key.credential is None else self._sharers[key.credential]
        return tuple(part.mailbox for part in sharers if part.key != key)

    # Routes

    def _plan(self, model: object, images: bool) -> tuple[str, Plan]:
        """Return the route that is meant by `model`, and its candidates."""
        # What is no text at all is nobody's name either, and is told like any other.
        route = self._config.resolve(model if isinstance(model, str) else repr(model))
        if images and route in self._image_plans:
            return route, self._image_plans[route]
        return route, self._plans[route]

    # What the supervisors tell

    def _supervisor(
        self,
        name: str,
        children: Sequence[ChildSpec],
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        max_restarts: int | None = None,
    ) -> Supervisor:
        restarts = self._config.restarts
        return Supervisor(
            name,
            children,
            strategy=strategy,
            max_restarts=restarts.max_restarts if max_restarts is None else max_restarts,
            period=restarts.period,
            report=self._hear,
        )

    def _hear(self, report: Report) -> None:
        actor = f"{report.supervisor}/{report.child}"
        match report:
            case ChildStarted():
                self._trace.record(report.at, Kind.STARTED, actor=actor)
            case ChildEnded(how=Ending.CRASHED, error=error):
                log.error("the actor %s crashed; its supervisor decides what follows", actor, exc_info=error)
                self._trace.record(report.at, Kind.CRASHED, actor=actor, detail=_name_of(error))
            case ChildRestarting(delay=delay):
                self._trace.record(report.at, Kind.RESTARTING, actor=actor, delay=delay)


def _name_of(error: BaseException | None) -> str:
    """Return the name of what an actor crashed with; a nursery wraps it in groups of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return type(error).__name__


def _plans(config: Config, routes: Mapping[str, Sequence[ModelKey]]) -> dict[str, Plan]:
    return {
        name: Plan(
            Candidate(key, entry.capabilities, entry.limits.tpm, entry.retries, entry.endpoint.dialect)
            for key in keys
            for entry in (config.entries[key],)
        )
        for name, keys in routes.items()
    }
