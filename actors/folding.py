"""A text as an expression that ignores case sees it, for quick looks at whether that expression could match at all."""

from __future__ import annotations


def folded(text: str) -> str:
    """Return a text so that each letter that `re.IGNORECASE` takes for an ASCII letter is that letter in lower case.

    Folding alone leaves the dotless and the dotted i apart, which such expressions take for an ``i``.

    >>> folded("WA\\u0130T 5 \\u017fec")
    'wait 5 sec'
    """
    return text.casefold().replace("\u0131", "i").replace("i\u0307", "i")
