"""Each line of a log once, whatever the streams repeat, cut or leave out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devloop.observe.lines import Line, Stream, Tape


def stamp(at: float) -> str:
    return f"2026-11-23T16:{int(at) // 60:02}:{int(at) % 60:02}.{round(at % 1 * 1e9):09}Z"


def read(tape: Tape, *chunks: bytes) -> list[str]:
    stream = Stream(tape)
    return [text for chunk in chunks for text in _take(tape, stream.feed(chunk))] + _take(tape, stream.end())


def _take(tape: Tape, lines: list[Line]) -> list[str]:
    if lines:
        tape.take(lines)
    return [text.decode() for _, text in lines]


def test_chunks_need_not_end_at_lines() -> None:
    whole = f"{stamp(1)} one\n{stamp(2)} two words\n{stamp(3)} \n".encode()
    assert read(Tape(), *(whole[i : i + 7] for i in range(0, len(whole), 7))) == ["one", "two words", ""]


def test_a_last_line_without_an_end_is_a_line() -> None:
    assert read(Tape(), f"{stamp(1)} one\n{stamp(2)} tw".encode(), b"o") == ["one", "two"]


def test_a_resumed_stream_drops_what_was_read() -> None:
    tape = Tape()
    assert read(tape, f"{stamp(1.1)} a\n{stamp(1.5)} b\n{stamp(1.5)} c\n".encode()) == ["a", "b", "c"]
    assert tape.since == "2026-11-23T16:00:01Z"
    again = f"{stamp(1.1)} a\n{stamp(1.5)} b\n{stamp(1.5)} c\n{stamp(1.5)} d\n{stamp(1.6)} e\n".encode()
    assert read(tape, again) == ["d", "e"]


def test_a_stream_knows_whether_it_joins_on_to_what_was_read() -> None:
    tape = Tape()
    read(tape, f"{stamp(1.5)} a\n".encode())
    joined, apart = Stream(tape), Stream(tape)
    assert joined.feed(f"{stamp(1.5)} a\n{stamp(2)} b\n".encode()) == [(stamp(2).encode(), b"b")]
    assert joined.is_joined
    assert apart.feed(f"{stamp(2)} b\n".encode()) == [(stamp(2).encode(), b"b")]
    assert not apart.is_joined


def test_the_kubelets_own_words_are_no_lines_of_the_container() -> None:
    text = f"{stamp(1)} a\nunable to retrieve container logs for containerd://6853a381\n"
    assert read(Tape(), text.encode()) == ["a"]


def test_stamps_of_other_zones_and_precisions_compare_too() -> None:
    tape = Tape()
    assert read(tape, b"2026-11-23T17:00:01.5+01:00 a\n2026-11-23T17:00:01.6+01:00 b\n") == ["a", "b"]
    assert tape.last == b"2026-11-23T16:00:01.600000000Z"
    assert read(tape, b"2026-11-23T17:00:01.6+01:00 b\n2026-11-23T17:00:02+01:00 c\n") == ["c"]


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 50)), max_size=6),
)
def test_no_line_is_lost_or_doubled_over_broken_streams(gaps: list[int], breaks: list[tuple[int, int]]) -> None:
    at, log = 0, []
    for number, gap in enumerate(gaps):
        at += gap
        log.append((at / 8, f"line {number}"))
    tape, got = Tape(), []
    for length, size in [*breaks, (1_000_000, 1_000_000)]:
        since = int(tape.since[14:16]) * 60 + int(tape.since[17:19]) if tape.since else 0
        served = "".join(f"{stamp(each)} {text}\n" for each, text in log if each >= since).encode()[:length]
        stream = Stream(tape)
        for start in range(0, len(served), size):
            got += _take(tape, stream.feed(served[start : start + size]))
    assert got == [text for _, text in log]
