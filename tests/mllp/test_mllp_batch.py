"""A batch in one MLLP frame: its messages are taken in order and one batch goes back, on the connection it came on."""

from __future__ import annotations

import time

import pytest

from connectors.sources.mllp.codec import frame
from gateway.er7.batch import split_frame
from gateway.model.event import AckCode, Outcome, Result

BHS = b"BHS|^~\\&|LAB|HOSP|GW|HOSP|20260301||||B7\r"


def _batch(*messages: bytes, count: int | None = None) -> bytes:
    return BHS + b"".join(messages) + b"BTS|%d\r" % (len(messages) if count is None else count)


def _lines(reply: bytes, kind: str) -> list[str]:
    return [line for line in reply.decode().split("\r") if line.startswith(kind)]


def test_each_message_of_a_batch_is_taken_in_order_and_one_batch_goes_back(listening, numbered):
    """B-03, F-09: BHS-12 is the request's BHS-11."""
    link = listening()
    reply = link.client().send(_batch(*map(numbered, range(1, 201))))
    assert [one.body for one in link.intake.stored] == [numbered(n) for n in range(1, 201)]
    assert _lines(reply, "BHS")[0].split("|")[11] == "B7"
    assert [line.split("|")[2] for line in _lines(reply, "MSA")] == [f"{n:04d}" for n in range(1, 201)]
    assert _lines(reply, "BTS") == ["BTS|200|200 messages, 200 accepted, 0 not accepted"]


def test_the_next_message_of_the_connection_is_answered_after_the_batch(listening, numbered, read):
    """F-10: a pipelining sender gets its replies in order."""
    client = listening().client()
    client.write(frame(_batch(numbered(1), numbered(2))) + frame(numbered(3)))
    assert client.receive().startswith(b"BHS")
    assert read(client.receive())["MSA"][1:3] == ["AA", "0003"]


def test_messages_in_a_row_without_an_envelope_are_each_taken(listening, numbered):
    """B-01: two patients' messages are never read as one."""
    link = listening()
    reply = link.client().send(numbered(1) + numbered(2))
    assert len(link.intake.stored) == 2
    assert [line[:8] for line in _lines(reply, "MSA")] == ["MSA|AA|0", "MSA|AA|0"]


def test_one_bad_message_of_a_batch_stops_no_other_and_the_reply_says_which(listening, numbered):
    """B-04; only errors go back where that is agreed."""
    link = listening(batch_ack="errors")
    bad = numbered(2).replace(b"ADT^A04", b"ZZZ^Z99")
    reply = link.client().send(_batch(numbered(1), bad, numbered(3)))
    assert [line.split("|")[1:3] for line in _lines(reply, "MSA")] == [["AR", "0002"]]
    assert _lines(reply, "BTS") == ["BTS|1|3 messages, 2 accepted, 1 not accepted"]
    assert len(link.intake.stored) == 3


def test_a_count_that_is_wrong_is_said_and_told(listening, numbered):
    """B-02."""
    link = listening(batch_ack="none")
    reply = link.client().send(_batch(numbered(1), count=2))
    assert _lines(reply, "MSA") == []
    assert "BTS-1 says 2 messages, found 1" in _lines(reply, "BTS")[0]
    link.told("mllp.batch-miscounted")


def test_the_same_batch_again_and_its_id_reused_are_said(listening, numbered):
    """B-05."""
    link = listening()
    client = link.client()
    client.send(_batch(numbered(1)))
    assert "this batch was received before" in _lines(client.send(_batch(numbered(1))), "BTS")[0]
    link.told("mllp.batch-repeated")
    assert "its control id was used before" in _lines(client.send(_batch(numbered(2))), "BTS")[0]
    link.told("mllp.batch-reused")


def test_a_batch_whose_messages_were_all_received_before_a_restart_is_recognised(listening, numbered):
    """B-05, D-01: the store remembers what the process does not."""
    link = listening()
    link.intake.outcome = lambda _message: Outcome(result=Result.DUPLICATE, ack=AckCode.AA)
    assert "this batch was received before" in _lines(link.client().send(_batch(numbered(1))), "BTS")[0]


def test_an_empty_batch_is_answered_and_told(listening):
    """B-03."""
    link = listening()
    reply = link.client().send(_batch())
    assert [line[:3] for line in reply.decode().split("\r") if line] == ["BHS", "BTS"]
    link.told("mllp.batch-empty")


