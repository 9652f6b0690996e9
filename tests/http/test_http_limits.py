"""Bad days over HTTP: sizes, times, crowds, trouble of ours, and callers that go away."""

from __future__ import annotations

import threading
import time

import pytest
from http_server import ER7, admission, lines

from gateway.model.audit import NodeFailure

HEAD = "POST /hl7/lab HTTP/1.1\r\nHost: x\r\nContent-Type: application/hl7-v2\r\n{more}\r\n"  # a client of our own


def _answer(raw) -> bytes:
    received = b""
    while more := raw.recv(65_536):
        received += more
    return received


def test_a_body_over_the_limit_is_refused_by_its_told_length(feed):
    """F-11 over HTTP: 413 before a byte of it is read, and the audit store is told."""
    lab = feed(max_body="1KiB")
    raw = lab.socket()
    raw.sendall(HEAD.format(more="Content-Length: 99999999999999999\r\n").encode())
    assert b" 413 " in _answer(raw)
    raw = lab.socket()
    raw.sendall(HEAD.format(more="Content-Length: 5000\r\n").encode())
    assert b" 413 " in _answer(raw)
    assert lab.source.counts["http.body-too-large"] == 2
    assert lab.intake.witnessed == [("lab", NodeFailure.BODY_TOO_LARGE, "127.0.0.1")] * 2


def test_a_body_over_the_limit_is_refused_while_it_is_read(feed):
    """F-11: a length that is not told helps nobody."""
    lab = feed(max_body="1KiB")
    raw = lab.socket()
    raw.sendall(HEAD.format(more="Transfer-Encoding: chunked\r\n").encode())
    raw.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n")
    assert b" 413 " in _answer(raw)


def test_a_body_that_does_not_come_is_not_waited_for(feed):
    """F-14 over HTTP: 408, and nothing of it is taken."""
    lab = feed(body_timeout="200ms")
    raw = lab.socket()
    raw.sendall(HEAD.format(more="Content-Length: 500\r\n").encode() + admission(1)[:50])
    answer = _answer(raw)
    assert b" 408 " in answer
    assert b"application/problem+json" in answer
    assert lab.intake.taken == 0
    assert lab.source.counts["http.body-late"] == 1
    assert lab.intake.witnessed == [("lab", NodeFailure.BODY_LATE, "127.0.0.1")]


def test_a_caller_that_goes_away_within_its_body_has_sent_nothing(feed):
    """F-06."""
    lab = feed()
    raw = lab.socket()
    raw.sendall(HEAD.format(more="Content-Length: 500\r\n").encode() + admission(1)[:50])
    raw.close()
    time.sleep(0.3)
    assert lab.intake.taken == 0
    assert lab.post(admission(2)).status_code == 200


def test_a_caller_that_goes_away_before_its_answer_is_a_duplicate_when_it_comes_again(feed):
    """H-07, D-02: what it sent is stored."""
    lab = feed()
    lab.intake.gate.clear()
    raw = lab.socket()
    raw.sendall(HEAD.format(more=f"Content-Length: {len(admission(1))}\r\n").encode() + admission(1))
    lab.until(lambda: lab.intake.taken == 1)
    raw.close()
    lab.intake.gate.set()
    assert lines(lab.post(admission(1)).content, "MSA") == ["MSA|AA|M0001"]
    assert len(lab.intake.stored) == 1


def test_a_full_intake_asks_the_caller_to_come_again(feed):
    """A-04 over HTTP: 503 with Retry-After, and no HL7."""
    lab = feed()
    lab.intake.open = False
    answer = lab.post(admission(1))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_full_intake_asks_the_caller_of_a_batch_to_come_again(feed, monkeypatch):
    """A-04."""
    monkeypatch.setattr("connectors.sources.batches.PATIENCE", 0.05)
    lab = feed()
    lab.intake.open = False
    assert lab.post(admission(1) + admission(2)).status_code == 503


