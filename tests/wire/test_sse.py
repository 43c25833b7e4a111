"""The event-stream parser: what the examples of the standard mean, and properties over all cuts of a stream.

The properties compare it with `read_whole`, a second reading of the standard that decodes the whole text at
once and shares nothing with the parser.
"""

from __future__ import annotations

import doctest
import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from understudy.actors.providers import sse
from understudy.actors.providers.sse import SSEEvent, SSEParser, SSETooLong


def read_whole(stream: bytes) -> list[SSEEvent]:
    """Read a whole event stream by the letter of the standard, then treat its end as a blank line."""
    text = stream.decode("utf-8", errors="replace").removeprefix("\ufeff")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    events: list[SSEEvent] = []
    data, kind, last_id = "", "", ""
    for line in [*text.split("\n"), ""]:
        if line == "":
            if data:
                events.append(SSEEvent(kind or "message", data[:-1], last_id))
            data, kind = "", ""
            continue
        if ":" in line:
            name, value = line.split(":", 1)
            value = value.removeprefix(" ")
        else:
            name, value = line, ""
        if name == "data":
            data += value + "\n"
        elif name == "event":
            kind = value
        elif name == "id" and "\0" not in value:
            last_id = value
    return events


def parse(*pieces: bytes, max_event_bytes: int = sse.MAX_EVENT_BYTES) -> list[SSEEvent]:
    """Feed the pieces one after another, then announce the end."""
    parser = SSEParser(max_event_bytes=max_event_bytes)
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.close()


def data_of(*pieces: bytes) -> list[str]:
    return [event.data for event in parse(*pieces)]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Cut a stream at each of the places that lies within it."""
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


LINE_ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])

FRAGMENTS = st.sampled_from(
    [
        *(
            b"data",
            b"event",
            b"id",
            b"retry",
            b"other",
            b":",
            b": ",
            b" ",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"\0",
        ),
        *(b"data:", b"data: x", b"event: ping", b"id: 7", b"id: \0", b"retry: 10", b": ping", b"[DONE]"),
        *(
            b"\xef\xbb\xbf",
            b"\xef",
            b"\xbb\xbf",
            "é".encode(),
            "€".encode(),
            "𝄞".encode(),
            b"\xff",
            b"\xe2\x82",
        ),
        *("\u2028".encode(), "\x85".encode(), b"\x0b", b"\x1c"),
    ]
)
"""What event streams are made of, and what Python takes for a line's end although the standard does not."""

LINES = st.one_of(
    st.sampled_from([b"", b"data: a", b"data:b", b"data:  c", b"data", b"data: d:e"]),
    st.sampled_from([b"event: ping", b"event", b"id: 7", b"id", b"id: 8\0", b": ping", b"\xef\xbb\xbfdata: f"]),
)


@st.composite
def streams_of_lines(draw: st.DrawFn) -> bytes:
    """Draw a stream that is mostly in order; its lines share an end, or each has its own."""
    lines = draw(st.lists(LINES, min_size=2, max_size=12))
    end = draw(LINE_ENDS)
    mixed = draw(st.booleans())
    return b"".join(line + (draw(LINE_ENDS) if mixed else end) for line in lines)


STREAMS = st.one_of(streams_of_lines(), st.lists(FRAGMENTS, max_size=30).map(b"".join), st.binary(max_size=60))
CUTS = st.lists(st.integers(min_value=0, max_value=10_000), max_size=12)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=12)


@st.composite
def written_events(draw: st.DrawFn) -> tuple[SSEEvent, bytes]:
    """Draw an event, and one of the ways to write it."""
    end = draw(LINE_ENDS)
    event = SSEEvent(
        event=draw(TEXT.filter(bool)),
        data="\n".join(draw(st.lists(TEXT, min_size=1, max_size=4))),
        id=draw(TEXT.filter(lambda text: "\0" not in text)),
    )
    fields = [("event", event.event), ("id", event.id), *(("data", line) for line in event.data.split("\n"))]
    lines = []
    for name, value in fields:
        space = " " if value.startswith(" ") or draw(st.booleans()) else ""
        lines.append(f"{name}:{space}{value}".encode())
        if draw(st.booleans()):
            lines.append(f":{draw(TEXT)}".encode())
    return event, end.join([*lines, b"", b""])


# ---- properties


