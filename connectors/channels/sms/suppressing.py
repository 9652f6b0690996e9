"""Tells the provider's own list of opt-outs that a number opted out here, for every sender of ours (47 CFR 64.1200(a)(10)).

Twilio's Consent Management API: `POST /v1/Consents/Bulk`, an upsert, so to say it again does nothing. Only the number,
our sender and "opt-out" leave.
"""

from __future__ import annotations

import json
from uuid import uuid4

from connectors.channels.sms.exchange import Answer, Line
from connectors.channels.sms.numbers import dialable
from gateway.model.errors import DeliveryError, Refused, Unavailable, Unknown

_PATH = "/v1/Consents/Bulk"
# to be tried again: a login or a feature that is not switched on yet, too much at once (100 requests a minute)
_LATER = frozenset({401, 403, 404, 408, 425, 429, 503})


def opt_out(line: Line, base: str, to: str, senders: tuple[str, ...]) -> None:
    """Have `to` (E.164) written to by none of `senders` any more. Raises Refused, Unavailable or Unknown."""
    number = dialable(to)
    for sender in senders:
        failure = _judged(line.post(_PATH, {"Items": _item(number, sender)}, base=base))
        if failure is not None:
            raise failure


def _item(number: str, sender: str) -> str:
    told = {
        "contact_id": number,
        "correlation_id": uuid4().hex,
        "sender_id": sender,
        "status": "opt-out",
        "source": "others",  # how it reached us is nobody else's to know
    }
    return json.dumps(told)


def _judged(answer: Answer) -> DeliveryError | None:
    """2xx alone acknowledges nothing: the item's own code does."""
    if 200 <= answer.status < 300:
        return None if _acknowledged(answer) else Refused("the list did not take the number")
    said = f"the list answered {answer.status}"
    if answer.status in _LATER:
        return Unavailable(said)
    return Refused(said) if 400 <= answer.status < 500 else Unknown(said)


def _acknowledged(answer: Answer) -> bool:
    items = answer.told.get("items")
    return (
        isinstance(items, list)
        and len(items) == 1
        and isinstance(items[0], dict)
        and type(code := items[0].get("error_code")) is int
        and code == 0
    )
