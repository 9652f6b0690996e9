"""What the provider's error codes mean for us; its texts are never read (SM-08; twilio.com/docs/api/errors)."""

from __future__ import annotations

from enum import StrEnum


class Meaning(StrEnum):
    """What an error code says about whom."""

    OPTED_OUT = "opted-out"  # the person: wrote STOP to this sender
    ADDRESS_BAD = "address-bad"  # the number: cannot receive texts
    SENDER = "sender"  # us: not registered, not allowed, not paid; every message of this sender meets the same
    LATER = "later"  # nobody: too much at once
    MESSAGE = "message"  # this message, or nothing that we know of


_OPTED_OUT = frozenset({21610})
_ADDRESS_BAD = frozenset({
    21211,  # not a valid number
    21217,  # does not appear to be valid
    21614,  # not a mobile number
    21635,  # a landline
    30006,  # landline or unreachable carrier, told by a status callback
})  # fmt: skip
_SENDER = frozenset({
    20003, 20005,  # credentials; account not active
    21212, 21603, 21606, 21612, 21659, 21660,  # From missing, not ours, not for texts, cannot reach this number
    21408, 21608,  # region not enabled, trial account
    21701, 21702, 21703, 21704, 21705, 21712,  # messaging service missing or without numbers
    30002, 30024, 30032, 30033, 30034, 30035, 30038,  # suspended; toll-free and 10DLC registration (SM-16)
})  # fmt: skip
_LATER = frozenset({20429, 21611, 30001, 30022, 63038})  # rate, queue full, daily limit


def meaning_of(code: int | None) -> Meaning:
    """What a code means; MESSAGE for one that is not listed."""
    for meaning, codes in _CODES:
        if code in codes:
            return meaning
    return Meaning.MESSAGE


_CODES = (
    (Meaning.OPTED_OUT, _OPTED_OUT),
    (Meaning.ADDRESS_BAD, _ADDRESS_BAD),
    (Meaning.SENDER, _SENDER),
    (Meaning.LATER, _LATER),
)
