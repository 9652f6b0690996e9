"""A feed over HTTP with a real client on a real socket: every HL7 answer is a 200, everything else is not HL7."""

from __future__ import annotations

import threading
import time

import pytest
from http_server import ER7, admission, lines

from gateway.er7.charsets import decode
from gateway.mapping.feed import Feed as Dialect
from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import load_pack
from gateway.model.event import Format, RawMessage
from gateway.packs import shipped
from gateway.pipeline.rawform import restored, stored


@pytest.mark.parametrize("kind", [ER7, "application/hl7-v2+er7", "x-application/hl7-v2+er7; charset=UTF-8", "Application/HL7-v2"])  # fmt: skip
def test_a_posted_message_is_acknowledged_after_it_is_stored(feed, kind):
    """H-01, H-02, A-01."""
    lab = feed()
    answer = lab.post(admission(1), kind)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind.lower().partition(";")[0])
    assert lines(answer.content, "MSA") == ["MSA|AA|M0001"]
    assert [one.body for one in lab.intake.stored] == [admission(1)]


def test_nothing_is_answered_before_the_commit(feed):
    """Law 1, A-01."""
    lab = feed()
    lab.intake.gate.clear()
    answers = []
    posting = threading.Thread(target=lambda: answers.append(lab.post(admission(1))))
    posting.start()
    lab.until(lambda: lab.intake.taken == 1)
    time.sleep(0.2)
    assert answers == []
    lab.intake.gate.set()
    posting.join(5)
    assert answers[0].status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [(admission(1).replace(b"ADT^A04", b"ZZZ^Z01"), "AR"), (b"hello", "AR")],
)
def test_a_refusal_is_a_200_too(feed, body, code):
    """H-02: the transport worked; A-07 for what has no MSH."""
    answer = feed().post(body)
    assert answer.status_code == 200
    assert lines(answer.content, "MSA")[0].split("|")[1] == code


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/json", "application/hl7-v2; charset=martian", "application/hl7-v2; charset=utf-16", "nonsense"],
)  # fmt: skip
def test_other_content_types_and_charsets_are_refused_before_they_are_read(feed, kind):
    """H-01: 415, with what we would take."""
    lab = feed()
    answer = lab.post(admission(1), kind)
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"
    assert ER7 in answer.headers["accept-post"]
    assert lab.intake.taken == 0


def test_a_packed_body_is_refused(feed):
    """H-01: no content coding was agreed."""
    assert feed().post(admission(1), content_encoding="gzip").status_code == 415
    assert feed().post(admission(1), content_encoding="identity").status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_only_post_is_understood(feed, method):
    """H-01."""
    lab = feed()
    answer = lab.client().request(method, lab.url)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_the_charset_of_the_request_goes_before_that_of_the_message(feed):
    """H-03: and is kept with the message, so that it is read the same way again."""
    lab = feed()
    body = admission(1, "Müller^Ana").decode().encode("latin-1").replace(b"|2.5.1\r", b"|2.5.1||||||UNICODE UTF-8\r")
    answer = lab.post(body, f"{ER7}; charset=iso-8859-1")
    assert answer.headers["content-type"] == f"{ER7}; charset=iso-8859-1"
    (message,) = lab.intake.stored
    assert message.charset == "iso-8859-1"
    assert restored(stored(message)) == (body, "iso-8859-1")
    reader = Hl7v2Reader(load_pack([shipped("mappings")]), Dialect(name="lab", zone="America/Chicago"))
    assert reader(message).events[0].demographics.family_name == "Müller"


def test_a_message_without_a_told_charset_is_stored_as_it_is(feed):
    """H-03: and one that looks like the mark of the stored form survives too."""
    lab = feed()
    lab.post(admission(1))
    assert stored(lab.intake.stored[0]) == admission(1)
    odd = RawMessage(source="lab", format=Format.HL7V2, body=b"\x00charset=x\n" + admission(2), received=0)
    assert restored(stored(odd)) == (odd.body, None)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("Muller", None), ("Müller", "UTF-8")],
)
def test_without_a_charset_bytes_that_are_utf_8_are_taken_for_it(feed, name, wanted):
    """H-03: the default of the transport; what is not UTF-8 is left to MSH-18."""
    lab = feed()
    lab.post(admission(1, name))
    assert lab.intake.stored[0].charset == wanted
    lab.post(admission(2, "Müller").decode().encode("latin-1"))
    assert lab.intake.stored[1].charset is None
    with pytest.raises(Exception, match="not valid"):
        decode(lab.intake.stored[1].body, "", default="UTF-8")


