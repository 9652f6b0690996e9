"""Batches taken apart and acknowledged: every byte is answered for, every count that is wrong is said."""

from __future__ import annotations

import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.er7.ack import ControlIds
from gateway.er7.batch import Envelope, Mismatch, Piece, holds_batch, split, split_frame
from gateway.er7.batchack import BatchAck, BatchReply, batch_acknowledgement

NOW = 1_772_384_400_123
MSH = b"MSH|^~\\&|EHR|HOSP|GW|LAKE|20260302||ADT^A01|"
ONE, TWO, THREE = (MSH + b"%d|P|2.5\rEVN|A01\rPID|%d\r" % (n, n) for n in (1, 2, 3))
FHS = b"FHS|^~\\&|LAB|HOSP|GW|LAKE|20260302||||F9\r"
BHS = b"BHS|^~\\&|LAB|HOSP|GW|LAKE|20260302||||B7\r"


def parts(raw, **how):
    """What a file holds, in words: bodies, problems, envelope ids and mismatches in order."""
    found = []
    for one in split(io.BytesIO(raw), **how):
        match one:
            case Piece():
                found.append(one.body or one.problem)
            case Envelope():
                found.append(one.segment)
            case Mismatch():
                found.append(str(one))
    return found


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (ONE + TWO, [ONE, TWO]),
        (FHS + ONE + TWO + b"FTS|1\r", ["FHS", ONE, TWO, "FTS"]),
        (FHS + ONE + b"FTS|0\r", ["FHS", ONE, "FTS"]),
        (BHS + ONE + TWO + b"BTS|2\r", ["BHS", ONE, TWO, "BTS"]),
        (BHS + ONE + TWO, ["BHS", ONE, TWO]),
        (ONE + b"BTS|1\r", [ONE, "BTS"]),
        (FHS + BHS + ONE + BHS + TWO + b"FTS|2\r", ["FHS", "BHS", ONE, "BHS", TWO, "FTS"]),
        (FHS + BHS + b"BTS|0\rFTS|1\r", ["FHS", "BHS", "BTS", "FTS"]),
        (FHS + BHS + ONE + b"BTS|1\r" + TWO + b"FTS|2\r", ["FHS", "BHS", ONE, "BTS", TWO, "FTS"]),
        ((FHS + BHS + ONE + b"BTS|1\rFTS|1\r") * 2, ["FHS", "BHS", ONE, "BTS", "FTS"] * 2),
        (b"\x0b" + BHS + ONE + TWO + b"BTS|2\r\x1c\r", ["BHS", ONE, TWO, "BTS"]),
        (b"\x0b" + BHS + b"\x1c\r\x0b" + ONE + b"\x1c\r\x0bBTS|1\r\x1c\r", ["BHS", ONE, "BTS"]),
    ],
)
def test_every_segment_of_an_envelope_may_be_left_out(raw, wanted):
    """B-01: and what is there is counted right (B-02)."""
    whole = [one.rstrip(b"\r") if isinstance(one, bytes) else one for one in parts(raw)]
    assert whole == [one.rstrip(b"\r") if isinstance(one, bytes) else one for one in wanted]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (BHS + ONE + b"BTS|2\r", "BTS-1 says 2 messages, found 1"),
        (BHS + ONE + b"BTS| 2 |lost one\r", "BTS-1 says 2 messages, found 1"),
        (FHS + BHS + ONE + b"BTS|1\rFTS|3\r", "FTS-1 says 3 batches, found 1"),
        (FHS + ONE + b"FTS|7\r", "FTS-1 says 7 batches, found 0"),
        (BHS + b"hello\r" + ONE + b"BTS|2\r", "BTS-1 says 2 messages, found 1"),
    ],
)
def test_a_count_that_is_wrong_is_told_before_the_segment_that_told_it(raw, said):
    """B-02: and no message is dropped for it."""
    found = parts(raw)
    at = found.index(said)
    assert found[at + 1] in ("BTS", "FTS")
    assert ONE in found


@pytest.mark.parametrize("count", [b"", b"|", b"|two", b"|-1", b'|""'])
def test_no_count_or_none_that_is_a_number_is_no_check(count):
    """B-02."""
    assert parts(BHS + ONE + b"BTS" + count + b"\r") == ["BHS", ONE, "BTS"]


def test_the_fields_of_an_envelope_are_counted_as_those_of_a_message_header():
    """P-02: field 1 of FHS and BHS is the separator itself."""
    envelope = next(split(io.BytesIO(BHS)))
    assert isinstance(envelope, Envelope)
    assert [envelope.raw(n) for n in (0, 1, 2, 3, 11, 12)] == ["BHS", "|", "^~\\&", "LAB", "B7", ""]
    assert envelope.identity == ("LAB", "HOSP", "B7")


