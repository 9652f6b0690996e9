"""Contact points from XTN: a fax, a pager or somebody else's line is kept but never written to (PI-05 to PI-10)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from gateway.er7.bounds import CACHED, MOST_REPETITIONS
from gateway.er7.dtm import parse_dtm
from gateway.er7.escape import has_local, unescape
from gateway.er7.reader import NULL
from gateway.er7.separators import Separators, separators_of
from gateway.mapping.codes import CodeTable
from gateway.mapping.computed import Gives, computed
from gateway.mapping.scope import Scope
from gateway.mapping.telephone import e164, without_extension
from gateway.model.party import CLEARED, Cleared, ContactPoint, ContactSystem, ContactUse
from gateway.model.when import Millis

_USES = {
    "home": ContactUse.HOME,
    "work": ContactUse.WORK,
    "temporary": ContactUse.TEMP,
    "personal": ContactUse.MOBILE,
}
_UNDERSTOOD = frozenset({*_USES, "phone", "mobile", "email"})
_EMAIL = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x20\x7f]+@(?:[\w-]+\.)+[\w-]{2,}")
_UNRANKED = 99
_COMPONENTS = 18
_LONGEST = 320  # characters of an address we keep

Told = tuple[tuple[str, tuple[ContactPoint, ...] | Cleared], ...]


class Dialect(NamedTuple):
    """What else the meaning of an XTN depends on; hashable, for the cache."""

    separators: Separators
    codec: str
    region: str
    zone: str


@computed(Gives.TELECOM)
def telecom(scope: Scope, *fields: str, codes: CodeTable, names: tuple[str, ...]) -> Told:
    """Per field that is told, its whole new set of contact points (PID-13, PID-14, PID-40; PI-05, N-02, N-03)."""
    told: list[tuple[str, tuple[ContactPoint, ...] | Cleared]] = []
    for name, field in zip(names, fields, strict=True):
        if field:
            told.append((name, CLEARED if field == NULL else _points(scope, codes, field, name)))
    return tuple(told)


def _points(scope: Scope, table: CodeTable, field: str, name: str) -> tuple[ContactPoint, ...]:
    message = scope.message
    fields, feed = message.header.fields, scope.feed
    read = _cached if len(field) <= CACHED else _cached.__wrapped__
    if len(field) > CACHED and scope.repetition and field.count(scope.repetition) >= MOST_REPETITIONS:
        scope.warn(198, name[:3], int(name[4:]), "only the first of so many contact points are read")
        field = scope.repetition.join(field.split(scope.repetition, MOST_REPETITIONS)[:MOST_REPETITIONS])
    points = read(field, name, fields[1], fields[2], message.codec, feed.default_region, scope.zone, table)
    for point in points:
        if point.valid_until is not None and point.valid_until <= scope.moment:
            return tuple(one for one in points if one.valid_until is None or scope.moment < one.valid_until)  # PI-09
    return points


@lru_cache(maxsize=8192)
def _cached(
    field: str, name: str, separator: str, encoding: str, codec: str, region: str, zone: str, table: CodeTable
) -> tuple[ContactPoint, ...]:
    """All points of one field. A feed says the same of the same person again and again, with every message."""
    separators = separators_of(separator, encoding)
    dialect = Dialect(separators, codec, region, zone)
    use = ContactUse.WORK if name == "PID-14" else ContactUse.HOME  # XTN.2 empty (PI-10)
    repetitions = field.split(separators.repetition) if separators.repetition else [field]
    points: dict[tuple[str, str], ContactPoint] = {}
    for repetition in repetitions:
        for point in xtn(repetition, dialect, use, table):
            points.setdefault((point.system.value, point.value), point)  # told twice is told once
    return tuple(points.values())


def xtn(repetition: str, dialect: Dialect, use: ContactUse, table: CodeTable) -> list[ContactPoint]:
    """The contact points of one XTN: none, a number, an address, or both (C2A XTN; PI-06 to PI-10).

    `table` gives our words for XTN.2 (table 0201) and XTN.3 (0202); a code it does not know is never written to.
    """
    parts = _parts(repetition, dialect)
    if parts[15]:  # a reason for expiry (table 0868): it has expired (PI-09)
        return []
    words = [word for raw in parts[2:4] if raw and (word := table.word(raw, dialect.separators)) is not None]
    kind = _Kind(
        dead=not _UNDERSTOOD.issuperset(words),
        mobile="mobile" in words,
        use=next((_USES[word] for word in words if word in _USES), use),
        rank=_rank(parts[18]),
        since=_instant(parts[13], dialect.zone),
        until=_instant(parts[14], dialect.zone),
    )
    address = parts[4] or (parts[1] if "email" in words else "")
    found = [_address(address, kind)] if address else []
    if "email" not in words:
        found += _number(parts, dialect.region, kind)
    return found


class _Kind(NamedTuple):
    """What holds for the number and the address of one XTN alike."""

    dead: bool
    mobile: bool
    use: ContactUse
    rank: int
    since: Millis | None
    until: Millis | None

    def point(self, system: ContactSystem, value: str) -> ContactPoint:
        return ContactPoint(
            system=system, value=value, use=self.use, rank=self.rank, valid_from=self.since, valid_until=self.until
        )


def _parts(repetition: str, dialect: Dialect) -> list[str]:
    """The components as text, counted from 1 and 18 at least; `""` reads as absent (N-03)."""
    separators = dialect.separators
    parts = ["", *repetition.split(separators.component)]
    parts += [""] * (_COMPONENTS + 1 - len(parts))
    if separators.escape and separators.escape in repetition:
        parts = [_plain(part, dialect) for part in parts]
    if NULL in parts or " " in repetition:
        parts = ["" if part == NULL else part.strip(" ") for part in parts]
    return parts


def _plain(part: str, dialect: Dialect) -> str:
    """A local sequence has digits of its own, which are nobody's number (P-11)."""
    return "" if has_local(part, dialect.separators) else unescape(part, dialect.separators, dialect.codec)


