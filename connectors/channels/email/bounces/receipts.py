"""What a report means for one message of ours: which attempt, how it ended, and whether the address is at fault (EM-24 to EM-26)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.channels.email.bounces.reports import Did, Fate, Kind, Report
from connectors.channels.email.tokens import Tokens
from gateway.model.comingback import Receipt, ReceiptStatus
from gateway.model.consent import ChannelKind
from gateway.model.when import Millis

_STATUS = {
    Did.FAILED: ReceiptStatus.BOUNCED,
    Did.DELAYED: ReceiptStatus.DELAYED,  # no bounce: it may still arrive
    Did.DELIVERED: ReceiptStatus.DELIVERED,
    Did.RELAYED: ReceiptStatus.HANDED_OVER,  # to a server that reports no further (RFC 3464 §2.3.3)
    Did.EXPANDED: ReceiptStatus.HANDED_OVER,
}
# RFC 3463 §3.2, §3.3, RFC 7505: no such mailbox, system or syntax, moved, no mail at that domain; disabled. Not the
# sender's own faults (5.1.7, 5.1.8), not "valid" (5.1.5), not full (5.2.2), not what is policy (5.7.x).
_NO_SUCH_ADDRESS = re.compile(r"5\.(?:1\.(?:0|1|2|3|4|6|10)|2\.1)").fullmatch
_COMPLAINTS = ("abuse", "opt-out")  # RFC 5965 §7.3; fraud, virus and auth-failure are not about what the person wants


@dataclass(frozen=True, slots=True)
class _Found:
    """One message of ours, by its attempt or by its Message-ID."""

    communication: int | None
    message_id: str | None

    @property
    def mark(self) -> str:
        """The same whenever the same is told; not an address."""
        raw = f"{self.communication} {self.message_id if self.communication is None else ''}"
        return hashlib.sha256(raw.encode()).hexdigest()[:32]


def receipts(report: Report, tokens: Tokens, *, sent_to: tuple[str, ...] = (), at: Millis) -> tuple[Receipt, ...]:
    """What `report` tells of our messages, received at `at`; nothing for what names none of ours or means nothing.

    `sent_to`: the addresses the report was delivered to. Found by envelope id, then return path, then Message-ID
    (RFC 3461 §4.4; EM-24); the first two carry our digest, so that nobody can make up a bounce (EM-25).
    """
    found = _found(report, tokens, sent_to)
    if found is None:
        return ()
    if report.kind is Kind.COMPLAINT:
        return tuple(_complaints(report, found, at))
    return tuple(dict.fromkeys(_fate(fate, found, at, alone=len(report.fates) == 1) for fate in report.fates))


def _found(report: Report, tokens: Tokens, sent_to: tuple[str, ...]) -> _Found | None:
    by_envelope = None if report.envid is None else tokens.read(report.envid)
    if by_envelope is not None:
        return _Found(by_envelope, report.message_id)
    for path in (*sent_to, *report.paths):
        by_path = tokens.read_path(path)
        if by_path is not None:
            return _Found(by_path, report.message_id)
    return None if report.message_id is None else _Found(None, report.message_id)


def _fate(fate: Fate, found: _Found, at: Millis, *, alone: bool) -> Receipt:
    return Receipt(
        channel=ChannelKind.EMAIL,
        event=f"dsn:{found.mark}:{fate.did}:{fate.status or '-'}",
        status=_STATUS[fate.did],
        at=at,
        communication=found.communication,
        message_id=found.message_id,
        code=fate.status,
        address_bad=fate.did is Did.FAILED and alone and _NO_SUCH_ADDRESS(fate.status or "") is not None,
    )


def _complaints(report: Report, found: _Found, at: Millis) -> Iterator[Receipt]:
    if report.feedback in _COMPLAINTS:
        yield Receipt(
            channel=ChannelKind.EMAIL,
            event=f"arf:{found.mark}:{report.feedback}",
            status=ReceiptStatus.COMPLAINED,
            at=at,
            communication=found.communication,
            message_id=found.message_id,
            code=report.feedback,
            opted_out=True,
        )
