"""Whom a row is about, and how they are reached: by numbers alone, for addresses are shared and identify nobody (SN-05)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from gateway.mapping.tables.family import RowFamily
from gateway.mapping.tables.schema import ContactSlot
from gateway.mapping.tables.values import Sheet, text_of
from gateway.mapping.telecom import addressed, is_email
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Person, Place, Told
from gateway.model.party import ContactPoint, ContactUse, Demographics, Identifier

_TELEPHONE = re.compile(r"\+[0-9 ()./-]{7,30}")
_LONGEST = 200  # characters of a number that anybody is known by
_SYSTEMS: Mapping[ContactSlot | str, tuple[str, ContactUse]] = {
    "email": ("email", ContactUse.HOME),
    "phone": ("phone", ContactUse.HOME),
    "mobile": ("sms", ContactUse.MOBILE),
}
_READING = 1
"""Raised whenever this version reads the same contact differently than the one before."""


class People:
    """How the person of a row is read; made once per mapping."""

    def __init__(self, family: RowFamily) -> None:
        self._family = family
        self._contact = tuple(family.contact.items())

    def identifiers(self, sheet: Sheet) -> tuple[Identifier, ...]:
        """The numbers told, all of one person. Raises Unreadable (AE 101) for a row without any."""
        found = tuple(self._identifiers(sheet))
        if not found:
            where = Place(self._family.identity[0].column)
            raise Unreadable(Fault(code=101, rule="the row says nobody's number", place=where), AckCode.AE)
        return found

    def _identifiers(self, sheet: Sheet) -> Iterator[Identifier]:
        for one in self._family.identity:
            told = sheet.row.get(one.column)
            if told is None:
                continue
            value = text_of(told)
            if is_email(value) or _TELEPHONE.fullmatch(value):
                sheet.warn(102, one.column, "an address or telephone number identifies nobody")
            elif len(value) > _LONGEST:
                sheet.warn(102, one.column, "the number is too long to be anybody's")
            else:
                yield Identifier(one.authority or sheet.feed.default_authority, one.type, value)

    def person(self, sheet: Sheet) -> Person:
        """How the person is reached, as far as it is told; nothing else is believed of a row."""
        told = [(slot, text_of(cell)) for slot, column in self._contact if (cell := sheet.row.get(column)) is not None]
        if not told:
            return NOBODY
        region = sheet.feed.default_region
        key = repr((_READING, self._family.name, region, told)).encode()
        return Person(key, b"", lambda: Told(self._demographics(told, region), {}))

    def _demographics(self, told: list[tuple[str, str]], region: str) -> Demographics:
        """Each slot is a field of its own, so that it takes nothing from the record nor from another slot (N-03)."""
        return Demographics(
            telecom=tuple((f"{self._family.name}.{slot}", (_point(slot, value, region),)) for slot, value in told)
        )


NOBODY = Person(b"", b"", lambda: Told(Demographics(), {}))
"""Somebody of whom a row tells nothing."""


def _point(slot: str, value: str, region: str) -> ContactPoint:
    system, use = _SYSTEMS[slot]
    found, address = addressed(system, value, region, mobile=slot == "mobile")
    return ContactPoint(system=found, value=address, use=use)


def is_production(sheet: Sheet, identifiers: tuple[Identifier, ...]) -> bool:
    """Whether this may ever reach a patient: not a known test patient (X-05)."""
    tests = sheet.feed.test_identifiers
    return not any(one.value in tests or f"{one.system}|{one.value}" in tests for one in identifiers)
