"""What looks like a key is masked, however cheap the look that is taken first."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from understudy.actors.folding import folded
from understudy.actors.masking import RULES, Rule, may_match, presentable

EXAMPLES = (
    ("https://user:pass@host/x", "://a:b@c"),
    ("Bearer abc.def-123", "ba\u017fic QWxhZGRpbjpvcGVu", "BAS\u0130C x"),
    ("api_key=xyz", "TO\u212aEN = 'a'", '\\"secret\\": \\"v\\"', "credent\u0131als': 'x", "pa\u017f\u017fword = q"),
    ("key provided: sk-a", "Prov\u0130ded: `abc"),
    ("token: Ab1", "to\u212aens: L3", "SECRET:x9", "credent\u0131al: A9"),
    ("sk-Ab3d", "gsk_Ab3dEf", "github_pat_A1b2", "xoxb-12-AB", "ms-12AB", "key-abC1x", "r8_0000"),
    ("SK-a", "\u017f\u212a-abc"),
    ("AIzaSyA123", "eyJhbGciOi", "ya29.abcdef", "LTAI5tXYZab"),
    ("A1b2C3d4E5f6G7h8I9j0K", "1_______________________a"),
    ("3f2504e0-4f89-11d3-9A0C-0305e82c3301",),
    ("abcd****efgh", "****"),
)
"""Of each rule in turn, what it masks."""

marks = st.sampled_from(
    ["-", "_", "=", ":", ": ", " = ", "'", '"', "\\", "*", "@", "://", " ", "", ".", "\u0345", "\n"]
)
fragments = st.sampled_from([text for texts in EXAMPLES for text in texts]) | st.text(
    "abkKsS\u0131019A\u0130Z\u212a", max_size=24
)
texts = st.lists(fragments | marks | st.text(max_size=4), max_size=10).map("".join)


def masked_by(rule: Rule, text: str) -> str:
    pattern, flags, replacement, *_ = rule
    return re.sub(pattern, replacement, text, flags=flags)


@pytest.mark.parametrize(("rule", "found"), list(zip(RULES, EXAMPLES, strict=True)))
def test_every_rule_masks_what_it_is_for(rule: Rule, found: tuple[str, ...]) -> None:
    for text in found:
        assert masked_by(rule, f"so {text} it is") != f"so {text} it is"
        assert may_match(rule, folded(f"so {text} it is"))


@given(texts)
@example("\u212aey\u0345=a")
def test_the_cheap_look_never_spares_a_rule_that_would_have_matched(text: str) -> None:
    for rule in RULES:
        assert may_match(rule, folded(text)) or masked_by(rule, text) == text


@given(texts)
def test_a_text_is_shown_as_if_every_rule_had_been_tried(text: str) -> None:
    expected = " ".join(
        re.sub(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff\ud800-\udfff]+", " ", text).split()
    )
    for rule in RULES:
        expected = masked_by(rule, expected)
    assert presentable(text, 10_000) == expected


def test_a_harmless_message_is_tried_by_no_rule() -> None:
    seen = folded("The server had an error while processing your request. Sorry about that!")
    assert not any(may_match(rule, seen) for rule in RULES)
