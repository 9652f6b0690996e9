"""What people wrote to us since a time, as the provider still lists it: told again after a restore, oldest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.channels.sms.callbacks import reply_of
from connectors.channels.sms.exchange import Answer, Line
from connectors.channels.sms.lookup import listed, millis
from connectors.channels.sms.options import is_service
from gateway.model.comingback import Reply
from gateway.model.errors import Unavailable
from gateway.model.when import DAY, Millis

_MOST_PAGES = 200
_PAGE = "1000"  # the most there is


def written_since(line: Line, path: str, senders: tuple[str, ...], since: Millis) -> list[Reply]:
    """Every reply to a sender of ours since then, oldest first: a START after a STOP must stay after it.

    Raises Unavailable: half a list would be taken for all of it.
    """
    found: dict[str, Reply] = {}
    for query in _queries(senders, since):
        for one in _pages(line, path, query):
            reply = _reply(one)
            if reply is not None and reply.at >= since:
                found[reply.event] = reply
    return sorted(found.values(), key=lambda reply: (reply.at, reply.event))


def _queries(senders: tuple[str, ...], since: Millis) -> Iterator[dict[str, str]]:
    """By number; the numbers of a messaging service are the provider's to know: then by day alone, `DateSent>=`."""
    day = datetime.fromtimestamp((since - DAY) / 1000, UTC).strftime("%Y-%m-%d")  # the API knows whole days, in GMT
    query = {"DateSent>": day, "PageSize": _PAGE}
    if any(map(is_service, senders)):
        yield query
    else:
        yield from ({"To": sender, **query} for sender in senders)


def _pages(line: Line, path: str, query: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    answer: Answer = line.get(path, query)
    for _ in range(_MOST_PAGES):
        yield from listed(answer)
        target = answer.told.get("next_page_uri")
        if not target:
            return
        answer = line.follow(str(target))
    raise Unavailable("hearing again: the list is too long")


def _reply(one: Mapping[str, Any]) -> Reply | None:
    """A listed message as its webhook would have told it; None for what we sent, or what tells no time."""
    at = millis(one.get("date_sent")) or millis(one.get("date_created"))
    if at is None or not str(one.get("direction", "")).startswith("inbound"):
        return None
    told = {"MessageSid": one.get("sid"), "From": one.get("from"), "To": one.get("to"), "Body": one.get("body")}
    return reply_of({key: str(value) for key, value in told.items() if value is not None}, at)
