"""What a mapped value may be computed from: one PATIENT group, its feed and its clock; nothing outlives the message."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from gateway.er7.dtm import dtm_gap, offset_zone, parse_dtm
from gateway.er7.escape import has_local
from gateway.er7.reader import NULL, Message
from gateway.mapping.feed import Feed
from gateway.model.event import EventKind, Fault, Place, Severity
from gateway.model.when import Millis, When, to_datetime, zone_of

_REPLACED = "\N{REPLACEMENT CHARACTER}"


class Scope:
    """One PATIENT group while it is mapped.

    `raws` are the fields its plan picked. `zone` holds for every time without an offset (T-02); `moment` is the message's own time, for
    expiry dates; `place` counts the group (1-based). `faults` collects warnings, `time_uncertain` is told
    by a computed start (T-06).
    """

    __slots__ = (
        "_parts",
        "_split",
        "component",
        "faults",
        "feed",
        "kind",
        "message",
        "moment",
        "place",
        "raws",
        "repetition",
        "time_uncertain",
        "zone",
    )

    def __init__(
        self,
        message: Message,
        feed: Feed,
        *,
        kind: EventKind,
        zone: str,
        moment: Millis,
        place: int = 1,
        raws: Sequence[str] = (),
    ) -> None:
        self.message = message
        self.raws = raws
        self.component = message.separators.component
        self.repetition = message.separators.repetition
        self.feed = feed
        self.kind = kind
        self.zone = zone
        self.moment = moment
        self.place = place
        self.faults: list[Fault] = []
        self._split = ""
        self._parts = [""]
        self.time_uncertain: bool | None = None

    def warn(self, code: int, segment: str, field: int, rule: str) -> None:
        """Add a warning (table 0357 code, severity W of table 0516) at a field; `rule` never quotes the value."""
        self.faults.append(warning(code, segment, field, rule, self.place if segment == "PID" else 1))

    def repetitions(self, raw: str) -> list[str]:
        """The repetitions of a raw field, at least one (P-18)."""
        separator = self.repetition
        return raw.split(separator) if separator and separator in raw else [raw]

    def parts(self, repetition: str) -> list[str]:
        """The raw components of one repetition: `parts[0]` is component 1; asked again for the same, the same list."""
        if repetition is not self._split:  # several facts of one field follow one another (name, address)
            self._split = repetition
            self._parts = repetition.split(self.component)
        return self._parts

    def first(self, raw: str) -> str:
        """Raw first component (and subcomponent) of the first repetition (P-17); `""` stays the delete indicator."""
        if raw.isalnum():
            return raw
        raw = self.first_component(raw)
        separator = self.message.separators.subcomponent
        return raw[: raw.index(separator)] if separator and separator in raw else raw

    def first_component(self, raw: str) -> str:
        """Raw first component of the first repetition, its subcomponents kept for `text`."""
        if raw.isalnum():
            return raw
        if self.repetition and self.repetition in raw:
            raw = raw[: raw.index(self.repetition)]
        return raw[: raw.index(self.component)] if self.component in raw else raw

    def text(self, raw: str) -> str:
        """One raw component as text: first subcomponent (P-17), without truncation mark (P-14), un-escaped (P-07).

        Empty also for what is not empty before: `&x`, or a delete indicator in place of a subcomponent.
        """
        if raw.isalnum():  # no delimiter, no escape, no blank: what most names and numbers are
            return raw
        separators = self.message.separators
        if separators.subcomponent and separators.subcomponent in raw:
            raw = raw[: raw.index(separators.subcomponent)]
        if separators.truncation and raw.endswith(separators.truncation):
            self.faults.append(Fault(code=104, rule="a value arrived truncated", severity=Severity.WARNING))
            raw = raw[:-1]
        text = self.message.text(raw).strip(" ")
        return "" if text == NULL else text  # of a subcomponent alone it is no deletion, and never text (N-01)

    def shown(self, raw: str, segment: str = "", field: int = 0) -> str:
        """`text` that a patient may come to read: empty, with a warning (of that field, if told), where not all of it is known.

        It holds a sequence of the sender's own (P-11), or somebody before us lost a character of it (C-03).
        """
        if raw.isalnum():
            return raw
        text = self.text(raw)
        if _REPLACED not in text and not has_local(raw, self.message.separators):
            return text
        rule = "a text with local escape sequences or a replacement character is not used"
        if segment:
            self.warn(102, segment, field, rule)
        else:
            self.faults.append(Fault(code=102, rule=rule, severity=Severity.WARNING))
        return ""

    def is_truncated(self, raw: str) -> bool:
        """Whether the sender says that the value is cut off (P-14): never to be compared."""
        mark = self.message.separators.truncation
        return bool(mark) and raw.endswith(mark)

    def when(self, raw: str) -> When | None:
        """The time a raw DTM tells, in the message's zone; None when absent or invalid (T-08)."""
        return parse_dtm(raw if raw.isdigit() else self.first(raw), zone=self.zone)

    def is_gap(self, raw: str) -> bool:
        """Whether the local time does not exist because clocks were put forward (T-06)."""
        return dtm_gap(raw if raw.isdigit() else self.first(raw), self.zone)


def warning(code: int, segment: str, field: int, rule: str, sequence: int = 1) -> Fault:
    """A fault of severity W at a field: the message is understood all the same (E-07)."""
    return Fault(code=code, rule=rule, place=Place(segment, sequence, field), severity=Severity.WARNING)


def message_zone(sent: str, zone: str) -> str:
    """The zone of times without an offset: MSH-7's offset, else the feed's zone (T-02).

    `sent` is MSH-7. An offset that the feed's zone has at that very moment confirms the zone, which is then
    kept: a July appointment in a January message (`-0500`) is in summer time, as the sender's clinic will be.
    """
    if not sent or sent == NULL:
        return zone
    return _confirmed(sent[:10] + sent[-5:], zone) if sent[-5:-4] in ("+", "-") else zone


@lru_cache(maxsize=1024)
def _confirmed(hour_and_offset: str, zone: str) -> str:
    offset = offset_zone(hour_and_offset)
    when = parse_dtm(hour_and_offset, zone=zone)
    if offset is None or when is None:
        return zone
    same = to_datetime(when.utc, zone).utcoffset() == zone_of(offset).utcoffset(None)
    return zone if same else offset
