"""What a SIU says about an appointment: its identity, its start and its length (conformance 1.19)."""

from __future__ import annotations

from gateway.er7.reader import NULL
from gateway.mapping.computed import Gives, computed
from gateway.mapping.identifiers import authority_of
from gateway.mapping.scope import Scope
from gateway.model.event import SERIES
from gateway.model.facts import FactType
from gateway.model.party import CLEARED, Cleared
from gateway.model.when import When

# Statuses that the trigger event alone decides: the appointment will not take place (SI-25).
TERMINAL = frozenset({"cancelled", "entered-in-error", "noshow"})

# Where a resource tells how far from the appointment's start it is needed: offset and unit (C10 AIS, AIG, AIL, AIP).
_OFFSETS = {"AIS-4": ("AIS", 5), "AIG-8": ("AIG", 9), "AIL-6": ("AIL", 7), "AIP-6": ("AIP", 7)}
_MINUTES = {"MIN": 1.0, "M": 1.0, "MINUTE": 1.0, "MINUTES": 1.0, "HR": 60.0, "H": 60.0, "HOUR": 60.0, "HOURS": 60.0}
_MINUTES |= {"S": 1 / 60, "SEC": 1 / 60, "D": 1440.0, "DAY": 1440.0, "DAYS": 1440.0}
_NTH = "SCH-3"  # of a recurring appointment


@computed(Gives.KEY)
def appointment_key(scope: Scope, *fields: str, names: tuple[str, ...]) -> str | None:
    """Filler (SCH-2), else placer (SCH-1) entity id with its namespace, and the occurrence number SCH-3 (SI-21).

    A namespace nobody told stays empty: such a number is only unique within its feed, so two feeds never share it.
    """
    for name, field in zip(names, fields, strict=True):
        entity, *namespace = field.split(scope.component, 3)
        told = _number(scope, entity) if name != _NTH else ""
        if told:
            authority = _authority(scope, namespace)
            nth = scope.first(fields[names.index(_NTH)]) if _NTH in names else ""
            which = "filler" if name == "SCH-2" else "placer"
            return f"{which}|{told}|{authority}|{'' if nth == NULL else nth.strip(' ')}"
    return None


@computed(Gives.KEY)
def appointment_parent(scope: Scope, filler: str, placer: str, nth: str) -> str | None:
    """The appointment it is a part of: SCH-24, else SCH-23; `series:` where only SCH-3 tells it is one of several (SI-22)."""
    for which, field in (("filler", filler), ("placer", placer)):
        if (key := _entity(scope, which, field)) is not None:
            return key
    return SERIES if _told(scope, nth) else None


@computed(Gives.KEYS)
def appointment_names(scope: Scope, filler: str, placer: str, nth: str) -> tuple[str, ...]:
    """What parts of an appointment may call it: filler and placer id, and the series where SCH-3 tells no occurrence (SI-22)."""
    every = (_entity(scope, which, field) for which, field in (("filler", filler), ("placer", placer)))
    keys = tuple(key for key in every if key is not None)
    return keys if _told(scope, nth) else (*keys, *(f"{SERIES}{key}" for key in keys))


def _entity(scope: Scope, which: str, field: str) -> str | None:
    entity, *namespace = scope.repetitions(field)[0].split(scope.component, 3)
    told = _number(scope, entity)
    return f"{which}|{told}|{_authority(scope, namespace)}|" if told else None


def _number(scope: Scope, entity: str) -> str:
    """EI.1; one that was cut off is none: others begin alike (P-14)."""
    return "" if scope.is_truncated(entity) else scope.text(entity)


def _told(scope: Scope, nth: str) -> bool:
    told = scope.first(nth)
    return told != NULL and bool(told.strip(" "))


def _authority(scope: Scope, namespace: list[str]) -> str:
    """EI.2, the namespace, else EI.3, the universal id."""
    for part in namespace[:2]:
        if part:
            return authority_of(scope, part)
    return ""


