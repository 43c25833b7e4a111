"""LangChain: a chat model that answers at once `with_fallbacks` to another, on asyncio; no JSON is written or read."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import contest

os.environ["LANGSMITH_TRACING"] = "false"

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class Instant(BaseChatModel):  # type: ignore[misc, unused-ignore]
    """Answers, or fails, at once."""

    fails: bool = False

    @property
    def _llm_type(self) -> str:
        return "instant"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        assert messages
        if self.fails:
            raise RuntimeError("overloaded")
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=contest.EXPECTED[False]))])

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return self._generate(messages)


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Ask the one, then the other."""
    model = Instant(fails=piece.failing).with_fallbacks([Instant()])

    async def ask() -> str:
        return str((await model.ainvoke(contest.MESSAGES)).content)

    yield ask


if __name__ == "__main__":
    contest.serve(session, contest.on_asyncio)
