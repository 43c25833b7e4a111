"""What an error answer says, taken apart: codes, sentences, statuses and fields, whatever envelope they came in.

Every provider wraps its errors differently, and gateways wrap each other's once more. This module knows no
provider. It walks any JSON and sorts what it finds by the *names* of the keys: under ``code``, ``type`` or
``reason`` stand **codes**, under ``message`` or ``detail`` stands **prose**, a number from 400 to 599 under ``code``
or ``status`` is an embedded **status**, and what is named like a wait is a **field** for `waits.py`. Everything
else is left alone, for it may well be the prompt, echoed. JSON inside a string is an upstream's error inside a
gateway's: it becomes a `Layer` of its own, and the innermost layer comes first.

Codes and prose are kept in one *plain* form, so that a rule is written once for ``RateLimitExceeded``,
``rate_limit_exceeded`` and "Rate limit exceeded": lower case words with single spaces, ``.`` as a word of its own
where a sentence ends, and ``#`` for every number. Since numbers are gone, none can be mistaken for a status.

What the words *mean* is not decided here; see `classify.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from attrs import define, field

from .folding import folded
from .patterns import compiled
from .waits import FIELDS as WAIT_FIELDS

TEXT_MAX: Final = 65_536
"""How many characters of a body are looked at."""

PROSE_MAX: Final = 4_096
"""How many characters of one string are looked at."""

PROSE_ITEMS_MAX: Final = 24
NODES_MAX: Final = 2_000
DEPTH_MAX: Final = 24
LAYERS_MAX: Final = 6
DECODE_TRIES: Final = 4
CODE_LENGTH_MAX: Final = 120

PROSE_KEYS: Final = (
    "message",
    "msg",
    "errormessage",
    "errormsg",
    "errmsg",
    "statusmsg",
    "statusmessage",
    "errordescription",
    "detail",
    "details",
    "error",
    "errors",
    "description",
    "title",
    "raw",
    "body",
    "cause",
    "exception",
    "response",
    "failure",
    "reason",
    "text",
)
"""Under which keys sentences stand; the earlier, the better as the message to show."""

CODE_KEYS: Final = frozenset(
    {
        "type",
        "code",
        "status",
        "reason",
        "name",
        "error",
        "errors",
        "errortype",
        "errorcode",
        "errcode",
        "errorkind",
        "kind",
        "subcode",
        "statuscode",
        "limittype",
        "quotaid",
        "quotametric",
        "quotalimit",
        "blockreason",
        "finishreason",
        "detail",
        "message",
        "msg",
        "raw",
    }
)
"""Under which keys a value in one word is a code."""

STATUS_KEYS: Final = frozenset({"code", "status", "statuscode", "httpstatus", "httpcode", "errorcode", "rawstatuscode"})

SKIPPED_KEYS: Final = frozenset(
    {
        "input",
        "prompt",
        "messages",
        "content",
        "delta",
        "failedgeneration",
        "ctx",
        "request",
        "tools",
        "help",
        "links",
        "usage",
    }
)
"""What may hold the caller's own text, or words that are not about this error."""

# Each begins with a set of characters, for only then does the engine skip quickly what cannot match.
_CAMEL: Final = re.compile(r"[A-Z](?:(?<=[a-z][A-Z])|(?<=[A-Z][A-Z])(?=[a-z]))")
_URL: Final = re.compile(r"[hH](?<!\w[hH])(?i:ttps?)://[^\s\"'<>()]+")
_NUMBER: Final = re.compile(r"\d(?:[\d.,:]*\d)?")
_STOP: Final = r"[.!?;。！？；…\n](?:(?<=[.!?;])(?=\s|$)|(?<=[。！？；…])|(?<=\n)\s*\n)"  # noqa: RUF001 - other scripts' stops
_STATUS_DIGITS: Final = re.compile(r"[45]\d\d")
_PER: Final = re.compile(
    r"[\s/](?:(?<=/)|(?<=\s)/)\s?(?=(?:s|sec|second|min|minute|hr|hour|day|week|month)s?\b)", re.IGNORECASE
)
_GAP: Final = re.compile(r"(?:[^\w#\x01]|_)+")
_ASCII_GAPS: Final = bytes(
    code if chr(code).isalnum() or chr(code) == "#" else ord("." if code == 1 else " ") for code in range(128)
).ljust(256)
"""What `_GAP` finds as a table for `bytes.translate`, which reads a text in ASCII many times faster."""

_WORD: Final = re.compile(r"[A-Za-z_][\w.:/#-]*\Z")
_JSON_START: Final = re.compile(r"\{\s*[\"'\\}]|\[\s*\{")
_PAIR: Final = re.compile(
    r"[\"'](\w{1,40})[\"']\s{0,9}:\s{0,9}(?:\"((?:[^\"\\]|\\.)*)\"?|'((?:[^'\\]|\\.)*)'?|(\d{1,15}(?:\.\d{1,9})?))"
)
_STATUS_TOLD: Final = (
    r"(?:http(?:/\d(?:\.\d)?)?|http[ _-]?status|status|status[ _]?code|http error|error code|api error)"
    r"[\"')]?\s{0,3}[:=]?\s{0,3}[\"'(]?([45]\d\d)"
)
"""How a sentence mentions a status; what stands around it is asked by `_prose_status`."""

