"""Files taken apart into messages: every byte of every file is answered for."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.unpack import Mismatch, Piece, files_under, unpack
from gateway.model.errors import CommandError

MSH = rb"MSH|^~\&|EHR|L|C|L|20260302||ADT^A01|"
ONE = MSH + b"1|P|2.5\rEVN|A01\rPID|1\r"
TWO = MSH + b"2|P|2.5\rEVN|A01\rPID|2\r"


@pytest.fixture
def parts(tmp_path):
    """What a file with these bytes holds: bodies, problems and mismatches in order."""

    def taken(raw, **how):
        path = tmp_path / "feed.hl7"
        path.write_bytes(raw)
        found = list(unpack(path, **how))
        assert [piece.index for piece in found if isinstance(piece, Piece)] == list(
            range(1, 1 + sum(isinstance(piece, Piece) for piece in found))
        )
        return [one if isinstance(one, Mismatch) else one.body or one.problem for one in found]

    return taken


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_segments_may_end_in_any_of_three_ways(parts, end):
    """P-05. The ends inside a message stay as they came."""
    assert parts((ONE + TWO).replace(b"\r", end)) == [
        ONE.replace(b"\r", end).rstrip(b"\r\n") + end[:1],
        TWO.replace(b"\r", end).rstrip(b"\r\n") + end[:1],
    ]


def test_blank_lines_between_messages_belong_to_nobody(parts):
    """People write files by hand."""
    assert parts(b"\n\r\n" + ONE + b"\r\n\n" + TWO + b"\n \n") == [ONE, TWO]


def test_a_message_without_its_last_terminator_gets_one(parts):
    """P-05: every segment ends in CR."""
    assert parts(ONE.rstrip(b"\r") + b"\n" + TWO.rstrip(b"\r")) == [ONE, TWO]


def test_a_byte_order_mark_is_no_part_of_the_first_message(parts):
    """C-07."""
    assert parts(b"\xef\xbb\xbf" + ONE) == [ONE]


def test_envelopes_are_taken_off_and_their_counts_checked(parts):
    """B-01, B-02: a right count says nothing, a wrong one is told and drops nothing."""
    head, foot = rb"FHS|^~\&|A" + b"\r" + rb"BHS|^~\&|A" + b"\r", b"BTS|%d\rFTS|%d\r"
    assert parts(head + ONE + TWO + foot % (2, 1)) == [ONE, TWO]
    wrong = parts(head + ONE + TWO + foot % (3, 2))
    assert [one for one in wrong if isinstance(one, bytes)] == [ONE, TWO]
    assert [(one.what.segment, one.what.said, one.what.found) for one in wrong if isinstance(one, Mismatch)] == [
        ("BTS", 3, 2),
        ("FTS", 2, 1),
    ]
    assert "BTS-1 says 3 messages, found 2" in str(wrong[2])


def test_an_envelope_without_counts_is_not_checked(parts):
    """B-02: empty means no check."""
    assert parts(rb"BHS|^~\&|A" + b"\r" + ONE + b"BTS|\rFTS\r") == [ONE]


def test_two_batches_are_counted_apart(parts):
    """B-02."""
    batch = rb"BHS|^~\&|A" + b"\r" + ONE + b"BTS|1\r"
    assert parts(rb"FHS|^~\&|A" + b"\r" + batch + batch + b"FTS|2\r") == [ONE, ONE]


def test_text_before_the_first_message_is_a_message_that_will_not_be_understood(parts):
    """Nothing is dropped in silence."""
    assert parts(b"Dear all, here is the file\r\n" + ONE) == [b"Dear all, here is the file\r", ONE]


def test_a_file_without_any_message_is_one_that_will_not_be_understood(parts):
    """It ends in quarantine, not nowhere."""
    assert parts(b"EVN|A01\rPID|1\r") == [b"EVN|A01\rPID|1\r"]


def test_what_stands_between_batches_is_not_dropped(parts):
    """Nor what follows a trailer."""
    assert parts(ONE + b"BTS|1\rPID|9\r" + TWO) == [ONE, b"PID|9\r", TWO]


def test_an_empty_file_holds_nothing(parts):
    """No message, no complaint."""
    assert parts(b"") == []


@pytest.mark.parametrize("word", [b"MSHX|", b"MSH1|", b"BTSA|"])
def test_a_segment_whose_name_goes_on_starts_nothing(parts, word):
    """Only the three letters do."""
    assert parts(ONE + word + b"x\r") == [ONE + word + b"x\r"]


def test_frames_are_taken_off(parts):
    """F-01, F-03: bytes between frames are nobody's."""
    assert parts(b"\x0b" + ONE + b"\x1c\r\r\njunk\x0b" + TWO + b"\x1c\r") == [ONE, TWO]


