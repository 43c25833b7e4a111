"""From an error answer to a `Failure`: what went wrong, whose fault it was, how long to wait.

`classify` reads an HTTP answer (or an error event in a stream, or a bare message), `classify_exception` what the HTTP
client raised. Neither does I/O or reads a clock, and neither ever raises: whatever comes in, a valid `Failure` comes
out. What a short body says is remembered: in an outage the same few words come again and again, and to read them anew
is a tenth of a request that fails over, or a quarter (``benchmarks/run.py --only router``, errors alike and not).

The work is divided. `evidence.py` takes a body apart without knowing what anything means; `classify_rules.py` is the
table of what words mean; `waits.py` reads stated waits. Here evidence is weighed, in `_weigh` and nowhere else. From
the strongest to the weakest:

1. a **vendor's number** that means one thing at the place where it stands (``base_resp.status_code`` 1008);
2. a **specific code** (``context_length_exceeded``);
3. **specific prose** ("your credit balance is too low");
4. a **generic code**, an umbrella over several causes (``RESOURCE_EXHAUSTED``, ``permission_error``);
5. **generic prose** ("not found");
6. a **status**: one embedded in the body, the upstream's before the gateway's, and the HTTP status last of all;
7. a **hint**, which says less than a status (``invalid_request_error``).

Within one step the innermost layer is asked first, because a gateway's error is judged by the upstream error inside
it, and then the order of the table decides. Numbers in prose are no evidence at all.

Two reasons share their words: *rate limit* and *quota* differ only by the window of the limit. When either has been
found, `_by_window` decides between them: by the window that is named, else by the wait that is stated.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Final

import httpx
import trio
from attrs import frozen

from . import waits
from .classify_rules import (
    DIALECTS,
    LONG_WINDOWS,
    ONE_MODEL,
    RULES,
    SHORT_WINDOWS,
    STATUSES,
    VENDOR_CODES,
    Rule,
    Strength,
    Where,
)
from .evidence import TEXT_MAX, Layer, gather
from .failures import NATURAL_SCOPE, Failure, Reason, Scope
from .masking import presentable
from .phrases import Phrasebook

MESSAGE_MAX: Final = 300
HEADER_MAX: Final = 1_000
CHAIN_MAX: Final = 16

PROVIDERS_MAX: Final = 256
"""Of how many providers it is remembered which dialect they speak."""

LONG_WAIT: Final = 3_600.0
"""A limit with a longer stated wait is a quota, whatever it calls itself."""

SHORT_WAIT: Final = 60.0
"""What is loosely called a quota, and is back so soon, is a rate limit."""

SHORT_BODY: Final = 1_000
"""Characters of a body; what a longer one says is not remembered."""

BODIES_KEPT: Final = 128
"""Of how many bodies it is remembered what they say."""

FEW_CODES: Final = 200
"""Characters of codes in plain form; no more are remembered."""

LIMITS: Final = frozenset({Reason.RATE_LIMIT, Reason.QUOTA})
"""The reasons that are about a limit."""

CODE_HEADERS: Final = ("x-amzn-errortype", "x-ms-error-code", "x-error-code", "cf-mitigated")
"""Headers in which a provider puts its error code."""


def classify(
    status: int | None,
    headers: Mapping[str, str],
    body: bytes | str,
    *,
    provider: str | None = None,
) -> Failure:
    """Say what an error answer means.

    Args:
        status: the HTTP status, ``None`` where there was no HTTP answer and `body` is a mere message.
        headers: the response's headers, names in any case.
        body: the response's body, as it came. At most 64 KiB of it are looked at.
        provider: who sent it, for the few phrases that mean something else there.

    >>> failure = classify(429, {"Retry-After": "7"}, '{"error": {"message": "Rate limit reached"}}')
    >>> failure.reason, failure.scope, failure.retry_after
    (<Reason.RATE_LIMIT: 'rate_limit'>, <Scope.MODEL: 'model'>, 7.0)
    >>> classify(400, {}, '{"error": {"message": "Your credit balance is too low"}}').reason
    <Reason.BILLING: 'billing'>

    """
    lowered = {str(name).lower(): str(value)[:HEADER_MAX] for name, value in headers.items()}
    return classify_lowered(status, lowered, body, provider=provider)


def classify_lowered(
    status: int | None, headers: Mapping[str, str], body: bytes | str, *, provider: str | None = None
) -> Failure:
    """Do the same for headers whose names are in lower case."""
    text = body[: TEXT_MAX * 4].decode("utf-8", "replace") if isinstance(body, bytes) else body
    read = _read if len(text) <= SHORT_BODY else _read.__wrapped__
    reading = read(text, _header_codes(headers), status, _dialect(provider))
    wait = _stated_wait(headers, reading)
    if wait == reading.wait:
        return reading.failure
    return _failure(status, reading.layers, reading.reason, wait, reading.failure.message)


def classify_exception(exc: BaseException, *, provider: str | None = None) -> Failure:
    """Say what an exception of the HTTP client means.

    The exception itself is asked first, then the members of a group, then its cause. An `httpx.HTTPStatusError` is
    read like the answer that it carries. What nobody recognises is unknown.

    >>> classify_exception(httpx.ReadTimeout("")).reason
    <Reason.TIMEOUT: 'timeout'>
    """
    for link in _chain(exc):
        if isinstance(link, httpx.HTTPStatusError):
            response = link.response
            return classify(response.status_code, response.headers, _content(response), provider=provider)
        for kinds, reason in EXCEPTIONS:
            if isinstance(link, kinds):
                return Failure.of(reason, presentable(_describe(link), MESSAGE_MAX))
    return Failure.of(Reason.UNKNOWN, presentable(_describe(exc), MESSAGE_MAX))


EXCEPTIONS: Final[tuple[tuple[tuple[type[BaseException], ...], Reason], ...]] = (
    ((httpx.TimeoutException, TimeoutError, trio.TooSlowError), Reason.TIMEOUT),
    # The client refuses to send a malformed header, and the only header of ours with foreign text is the key's.
    ((httpx.LocalProtocolError,), Reason.AUTH),
    ((httpx.TransportError, httpx.DecodingError, httpx.TooManyRedirects, httpx.InvalidURL), Reason.NETWORK),
    ((ssl.SSLError, ConnectionError, OSError, EOFError), Reason.NETWORK),
    ((trio.BrokenResourceError, trio.ClosedResourceError), Reason.NETWORK),
)
"""What exceptions mean: the first row that fits."""


# -- Reading -----------------------------------------------------------------------------------------------------


@frozen
class _Reading:
    """What a body says by itself: `reason` by its words, `wait` in its fields or words, the `failure` by both."""

    layers: tuple[Layer, ...]
    reason: Reason
    wait: float | None
    failure: Failure


@lru_cache(BODIES_KEPT)
def _read(text: str, codes: tuple[str, ...], status: int | None, provider: str) -> _Reading:
    """Read a body; `codes` are the headers', which count like those of the outermost layer."""
    layers = gather(text)
    layers[-1].words.extend(codes)
    message = presentable(next((layer.message for layer in layers if layer.message), ""), MESSAGE_MAX)
    reason, wait = _weigh(layers, status, provider), _wait_of(layers)
    return _Reading(tuple(layers), reason, wait, _failure(status, layers, reason, wait, message))