_CJK: Final = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_UNSPACED: Final = f" (?={_CJK})|(?<={_CJK}) "
"""What finds a space beside Chinese, Japanese or Korean."""

_HTML: Final = re.compile(r"\s*(?:<!doctype html|<html|<head|<body|<h1|<center)", re.IGNORECASE)
_HTML_TITLE: Final = re.compile(r"<(title|h1)\b[^>]{0,200}>([^<]{0,300})", re.IGNORECASE)
_HTML_NOISE: Final = re.compile(r"<!--.{0,2000}?-->|<[^>]{0,2000}>", re.DOTALL)
_SSE: Final = re.compile(r"^\s*(?:event|data|id|retry)\s{0,3}:|^:", re.MULTILINE)
_JSON: Final = json.JSONDecoder()


def plain(text: str) -> str:
    """Return the plain form of a text, with a space at either end.

    >>> plain("RateLimitExceeded: max 500 tokens. It's over")
    ' rate limit exceeded max # tokens . its over '
    """
    if "/" in text:
        text = _PER.sub(" per ", _URL.sub(" ", text))
    text = _CAMEL.sub(_set_apart, text).casefold().replace("'", "").replace("\u2019", "")
    text = compiled(_STOP).sub(" \x01 ", _NUMBER.sub("#", text))
    if text.isascii():
        return f" {' '.join(text.encode().translate(_ASCII_GAPS).decode().split())} "
    text = " " + _GAP.sub(" ", text).strip() + " "
    if not text.isascii():
        text = compiled(_UNSPACED).sub("", text)
    return text.replace("\x01", ".")


plain_word: Final = lru_cache(1_024)(plain)
"""The plain form of a code: a short word, and errors have the same few again and again."""


def _set_apart(found: re.Match[str]) -> str:
    return f" {found[0]}"


@define(eq=False)
class Layer:
    """One error, as one sender wrote it; an error that it quotes is another layer.

    Attributes:
        depth: how many envelopes lie around this one.
        words: the codes that are words, as they came.
        prose: sentences, with the rank of the key they stood under and their depth in the JSON.
        numbers: the codes that are numbers, as ``parent.key=number``.
        statuses: embedded statuses, with their depth in the JSON.
        fields: values whose key names a wait.

    """

    depth: int
    words: list[str] = field(factory=list)
    prose: list[tuple[int, int, str]] = field(factory=list)
    numbers: list[str] = field(factory=list)
    statuses: list[tuple[int, int]] = field(factory=list)
    fields: list[tuple[str, object]] = field(factory=list)
    _codes_plain: str | None = field(default=None, init=False)
    _prose_plain: str | None = field(default=None, init=False)

    @property
    def codes_plain(self) -> str:
        """All codes in plain form, made when it is first asked for: by then, everything has been added."""
        if self._codes_plain is None:
            self._codes_plain = " . ".join(map(plain_word, self.words))
        return self._codes_plain

    @property
    def prose_plain(self) -> str:
        """All sentences in plain form, made when it is first asked for."""
        if self._prose_plain is None:
            self._prose_plain = " . ".join([plain(text) for _, _, text in self.prose])
        return self._prose_plain

    @property
    def message(self) -> str:
        """The sentence to show: the one under the best key, or else the codes."""
        if self.prose:
            return min(self.prose, key=itemgetter(0, 1))[2]
        return ", ".join(self.words[:3])

    @property
    def status(self) -> int | None:
        """The embedded status, the innermost where there are several."""
        return max(self.statuses, key=lambda item: item[0])[1] if self.statuses else None

    def say(self, rank: int, depth: int, text: str) -> None:
        """Add a sentence, and the status that it mentions as such."""
        text = text[:PROSE_MAX]
        if _says_something(text) and len(self.prose) < PROSE_ITEMS_MAX:
            self.prose.append((rank, depth, text))
            if (status := _prose_status(text)) is not None:
                self.statuses.append((-1, status))


def gather(text: str) -> list[Layer]:
    """Take a body apart; the innermost layer comes first, and there is always one."""
    reader = _Reader()
    reader.read_body(text[:TEXT_MAX].lstrip("\ufeff"))
    reader.layers.sort(key=lambda layer: -layer.depth)
    return reader.layers


