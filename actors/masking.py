"""Showing what a provider said without showing a secret.

Providers quote keys back ("Incorrect API key provided: sk-..."), gateways quote whole headers. Before a message goes
into a log or an exception, everything that looks like a key is replaced by `MASK`. This is a net, not a proof: who
knows the secret strikes it out by `Failure.without` as well. It rather hides a harmless request id than shows a key;
model names, which are made of short words, stay readable.
"""

from __future__ import annotations

import re
from typing import Final

from .folding import folded, has_one
from .patterns import compiled

MASK: Final = "***"
SCAN_MAX: Final = 4_000
"""How many characters are examined; what lies beyond is never shown."""

_NAMES: Final = ("key", "token", "secret", "password", "passwd", "credential")
_NAMED: Final = rf"(?:{'|'.join(_NAMES)})s?"
_VALUE: Final = r"[^\s\"'<>,;&)}\]]"
_PREFIX: Final = (
    r"(?:sk|rk|pk|csk|fw|tp|bce|xai|gsk|hf|r8|nvapi|pplx|tvly|gh[a-z]|github_pat|glpat|xox[a-z]"
    r"|key|ak|jina|together|fk|ms|sess|ant)[-_]"
)


Rule = tuple[str, int, str, tuple[str, ...], str]
"""What looks like a key: an expression, its flags, what is put in place of it; words, and a sign.

Most messages hold nothing of the kind, and to see that must be cheap. So the expression is tried only where the text,
folded (`folding.py`), has one of the words, and where the sign, an expression as well, is found in it. Both follow from
what they spare: they never rule out what it matches. They are not told what stands before or after, for folding may
change which letters those are.
"""

RULES: Final[tuple[Rule, ...]] = (
    # Credentials in a URL: https://user:secret@host
    (r"(://)[^\s/@:]{1,200}:[^\s/@]{1,400}@", 0, rf"\1{MASK}@", ("@",), ""),
    # Authorization: Bearer xyz
    (
        rf"\b(bearer|basic)(\s{{1,4}})(?!auth|token\b|scheme){_VALUE}+",
        re.IGNORECASE,
        rf"\1\2{MASK}",
        ("bearer", "basic"),
        "",
    ),
    # key=xyz, "api_key": "xyz", also where the quotes are escaped
    (
        rf"({_NAMED}(?:\\?[\"']?\s{{0,3}}=\s{{0,3}}\\?[\"']?|\\?[\"']\s{{0,3}}:\s{{0,3}}\\?[\"'])){_VALUE}+",
        re.IGNORECASE,
        rf"\1{MASK}",
        _NAMES,
        rf"{_NAMED}\\?[\"']?\s{{0,3}}[=:]",
    ),
    # API key provided: xyz; token: xyz. An ordinary word after the colon is left standing.
    (rf"(\bprovided\s{{0,3}}:\s{{0,3}}[\"'`(]?){_VALUE}+", re.IGNORECASE, rf"\1{MASK}", ("provided",), ""),
    (
        rf"((?i:{_NAMED})\s{{0,3}}:\s{{0,3}}[\"'`(]?)(?![A-Za-z]?[a-z]{{1,15}}[.,:]?(?:\s|$)){_VALUE}+",
        0,
        rf"\1{MASK}",
        _NAMES,
        rf"{_NAMED}\s{{0,3}}:",
    ),
    # Well-known prefixes: sk-, rk-, pk-, xai-, gsk_, hf_, nvapi-, pplx-, csk-, ghp_, AKIA, AIza, ya29., eyJ
    (
        rf"(?<![A-Za-z0-9]){_PREFIX}(?=[A-Za-z0-9_*.-]{{0,200}}[0-9*A-Z])[A-Za-z0-9_*.+/=-]{{4,}}",
        0,
        MASK,
        ("-", "_"),
        _PREFIX,
    ),
    (r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_*.+/=-]+", re.IGNORECASE, MASK, ("sk-",), ""),
    (
        r"(?<![A-Za-z0-9])(?:AIza|AKIA|ASIA|ya29\.|eyJ|LTAI|AKID)[A-Za-z0-9_*.+/=-]{6,}",
        0,
        MASK,
        ("aiza", "akia", "asia", "ya29.", "eyj", "ltai", "akid"),
        "",
    ),
    # Any long run of letters and digits together: what else could a key look like?
    (
        r"(?<![A-Za-z0-9])(?=[A-Za-z_]{0,64}[0-9])(?=[0-9_]{0,64}[A-Za-z])[A-Za-z0-9_]{20,}",
        0,
        MASK,
        tuple("0123456789"),
        r"[a-z0-9_]{20}",
    ),
    # UUIDs serve as keys, too
    (
        r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b",
        0,
        MASK,
        ("-",),
        r"-[0-9a-f]{4}-[0-9a-f]{4}-",
    ),
    # Fragments that the provider has starred itself
    (r"[A-Za-z0-9_-]{0,64}\*{4,}[A-Za-z0-9_-]{0,64}", 0, MASK, ("****",), ""),
)

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff\ud800-\udfff]+")


def may_match(rule: Rule, seen: str) -> bool:
    """Whether a rule could match in a text that is `seen` in folded form; a cheap look, which errs on the safe side."""
    *_, words, sign = rule
    return has_one(seen, words) and (not sign or compiled(sign).search(seen) is not None)


def presentable(text: str, length_max: int) -> str:
    r"""Return a text on one line, without what looks like a key, and shortened to `length_max` characters.

    >>> presentable("Incorrect API key provided: sk-abc123.\n Bye", 80)
    'Incorrect API key provided: *** Bye'
    """
    cut = len(text) > SCAN_MAX
    text = text[:SCAN_MAX]
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    text = " ".join(text.split())
    if cut:  # the last word may be the beginning of a key
        text = text.rpartition(" ")[0]
    seen = folded(text)
    for rule in RULES:
        if may_match(rule, seen):
            pattern, flags, replacement, *_ = rule
            text = compiled(pattern, flags).sub(replacement, text)
            seen = folded(text)
    return text if len(text) <= length_max else text[: length_max - 1].rstrip() + "…"
