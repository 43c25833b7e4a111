"""What all tests of the wire start from: no proxy of the machine they run on comes between them and the loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from understudy.actors.providers.lean import reader
from understudy.actors.providers.lean.quick_reader import QuickReader
from understudy.actors.providers.lean.reader import H11Reader


@pytest.fixture(autouse=True)
def _no_proxies_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module", params=[H11Reader, QuickReader])
def either_reader(request: pytest.FixtureRequest) -> Iterator[None]:
    """For modules all of which holds with h11 and with httptools."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "new_reader", request.param)
        yield