def test_a_frame_that_lacks_only_its_last_byte_is_whole(parts):
    """Dumps end so."""
    assert parts(b"\x0b" + ONE + b"\x1c") == [ONE]


def test_half_a_frame_is_told_and_not_taken(parts):
    """F-06: it would have been sent again."""
    assert parts(b"\x0b" + ONE + b"\x1c\r\x0b" + TWO[:30]) == [ONE, "frame-not-ended"]


def test_a_message_beyond_the_limit_is_told_and_not_taken(parts):
    """F-11; the others are."""
    long = ONE + b"OBX|" + b"x" * 5_000 + b"\r"
    assert parts(ONE + long + TWO, limit=1_000) == [ONE, "message-too-long", TWO]
    assert parts(b"\x0b" + long + b"\x1c\r\x0b" + TWO + b"\x1c\r", limit=1_000) == ["message-too-long", TWO]


@pytest.mark.parametrize("framed", [False, True])
def test_a_huge_file_takes_the_memory_of_a_message(tmp_path, framed):
    """60 MB without an end in sight, read in a few."""
    path = tmp_path / "huge.hl7"
    with path.open("wb") as stream:
        stream.write(b"\x0b" if framed else b"")
        for _ in range(60):
            stream.write(b"x" * 2**20)
    tracemalloc.start()
    assert [piece.problem for piece in unpack(path, limit=2**20)] == ["message-too-long"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


@given(st.lists(st.sampled_from([ONE, TWO, b"\r", b"\n", b"BTS|\r", b"noise\r", rb"FHS|^~\&" + b"\r"]), max_size=12))
def test_every_message_is_found_whatever_lies_between(tmp_path_factory, pieces):
    """As many as were written, in their order, in any chunking."""
    path = tmp_path_factory.mktemp("u") / "f.hl7"
    path.write_bytes(b"".join(pieces))
    found = [piece.body for piece in unpack(path) if isinstance(piece, Piece) and piece.body.startswith(b"MSH")]
    wanted = [piece for piece in pieces if piece in (ONE, TWO)]
    assert [body[: len(ONE)] for body in found] == wanted


def test_a_chunk_may_end_anywhere(tmp_path, monkeypatch):
    """F-02's twin for files: chunks of any size give the same messages."""
    path = tmp_path / "f.hl7"
    for raw in ((ONE + TWO).replace(b"\r", b"\r\n"), b"\x0b" + ONE + b"\x1c\r\x0b" + TWO + b"\x1c\r"):
        path.write_bytes(raw)
        whole = list(unpack(path))
        for size in range(1, 12):
            monkeypatch.setattr("gateway.er7.batch._CHUNK", size)
            assert list(unpack(path)) == whole
        monkeypatch.undo()


def test_folders_are_walked_in_order_and_hidden_files_left_alone(tmp_path):
    """The same folder gives the same lines every time."""
    for name in ("b/2.hl7", "b/1.hl7", "a.hl7", ".hidden", ".git/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in files_under([tmp_path])] == ["a.hl7", "1.hl7", "2.hl7"]


def test_a_path_that_is_not_there_is_named(tmp_path):
    """Before anything is read."""
    with pytest.raises(CommandError, match="nope: no such file or folder"):
        files_under([tmp_path, tmp_path / "nope"])


def test_a_file_of_mixed_line_ends_is_told_in_segments_and_a_line_feed_within_a_note_stays(parts):
    """P-05: an LF before what looks like a segment is an end of line; within a value it is content."""
    mixed = MSH + b"1|P|2.5\nEVN|A01\rNTE|1||first\nsecond\nPID|1\r"
    assert parts(mixed) == [MSH + b"1|P|2.5\rEVN|A01\rNTE|1||first\nsecond\rPID|1\r"]