@pytest.mark.parametrize("body", [b"\x0b%b\x1c\r", b"\r\n\x0b%b\x1c\r\r\n", b"\x0b%b\x1c"])
def test_framing_bytes_around_a_message_are_taken_off(feed, body):
    """H-04."""
    lab = feed()
    assert lines(lab.post(body % admission(1)).content, "MSA") == ["MSA|AA|M0001"]
    assert lab.intake.stored[0].body == admission(1)


@pytest.mark.parametrize("body", [b"\x0b" + admission(1)[:40], b"\x0b" + admission(1) + b"\x1c\r\x0bMSH|", b"\x0b"])
def test_half_a_frame_in_a_body_is_a_fault_of_the_sender(feed, body):
    """H-04, F-06."""
    lab = feed()
    assert lab.post(body).status_code == 400
    assert lab.intake.taken == 0


@pytest.mark.parametrize("body", [b"", b"\r\n "])
def test_an_empty_body_is_a_fault_of_the_sender(feed, body):
    """H-02: there is nothing to acknowledge."""
    assert feed().post(body).status_code == 400


def test_posts_of_one_feed_are_processed_one_after_the_other(feed):
    """H-05: while one is not committed, none behind it is offered."""
    lab = feed()
    lab.intake.gate.clear()
    answers = {}

    def post(number):
        answers[number] = lab.post(admission(number))

    posting = []
    for number in (1, 2, 3):
        posting.append(threading.Thread(target=post, args=(number,)))
        posting[-1].start()
        time.sleep(0.15)
    assert lab.intake.taken == 1
    lab.intake.gate.set()
    for one in posting:
        one.join(5)
    assert [one.body for one in lab.intake.stored] == [admission(number) for number in (1, 2, 3)]
    assert [lines(answers[n].content, "MSA") for n in (1, 2, 3)] == [[f"MSA|AA|M000{n}"] for n in (1, 2, 3)]


def test_a_repeated_post_stores_nothing_new_and_gets_the_same_answer(feed):
    """H-07, D-02."""
    lab = feed()
    first, second = lab.post(admission(1)), lab.post(admission(1))
    assert lines(first.content, "MSA") == lines(second.content, "MSA")
    assert lines(first.content, "MSH") != lines(second.content, "MSH")
    assert len(lab.intake.stored) == 1


def test_a_message_that_wants_no_answer_gets_204(feed):
    """A-16, A-17: nothing of HL7 is said."""
    lab = feed()
    silent = admission(1).replace(b"|2.5.1\r", b"|2.5.1|||NE|NE\r")
    answer = lab.post(silent)
    assert (answer.status_code, answer.content) == (204, b"")
    ack = admission(2).replace(b"ADT^A04^ADT_A01", b"ACK") + b"MSA|AA|1\r"
    assert lab.post(ack).status_code == 204
    assert len(lab.intake.stored) == 2


def test_a_batch_is_answered_by_a_batch(feed):
    """B-03, B-04 over HTTP."""
    lab = feed()
    bad = admission(2).replace(b"ADT^A04", b"ZZZ^Z01")
    body = b"BHS|^~\\&|LAB|HOSP|GW|HOSP|20260301||||B7\r" + admission(1) + bad + admission(3) + b"BTS|4\r"
    answer = lab.post(body)
    assert answer.status_code == 200
    assert lines(answer.content, "BHS")[0].split("|")[11] == "B7"
    assert [line.split("|")[1:3] for line in lines(answer.content, "MSA")] == [["AA", "M0001"], ["AR", "M0002"], ["AA", "M0003"]]  # fmt: skip
    assert "BTS-1 says 4 messages, found 3" in lines(answer.content, "BTS")[0]
    assert lab.source.counts["http.batch-miscounted"] == 1
    lab.post(body)
    assert lab.source.counts["http.batch-repeated"] == 1


def test_several_frames_in_a_body_are_a_batch(feed):
    """H-04, B-01."""
    lab = feed(batch_ack="none")
    answer = lab.post(b"\x0b%b\x1c\r\x0b%b\x1c\r" % (admission(1), admission(2)))
    assert lines(answer.content, "BTS") == ["BTS|0|2 messages, 2 accepted, 0 not accepted"]


def test_no_answer_holds_anything_of_a_patient(feed):
    """A-27."""
    lab = feed()
    for body in (admission(1, "CANARY^JANE").replace(b"ADT^A04", b"ZZZ^Z01"), b"PID|CANARY"):
        assert b"CANARY" not in lab.post(body).content
    assert b"CANARY" not in lab.client().get(f"{lab.url}?name=CANARY").content
