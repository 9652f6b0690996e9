"""A marketing authorization is complete in every element the law names, or it is none (45 CFR 164.508(b)(2), (c))."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

# 164.508(c)(1)(i) to (vi) and (c)(2)(i) to (iii), in the words of the form; each must say something.
CORE: Mapping[str, str] = {
    "description": "what is used or disclosed, (c)(1)(i)",
    "discloser": "who may disclose, (c)(1)(ii)",
    "recipient": "to whom, (c)(1)(iii)",
    "purpose": "what for, (c)(1)(iv)",
    "expiry": "the date like 2027-03-01 on which it ends, or the event, (c)(1)(v)",
    "signature": "where the signature is kept, (c)(1)(vi)",
    "signed_on": "the date of the signature like 2026-03-01, (c)(1)(vi)",
    "revocation": "that it can be revoked, and how, (c)(2)(i)",
    "no_conditioning": "that treatment does not depend on it, (c)(2)(ii)",
    "redisclosure": "that what is disclosed may be disclosed again, (c)(2)(iii)",
}
# Needed in some cases: who signed for the person, (c)(1)(vi); that the site is paid, 164.508(a)(3)(ii).
OTHERS: Mapping[str, str] = {
    "signed_by": "`patient`, which it is unless told, or `representative`",
    "authority": "the representative's authority to act for the person, (c)(1)(vi)",
    "remuneration": "that the site is paid for the message, 164.508(a)(3)(ii)",
}


def faults(told: Mapping[str, str], today: date) -> list[str]:
    """Names of elements that are missing, unknown or cannot be; empty when the authorization is valid on its face.

    One whose date has passed is not (164.508(b)(2)(i)); the values are quoted nowhere.
    """
    found = [name for name in CORE if not told.get(name, "").strip()]
    found += sorted(name for name in told if name not in CORE and name not in OTHERS)
    signed, ends = _day(told.get("signed_on", "")), expiry(told)
    if "signed_on" not in found and (signed is None or signed > today):
        found.append("signed_on")
    if ends is not None and ends < today:
        found.append("expiry")
    by = told.get("signed_by", "patient")
    if by not in ("patient", "representative"):
        found.append("signed_by")
    if by == "representative" and not told.get("authority", "").strip():
        found.append("authority")
    return found


def expiry(told: Mapping[str, str]) -> date | None:
    """The last day it is in force; None when an event ends it."""
    return _day(told.get("expiry", ""))


def remunerated(told: Mapping[str, str]) -> bool:
    """Whether it says that the site is paid (45 CFR 164.508(a)(3)(ii))."""
    return bool(told.get("remuneration", "").strip())


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None
