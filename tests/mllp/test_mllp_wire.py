"""What a sender sees on its socket: the byte cases of conformance 5.1 that need no database."""

from __future__ import annotations

import threading

import pytest

from connectors.sources.mllp.codec import frame
from gateway.model.errors import Unknown
from gateway.model.event import AckCode, Fault, Outcome, Place, Result


def silent(raw, seconds: float = 0.15) -> bool:
    raw.settimeout(seconds)
    try:
        return raw.recv(100) == b"never"
    except TimeoutError:
        return True


def closed(raw) -> bool:
    raw.settimeout(5)
    try:
        return raw.recv(100) == b""
    except ConnectionResetError:
        return True


def test_a_registration_is_acknowledged_after_the_commit(listening, admission, read):
    """5.1 case 1; F-01, F-08, A-01, A-20 to A-23: framed, CR-terminated, ours in MSH-7 and MSH-10."""
    here = listening()
    here.intake.gate.clear()
    client = here.client()
    client.write(frame(admission))
    with pytest.raises(Unknown):
        client.receive(0.1)  # received, and not yet committed
    here.intake.gate.set()
    ack = client.receive()
    msh, msa = read(ack)["MSH"], read(ack)["MSA"]
    assert msh[3:7] == ["GW", "HOSP", "EHR", "HOSP"]
    assert msh[7] == "20260301120000-0500"
    assert msh[9] == "ACK^A04^ACK"
    assert msh[10] not in ("", "0001")
    assert msa[1:3] == ["AA", "0001"]
    assert ack.endswith(b"\r")
    assert [message.body for message in here.intake.stored] == [admission]
    assert here.intake.stored[0].source == "main"


def test_a_registration_in_single_bytes_is_the_same(listening, admission, read):
    """5.1 case 2; F-02."""
    here = listening()
    client = here.client()
    for byte in frame(admission):
        client.write(bytes([byte]))
    assert read(client.receive())["MSA"][1:3] == ["AA", "0001"]


def test_two_messages_in_one_write_are_answered_in_order(listening, numbered, read):
    """5.1 case 3; F-02, F-10."""
    here = listening()
    client = here.client()
    client.write(frame(numbered(1)) + frame(numbered(2)))
    assert [read(client.receive())["MSA"][2] for _ in range(2)] == ["0001", "0002"]


def test_junk_around_a_frame_is_counted_and_the_connection_kept(listening, admission, read):
    """5.1 case 4; F-03."""
    here = listening()
    client = here.client()
    client.write(b"\r\n" + frame(admission) + b"\r\n")
    assert read(client.receive())["MSA"][1] == "AA"
    here.told("mllp.junk", 2)
    assert read(client.send(admission))["MSA"][1] == "AA"
    here.told("mllp.junk", 4)


def test_half_a_message_is_not_a_message(listening, admission):
    """5.1 case 5; F-06: nothing stored, nothing acknowledged."""
    here = listening()
    with here.socket() as raw:
        raw.sendall(frame(admission)[:80])
        raw.shutdown(1)
        assert closed(raw)
    here.told("mllp.frame-truncated")
    assert here.intake.stored == []


def test_a_sender_that_starts_over_is_answered_once(listening, admission, read):
    """5.1 case 6; F-05."""
    here = listening()
    client = here.client()
    client.write(frame(admission)[:80] + frame(admission))
    assert read(client.receive())["MSA"][1] == "AA"
    here.told("mllp.frame-restarted")
    assert len(here.intake.stored) == 1


def test_a_bad_frame_end_closes_the_connection(listening, admission):
    """5.1 case 7; F-04: the default."""
    here = listening()
    with here.socket() as raw:
        raw.sendall(b"\x0b" + admission + b"\x1cA")
        assert closed(raw)
    here.told("mllp.frame-bad-end")
    assert here.intake.stored == []


def test_what_came_before_a_bad_frame_end_is_still_answered(listening, numbered, read):
    """F-04, F-16: a committed message keeps its acknowledgement; what follows the error is not read."""
    here = listening()
    client = here.client()
    client.write(frame(numbered(1)) + b"\x0bX\x1cA" + frame(numbered(2)))
    assert read(client.receive())["MSA"][2] == "0001"
    with pytest.raises(Unknown):
        client.receive()
    assert len(here.intake.stored) == 1


def test_a_bad_frame_end_can_be_passed_over(listening, admission, numbered, read):
    """F-04: `framing_error: resync`."""
    here = listening(framing_error="resync")
    client = here.client()
    client.write(b"\x0b" + admission + b"\x1cA" + frame(numbered(2)))
    assert read(client.receive())["MSA"][1:3] == ["AA", "0002"]
    assert len(here.intake.stored) == 1


