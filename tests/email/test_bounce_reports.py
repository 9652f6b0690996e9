"""What a bounce or a complaint means for the patient it concerns, and that nobody can make one up."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from bounce_parts import ADDRESS, MESSAGE_ID, TOKENS, arf, dsn
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.channels.email.bounces.receipts import receipts
from connectors.channels.email.bounces.reports import Did, Kind, Report, read_report
from connectors.channels.email.tokens import Tokens
from gateway.model.comingback import Receipt, ReceiptStatus
from tests.effort import calls

AT = 1_772_566_200_000


def told(raw: bytes, *sent_to: str) -> tuple[Receipt, ...]:
    """What the bytes tell of our messages."""
    report = read_report(raw)
    return () if report is None else receipts(report, TOKENS, sent_to=sent_to, at=AT)


def test_a_mailbox_that_is_not_there_is_written_to_no_more() -> None:
    """EM-24, regulation 49: 5.1.1, failed, matched by the envelope id."""
    (receipt,) = told(dsn(77))
    assert receipt.status is ReceiptStatus.BOUNCED
    assert receipt.communication == 77
    assert receipt.message_id == MESSAGE_ID
    assert receipt.code == "5.1.1"
    assert receipt.address_bad
    assert not receipt.opted_out
    assert receipt.at == AT


@pytest.mark.parametrize(
    ("status", "bad"),
    [
        ("5.1.1", True), ("5.1.2", True), ("5.1.10", True), ("5.2.1", True), ("5.1.0", True), ("5.1.6", True),
        ("5.2.2", False),  # full: not for ever
        ("5.7.1", False), ("5.7.26", False), ("5.7.30", False), ("5.7.515", False),  # policy
        ("5.1.7", False), ("5.1.8", False),  # the sender's own address
        ("5.0.0", False), ("5.4.4", False), ("4.4.1", False), ("4.2.2", False), ("5.1.11", False), (None, False),
    ],
)  # fmt: skip
def test_only_a_wrong_address_is_the_addresss_fault(status: str | None, bad: bool) -> None:
    """EM-24, RFC 3463: all of these failed, few of them for good and all."""
    (receipt,) = told(dsn(status=status))
    assert receipt.status is ReceiptStatus.BOUNCED
    assert receipt.address_bad is bad
    assert receipt.code == status


@pytest.mark.parametrize(
    ("action", "status", "means"),
    [
        ("delayed", "4.4.1", ReceiptStatus.DELAYED),
        ("delivered", "2.0.0", ReceiptStatus.DELIVERED),
        ("relayed", "2.0.0", ReceiptStatus.HANDED_OVER),
        ("expanded", "2.0.0", ReceiptStatus.HANDED_OVER),
        ("FAILED", "5.0.0", ReceiptStatus.BOUNCED),
    ],
)
def test_a_delay_is_no_bounce(action: str, status: str, means: ReceiptStatus) -> None:
    """EM-24: each action as RFC 3464 means it; delivered says only the last server itself."""
    (receipt,) = told(dsn(action=action, status=status))
    assert receipt.status is means
    assert not receipt.address_bad


def test_an_action_nobody_knows_tells_nothing() -> None:
    """A report with no fate in it is none."""
    assert told(dsn(action="vanished")) == ()


def test_a_report_is_matched_by_envelope_then_return_path_then_message_id() -> None:
    """EM-24: ENVID, else VERP (where it was delivered to, or where it says it was sent to), else the returned header."""
    other = "postmaster@lakeside.example"
    assert [one.communication for one in told(dsn(77, to=other))] == [77]
    assert [one.communication for one in told(dsn(77, envid=None))] == [77]
    assert [one.communication for one in told(dsn(77, envid=None, to=other), TOKENS.path(78))] == [78]
    (by_id,) = told(dsn(77, envid=None, to=other))
    assert by_id.communication is None
    assert by_id.message_id == MESSAGE_ID
    assert told(dsn(77, envid=None, to=other, message_id=None)) == ()
    assert [one.communication for one in told(dsn(-5, envid=TOKENS.of(-5).upper(), to=other))] == [-5]


def test_a_bounce_nobody_but_us_could_have_made_is_told_from_one_that_is_made_up() -> None:
    """EM-25: a token of another secret, a guessed or a changed one, another domain's: no message of ours."""
    forger = Tokens(ADDRESS, SecretStr("b" * 40))
    for envid in (forger.of(77), "77", "a" * 29, TOKENS.of(77)[:-2] + "aa", TOKENS.of(77) + "a"):
        assert told(dsn(envid=envid, to=forger.path(77), message_id=None)) == ()
    path = TOKENS.path(77)
    assert TOKENS.read_path(path.upper()) == 77
    assert TOKENS.read_path(path.replace("lakeside", "riverside")) is None
    assert TOKENS.read_path(path.replace("bounces+", "others+")) is None
    assert TOKENS.ours(" Bounces@Lakeside.example ")
    assert not TOKENS.ours("bounces+x@lakeside.example")


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 28), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_token_is_read_back_and_no_other_is(communication: int, at: int, char: str) -> None:
    """EM-25: any id comes back; one changed character and it is nobody's."""
    token = TOKENS.of(communication)
    assert TOKENS.read(token) == communication
    assert len(TOKENS.path(communication).partition("@")[0]) <= 64
    changed = token[:at] + char + token[at + 1 :]
    assert TOKENS.read(changed) == (communication if changed == token or (at == 28 and _same(changed, token)) else None)


def _same(one: str, other: str) -> bool:
    """The last letter of 29 holds one bit that is nobody's."""
    import base64

    return base64.b32decode(one.upper() + "===") == base64.b32decode(other.upper() + "===")


