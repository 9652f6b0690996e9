"""When a message happened and when it was written down: an older update must never pass for a newer one, nor the reverse (N-06)."""

from __future__ import annotations

from gateway.er7.dtm import parse_dtm
from gateway.er7.reader import NULL, Message
from gateway.mapping.events import Moments
from gateway.mapping.scope import warning
from gateway.model.event import Fault
from gateway.model.when import DAY, HOUR, MINUTE, Millis, Precision, When

_RECORDED, _OCCURRED = 2, 6  # EVN
_SECOND = Precision.SECOND
# How long the period is that a less exact time stands for; the longest where they differ.
_LENGTHS = {
    Precision.YEAR: 366 * DAY,
    Precision.MONTH: 31 * DAY,
    Precision.DAY: DAY,
    Precision.HOUR: HOUR,
    Precision.MINUTE: MINUTE,
}


def moments_of(message: Message, sent: str, zone: str, received: Millis) -> tuple[Moments, list[Fault]]:
    """When it happened (EVN-6, EVN-2, MSH-7; AD-36) and when it was recorded (EVN-2, MSH-7; N-06), with warnings.

    `sent` is MSH-7, `zone` that of times without an offset; `received` counts where the message tells no time.
    """
    fields = message.first("EVN")
    told = _told(message, fields, _RECORDED, zone) if fields else None
    earlier = _told(message, fields, _OCCURRED, zone) if fields else None
    faults: list[Fault] = []
    if told is not None:
        began, recorded = told.utc, _recorded(told, sent, zone)
    else:
        when = parse_dtm(sent, zone=zone)
        if when is None:
            faults.append(warning(101, "MSH", 7, "the message does not tell its time: the time of receipt is used"))
        began = recorded = received if when is None else when.utc
    return Moments(occurred=began if earlier is None else earlier.utc, recorded=recorded), faults


def _told(message: Message, fields: list[str], number: int, zone: str) -> When | None:
    raw = fields[number] if number < len(fields) else ""
    if not raw or raw == NULL:
        return None
    return parse_dtm(raw.split(message.separators.component, 1)[0], zone=zone)


def _recorded(told: When, sent: str, zone: str) -> Millis:
    """EVN-2; one told to the day, hour or minute is as late within that as MSH-7 lets it be (T-01).

    Taken for its start, a day would make a new address look older than whatever else was told that day.
    """
    if told.precision is _SECOND:
        return told.utc
    when = parse_dtm(sent, zone=zone)
    return told.utc if when is None else max(told.utc, min(when.utc, told.utc + _LENGTHS[told.precision] - 1))