@pytest.mark.parametrize("byte", [b"\x06", b"\x15"])
def test_a_release_two_byte_is_not_answered(listening, byte):
    """5.1 case 8; M2-01, M2-06."""
    here = listening()
    raw = here.socket()
    raw.sendall(frame(byte))
    assert silent(raw)
    here.told("mllp.release-two-byte")
    assert here.intake.stored == []


def test_an_empty_frame_is_counted_and_not_answered(listening, admission, read):
    """F-07."""
    here = listening()
    client = here.client()
    client.write(b"\x0b\x1c\r" + frame(admission))
    assert read(client.receive())["MSA"][1] == "AA"
    here.told("mllp.frame-empty")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_other_line_ends_are_read_and_answered_with_cr(listening, admission, read, end):
    """5.1 case 11; P-05."""
    here = listening()
    ack = here.client().send(admission.replace(b"\r", end))
    assert read(ack)["MSA"][1:3] == ["AA", "0001"]
    assert b"\n" not in ack


def test_a_sender_that_wants_no_reply_gets_no_byte(listening, admission):
    """5.1 case 12; A-16: stored all the same."""
    here = listening()
    raw = here.socket()
    raw.sendall(frame(admission.replace(b"|2.5.1\r", b"|2.5.1|||NE|NE\r")))
    here.until(lambda: len(here.intake.stored) == 1)
    assert silent(raw)


def test_a_link_can_be_answered_whatever_msh_15_says(listening, admission, read):
    """X-03: `ack_mode: original` and `ack_mode: none`."""
    message = admission.replace(b"|2.5.1\r", b"|2.5.1|||NE|NE\r")
    assert read(listening(ack_mode="original").client().send(message))["MSA"][1] == "AA"
    mute = listening(ack_mode="none")
    raw = mute.socket()
    raw.sendall(frame(admission))
    mute.until(lambda: len(mute.intake.stored) == 1)
    assert silent(raw)


@pytest.mark.parametrize(
    "reply",
    [b"MSH|^~\\&|A|B|C|D|||ACK^A04^ACK|9|P|2.5.1\rMSA|AA|0001\r", b"MSH|^~\\&|A|B|C|D|||RSP^K22|9|P|2.5.1\rMSA|AA|1\r"],
)
def test_an_acknowledgement_is_not_acknowledged(listening, admission, read, reply):
    """A-17: and the message behind it is."""
    here = listening()
    client = here.client()
    client.write(frame(reply) + frame(admission))
    assert read(client.receive())["MSA"][2] == "0001"


def test_delimiters_of_the_sender_s_own_come_back(listening, read):
    """5.1 case 15; A-24."""
    here = listening()
    ack = here.client().send(b"MSH#*+%@#EHR#HOSP#GW#HOSP#20260301##ADT*A04*ADT_A01#0|1#P#2.5.1\rPID#1\r")
    assert read(ack)["MSH"][2] == "*+%@"
    assert read(ack)["MSA"][1:3] == ["AA", "0|1"]


@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        (b"ADT^A04^ADT_A01", b"ZZZ^Z99", "200", "MSH^1^9"),
        (b"ADT^A04^ADT_A01", b"ADT^A99", "201", "MSH^1^9"),
        (b"|P|", b"|X|", "202", "MSH^1^11"),
        (b"2.5.1", b"9.9", "203", "MSH^1^12"),
    ],
)
def test_what_the_standard_does_not_know_is_refused(listening, admission, read, old, new, code, place):
    """A-02, E-08."""
    ack = read(listening().client().send(admission.replace(old, new, 1)))
    assert ack["MSA"][1:3] == ["AR", "0001"]
    assert ack["ERR"][2:5] == [place, ack["ERR"][3], "E"]
    assert ack["ERR"][3].split("^")[0] == code


def test_a_message_without_control_id_is_refused_with_msa_2_empty(listening, admission, read):
    """D-05."""
    ack = read(listening().client().send(admission.replace(b"|0001|", b"||")))
    assert ack["MSA"][1:3] == ["AE", ""]
    assert ack["ERR"][2:4] == ["MSH^1^10", "101^Required field missing^HL70357"]


def test_a_faulty_message_is_told_where_but_not_what(listening, admission, read):
    """A-03, A-27, E-01, E-02."""
    here = listening()
    fault = Fault(code=101, rule="the patient identifier is missing", place=Place("PID", 1, 3))
    here.intake.outcome = lambda _: Outcome(result=Result.QUARANTINED, ack=AckCode.AE, faults=(fault,))
    ack = here.client().send(admission)
    assert read(ack)["ERR"][2:5] == ["PID^1^3", "101^Required field missing^HL70357", "E"]
    assert b"DOE" not in ack


def test_a_resend_gets_the_first_answer_with_a_new_id_of_ours(listening, admission, read):
    """5.1 case 9, wire side; D-02, A-21."""
    client = listening().client()
    first, second = read(client.send(admission)), read(client.send(admission))
    assert first["MSA"] == second["MSA"]
    assert first["MSH"][10] != second["MSH"][10]