def test_too_many_at_once_are_asked_to_come_again(feed):
    """F-12 over HTTP: what one feed can make us hold is bounded."""
    lab = feed(max_waiting="2")
    lab.intake.gate.clear()
    posting = [threading.Thread(target=lab.post, args=(admission(number),)) for number in (1, 2)]
    for one in posting:
        one.start()
    lab.until(lambda: lab.source._endpoint._inside == 2)
    answer = lab.post(admission(3))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    lab.intake.gate.set()
    for one in posting:
        one.join(5)
    assert len(lab.intake.stored) == 2


@pytest.mark.parametrize("body", [admission(1), admission(1) + admission(2)])
def test_trouble_of_ours_is_told_as_it_was_agreed(feed, body):
    """A-04: AR 207 in a 200, or a 503 for senders that give up on any negative answer."""
    lab, other = feed(), feed(on_failure="unavailable")
    lab.intake.failing = other.intake.failing = True
    answer = lab.post(body)
    assert answer.status_code == 200
    assert {line.split("|")[1] for line in lines(answer.content, "MSA")} == {"AR"}
    assert other.post(body).status_code == 503


def test_before_the_start_and_after_the_stop_a_caller_is_asked_to_come_again(make_feed):
    """F-16."""
    lab = make_feed()
    assert lab.post(admission(1)).status_code == 503
    lab.start()
    assert lab.post(admission(1)).status_code == 200
    lab.stop()
    assert lab.post(admission(2)).status_code == 503


def test_stopping_waits_for_what_is_in_hand(feed):
    """F-16: it is answered, and nothing new is taken meanwhile."""
    lab = feed()
    lab.intake.gate.clear()
    answers = []
    posting = threading.Thread(target=lambda: answers.append(lab.post(admission(1))))
    posting.start()
    lab.until(lambda: lab.intake.taken == 1)
    stopping = threading.Thread(target=lab.stop)
    stopping.start()
    time.sleep(0.2)
    assert stopping.is_alive()
    lab.intake.gate.set()
    stopping.join(5)
    posting.join(5)
    assert answers[0].status_code == 200


def test_stopping_does_not_wait_for_ever(feed):
    """F-16."""
    lab = feed(stop_timeout="100ms")
    lab.intake.gate.clear()
    posting = threading.Thread(target=lab.post, args=(admission(1),))
    posting.start()
    lab.until(lambda: lab.intake.taken == 1)
    began = time.monotonic()
    lab.stop()
    assert time.monotonic() - began < 5
    lab.intake.gate.set()
    posting.join(5)


def test_many_posts_over_one_connection(feed):
    """H-05: a client that does its duty."""
    lab = feed()
    client = lab.client()
    for number in range(50):
        answer = client.post(lab.url, content=admission(number), headers={"content-type": ER7})
        assert lines(answer.content, "MSA") == [f"MSA|AA|M{number:04d}"]
    assert len(lab.intake.stored) == 50


def test_a_batch_of_very_many_messages_is_refused_as_a_whole(feed, monkeypatch):
    """F-12 over HTTP: 413, and none of them is taken, in frames neither."""
    monkeypatch.setattr("gateway.er7.batch.MOST_PARTS", 2)
    lab = feed()
    three = [admission(number) for number in (1, 2, 3)]
    assert lab.post(b"".join(three)).status_code == 413
    assert lab.post(b"".join(b"\x0b%b\x1c\r" % one for one in three)).status_code == 413
    assert lab.intake.taken == 0


def test_trouble_of_ours_is_not_hidden_from_who_wants_no_answer(feed):
    """Law 1, A-16: a 204 means that it is stored."""
    lab = feed()
    lab.intake.failing = True
    silent = admission(1).replace(b"|2.5.1\r", b"|2.5.1|||NE|NE\r")
    assert lab.post(silent).status_code == 503
    lab.intake.failing = False
    assert lab.post(silent).status_code == 204


def test_a_content_type_of_very_many_parameters_is_not_read(feed):
    """Taking it apart takes quadratic time, on the loop that all feeds share."""
    lab = feed()
    assert lab.post(admission(1), kind=ER7 + ";a=" + "x" * 300).status_code == 415
