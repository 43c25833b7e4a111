"""pydantic-ai's FallbackModel over two models that are functions, on trio; no JSON is written or read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import contest
from pydantic_ai import direct
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai_fallback import REQUEST


async def serve(_: list[ModelMessage], __: AgentInfo) -> ModelResponse:
    return ModelResponse(parts=[TextPart(contest.EXPECTED[False])])


async def fail(_: list[ModelMessage], __: AgentInfo) -> ModelResponse:
    raise ModelHTTPError(503, "bad", {"error": {"message": "overloaded", "type": "server_error"}})


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Ask the one, then the other."""
    model = FallbackModel(FunctionModel(fail if piece.failing else serve), FunctionModel(serve))

    async def ask() -> str:
        reply = await direct.model_request(model, [REQUEST], instrument=False)
        return "".join(part.content for part in reply.parts if isinstance(part, TextPart))

    yield ask


if __name__ == "__main__":
    contest.serve(session, contest.on_trio)