def is_email(address: str) -> bool:
    """Whether it is an address that mail can be sent to (RFC 5321 §4.5.3.1)."""
    return len(address) <= 254 and _EMAIL.fullmatch(address) is not None


def addressed(system: object, value: str, region: str, *, mobile: bool) -> tuple[ContactSystem, str]:
    """What an address of a FHIR system word is and how it is written; OTHER is kept and never written to (PI-06, PI-08)."""
    if len(value) > _LONGEST:
        return ContactSystem.OTHER, value[:_LONGEST]
    if system == "email":
        return (ContactSystem.EMAIL if is_email(value) else ContactSystem.OTHER), value
    if system not in ("phone", "sms"):
        return ContactSystem.OTHER, value
    told, extension = without_extension(value.removeprefix("tel:"))
    number = e164(told, region)
    if number is None:
        return ContactSystem.OTHER, value
    texts = (system == "sms" or mobile) and not extension
    return (ContactSystem.SMS if texts else ContactSystem.PHONE), number


def _address(address: str, kind: _Kind) -> ContactPoint:
    usable = not kind.dead and is_email(address)
    return kind.point(ContactSystem.EMAIL if usable else ContactSystem.OTHER, address)


def _number(parts: list[str], region: str, kind: _Kind) -> list[ContactPoint]:
    told, extension = _told(parts)
    if not told:
        return []
    number = None if kind.dead else e164(told, region)
    if number is None:
        return [kind.point(ContactSystem.OTHER, told)]  # kept, never dialled (PI-08)
    # Only a mobile takes a text message (PI-06), and nothing behind a switchboard does.
    return [kind.point(ContactSystem.SMS if kind.mobile and not extension else ContactSystem.PHONE, number)]


def _told(parts: list[str]) -> tuple[str, bool]:
    """The number, best told first: .5 to .8, .12 unformatted, .1 formatted (PI-08); and whether it has an extension."""
    if parts[7]:
        country = f"+{parts[5].lstrip('+')} " if parts[5] else ""
        return f"{country}{parts[6]}{parts[7]}", bool(parts[8])
    number, extension = without_extension(parts[12] or parts[1])
    return number, extension or bool(parts[8])


def _rank(text: str) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 4 else _UNRANKED  # XTN.18


def _instant(text: str, zone: str) -> Millis | None:
    when = parse_dtm(text, zone=zone) if text else None
    return None if when is None else when.utc
