"""Understudy routes LLM requests to the first healthy candidate, and can prove it.

An actor-based runtime on trio. Start at `open_router`.
"""

from __future__ import annotations

import typing as _typing
from pathlib import Path as _Path

# A checkout without symbolic links (some archives, some file systems) has plain files where the links to the
# rooms should be; the rooms are then found at the repository's root.
if not (_Path(__file__).parent / "actors").is_dir():
    __path__.append(str(_Path(__file__).parents[2]))

from . import observe
from .actors.classify import classify, classify_exception
from .actors.errors import (
    AllCandidatesFailed,
    ConfigError,
    DeadlineExceeded,
    RequestRejected,
    RouterClosed,
    RouterCrashed,
    RouterOverloaded,
    StreamInterrupted,
    UnderstudyError,
    UnknownModel,
)
from .actors.events import Events
from .actors.failures import Failure, Reason, Scope
from .actors.handle import Prospect, Router
from .actors.identity import ModelKey, ModelRef
from .actors.messages import AttemptRecord, Call, Chunk, FormPart, OnInterrupt, Outcome, Refusal, Restarted, Usage
from .actors.part import ModelStatus, State
from .actors.reply import Reply, ReplyStream
from .actors.trace import Fact, Kind
from .supervisors.config import Config, load_config
from .supervisors.runtime import open_router

if _typing.TYPE_CHECKING:
    # re-exported: see `__getattr__`
    from . import portal as portal
    from .actors.transport.transport import RouterTransport as RouterTransport

__version__ = "0.1.0"

__all__ = [
    "AllCandidatesFailed",
    "AttemptRecord",
    "Call",
    "Chunk",
    "Config",
    "ConfigError",
    "DeadlineExceeded",
    "Events",
    "Fact",
    "Failure",
    "FormPart",
    "Kind",
    "ModelKey",
    "ModelRef",
    "ModelStatus",
    "OnInterrupt",
    "Outcome",
    "Prospect",
    "Reason",
    "Refusal",
    "Reply",
    "ReplyStream",
    "RequestRejected",
    "Restarted",
    "Router",
    "RouterClosed",
    "RouterCrashed",
    "RouterOverloaded",
    "RouterTransport",
    "Scope",
    "State",
    "StreamInterrupted",
    "UnderstudyError",
    "UnknownModel",
    "Usage",
    "__version__",
    "classify",
    "classify_exception",
    "load_config",
    "observe",
    "open_router",
]


if not _typing.TYPE_CHECKING:  # to a type checker it would be an answer to every name

    def __getattr__(name: str) -> _typing.Any:
        """Bring along when it is first used what not everybody needs, and what is much code or needs asyncio."""
        from importlib import import_module

        if name == "portal":
            return import_module(f"{__name__}.portal")
        if name == "RouterTransport":
            return import_module(f"{__name__}.actors.transport.transport").RouterTransport
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
