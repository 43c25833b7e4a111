"""YAML to plain values, with the lines of all of them.

PyYAML's safe loader composes the tree of nodes; the values are made of it here, because this way each keeps its
line, names given twice are noticed, and what aliases expand to is bounded: a few lines of aliases of aliases of
aliases would otherwise fill the memory. Anchors, aliases and merges (``<<``) work; tags of one's own do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import define, field

from .config_mistakes import Mistakes, Steps
from .config_syntax import DEPTH_MAX, TOO_DEEP, VALUES_MAX, Parsed, SyntaxFault, parse_with

Node = Any
"""A node of PyYAML's. Its published types lack what tells the kinds apart."""

_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = f"{_TAG}merge"
# A date is text to us: model names look like dates more often than fields want dates.
_TEXT: Final = frozenset({f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}value"})
_CONVERTED: Final = frozenset({f"{_TAG}null", f"{_TAG}bool", f"{_TAG}int", f"{_TAG}float"})
_PLAIN: Final = _TEXT | _CONVERTED | {_MERGE, f"{_TAG}map", f"{_TAG}seq"}


def parse_yaml(text: str, mistakes: Mistakes) -> Parsed:
    """Parse YAML. Names given twice are noted, and the last value counts."""
    import yaml

    def explain(error: Exception) -> SyntaxFault:
        problem = getattr(error, "problem", None) or "a character that YAML does not allow"
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        if mark is not None:
            return SyntaxFault(f"this is not YAML: {problem} (column {mark.column + 1})", mark.line + 1)
        position = getattr(error, "position", 0)
        return SyntaxFault(f"this is not YAML: {problem}", text.count("\n", 0, position) + 1)

    node = parse_with(lambda source: yaml.compose(source, yaml.SafeLoader), text, explain)
    if node is None:
        raise SyntaxFault("the file is empty")
    builder = _Builder(mistakes, yaml.constructor.SafeConstructor().construct_object)
    return builder.build(node, (), 0), builder.lines


@define(eq=False)
class _Builder:
    """Makes plain values of nodes, and counts them."""

    mistakes: Mistakes
    convert: Callable[[Any], object]
    lines: dict[Steps, int] = field(factory=dict)
    left: int = VALUES_MAX

    def build(self, node: Node, path: Steps, depth: int) -> object:
        line = _line(node)
        self.left -= 1
        if self.left < 0:
            raise SyntaxFault(f"the file holds more than {VALUES_MAX:,} values, aliases expanded")
        if depth > DEPTH_MAX:
            raise SyntaxFault(f"{TOO_DEEP}, or an alias refers to itself", line)
        self.lines.setdefault(path, line)
        if node.tag not in _PLAIN:
            self.mistakes.note(path, "YAML tags mean nothing here; if this is text, put it into quotes", line)
        if node.id == "mapping":
            return self._mapping(node, path, depth)
        if node.id == "sequence":
            return [self.build(item, (*path, n), depth + 1) for n, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: Node, path: Steps, depth: int) -> dict[object, object]:
        own: dict[object, object] = {}
        merged: dict[object, object] = {}
        for name_node, value_node in node.value:
            if name_node.tag == _MERGE:
                self._merge(merged, value_node, path, depth)
            elif name_node.id != "scalar":
                self.mistakes.note(path, "a field's name must be text, not a list or a mapping", _line(name_node))
            else:
                name = self._scalar(name_node, path)
                # A name that is no text has no step of its own; whoever reads the fields says that it is wrong.
                inside = (*path, name if isinstance(name, str) else "?")
                if name in own:
                    self.mistakes.note(inside, "this name is given twice", _line(name_node))
                self.lines[inside] = _line(name_node)
                own[name] = self.build(value_node, inside, depth + 1)
        return {**{name: value for name, value in merged.items() if name not in own}, **own}

    def _merge(self, merged: dict[object, object], node: Node, path: Steps, depth: int) -> None:
        """Read what ``<<`` brings: a mapping, or a list of them, of which the first counts most."""
        for part in node.value if node.id == "sequence" else [node]:
            if part.id != "mapping":
                self.mistakes.note(path, "what follows `<<` must be a mapping", _line(part))
                continue
            brought = self.build(part, path, depth + 1)
            assert isinstance(brought, dict), "a mapping node makes a mapping"
            for name, value in brought.items():
                merged.setdefault(name, value)

    def _scalar(self, node: Node, path: Steps) -> object:
        if node.tag not in _CONVERTED:
            return node.value
        try:
            return self.convert(node)
        except Exception:
            self.mistakes.note(path, "this cannot be read as a value; if it is text, put it into quotes", _line(node))
            return node.value


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
