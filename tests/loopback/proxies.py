"""A fixture: no proxy of the machine that the tests run on comes between them and the loopback."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_proxies_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know of none, in modules that import this, and below a conftest that does."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