@given(stream=STREAMS, places=CUTS)
@example(stream=b"\xef\xbb\xbfdata: x\r\n\r\n", places=[1, 2, 11, 12, 13])
@example(stream=b"data: \xf0\x9d\x84\x9e\r\rdata\n", places=[7, 8, 9, 11])
@example(stream=b"data: \xe2\x82\r\n", places=[])
@example(stream=b"data: a\r\ndata: b\r\n\r\n", places=[8])
def test_however_a_stream_is_cut_it_means_what_its_whole_text_means(stream: bytes, places: list[int]) -> None:
    expected = read_whole(stream)
    assert parse(*cut(stream, places)) == expected
    assert parse(*(bytes([byte]) for byte in stream)) == expected


@given(written=st.lists(written_events(), max_size=6), places=CUTS)
def test_events_survive_being_written_and_read(written: list[tuple[SSEEvent, bytes]], places: list[int]) -> None:
    stream = b"".join(text for _, text in written)
    assert parse(*cut(stream, places)) == [event for event, _ in written]
    assert parse(*(bytes([byte]) for byte in stream)) == [event for event, _ in written]


@given(stream=STREAMS, places=CUTS, limit=st.integers(min_value=1, max_value=20))
def test_arbitrary_bytes_raise_nothing_but_too_long_and_every_cut_agrees(
    stream: bytes, places: list[int], limit: int
) -> None:
    def outcome(*pieces: bytes) -> tuple[list[SSEEvent], bool]:
        parser, events = SSEParser(max_event_bytes=limit), list[SSEEvent]()
        try:
            for piece in pieces:
                events += parser.feed(piece)
            events += parser.close()
        except SSETooLong:
            return events, True
        return events, False

    assert outcome(*cut(stream, places)) == outcome(stream)
    assert outcome(*(bytes([byte]) for byte in stream)) == outcome(stream)


@given(stream=STREAMS, places=CUTS)
def test_an_event_is_handed_out_by_the_feed_that_completes_it(stream: bytes, places: list[int]) -> None:
    parser, so_far, events = SSEParser(), b"", list[SSEEvent]()
    for piece in cut(stream, places):
        so_far += piece
        events += parser.feed(piece)
        # Only what the end would complete may be missing.
        assert read_whole(so_far)[: len(events)] == events
        assert len(read_whole(so_far)) - len(events) <= 1


# ---- the standard's examples


def test_the_first_example_of_the_standard_is_three_messages() -> None:
    stream = b"data: YHOO\ndata: +2\ndata: 10\n\ndata: This is the second message\n\ndata: third\n\n"
    assert data_of(stream) == ["YHOO\n+2\n10", "This is the second message", "third"]


def test_comments_ids_and_leading_spaces_are_read_as_in_the_standards_example() -> None:
    stream = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
    assert parse(stream) == [
        SSEEvent("message", "first event", "1"),
        SSEEvent("message", "second event", ""),
        SSEEvent("message", " third event", ""),
    ]


def test_data_fields_without_a_value_are_empty_lines() -> None:
    assert data_of(b"data\n\ndata\ndata\n\ndata:") == ["", "\n", ""]


def test_a_space_after_the_colon_does_not_count() -> None:
    assert data_of(b"data:test\n\ndata: test\n\n") == ["test", "test"]


# ---- single rules


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_every_line_end_of_the_standard_ends_a_line(end: bytes) -> None:
    assert data_of(end.join([b"data: a", b"data: b", b"", b"data: c", b"", b""])) == ["a\nb", "c"]


