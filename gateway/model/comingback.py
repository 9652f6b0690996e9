"""What comes back of a message: receipts of providers, bounces and complaints, and what a person wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.model.consent import ChannelKind
from gateway.model.when import Millis


class ReceiptStatus(StrEnum):
    """How far a message got, as the other side says; told doubled, late and out of order (SM-06).

    DELIVERED and what follows it are good and final, BOUNCED to COMPLAINED bad and final.
    """

    QUEUED = "queued"
    HANDED_OVER = "handed-over"  # to the carrier or the next relay: no delivery
    DELAYED = "delayed"  # no bounce (EM-24)
    DELIVERED = "delivered"
    OPENED = "opened"  # in the portal, by somebody who proved who they are
    REPLIED = "replied"
    BOUNCED = "bounced"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    COMPLAINED = "complained"  # RFC 5965 abuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One thing a provider, a mail system or the portal tells of one message.

    Found by `communication` (the envelope's id, where the channel could carry it along), else by `provider_id`, else by
    `message_id`, which all attempts of one request share: then the newest that may have left is meant.
    `event`: what makes it the same when told again. `code`: the other side's code, a word or number, never text.
    `address_bad`: the address itself is at fault, so that it is written to no more (5.1.x, 30006); `opted_out`: the
    provider says the person opted out there (21610, a complaint).
    """

    channel: ChannelKind
    event: str
    status: ReceiptStatus
    at: Millis
    provider_id: str | None = None
    communication: int | None = None
    message_id: str | None = None
    code: str | None = None
    address_bad: bool = False
    opted_out: bool = False


class ReplyMeaning(StrEnum):
    """What a person's words were taken for."""

    STOP = "stop"
    START = "start"
    YES = "yes"  # opts in only after START was asked (SM-09)
    HELP = "help"
    CONFIRM = "confirm"  # C or 1
    CANCEL_VISIT = "cancel-visit"  # X or 2
    RESCHEDULE = "reschedule"  # R: goes to staff
    FREE_TEXT = "free-text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a person wrote to one of our numbers or mailboxes. `event`: what makes it the same when told again.

    `provider_opt_out`: the provider has taken it for STOP, START or HELP itself (Twilio OptOutType).
    """

    channel: ChannelKind
    event: str
    at: Millis
    sender: str = field(repr=False)  # E.164 or an e-mail address
    to: str  # our own number or mailbox
    text: str = field(repr=False)
    provider_opt_out: ReplyMeaning | None = None
