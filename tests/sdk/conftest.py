"""What every test of the SDKs starts from."""

from __future__ import annotations

import pytest

from tests.loopback.proxies import no_proxies_around  # noqa: F401 - a fixture

from .common import Sdk, over_httpx, over_httpx2


@pytest.fixture(params=[over_httpx, over_httpx2])
def sdk(request: pytest.FixtureRequest) -> Sdk:
    """OpenAI's SDK, over either of the two HTTP packages that it takes clients of."""
    made: Sdk = request.param
    return made