def test_an_envelope_may_have_separators_of_its_own():
    """B-01, P-01: the messages in it declare theirs."""
    raw = b"BHS#$*\\@#LAB#HOSP#GW#LAKE#####B7\r" + ONE + b"BTS#1\r"
    head, piece, tail = split(io.BytesIO(raw))
    assert isinstance(head, Envelope)
    assert (head.separators.field, head.separators.component, head.raw(11)) == ("#", "$", "B7")
    assert isinstance(tail, Envelope)
    assert tail.raw(1) == "1"
    assert piece.body == ONE


@pytest.mark.parametrize("line", [b"BHS\r", b"BHS|\r", b"BHS||\r", b"BHS|abc|x\r"])
def test_an_envelope_without_usable_delimiters_is_still_one(line):
    """What is said in reply is said with the usual ones."""
    head, _ = split(io.BytesIO(line + ONE))
    assert isinstance(head, Envelope)
    assert head.separators.encoding == "^~\\&"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (ONE, False),
        (ONE + TWO, True),
        (BHS + ONE, True),
        (b"\r\n\xef\xbb\xbf" + FHS, True),
        (b"\n" + ONE, False),
        (ONE.replace(b"\r", b"\n") + TWO.replace(b"\r", b"\n"), True),
        (ONE.replace(b"\r", b"\r\n") + TWO, True),
        (ONE + b"OBX|1|TX|||he wrote\nMSH|^~\\&|x\r", False),
        (ONE + b"NTE|1||MSH|\r", False),
        (ONE + b"MSHX|\r", False),
        (b"EVN|A01\rMSH|", False),
        (b"", False),
        (b"FHSX|", False),
        (b"junk", False),
    ],
)
def test_a_frame_that_holds_several_messages_is_known_by_its_segments(body, wanted):
    """B-01; P-05: a bare LF is content where there is any CR."""
    assert holds_batch(body) is wanted


def test_within_a_frame_a_line_feed_is_content_and_starts_no_message():
    """P-05: unlike in a file, there is another side that meant it."""
    noted = ONE + b"OBX|1|TX|||he wrote\nMSH|^~\\&|x\nPID|y\r"
    bodies = [one.body for one in split_frame(BHS + noted + TWO + b"BTS|2\r") if isinstance(one, Piece)]
    assert bodies == [noted, TWO]
    in_lines = [one.body for one in split_frame((ONE + TWO).replace(b"\r", b"\n")) if isinstance(one, Piece)]
    assert in_lines == [one.replace(b"\r", b"\n") for one in (ONE, TWO)]


def test_a_message_of_a_frame_that_is_too_long_is_told():
    """F-11."""
    found = split_frame(BHS + ONE + b"x" * 3_000 + b"\r" + TWO, limit=2_000)
    assert [one.problem for one in found if isinstance(one, Piece)] == ["message-too-long", None]


@given(
    st.lists(
        st.sampled_from([ONE, TWO, FHS, BHS, b"BTS|1\r", b"BTS|\r", b"FTS|1\r", b"noise\r", b"\r", b"\n"]), max_size=14
    )
)
def test_a_frame_and_a_file_hold_the_same_messages(pieces):
    """B-01: in whatever envelopes."""
    raw = b"".join(pieces)
    in_file = [one.body[: len(ONE)] for one in split(io.BytesIO(raw)) if isinstance(one, Piece)]
    in_frame = [one.body[: len(ONE)] for one in split_frame(raw) if isinstance(one, Piece)]
    assert in_file == in_frame
    assert sum(one.startswith(b"MSH") for one in in_file) == sum(one in (ONE, TWO) for one in pieces)


# -- acknowledgements


def _ack(number, code="AA"):
    return f"MSH|^~\\&|GW|LAKE|EHR|HOSP|2026||ACK|A{number}|P|2.5\rMSA|{code}|{number}\r".encode()


def _reply(raw, policy=BatchAck.ALL, bad=(), **how):
    ids = itertools.count(1)
    found = batch_acknowledgement(
        list(split(io.BytesIO(raw))),
        lambda piece: ([_ack(piece.index, "AE" if piece.index in bad else "AA")], piece.index in bad),
        policy,
        ids=lambda: f"R{next(ids)}",
        now=NOW,
        zone="America/Chicago",
        **how,
    )
    return found.decode().split("\r")


