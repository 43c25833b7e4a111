"""What all tests of the wire start from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.loopback.proxies import no_proxies_around  # noqa: F401 - a fixture
from understudy.actors.providers.lean import reader
from understudy.actors.providers.lean.quick_reader import QuickReader
from understudy.actors.providers.lean.reader import H11Reader


@pytest.fixture(scope="module", params=[H11Reader, QuickReader])
def either_reader(request: pytest.FixtureRequest) -> Iterator[None]:
    """For modules all of which holds with h11 and with httptools."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "new_reader", request.param)
        yield
