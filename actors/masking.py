"""Showing what a provider said without showing a secret.

Providers quote keys back ("Incorrect API key provided: sk-..."), gateways quote whole headers. Before a message goes
into a log or an exception, everything that looks like a key is replaced by `MASK`. This is a net, not a proof: who
knows the secret strikes it out by `Failure.without` as well. It rather hides a harmless request id than shows a key;
model names, which are made of short words, stay readable.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

MASK: Final = "***"
SCAN_MAX: Final = 4_000
"""How many characters are examined; what lies beyond is never shown."""

_NAMED: Final = r"(?:key|token|secret|password|passwd|credential)s?"
_VALUE: Final = r"[^\s\"'<>,;&)}\]]"

_RULES: Final = (
    # Credentials in a URL: https://user:secret@host
    (r"(://)[^\s/@:]{1,200}:[^\s/@]{1,400}@", 0, rf"\1{MASK}@"),
    # Authorization: Bearer xyz
    (rf"\b(bearer|basic)(\s{{1,4}})(?!auth|token\b|scheme){_VALUE}+", re.IGNORECASE, rf"\1\2{MASK}"),
    # key=xyz, "api_key": "xyz", also where the quotes are escaped
    (
        rf"({_NAMED}(?:\\?[\"']?\s{{0,3}}=\s{{0,3}}\\?[\"']?|\\?[\"']\s{{0,3}}:\s{{0,3}}\\?[\"'])){_VALUE}+",
        re.IGNORECASE,
        rf"\1{MASK}",
    ),
    # API key provided: xyz; token: xyz. An ordinary word after the colon is left standing.
    (rf"(\bprovided\s{{0,3}}:\s{{0,3}}[\"'`(]?){_VALUE}+", re.IGNORECASE, rf"\1{MASK}"),
    (
        rf"((?i:{_NAMED})\s{{0,3}}:\s{{0,3}}[\"'`(]?)(?![A-Za-z]?[a-z]{{1,15}}[.,:]?(?:\s|$)){_VALUE}+",
        0,
        rf"\1{MASK}",
    ),
    # Well-known prefixes: sk-, rk-, pk-, xai-, gsk_, hf_, nvapi-, pplx-, csk-, ghp_, AKIA, AIza, ya29., eyJ
    (
        (
            r"(?<![A-Za-z0-9])(?:[srp]k|csk|fw|tp|bce|xai|gsk|hf|r8|nvapi|pplx|tvly|gh[a-z]|github_pat|glpat|xox[a-z]"
            r"|key|ak|jina|together|fk|ms|sess|ant)[-_]"
            r"(?=[A-Za-z0-9_*.-]{0,200}[0-9*A-Z])[A-Za-z0-9_*.+/=-]{4,}"
        ),
        0,
        MASK,
    ),
    (r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_*.+/=-]+", re.IGNORECASE, MASK),
    (r"(?<![A-Za-z0-9])(?:AIza|AKIA|ASIA|ya29\.|eyJ|LTAI|AKID)[A-Za-z0-9_*.+/=-]{6,}", 0, MASK),
    # Any long run of letters and digits together: what else could a key look like?
    (r"(?<![A-Za-z0-9])(?=[A-Za-z_]{0,64}[0-9])(?=[0-9_]{0,64}[A-Za-z])[A-Za-z0-9_]{20,}", 0, MASK),
    # UUIDs serve as keys, too
    (r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", 0, MASK),
    # Fragments that the provider has starred itself
    (r"[A-Za-z0-9_-]{0,64}\*{4,}[A-Za-z0-9_-]{0,64}", 0, MASK),
)

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff\ud800-\udfff]+")


@cache
def _compiled() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compile the rules, once, when they are needed: not at import."""
    return tuple((re.compile(pattern, flags), replacement) for pattern, flags, replacement in _RULES)


def presentable(text: str, length_max: int) -> str:
    r"""Return a text on one line, without what looks like a key, and shortened to `length_max` characters.

    >>> presentable("Incorrect API key provided: sk-abc123.\n Bye", 80)
    'Incorrect API key provided: *** Bye'
    """
    cut = len(text) > SCAN_MAX
    text = " ".join(_CONTROL.sub(" ", text[:SCAN_MAX]).split())
    if cut:  # the last word may be the beginning of a key
        text = text.rpartition(" ")[0]
    for pattern, replacement in _compiled():
        text = pattern.sub(replacement, text)
    return text if len(text) <= length_max else text[: length_max - 1].rstrip() + "…"
