"""What must hold of any bytes that come back as a bounce or a complaint."""

from __future__ import annotations

import random

from connectors.channels.email.bounces.receipts import receipts
from connectors.channels.email.bounces.reports import Kind, read_report
from tests.email.bounce_parts import MESSAGE_ID, TOKENS, arf, dsn


def any_report(raw: bytes) -> None:
    """A report or not, never an exception; no receipt without a message of ours, nothing in it but codes and words."""
    report = read_report(raw)
    if report is None:
        return
    assert report.kind is Kind.COMPLAINT or 0 < len(report.fates) <= 20
    for one in receipts(report, TOKENS, at=1):
        assert one.communication == 77 or one.communication is None, "a token that we did not make was believed"
        assert one.communication is not None or one.message_id is not None
        assert one.code is None or (one.code.isascii() and one.code.isprintable() and len(one.code) <= 200)
        assert one.event.isascii()
        assert not one.address_bad or (one.code or "").startswith(("5.1.", "5.2.1"))


def seeds() -> tuple[bytes, ...]:
    """Bounces, delays and complaints, found by each of the three ways, with each kind of part."""
    plain = (
        dsn(), dsn(action="delayed", status="4.4.1"), dsn(envid=None), dsn(envid=None, to="a@b.example"), arf(), arf(None),
        dsn(status="5.2.2"), dsn(status=None, message_id=None),
    )  # fmt: skip
    swapped = (
        (b"message/delivery-status", b"message/global-delivery-status"),
        (b"text/rfc822-headers", b"message/rfc822"),
        (b"text/rfc822-headers", b"message/global-headers"),
        (b"\r\n", b"\n"),
    )
    return (*plain, *(dsn().replace(old, new) for old, new in swapped))


def mutated(data: bytes, rng: random.Random, most: int) -> bytes:
    """Lines moved, doubled, cut and borrowed; boundaries and types are what the parser goes by."""
    lines = data.split(b"\n")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(lines))
        match rng.randrange(5):
            case 0:
                lines.insert(at, rng.choice(lines))
            case 1:
                del lines[at]
                lines = lines or [b""]
            case 2:
                cut = rng.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:cut] + bytes((rng.randrange(256),)) + lines[at][cut + rng.randrange(2) :]
            case 3:
                lines.insert(at, rng.choice(_WORDS))
            case _:
                lines[at:at] = rng.choice(seeds()).split(b"\n")[: rng.randrange(40)]
    return b"\n".join(lines)[:most]


_WORDS = (
    b"Content-Type: multipart/report; boundary=x", b"Content-Type: message/rfc822", b"--x", b"--x--", b"",
    b"Content-Type: message/delivery-status", b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: x-uuencode",
    b"Action: failed", b"Status: 5.1.1", b"Original-Envelope-Id: a", b"Message-ID: " + MESSAGE_ID.encode(),
    b'Content-Type: multipart/report; boundary*0*=utf-8\'\'x; charset="\xff"', b"\tfolded", b"Content-Type: multipart/digest; boundary=y",
)  # fmt: skip