class _Reader:
    """Fills layers while it walks, within bounds."""

    def __init__(self) -> None:
        self.layers = [Layer(0)]
        self.nodes = 0

    def read_body(self, text: str) -> None:
        layer = self.layers[0]
        if _HTML.match(text):
            for sentence in _html_sentences(text):
                layer.say(0, 0, sentence)
        elif _SSE.match(text):
            for payload in _sse_payloads(text):
                self.read_text(payload, layer, rank=0, depth=0)
        else:
            self.read_text(text, layer, rank=0, depth=0)

    def read_text(self, text: str, layer: Layer, *, rank: int, depth: int) -> None:
        """Read a string: sentences, JSON, or sentences around JSON."""
        if not text.strip():
            return
        before, node, after = _split_json(text)
        if node is None:
            if not self.read_pairs(text, layer, depth):
                layer.say(rank, depth, text)
            return
        quoted = depth > 0 or _says_something(before) or _says_something(after)
        if quoted and len(self.layers) < LAYERS_MAX:
            self.layers.append(inner := Layer(layer.depth + 1))
        else:
            inner = layer
        self.walk(node, "", "", inner, depth + 1)
        for rest in (before, after):
            if _says_something(rest):
                layer.say(len(PROSE_KEYS), depth, rest)

    def read_pairs(self, text: str, layer: Layer, depth: int) -> bool:
        """Read what can be read of broken JSON, or of another language's way to print it."""
        if not _JSON_START.search(text):
            return False
        said = len(layer.prose)
        for found in _PAIR.finditer(text.replace('\\"', '"')):
            key, double, single, number = found.groups()
            value: object = double if double is not None else single
            self.leaf(float(number) if number else value, _bare(key), "", layer, depth + 1)
        start = _JSON_START.search(text)
        if start is not None and _says_something(text[: start.start()]):
            layer.say(len(PROSE_KEYS), depth, text[: start.start()])
        return len(layer.prose) > said

    def walk(self, node: object, name: str, parent: str, layer: Layer, depth: int) -> None:
        """Walk JSON that stands under the bare key `name`, in an object that stands under `parent`."""
        self.nodes += 1
        if self.nodes > NODES_MAX or depth > DEPTH_MAX:
            return
        if isinstance(node, dict):
            for key, value in sorted(node.items()):
                inner = _bare(key)
                if inner not in SKIPPED_KEYS:
                    self.walk(value, inner, name, layer, depth + 1)
        elif isinstance(node, list):
            for item in node:
                self.walk(item, name, parent, layer, depth + 1)
        else:
            self.leaf(node, name, parent, layer, depth)

    def leaf(self, value: object, name: str, parent: str, layer: Layer, depth: int) -> None:
        """File one value under what its key says it is."""
        if name in WAIT_FIELDS:
            layer.fields.append((name, value))
        if isinstance(value, bool) or value is None:
            return
        if isinstance(value, str) and not value.strip().isdigit():
            self.leaf_text(value, name, layer, depth)
        elif name in STATUS_KEYS or name == "error":
            digits = str(value).strip()[:12].removesuffix(".0")
            layer.numbers.append(f"{parent}.{name}={digits}".lstrip("."))
            if len(digits) == 3 and digits[0] in "45" and digits.isdecimal() and digits.isascii():
                layer.statuses.append((depth, int(digits)))

    def leaf_text(self, value: str, name: str, layer: Layer, depth: int) -> None:
        if name in CODE_KEYS and len(value) <= CODE_LENGTH_MAX and _WORD.match(value):
            layer.words.append(value)
            if name not in {"message", "msg", "detail"}:
                return
        if name in _PROSE_RANK or not name:
            self.read_text(value[:TEXT_MAX], layer, rank=_PROSE_RANK.get(name, len(PROSE_KEYS)), depth=depth)


_PROSE_RANK: Final = {key: rank for rank, key in enumerate(PROSE_KEYS)}


def _bare(key: str) -> str:
    """Return a key without the marks that divide its words: ``Error-Code`` and ``error_code`` are one."""
    return key.casefold().replace("_", "").replace("-", "")


def _prose_status(text: str) -> int | None:
    """Return the status that a sentence mentions as such; the cheap looks come first."""
    if not (_STATUS_DIGITS.search(text) and compiled(_STATUS_TOLD).search(folded(text))):
        return None
    found = compiled(rf"\b{_STATUS_TOLD}\b(?![.,]?\d)", re.IGNORECASE).search(text)
    return int(found[1]) if found else None


def _says_something(text: str) -> bool:
    return text[:1].isalpha() or any(map(str.isalpha, text[:PROSE_MAX]))


def _split_json(text: str) -> tuple[str, Any, str]:
    """Return what stands before the first JSON in a text, the JSON (``None`` where there is none), and the rest."""
    if "{" not in text:
        return text, None, ""
    versions = (text, text.replace("\\n", "\n").replace('\\"', '"')) if "\\" in text else (text,)
    for version in versions:
        for tried, start in enumerate(_JSON_START.finditer(version)):
            if tried >= DECODE_TRIES:
                break
            try:
                node, end = _JSON.raw_decode(version, start.start())
            except (ValueError, RecursionError):
                continue
            return version[: start.start()], node, version[end:]
    return text, None, ""


def _sse_payloads(text: str) -> Iterator[str]:
    """Yield the data of each server-sent event, and lines that belong to none."""
    for line in text.splitlines():
        name, colon, value = line.strip().partition(":")
        if colon and name == "data":
            yield value.strip()
        elif name not in {"event", "id", "retry", ""}:
            yield line


def _html_sentences(text: str) -> Iterator[str]:
    """Yield a page's title and headings, or else all of its text."""
    found = [match[2].strip() for match in _HTML_TITLE.finditer(text)]
    if any(found):
        yield from filter(None, found)
    else:
        yield _HTML_NOISE.sub(" ", text)
