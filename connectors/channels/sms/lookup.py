"""What became of a text nobody answered for: found once at the provider, provably never there, or still unknown (SM-07).

The provider's API knows no tag of ours, so a message is recognised by its number, its sender, its time and its words.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from connectors.channels.sms.exchange import Answer, Line
from connectors.channels.sms.options import is_service
from gateway.model.errors import Unavailable
from gateway.model.when import MINUTE, Millis, to_millis
from gateway.ports import Handover

_SID = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_CLOCKS_DIFFER: Millis = 5 * MINUTE
_MOST_PAGES = 5
_PAGE = "200"
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """By what a message is known again; `words` is a digest of its text."""

    to: str = field(repr=False)
    sender: str
    words: bytes = field(repr=False)


def words_of(text: str) -> bytes:
    """SHA-256 of a text as a provider stores it: blanks around it may be gone."""
    return hashlib.sha256(text.strip().encode()).digest()


def sid_of(told: Mapping[str, Any]) -> str | None:
    """The provider's id of a message, if it looks like one."""
    sid = told.get("sid")
    return sid if isinstance(sid, str) and _SID(sid) else None


class Memory:
    """What this process knows of its attempts; bounded, thread-safe, gone with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost: OrderedDict[int, Sent] = OrderedDict()
        self._ids: OrderedDict[int, str] = OrderedDict()
        self._owners: OrderedDict[str, int] = OrderedDict()

    def lost(self, communication: int, sent: Sent) -> None:
        """Nobody answered for this one."""
        with self._lock:
            _put(self._lost, communication, sent)

    def known(self, communication: int, sid: str) -> None:
        """The provider has it under this id: it answered so, or called back."""
        with self._lock:
            _put(self._ids, communication, sid)
            _put(self._owners, sid, communication)
            self._lost.pop(communication, None)

    def id_of(self, communication: int) -> str | None:
        """The provider's id of an attempt."""
        with self._lock:
            return self._ids.get(communication)

    def sent(self, communication: int) -> Sent | None:
        """By what a lost attempt is known again."""
        with self._lock:
            return self._lost.get(communication)

    def anothers(self, sid: str, communication: int) -> bool:
        """Whether the provider's id belongs to another attempt of ours."""
        with self._lock:
            return self._owners.get(sid, communication) != communication


def _put(into: OrderedDict[Any, Any], key: object, value: object) -> None:
    into[key] = value
    into.move_to_end(key)
    if len(into) > _REMEMBERED:
        into.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A question to the provider about one attempt made at `since`; `settle` Millis later its list is complete."""

    line: Line
    path: str
    memory: Memory
    settle: Millis

    def find(self, communication: int, sent: Sent, *, since: Millis, now: Millis) -> Handover | None:
        """The hand-over when exactly one message is it; None when there is none that could be. Raises Unavailable.

        A message to the same number at that time with other words, or with its words removed, may be ours
        rewritten: then nothing is proven, and a person looks.
        """
        until = since + self.settle
        near = [
            one
            for one in self._listed(sent.to)
            if _could_be(one, sent, since - _CLOCKS_DIFFER, until)
            and not self.memory.anothers(str(one.get("sid")), communication)
        ]
        same = [one for one in near if words_of(str(one.get("body") or "")) == sent.words]
        if len(same) == 1 and (sid := sid_of(same[0])) is not None:
            self.memory.known(communication, sid)
            return Handover(provider_id=sid)
        if not near and now >= until:
            return None
        raise Unavailable("looking up: still unknown")

    def _listed(self, to: str) -> Iterator[Mapping[str, Any]]:
        """All messages to a number. By date the API filters what was sent, and ours may wait unsent."""
        answer = self.line.get(self.path, {"To": to, "PageSize": _PAGE})
        for _ in range(_MOST_PAGES):
            yield from listed(answer)
            target = answer.told.get("next_page_uri")
            if not target:
                return
            answer = self.line.follow(str(target))
        raise Unavailable("looking up: the list is too long")


def listed(answer: Answer) -> list[Mapping[str, Any]]:
    """The messages of one page. Raises Unavailable for an answer that is none."""
    found = answer.told.get("messages")
    if answer.status != 200 or not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Unavailable(f"looking up: answered {answer.status}")
    return found


def _could_be(one: Mapping[str, Any], sent: Sent, since: Millis, until: Millis) -> bool:
    """Whether a listed message may be the attempt; what it does not tell speaks for it."""
    if one.get("to") != sent.to or str(one.get("direction", "")).startswith("inbound"):
        return False
    told = one.get("messaging_service_sid") if is_service(sent.sender) else one.get("from")
    if told and told != sent.sender:
        return False
    at = millis(one.get("date_created"))
    return at is None or since <= at <= until


def millis(text: object) -> Millis | None:
    """Millis of an RFC 2822 date; None for anything else."""
    try:
        at = parsedate_to_datetime(str(text))
    except ValueError:
        return None
    return None if at.tzinfo is None else to_millis(at)
