"""Reports as mail systems write them, of messages of ours, made up; and an inbox that remembers."""

from __future__ import annotations

import threading
from typing import Any

from pydantic import SecretStr

from connectors.channels.email.tokens import Tokens
from gateway.model.comingback import Receipt, Reply
from gateway.model.errors import StoreUnavailable

ADDRESS = "bounces@lakeside.example"
SECRET = "a made-up secret of forty characters ..."
TOKENS = Tokens(ADDRESS, SecretStr(SECRET))
MESSAGE_ID = "<0123456789abcdef@lakeside.example>"


class Remembering:
    """`ports.Inbox`; `away` makes it refuse as the database would, `ours` whether a message is."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.away = False
        self.ours = True
        self.told = threading.Event()

    def receipt(self, receipt: Receipt) -> bool:
        """Remember it."""
        if self.away:
            raise StoreUnavailable("the database is away")
        self.receipts.append(receipt)
        self.told.set()
        return self.ours

    def reply(self, reply: Reply) -> None:
        """None comes by e-mail."""
        raise AssertionError


def dsn(communication: int = 77, **changes: Any) -> bytes:
    """A report on one message: `action`, `status`, `envid`, `to`, `message_id`; None leaves a line out."""
    told: dict[str, Any] = {
        "action": "failed",
        "status": "5.1.1",
        "envid": TOKENS.of(communication),
        "to": TOKENS.path(communication),
        "message_id": MESSAGE_ID,
        **changes,
    }
    envid = f"Original-Envelope-Id: {told['envid']}\n" if told["envid"] else ""
    status = f"Status: {told['status']}\n" if told["status"] else ""
    returned = f"Message-ID: {told['message_id']}\n" if told["message_id"] else ""
    return f"""From: MAILER-DAEMON@mx.patients.example (Mail Delivery System)
To: {told["to"]}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="8F1.1/mx.patients.example"

This is a MIME-encapsulated message.

--8F1.1/mx.patients.example
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--8F1.1/mx.patients.example
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.patients.example
{envid}Arrival-Date: Tue,  3 Mar 2026 13:30:00 -0600 (CST)

Final-Recipient: rfc822; marisol@patients.example
Original-Recipient: rfc822;marisol@patients.example
Action: {told["action"]}
{status}Diagnostic-Code: smtp; 550 5.1.1 no such Zyxxel

--8F1.1/mx.patients.example
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

Return-Path: <{told["to"]}>
{returned}From: "Lakeside Health" <no-reply@lakeside.example>
To: marisol@patients.example

--8F1.1/mx.patients.example--
""".replace("\n", "\r\n").encode()


def arf(communication: int | None = 77, *, feedback: str = "abuse", message_id: str = MESSAGE_ID) -> bytes:
    """A complaint on one message; without `communication` it is known by its Message-ID only."""
    sent_from = f"Original-Mail-From: <{TOKENS.path(communication)}>\n" if communication is not None else ""
    return f"""From: <abusedesk@mailer.example>
To: <bounces@lakeside.example>
Subject: FW: Your visit
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
 boundary="part1_13d.2e68ed54"

--part1_13d.2e68ed54
Content-Type: text/plain; charset="US-ASCII"

This is an email abuse report.

--part1_13d.2e68ed54
Content-Type: message/feedback-report

Feedback-Type: {feedback}
User-Agent: SomeGenerator/1.0
Version: 1
{sent_from}
--part1_13d.2e68ed54
Content-Type: message/rfc822
Content-Disposition: inline

From: <no-reply@lakeside.example>
Message-ID: {message_id}
Subject: Your visit
Content-Type: text/plain

Hello

--part1_13d.2e68ed54--
""".replace("\n", "\r\n").encode()