def _failure(status: int | None, layers: Sequence[Layer], reason: Reason, wait: float | None, message: str) -> Failure:
    """Return the failure of which a body, or its status, says this much, and for which there is this wait."""
    reason = _by_window(reason, wait, layers)
    scope = _scope(reason, layers)
    return Failure(reason, scope, status, None if scope is Scope.REQUEST else wait, message)


# -- Weighing ----------------------------------------------------------------------------------------------------


RANKED: Final = sorted(RULES, key=lambda rule: -rule.strength)
"""The rules from the strongest to the weakest; those of one strength in the order of the table."""


@cache
def _rules(where: Where, provider: str) -> Phrasebook:
    """Return the rules that look at one place, under their ranks."""
    return Phrasebook(
        (rank, phrase)
        for rank, rule in enumerate(RANKED)
        if rule.where in {where, Where.ANYWHERE} and rule.is_for(provider)
        for phrase in rule.phrases
    )


@cache
def _phrases(*kinds: tuple[str, ...]) -> Phrasebook:
    """Return several kinds of phrases, each under its place in the order."""
    return Phrasebook((number, phrase) for number, phrases in enumerate(kinds) for phrase in phrases)


def _weigh(layers: list[Layer], status: int | None, provider: str) -> Reason:
    """Return the reason for which the strongest evidence speaks: the order of this module's docstring."""
    for layer in layers:
        for number in layer.numbers:
            if number in VENDOR_CODES:
                return VENDOR_CODES[number]
    generic: Reason | None = None
    hint: Reason | None = None
    for rule in _said(layers, provider):
        if rule.strength is Strength.SPECIFIC:
            return rule.reason
        if rule.strength is Strength.GENERIC:
            generic = generic or rule.reason
        else:
            hint = hint or rule.reason
    return generic or _by_status(layers, status) or hint or Reason.UNKNOWN