@computed(FactType.DATETIME)
def appointment_start(
    scope: Scope, older: str, newer: str, *resources: str, names: tuple[str, ...]
) -> When | Cleared | None:
    """When it begins: the appointment's own start, by version, else a resource's start less its offset (SI-23).

    The first two paths are the appointment's own (SCH-11.4 up to v2.6, TQ1-7 from v2.7 on); the version only
    orders them, because senders mix (X-04). A disagreement warns and the own start wins. A time that daylight
    saving skips makes the start uncertain (T-06), and so does one that cannot be read: what was told before may
    be outdated by it (T-08).
    """
    told = _by_version(scope, older, newer)
    if not told:
        return _by_resource(scope, names[2:], resources)
    if told == NULL:
        return CLEARED
    when = _checked(scope, told)
    if when is not None:
        starts = (older, newer, *resources)
        for raw in starts:
            if raw and raw != told:  # usually all are the same text
                _compare(scope, when, names, starts)
                break
    return when


@computed(FactType.DATETIME)
def appointment_end(scope: Scope, older: str, newer: str) -> When | Cleared | None:
    """When it ends, told where its start is: SCH-11.5 up to v2.6, TQ1-8 from v2.7 on; else by the other (SI-23)."""
    told = _by_version(scope, older, newer)
    if scope.first(told) == NULL:
        return CLEARED
    when = scope.when(told)
    if when is None:
        scope.warn(102, "SCH", 11, "the end is not a date and time")
    return when


@computed(FactType.INTEGER)
def minutes(scope: Scope, length: str, unit: str, *others: str) -> int | Cleared | None:
    """Length in whole minutes: pairs of a number and its unit, the first told counts; no unit is minutes (SI-29)."""
    if length == NULL:
        return CLEARED
    if length:
        return _minutes(scope, length, unit)
    return minutes(scope, *others[:2], *others[2:]) if len(others) > 1 else None


def _minutes(scope: Scope, length: str, unit: str) -> int | None:
    factor = _MINUTES.get(scope.first(unit).strip(" ").upper()) if unit and unit != NULL else 1.0
    told = scope.first(length).strip(" ")
    if factor is None or not told.replace(".", "", 1).isdecimal() or len(told) > 8:
        scope.warn(102, "SCH", 9, "the duration is not a number of a known unit")
        return None
    return round(float(told) * factor)


def _by_version(scope: Scope, older: str, newer: str) -> str:
    """The text of the field that the message's version keeps it in, else of the other: senders mix (X-04)."""
    return (newer or older) if scope.message.header.version >= "2.7" else (older or newer)


def _by_resource(scope: Scope, names: tuple[str, ...], starts: tuple[str, ...]) -> When | Cleared | None:
    for name, raw in zip(names, starts, strict=True):
        if raw and scope.first(raw) != NULL:
            when = _checked(scope, raw)
            return when and When(when.utc - _offset(scope, name), when.zone, when.precision)
    return None


def _checked(scope: Scope, raw: str) -> When | None:
    when = scope.when(raw)
    if when is None:
        scope.warn(102, "SCH", 11, "the start is not a date and time")
    scope.time_uncertain = when is None or scope.is_gap(raw)
    return when


def _compare(scope: Scope, own: When, names: tuple[str, ...], starts: tuple[str, ...]) -> None:
    for name, raw in zip(names, starts, strict=True):
        other = scope.when(raw) if raw else None
        if other is not None and own.utc not in (other.utc, other.utc - _offset(scope, name)):
            scope.warn(199, "SCH", 11, f"{name} tells another start; the appointment's own is used")
            return


def _offset(scope: Scope, name: str) -> int:
    """Milliseconds from the appointment's start to the resource's, signed; 0 when not told (C10 AIS-5, AIS-6)."""
    segment, field = _OFFSETS.get(name, ("", 0))
    fields = scope.message.first(segment)
    told = scope.first(fields[field]).strip(" ") if 0 < field < len(fields) else ""
    unit = scope.first(fields[field + 1]).strip(" ").upper() if field + 1 < len(fields) else ""
    if not told.lstrip("+-").isdecimal() or len(told) > 8:
        return 0
    return round(int(told) * _MINUTES.get(unit or "MIN", 0.0) * 60_000)
