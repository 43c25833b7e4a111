"""The plain form is what its rules say, one after the other."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from understudy.actors.evidence import gather, plain

CJK = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
UNITS = "s|sec|second|min|minute|hr|hour|day|week|month"


def by_the_rules(text: str) -> str:
    """Return the plain form as slowly as it is told."""
    text = re.sub(r"\bhttps?://[^\s\"'<>()]+", " ", text, flags=re.IGNORECASE)
    text = re.sub(rf"\s?/\s?(?=(?:{UNITS})s?\b)", " per ", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
    text = re.sub(r"\d[\d.,:]*\d|\d", "#", re.sub("['\u2019]", "", text.casefold()))
    text = re.sub(r"[.!?;](?=\s|$)|[。！？；…]|\n\s*\n", " \x01 ", text)  # noqa: RUF001 - other scripts' full stops
    text = " " + re.sub(r"(?:[^\w#\x01]|_)+", " ", text).strip() + " "
    return re.sub(f" (?={CJK})|(?<={CJK}) ", "", text).replace("\x01", ".")


fragments = st.sampled_from(
    [
        *(
            "RateLimit",
            "HTTPError",
            "aBCd",
            "rate_limit",
            "it's",
            "It\u2019S",
            "1,000.5",
            "3.",
            "1:2",
            "10/day",
            "5 / s",
        ),
        *(
            "\n/\nmin",
            "https://a.b/c?d",
            "xHTTP://a",
            "HTTPS://",
            "限流",
            "한도",
            "模型。",
            "\u2026",
            "ß",
            "K",
            "/sec",
            "//",
        ),
        *(
            " ",
            "\n",
            "\n\n",
            "\n \n",
            "\r\n",
            ".",
            "!",
            ";",
            "_",
            "#",
            "\x01",
            "\x1c",
            "-",
            "\u0130",
            "\u00a0",
            "A",
            "b",
        ),
    ]
)


@given(st.lists(fragments | st.text(max_size=3), max_size=12).map("".join))
def test_the_plain_form_is_what_its_rules_say(text: str) -> None:
    assert plain(text) == by_the_rules(text)


told = r"(?:http(?:/\d(?:\.\d)?)?|http[ _-]?status|status|status[ _]?code|http error|error code|api error)"
around = r"[\"')]?\s{0,3}[:=]?\s{0,3}[\"'(]?([45]\d\d)\b(?![.,]?\d)"
mentions = st.sampled_from(
    [
        *(
            "status code 503",
            "HTTP/1.1 429",
            "\u017ftatu\u017f: 500",
            "ap\u0130 error (401)",
            "http1500",
            "STATUS=404.5",
        ),
        *(
            "http status 50",
            "error code 4044",
            "xstatus 500",
            "status 500\u0345",
            "https://a/500",
            "took 500 ms",
            "!",
            " ",
        ),
    ]
)


@given(st.lists(mentions | st.text(max_size=3), min_size=1, max_size=4).map("".join))
def test_a_sentence_mentions_a_status_as_if_it_had_been_looked_for_at_once(text: str) -> None:
    text = f"Odd {text}".replace("{", "").replace("<", "")
    found = re.search(rf"\b{told}{around}", text, re.IGNORECASE)
    (layer,) = gather(text)
    assert layer.status == (int(found[1]) if found else None)
