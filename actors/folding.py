"""A text as an expression that ignores case sees it, for quick looks at whether that expression could match at all."""

from __future__ import annotations

from collections.abc import Iterable


def folded(text: str) -> str:
    r"""Return a text so that each letter that `re.IGNORECASE` takes for an ASCII letter is that letter in lower case.

    Folding alone leaves the dotless and the dotted i apart, which such expressions take for an ``i``.

    >>> folded("WA\u0130T 5 \u017fec")
    'wait 5 sec'
    """
    return text.casefold().replace("\u0131", "i").replace("i\u0307", "i")


def has_one(seen: str, words: Iterable[str]) -> bool:
    """Whether a folded text has one of these words; a loop, for it is quicker than `any` where words are few.

    >>> has_one("wait 5 sec", ("minute", "sec"))
    True
    """
    for word in words:  # noqa: SIM110
        if word in seen:
            return True
    return False