def test_text_that_is_no_message_gets_a_minimal_refusal(listening, read):
    """A-07: handed on for quarantine, AR, MSA-2 empty."""
    here = listening()
    client = here.client()
    ack = read(client.send(b"PID|1||123\r"))
    assert ack["MSH"][3:7] == ["", "", "", ""]
    assert ack["MSA"][1:3] == ["AR", ""]
    assert len(here.intake.stored) == 1


def test_text_that_is_no_message_can_end_the_connection(listening):
    """A-07: `no_header: close`."""
    here = listening(no_header="close")
    raw = here.socket()
    raw.sendall(frame(b"hello"))
    assert closed(raw)
    assert len(here.intake.stored) == 1


def test_a_full_intake_is_told_and_nothing_is_taken(listening, admission, read):
    """A-04: AR 207, and once there is room the resend is accepted."""
    here = listening()
    client = here.client()
    here.intake.open = False
    ack = read(client.send(admission))
    assert ack["MSA"][1] == "AR"
    assert ack["ERR"][3].startswith("207^")
    assert here.intake.stored == []
    here.intake.open = True
    assert read(client.send(admission))["MSA"][1] == "AA"


@pytest.mark.parametrize("on_failure", ["reject", "close"])
def test_trouble_of_our_own_is_never_acknowledged(listening, admission, read, on_failure):
    """A-04, 5.1 case 14 wire side: AR 207, or by choice a closed connection."""
    here = listening(on_failure=on_failure)
    here.intake.outcome = lambda _: Outcome(result=Result.FAILED, ack=AckCode.AR)
    client = here.client()
    if on_failure == "close":
        with pytest.raises(Unknown, match="closed"):
            client.send(admission)
    else:
        ack = read(client.send(admission))
        assert ack["MSA"][1] == "AR"
        assert ack["ERR"][3].startswith("207^")


def test_one_message_of_a_connection_is_in_the_intake_at_a_time(listening, numbered, read):
    """F-09, F-10: a pipelining sender is answered in order, and its next message waits for the reply."""
    here = listening()
    client = here.client()
    client.write(b"".join(frame(numbered(number)) for number in range(60)))
    assert [read(client.receive())["MSA"][2] for _ in range(60)] == [f"{number:04d}" for number in range(60)]
    assert set(here.intake.batches) == {1}


def test_a_link_may_have_more_in_flight_and_still_be_answered_in_order(listening, numbered, read):
    """F-10: `in_flight`; refusals of ours keep their place in the queue too."""
    here = listening(in_flight="16", max_frame="1KiB")
    client = here.client()
    here.intake.gate.clear()
    sent = [numbered(n) + (b"ZZZ|" + b"x" * 2_000 if n % 5 == 4 else b"") for n in range(40)]
    writer = threading.Thread(target=lambda: client.write(b"".join(map(frame, sent))))
    writer.start()
    here.until(lambda: here.source.counts.get("mllp.frame-too-large", 0) == 3)
    here.intake.gate.set()
    acks = [read(client.receive()) for _ in range(40)]
    writer.join()
    assert [ack["MSA"][2] for ack in acks] == [f"{n:04d}" for n in range(40)]
    assert [ack["MSA"][1] for ack in acks] == ["AE" if n % 5 == 4 else "AA" for n in range(40)]
    assert max(here.intake.batches) > 1


def test_connections_share_commits_and_each_gets_its_own_replies(listening, numbered, read):
    """F-09, F-18: replies never cross connections; what arrives during a commit is the next batch."""
    here = listening()
    here.intake.commit = 0.01
    seen: dict[int, list[str]] = {}

    def play(lane: int) -> None:
        with here.client() as client:
            seen[lane] = [read(client.send(numbered(lane * 100 + n)))["MSA"][2] for n in range(10)]

    lanes = [threading.Thread(target=play, args=(lane,)) for lane in range(8)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    assert seen == {lane: [f"{lane * 100 + n:04d}" for n in range(10)] for lane in range(8)}
    assert len(here.intake.batches) < 80


def test_one_reply_that_cannot_be_made_does_not_cost_the_others(listening, numbered, read):
    """A-04: the connection concerned is closed without a reply; its sender asks again."""
    here = listening()
    here.intake.gate.clear()
    broken = Outcome(result=Result.REJECTED, ack=AckCode.AE, faults=(None,))  # type: ignore[arg-type]
    right = here.intake.outcome
    here.intake.outcome = lambda message: broken if b"|0002|" in message.body else right(message)
    first, second, third = (here.client() for _ in range(3))
    for number, client in enumerate((first, second, third), 1):
        client.write(frame(numbered(number)))
    here.intake.gate.set()
    assert read(first.receive())["MSA"][1:3] == ["AA", "0001"]
    assert read(third.receive())["MSA"][1:3] == ["AA", "0003"]
    with pytest.raises(Unknown, match="closed"):
        second.receive()
