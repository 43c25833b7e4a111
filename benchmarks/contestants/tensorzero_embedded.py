"""TensorZero, its Rust gateway embedded in this process, nothing observed and nothing told to anybody; on asyncio."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import contest

os.environ["TENSORZERO_DISABLE_PSEUDONYMOUS_USAGE_ANALYTICS"] = "1"
os.environ["RUST_LOG"] = "off"

from tensorzero import AsyncTensorZeroGateway  # type: ignore[import-not-found, unused-ignore]

CONFIG = """
[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true

[models.m]
routing = ["first", "second"]
"""

PROVIDER = """
[models.m.providers.{name}]
type = "openai"
model_name = "m"
api_base = "{base}/"
api_key_location = "env::BENCHMARK_KEY"
"""

os.environ["BENCHMARK_KEY"] = contest.KEY


@asynccontextmanager
async def session(piece: contest.Slice) -> AsyncIterator[contest.Ask]:
    """Share one gateway between all callers."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "tensorzero.toml"
        providers = [
            PROVIDER.format(name=name, base=base) for name, base in zip(("first", "second"), piece.bases, strict=True)
        ]
        config.write_text(CONFIG + "".join(providers), encoding="utf-8")
        building = AsyncTensorZeroGateway.build_embedded(config_file=str(config))
        gateway = await building
    user = [message for message in contest.MESSAGES if message["role"] == "user"]
    prompt = {"system": contest.MESSAGES[0]["content"], "messages": user}

    async def plain() -> str:
        reply = await gateway.inference(model_name="m", input=prompt)
        return str(reply.content[0].text)

    async def streamed() -> str:
        stream = await gateway.inference(model_name="m", input=prompt, stream=True)
        return "".join([piece.text async for chunk in stream for piece in chunk.content])

    async with gateway:
        yield streamed if piece.stream else plain


if __name__ == "__main__":
    contest.serve(session, contest.on_asyncio)
