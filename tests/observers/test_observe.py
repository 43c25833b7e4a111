"""The front door of the observers: nothing is imported before it is needed, and what is missing is named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from understudy.actors.observers import conventions, log, otel
from understudy.actors.observers.families import Families

DOCS = Path(__file__).parents[2] / "docs" / "observability.md"


def test_importing_understudy_imports_neither_library() -> None:
    check = "import sys, understudy; print({'opentelemetry', 'prometheus_client'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize(
    ("function", "library", "extra"),
    [("trace_requests", "opentelemetry", "otel"), ("count_requests", "prometheus_client", "metrics")],
)
def test_a_missing_extra_is_named(function: str, library: str, extra: str) -> None:
    check = (
        f"import sys; sys.modules[{library!r}] = None\n"
        f"import understudy\n"
        f"try: understudy.observe.{function}(None)\n"
        f"except ImportError as exc: print(exc)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert f"pip install 'understudy[{extra}]'" in done.stdout


def test_every_metric_span_event_and_attribute_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    registry = CollectorRegistry()
    families = Families(registry)
    assert families.names == set()
    metrics = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    assert len(metrics) == 16
    written = "".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in (conventions, otel))
    words = set(re.findall(r'"((?:understudy|gen_ai|error|http)\.[a-z_.]+)"', written))
    assert len(words) > 25
    missing = [word for word in sorted(metrics | words) if f"`{word}`" not in text]
    assert missing == []


def test_every_line_of_the_log_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    kinds = {name.removeprefix("on_") for name in vars(log.LogLines) if name.startswith("on_")}
    told = kinds - {"refused", "failed", "lost"}  # which are noted, and told with what comes next
    assert [kind for kind in sorted(told) if f"`{kind}`" not in text] == []