@lru_cache(PROVIDERS_MAX)
def _dialect(provider: str | None) -> str:
    """Return which special rules apply to a provider: the name that they know, or nothing."""
    name = (provider or "").lower()
    return next((known for known in DIALECTS if known in name), "")


def _said(layers: list[Layer], provider: str) -> Iterator[Rule]:
    """Yield the best rule for what each layer says: codes before prose, the innermost layer first."""
    book = _rules(Where.CODE, provider)
    for layer in layers:
        if layer.words and (rank := _rank_of_codes(book, layer.codes_plain)) is not None:
            yield RANKED[rank]
    book = _rules(Where.PROSE, provider)
    for layer in layers:
        if layer.prose and (rank := book.first(layer.prose_plain)) is not None:
            yield RANKED[rank]


def _rank_of_codes(book: Phrasebook, codes: str) -> int | None:
    """Return the rank of the best rule for codes, which for few codes is remembered: errors have the same again."""
    return _remembered(book, codes) if len(codes) <= FEW_CODES else book.first(codes)


_remembered: Final = lru_cache(1_024)(Phrasebook.first)


def _says(layers: Sequence[Layer], *kinds: tuple[str, ...]) -> int | None:
    """Return the first of several kinds of phrases that any layer says, in a code or in prose."""
    book = _phrases(*kinds)
    numbers = [book.first(text) for layer in layers for text in (layer.codes_plain, layer.prose_plain)]
    return min((number for number in numbers if number is not None), default=None)


def _by_status(layers: list[Layer], status: int | None) -> Reason | None:
    """Return what the first status that says anything says: one in the body, the innermost layer's first, or HTTP's."""
    for said in (*[layer.status for layer in layers], status):
        if said is not None and (said in STATUSES or 500 <= said <= 599):
            return STATUSES.get(said, Reason.SERVER_ERROR)
    return None


def _by_window(reason: Reason, wait: float | None, layers: Sequence[Layer]) -> Reason:
    """Tell a rate limit from a quota: by the window that is named, else by the wait that is stated."""
    if reason not in LIMITS:
        return reason
    window = _says(layers, LONG_WINDOWS, SHORT_WINDOWS)
    if window == 0 or (wait is not None and wait >= LONG_WAIT):
        return Reason.QUOTA
    if window == 1 or (wait is not None and wait <= SHORT_WAIT):
        return Reason.RATE_LIMIT
    return reason


def _scope(reason: Reason, layers: Sequence[Layer]) -> Scope:
    """Return whose fault it is; a quota is one model's where the error says so."""
    if reason is Reason.QUOTA and _says(layers, ONE_MODEL) is not None:
        return Scope.MODEL
    return NATURAL_SCOPE[reason]


# -- Waits -------------------------------------------------------------------------------------------------------


def _stated_wait(headers: Mapping[str, str], reading: _Reading) -> float | None:
    """Return the wait that the provider states: asked for in a header, in a field, in words, or left to be inferred."""
    wait = waits.from_headers(headers)
    if wait is None:
        wait = reading.wait
    if wait is None and reading.reason in LIMITS:
        wait = waits.from_limit_headers(headers)
    return wait


def _wait_of(layers: list[Layer]) -> float | None:
    """Return the wait that a body states: in a field, else in words."""
    for layer in layers:
        if layer.fields and (wait := waits.from_fields(layer.fields)) is not None:
            return wait
    for layer in layers:
        for _, _, text in layer.prose:
            if (wait := waits.from_prose(text)) is not None:
                return wait
    return None


# -- Odds and ends -----------------------------------------------------------------------------------------------


def _header_codes(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the error codes in headers."""
    if headers.keys().isdisjoint(CODE_HEADERS):
        return ()
    return tuple([headers[name].partition(":")[0][:100] for name in CODE_HEADERS if name in headers])


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception, the members of a group, and the causes, each once and not endlessly."""
    waiting, seen = [exc], set[int]()
    while waiting and len(seen) < CHAIN_MAX:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        if isinstance(link, BaseExceptionGroup):
            waiting.extend(link.exceptions)
        waiting.extend(arg for arg in link.args if isinstance(arg, BaseException))  # that is how httpcore wraps
        cause = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        if cause is not None:
            waiting.append(cause)


def _describe(exc: BaseException) -> str:
    """Return the exception's name and text; one that says nothing may have a cause that does, as with TLS."""
    text = next((text for link in _chain(exc) if (text := _text(link))), "")
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


def _text(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception:  # an exception's own __str__ is foreign code
        return ""


def _content(response: httpx.Response) -> bytes:
    """Return the body of a response, if it has been read."""
    try:
        return response.content
    except httpx.ResponseNotRead:
        return b""