def test_a_line_end_that_is_cut_in_two_is_one_line_end() -> None:
    assert data_of(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == ["a\nb"]


def test_a_carriage_return_ends_its_event_before_the_line_feed_arrives() -> None:
    parser = SSEParser()
    assert parser.feed(b"data: a\r\n\r") == [SSEEvent("message", "a")]
    assert parser.feed(b"") == []
    assert parser.feed(b"\ndata: b\n\n") == [SSEEvent("message", "b")]


def test_separators_that_only_python_takes_for_line_ends_are_data() -> None:
    assert data_of("data: a\u2028b\x85c\x0bd\n\n".encode()) == ["a\u2028b\x85c\x0bd"]


def test_a_character_that_is_cut_in_two_arrives_whole() -> None:
    assert data_of(b"data: \xf0\x9d", b"\x84\x9e\n\n") == ["𝄞"]


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    assert data_of(b"data: a\xffb\xe2\x82\n\n") == ["a\ufffdb\ufffd"]


def test_only_the_first_byte_order_mark_is_dropped() -> None:
    assert data_of(b"\xef", b"\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: lost\n\ndata: \xef\xbb\xbf\n\n") == [
        "a",
        "\ufeff",
    ]


def test_a_comment_is_counted_and_interrupts_nothing() -> None:
    parser = SSEParser()
    assert parser.feed(b"data: a\n: OPENROUTER PROCESSING\n:\n") == []
    assert parser.comments == 2
    assert parser.feed(b"data: b\n\n") == [SSEEvent("message", "a\nb")]


def test_an_event_without_data_is_none_and_leaves_its_type_behind() -> None:
    assert parse(b"event: ping\n\ndata: a\n\n") == [SSEEvent("message", "a")]


def test_the_type_of_an_event_does_not_outlive_it_but_its_id_does() -> None:
    assert parse(b"event: delta\nid: 4\ndata: a\n\ndata: b\n\n") == [
        SSEEvent("delta", "a", "4"),
        SSEEvent("message", "b", "4"),
    ]


def test_an_id_with_a_nul_is_ignored_and_a_nul_in_data_is_kept() -> None:
    assert parse(b"id: 1\nid: 2\0\ndata: a\0b\n\n") == [SSEEvent("message", "a\0b", "1")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"2500", 2500), (b"", 1), (b"soon", 1), (b"-3", 1), (b"1.5", 1), (b"\xc2\xb2", 1), (b"9" * 5000, 1)],
)
def test_retry_is_noted_if_it_is_a_sensible_number(value: bytes, expected: int) -> None:
    parser = SSEParser()
    parser.feed(b"retry: 1\nretry: " + value + b"\n")
    assert parser.retry_ms == expected


def test_unknown_fields_and_names_of_another_case_are_ignored() -> None:
    assert parse(b"Data: a\n data: b\nwhatever: c\n\n") == []


def test_json_that_is_not_an_event_stream_holds_no_event() -> None:
    assert parse(b'{"error": {"message": "data: none"}}') == []


# ---- the end


def test_an_event_without_its_blank_line_is_handed_out_at_the_end() -> None:
    parser = SSEParser()
    assert parser.feed(b"data: [DONE]\n") == []
    assert parser.close() == [SSEEvent("message", "[DONE]")]
    assert parser.close() == []


def test_a_last_line_without_an_end_is_a_line() -> None:
    assert data_of(b"data: a\n\ndata: [DONE]") == ["a", "[DONE]"]


def test_an_unfinished_event_without_data_is_dropped_at_the_end() -> None:
    assert parse(b"data: a\n\nevent: message\nid: 3") == [SSEEvent("message", "a")]


# ---- limits


def test_a_line_that_never_ends_is_refused_while_it_grows() -> None:
    parser = SSEParser(max_event_bytes=1000)
    assert parser.feed(b"x" * 500) == parser.feed(b"x" * 500) == []
    with pytest.raises(SSETooLong, match="a line of more than 1000 bytes"):
        parser.feed(b"x")


def test_an_event_of_endless_lines_is_refused() -> None:
    with pytest.raises(SSETooLong, match="an event of more than 1000 bytes"):
        parse(*[b"data\n"] * 1002, max_event_bytes=1000)


def test_an_event_as_long_as_the_limit_is_accepted() -> None:
    assert data_of_limited(b"data: " + b"x" * 94 + b"\n\n", 100) == ["x" * 94]
    assert data_of_limited(b"data\n" * 101 + b"\n", 100) == ["\n" * 100]


def data_of_limited(stream: bytes, limit: int) -> list[str]:
    return [event.data for event in parse(stream, max_event_bytes=limit)]


def test_the_limit_counts_events_and_not_the_stream() -> None:
    assert len(parse(b": ping\ndata: 0123456789\n\n" * 1000, max_event_bytes=20)) == 1000


def test_events_before_the_one_that_is_too_long_are_handed_out() -> None:
    parser = SSEParser(max_event_bytes=10)
    assert parser.feed(b"data: a\n\ndata: " + b"x" * 20 + b"\n\ndata: b\n\n") == [SSEEvent("message", "a")]
    for _ in range(2):
        with pytest.raises(SSETooLong):
            parser.feed(b"data: c\n\n")
    with pytest.raises(SSETooLong):
        parser.close()


def test_a_long_event_can_be_fed_byte_by_byte() -> None:
    event = b"data: " + b"x" * 1_000_000 + b"\n\n"
    # A parser that copies or searches what it has for each byte would take minutes here.
    parser = SSEParser()
    events = [found for place in range(len(event)) for found in parser.feed(event[place : place + 1])]
    assert [len(found.data) for found in events] == [1_000_000]


def test_the_examples_in_the_documentation_are_true() -> None:
    assert doctest.testmod(sse) == (0, 5)