def test_a_batch_that_meets_a_full_intake_is_refused_message_by_message_and_may_be_sent_again(
    listening, numbered, monkeypatch
):
    """A-04: never AA for what was not stored."""
    monkeypatch.setattr("connectors.sources.batches.PATIENCE", 0.05)
    link = listening()
    link.intake.open = False
    client = link.client()
    reply = client.send(_batch(numbered(1), numbered(2)))
    assert [line.split("|")[1] for line in _lines(reply, "MSA")] == ["AR", "AR"]
    link.told("mllp.intake-saturated", 2)
    link.intake.open = True
    again = client.send(_batch(numbered(1), numbered(2)))
    assert [line.split("|")[1] for line in _lines(again, "MSA")] == ["AA", "AA"]
    assert "received before" not in _lines(again, "BTS")[0]


def test_where_trouble_of_ours_closes_the_connection_it_does_so_for_a_batch_too(listening, numbered):
    """A-04: for senders that give up on any negative answer."""
    link = listening(on_failure="close")
    link.intake.outcome = lambda _message: Outcome(result=Result.FAILED, ack=AckCode.AR)
    raw = link.socket()
    raw.sendall(frame(_batch(numbered(1))))
    assert raw.recv(1_000) == b""


def test_a_link_that_is_never_answered_is_not_answered_for_a_batch(listening, numbered):
    """X-03."""
    link = listening(ack_mode="none")
    raw = link.socket()
    raw.sendall(frame(_batch(numbered(1))))
    link.until(lambda: len(link.intake.stored) == 1)
    raw.settimeout(0.2)
    with pytest.raises(TimeoutError):
        raw.recv(1)


def test_a_message_that_wants_no_answer_has_none_in_the_batch(listening, numbered):
    """A-16."""
    link = listening()
    silent = numbered(1).replace(b"|P|2.5.1\r", b"|P|2.5.1|||NE|NE\r")
    reply = link.client().send(_batch(silent, numbered(2)))
    assert [line.split("|")[2] for line in _lines(reply, "MSA")] == ["0002"]
    assert "2 messages, 2 accepted" in _lines(reply, "BTS")[0]


def test_release_two_commits_a_batch_as_one_block(listening, numbered):
    """M2-02: 06 for all of it, 15 when a part was not stored."""
    link = listening(release="2")
    reply = link.client(release=2).send(_batch(numbered(1), numbered(2)))
    assert len(_lines(reply, "MSA")) == 2
    link.intake.outcome = lambda _message: Outcome(result=Result.FAILED, ack=AckCode.AR)
    raw = link.socket()
    raw.sendall(frame(_batch(numbered(3))))
    assert raw.recv(100) == frame(b"\x15")


def test_a_batch_in_hand_when_the_gateway_stops_is_answered_for_what_was_taken(listening, numbered):
    """F-16: the rest is refused and comes again."""
    link = listening()
    judged = link.intake.outcome

    def stopping(message):
        link.source._listener.stopping = b"|0100|" in message.body or link.source._listener.stopping
        return judged(message)

    link.intake.outcome = stopping
    reply = link.client(timeout=10).send(_batch(*map(numbered, range(1, 801))))
    codes = [line.split("|")[1] for line in _lines(reply, "MSA")]
    assert len(codes) == 800
    assert codes == ["AA"] * codes.count("AA") + ["AR"] * codes.count("AR")
    assert 100 <= codes.count("AA") == len(link.intake.stored) < 800


def test_a_fault_of_ours_over_a_batch_closes_the_connection_unanswered(listening, numbered, monkeypatch):
    """A-01: no answer rather than a wrong one."""

    def broken(*_args):
        raise ValueError("CANARY")

    link = listening()
    monkeypatch.setattr("connectors.sources.mllp.batches.split_frame", broken)
    raw = link.socket()
    raw.sendall(frame(_batch(numbered(1))))
    assert raw.recv(100) == b""


def test_release_two_commits_no_batch_of_which_something_was_refused_unstored(listening, numbered, monkeypatch):
    """M2-02, law 1: 06 says that all of the block is in safe storage; and what nobody saw was not "received before"."""
    monkeypatch.setattr("gateway.er7.batch.MOST_PARTS", 3)
    link = listening(release="2")
    raw = link.socket()
    for _ in range(2):
        raw.sendall(frame(_batch(numbered(1), numbered(2))))
        assert raw.recv(100) == frame(b"\x15")
    assert link.intake.stored == []
    assert "mllp.batch-repeated" not in link.source._listener.counts


def test_nothing_overtakes_a_batch_on_its_connection(listening, numbered, monkeypatch):
    """F-09: a batch is taken apart beside the loop; a discharge behind it must not come before its admission."""

    def slowly(body):
        time.sleep(0.2)
        return split_frame(body)

    monkeypatch.setattr("connectors.sources.mllp.batches.split_frame", slowly)
    link = listening(in_flight="4")
    link.socket().sendall(frame(_batch(numbered(1), numbered(2))) + frame(numbered(3)) + frame(numbered(4)))
    link.until(lambda: len(link.intake.stored) == 4)
    assert [one.body for one in link.intake.stored] == [numbered(one) for one in (1, 2, 3, 4)]