def test_the_same_told_again_is_the_same() -> None:
    """EM-28: a repeat has the same event, another fate or message another; none holds an address."""
    events = [told(dsn(77))[0].event for _ in range(2)]
    assert events[0] == events[1]
    others = {told(dsn(78))[0].event, told(dsn(77, action="delayed"))[0].event, told(dsn(77, status="5.2.2"))[0].event}
    assert len(others | set(events)) == 4
    assert "marisol" not in repr(told(dsn(77)))


def test_a_complaint_is_an_opt_out() -> None:
    """EM-26, RFC 5965, regulation 49: abuse; by the return path, else by the Message-ID."""
    (receipt,) = told(arf(77))
    assert receipt.status is ReceiptStatus.COMPLAINED
    assert receipt.opted_out
    assert not receipt.address_bad
    assert receipt.communication == 77
    (by_id,) = told(arf(None))
    assert (by_id.communication, by_id.message_id) == (None, MESSAGE_ID)


@pytest.mark.parametrize("feedback", ["not-spam", "fraud", "virus", "auth-failure", "other"])
def test_other_feedback_is_no_complaint_of_the_person(feedback: str) -> None:
    """EM-26: RFC 5965 §7.3."""
    assert told(arf(77, feedback=feedback)) == ()


def test_a_report_of_several_recipients_blames_no_address() -> None:
    """Ours have one; an alias that was expanded says nothing of the address we wrote to."""
    more = b"Action: failed\r\nStatus: 5.1.1\r\n\r\nFinal-Recipient: rfc822; b@x.example\r\nAction: failed\r\nStatus: 5.2.2\r\n"
    found = told(dsn(77).replace(b"Action: failed\r\nStatus: 5.1.1\r\n", more))
    assert {one.code for one in found} == {"5.1.1", "5.2.2"}
    assert not any(one.address_bad for one in found)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Subject: Out of office\r\n\r\nI am away",
        dsn().replace(b"multipart/report", b"multipart/mixed"),
        dsn().replace(b"message/delivery-status", b"text/plain"),
        dsn()[:600],
        dsn().replace(b"8F1.1/mx.patients.example", b"", 1),
        arf().replace(b"Feedback-Type: abuse", b"Feedback-Kind: abuse"),
        b"Content-Type: multipart/report; boundary*x*=\xff\r\n\r\n",
    ],
)
def test_what_is_no_report_tells_nothing(raw: bytes) -> None:
    """EM-27: vacation notes, cut and broken ones; none is answered, none raises."""
    assert told(raw, ADDRESS) == ()


def test_the_international_form_is_read_too() -> None:
    """RFC 6533: message/global-delivery-status, which the standard parser does not take apart."""
    raw = dsn(77).replace(b"message/delivery-status", b"message/global-delivery-status")
    assert [one.code for one in told(raw.replace(b"text/rfc822-headers", b"message/global-headers"))] == ["5.1.1"]


def test_a_bomb_is_not_unpacked() -> None:
    """Bounded in size and depth: a thousand messages in one another, and a megabyte too many."""
    nested = b"".join(
        b'Content-Type: multipart/report; boundary="%d"\r\n\r\n--%d\r\n' % (depth, depth) for depth in range(2000)
    )
    assert read_report(nested) is None
    assert read_report(dsn() + b"x" * (1 << 20)) is None
    assert read_report(b"Content-Type: multipart/digest; boundary=a\r\n\r\n" + b"--a\r\n\r\n" * 20_000) is None


@pytest.mark.parametrize(
    "raw",
    [
        b'Content-Type: multipart/report; a="' + b";" * 900_000 + b"\n\nx",
        b"Content-Type: multipart/report" + b";a=b" * 200_000 + b"\n\nx",
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(58)) + b"\n" * 900_000,
        b"Content-Type: multipart/report; boundary=x\n\n--x\nContent-Type: message/delivery-status\n\n" + b"A:b\n\n" * 200_000,
    ],
    ids=["semicolons", "parameters", "lines in parts in parts", "blocks"],
)  # fmt: skip
def test_a_mail_that_takes_the_parser_long_is_not_parsed(raw: bytes) -> None:
    """F-14: one mail of a megabyte kept the standard parser, and with it the whole process, busy for seconds or hours."""
    calls(lambda: read_report(raw), most=20_000)
    assert read_report(raw) is None


@given(st.integers(0), st.data())
def test_any_bytes_are_a_report_or_not(seed: int, data: st.DataObject) -> None:
    """Mutated reports: never an exception, codes are codes, feedback is a word; no recipient in a repr."""
    rng = random.Random(seed)
    raw = bytearray(rng.choice([dsn, arf])())
    for _ in range(data.draw(st.integers(1, 12))):
        at = rng.randrange(len(raw))
        raw[at : at + rng.choice((0, 1, 7))] = rng.choice((b"", b"\r\n", b"\xff", b"--", b":", b'"', bytes(raw[:200])))
    holds(bytes(raw))


def holds(raw: bytes) -> None:
    """What must hold of any bytes."""
    report = read_report(raw)
    if report is not None:
        assert report.kind is Kind.COMPLAINT or report.fates
        assert len(report.fates) <= 20
        assert "marisol" not in repr(replace(report, envid=None, message_id=None, feedback=None))
        for one in receipts(report, TOKENS, at=AT):
            assert one.communication is not None or one.message_id is not None
            assert one.code is None or len(one.code) <= 200


def test_a_report_says_what_it_understood() -> None:
    """The pure part, field by field."""
    report = read_report(dsn(77))
    assert isinstance(report, Report)
    assert report.kind is Kind.DELIVERY
    assert [(one.did, one.status) for one in report.fates] == [(Did.FAILED, "5.1.1")]
    assert report.envid == TOKENS.of(77)
    assert TOKENS.path(77) in report.paths