def test_a_batch_is_answered_by_a_batch_that_names_it():
    """B-03: BHS-12 is the request's BHS-11; sender and receiver change places, time and id are ours."""
    head, *acks, tail, rest = _reply(BHS + ONE + TWO + b"BTS|2\r")
    assert head == "BHS|^~\\&|GW|LAKE|LAB|HOSP|20260301110000-0600||||R1|B7"
    assert [line for line in acks if line.startswith("MSA")] == ["MSA|AA|1", "MSA|AA|2"]
    assert tail == "BTS|2|2 messages, 2 accepted, 0 not accepted"
    assert rest == ""


def test_only_errors_or_nothing_at_all_is_acknowledged_where_that_is_agreed():
    """B-03, B-04: an empty batch says that it came, and its trailer how it fared."""
    raw = BHS + ONE + TWO + b"BTS|2\r"
    errors = _reply(raw, BatchAck.ERRORS, bad=(2,))
    assert [line for line in errors if line.startswith("MSA")] == ["MSA|AE|2"]
    assert "BTS|1|2 messages, 1 accepted, 1 not accepted" in errors
    assert _reply(raw, BatchAck.NONE, bad=(2,))[1:] == ["BTS|0|2 messages, 1 accepted, 1 not accepted", ""]


def test_a_file_is_answered_by_a_file_whose_batches_each_name_theirs():
    """B-03: FHS-12 too."""
    other = BHS.replace(b"B7", b"B8")
    found = _reply(FHS + BHS + ONE + b"BTS|1\r" + other + TWO + b"BTS|1\rFTS|2\r")
    assert " ".join(line[:3] for line in found if line) == "FHS BHS MSH MSA BTS BHS MSH MSA BTS FTS"
    heads = [line.split("|") for line in found if line[1:3] == "HS"]
    assert [one[11] for one in heads] == ["F9", "B7", "B8"]
    assert found[-2] == "FTS|2"


def test_messages_in_a_row_are_answered_by_a_batch_to_their_sender():
    """B-01, B-03: whom it answers stands in the first MSH."""
    head = _reply(ONE + TWO)[0].split("|")
    assert head[2:6] == ["GW", "LAKE", "EHR", "HOSP"]
    assert len(head) == 11  # no BHS-12: there was no batch to name


def test_messages_that_cannot_be_read_are_answered_too():
    """A-07 within a batch."""
    assert _reply(b"hello\r")[0].startswith("BHS|^~\\&|||||2026")


@pytest.mark.parametrize("raw", [b"", b"BTS|0\r", b"FTS|0\r", BHS, BHS + b"BTS|0\r"])
def test_an_empty_batch_is_answered_by_an_empty_batch(raw):
    """B-03."""
    assert [line[:3] for line in _reply(raw) if line] == ["BHS", "BTS"]


def test_a_file_without_batches_is_answered_with_one():
    """B-01, B-03."""
    assert [line[:3] for line in _reply(FHS + b"FTS|0\r") if line] == ["FHS", "BHS", "BTS", "FTS"]
    assert [line[:3] for line in _reply(FHS + ONE) if line] == ["FHS", "BHS", "MSH", "MSA", "BTS", "FTS"]


def test_a_reply_speaks_with_the_separators_it_was_spoken_to():
    """A-24 for batches: a comment cannot break out."""
    found = _reply(b"BHS#$*\\@#LAB#HOSP#GW#LAKE#####B7\r" + ONE + b"BTS#4\r", remarks=["#1 of *"])
    assert found[0] == "BHS#$*\\@#GW#LAKE#LAB#HOSP#20260301110000-0600####R1#B7"
    assert found[-2].endswith("; \\F\\1 of \\R\\; BTS-1 says 4 messages, found 1")


def test_a_reply_may_be_written_bit_by_bit():
    """A million acknowledgements need no memory."""
    reply = BatchReply(BatchAck.ALL, ids=ControlIds(NOW), now=NOW)
    written = [reply.envelope(next(split(io.BytesIO(BHS))))]
    written += [reply.message([_ack(n)], refused=False) for n in range(3)]
    written.append(reply.end())
    assert b"".join(written).count(b"\rMSA|") == 3
    assert written[-1] == b"BTS|3|3 messages, 3 accepted, 0 not accepted\r"


def test_of_a_batch_of_very_many_parts_none_is_taken(monkeypatch):
    """F-12: a few bytes each, they would fill the memory."""
    monkeypatch.setattr("gateway.er7.batch.MOST_PARTS", 3)
    assert len(split_frame(ONE + TWO + ONE)) == 3
    assert split_frame(ONE + TWO + ONE + TWO) == [Piece(1, None, "too-many-parts")]
