"""What a verified webhook says: a receipt of one of our messages, or what a person wrote; all of it is untrusted text."""

from __future__ import annotations

import re
from collections.abc import Mapping

from connectors.channels.sms.codes import Meaning, meaning_of
from gateway.model.comingback import Receipt, ReceiptStatus, Reply, ReplyMeaning
from gateway.model.consent import ChannelKind
from gateway.model.when import Millis

_SID = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_WORD = re.compile(r"[a-z][a-z_-]{0,30}").fullmatch
_CODE = re.compile(r"[1-9]\d{0,5}").fullmatch
_COMMUNICATION = re.compile(r"[1-9]\d{0,18}").fullmatch
_ADDRESS = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}").fullmatch  # E.164, or a short code
_LONGEST = 4_096  # characters of what a person wrote; joined messages end far below

# SM-06: `sent` is the carrier's, `delivered` the handset's. `read` is told by channels with read receipts.
_STATUS = {
    "accepted": ReceiptStatus.QUEUED,
    "scheduled": ReceiptStatus.QUEUED,
    "queued": ReceiptStatus.QUEUED,
    "sending": ReceiptStatus.QUEUED,
    "sent": ReceiptStatus.HANDED_OVER,
    "delivered": ReceiptStatus.DELIVERED,
    "read": ReceiptStatus.DELIVERED,
    "undelivered": ReceiptStatus.UNDELIVERED,
    "failed": ReceiptStatus.FAILED,
    "canceled": ReceiptStatus.FAILED,
}
_OPT_OUT = {"STOP": ReplyMeaning.STOP, "START": ReplyMeaning.START, "HELP": ReplyMeaning.HELP}


def code_of(form: Mapping[str, str]) -> int | None:
    """The provider's error code, if it told one."""
    told = form.get("ErrorCode", "")
    return int(told) if _CODE(told) else None


def communication_of(query: Mapping[str, str]) -> int | None:
    """Our own id, as we gave it to the status callback's URL; the signature covers it."""
    told = query.get("c", "")
    return int(told) if _COMMUNICATION(told) and int(told) < 1 << 63 else None


def receipt_of(form: Mapping[str, str], query: Mapping[str, str], at: Millis) -> Receipt | None:
    """The receipt of a status callback; None for what tells no message or no status.

    The same status of the same message is one event, however often it is told (SM-06). A status nobody has heard of
    is kept, with its word as the code, and changes nothing (EM-28).
    """
    sid = form.get("MessageSid") or form.get("SmsSid") or ""
    word = (form.get("MessageStatus") or form.get("SmsStatus") or "").lower()
    if not _SID(sid) or not _WORD(word) or word.startswith("receiv"):
        return None
    code = code_of(form)
    meaning = meaning_of(code)
    return Receipt(
        channel=ChannelKind.SMS,
        event=f"{sid}:{word}",
        status=_STATUS.get(word, ReceiptStatus.QUEUED),
        at=at,
        provider_id=sid,
        communication=communication_of(query),
        code=str(code) if code else None if word in _STATUS else word,
        address_bad=meaning is Meaning.ADDRESS_BAD,
        opted_out=meaning is Meaning.OPTED_OUT,
    )


def reply_of(form: Mapping[str, str], at: Millis) -> Reply | None:
    """What a person wrote; None when it does not tell from whom, to which of our numbers, or under which id."""
    sid = form.get("MessageSid") or form.get("SmsSid") or ""
    sender, to = form.get("From", ""), form.get("To", "")
    if not (_SID(sid) and _ADDRESS(sender) and _ADDRESS(to)):
        return None
    return Reply(
        channel=ChannelKind.SMS,
        event=sid,
        at=at,
        sender=sender,
        to=to,
        text=form.get("Body", "")[:_LONGEST],
        provider_opt_out=_OPT_OUT.get(form.get("OptOutType", "").upper()),
    )
