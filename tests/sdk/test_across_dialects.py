"""One SDK, and candidates that speak three dialects: whoever serves, the SDK makes its own objects of it."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.loopback import Behaviour, Status
from tests.wire.cast import TEXT, Cast, Fields, perform

from .common import EXHAUSTED, HELLO, SDKS_OWN, Sdk, told
from .test_anthropic import MESSAGE, events
from .test_genai import stream as gemini_stream
from .test_genai import written

pytestmark = SDKS_OWN

CHAIN: Final[tuple[Fields, ...]] = ({"model": "openai/m-1"}, {"model": "anthropic/m-2"}, {"model": "gemini/m-3"})
LIMITED: Final = Status(429, EXHAUSTED)
TOOLS: Final[Any] = [{"type": "function", "function": {"name": "w", "parameters": {"type": "object"}}}]


@pytest.mark.parametrize(
    ("scripts", "served", "text"),
    [
        ([[LIMITED], [Status(200, MESSAGE)]], "second", TEXT),
        ([[LIMITED], [LIMITED], [Status(200, written("Hello.")[0])]], "third", "Hello."),
    ],
)
def test_an_answer_in_another_dialect_is_a_completion(
    scripts: list[list[Behaviour]], served: str, text: str, sdk: Sdk
) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            raw = await client.chat.completions.with_raw_response.create(model="first", messages=HELLO)
        completion = raw.parse()
        assert told(raw.headers)[0] == served
        assert (completion.object, completion.choices[0].message.content) == ("chat.completion", text)
        assert completion.choices[0].finish_reason == "stop"
        assert completion.usage is not None
        assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens

    perform(scene, *CHAIN, scripts=scripts)


@pytest.mark.parametrize(
    ("scripts", "served", "text", "calls"),
    [
        ([[LIMITED], [events()]], "second", TEXT, [("w", '{"city": "Rome"}')]),
        ([[LIMITED], [LIMITED], [gemini_stream("Hello ", "there.")]], "third", "Hello there.", []),
    ],
)
def test_a_stream_in_another_dialect_adds_up_in_the_sdks_helper(
    scripts: list[list[Behaviour]], served: str, text: str, calls: list[tuple[str, str]], sdk: Sdk
) -> None:
    async def scene(it: Cast) -> None:
        async with sdk(it.router) as client:
            async with client.chat.completions.stream(model="first", messages=HELLO, tools=TOOLS) as stream:
                async for _ in stream:
                    pass
            final = await stream.get_final_completion()
        message = final.choices[0].message
        assert message.content == text
        assert [(call.function.name, call.function.arguments) for call in message.tool_calls or []] == calls
        assert it.status(served).served == 1

    perform(scene, *CHAIN, scripts=scripts)
