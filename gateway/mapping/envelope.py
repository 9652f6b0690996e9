"""What MSH alone decides: whether the message is for us to read, to ignore or to refuse (A-02, A-06, A-17, E-08)."""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.er7.reader import NULL
from gateway.er7.tables import PROCESSING, VERSIONS, Standing, standing
from gateway.mapping.scope import warning
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Place

ACKNOWLEDGEMENT = "an acknowledgement is never acknowledged"  # A-17; `Reading.ignored` of MSA-bearing messages

_LOCAL_SUFFIX = re.compile(r"(2\.\d(?:\.\d)?)\.[A-Za-z0-9]{1,8}")


@lru_cache(maxsize=4096)
def first_of(raw: str, encoding: str) -> str:
    """First component of the first repetition of a raw coded field of MSH; `encoding` is MSH-2."""
    for separator in (*encoding[1:2], encoding[0]):
        raw = raw.split(separator, 1)[0]
    return "" if raw == NULL else raw.strip(" ")


@lru_cache(maxsize=1024)
def type_of(raw: str, encoding: str) -> str:
    """MSH-9.1 and MSH-9.2 of raw MSH-9 as "ADT^A01", whatever the separators; EVN-1 has no say (AD-37).

    `encoding` is MSH-2.
    """
    for repetition in encoding[1:2]:
        raw = raw.split(repetition, 1)[0]
    told = [part.strip(" ") for part in raw.split(encoding[0])[:2]]
    return "^".join(part for part in told if part and part != NULL)


def check_type(type_: str) -> None:
    """Raises Unreadable: AR 200 or 201 for a type no version of the standard has; AE 101 when MSH-9 is empty."""
    code, _, trigger = type_.partition("^")
    if not code:
        raise Unreadable(_at(101, 9, "the message type is missing"), AckCode.AE)
    found = standing(code, trigger)
    if found is Standing.UNKNOWN_TYPE:
        raise Unreadable(_at(200, 9, "the message type is not in table 0076"), AckCode.AR)
    if found is Standing.UNKNOWN_EVENT:
        raise Unreadable(_at(201, 9, "the trigger event is not in table 0003"), AckCode.AR)


@lru_cache(maxsize=1024)
def check_header(raw_processing: str, raw_version: str, encoding: str) -> tuple[Fault, ...]:
    """Warnings about raw MSH-11 and MSH-12; raises Unreadable AR 202 or AR 203 when they are not acceptable.

    An empty processing id is understood, but is never production. A version with a local suffix, such as
    2.3.z, is the published one (X-04); an empty one is advisory and only warned of.
    """
    processing, version, found = first_of(raw_processing, encoding), first_of(raw_version, encoding), []
    if processing not in PROCESSING:
        if processing:
            raise Unreadable(_at(202, 11, "the processing id is not in table 0103"), AckCode.AR)
        found.append(warning(101, "MSH", 11, "no processing id: not treated as production"))
    if version not in VERSIONS:
        found.append(_version(version))
    return tuple(found)


def check_control_id(control_id: str) -> None:
    """Raises Unreadable (AE 101 at MSH-10) when the message cannot be told from another (D-05)."""
    if not control_id:
        raise Unreadable(_at(101, 10, "the message control id is missing"), AckCode.AE)


def _version(version: str) -> Fault:
    if not version:
        return warning(101, "MSH", 12, "no version id: read by field position")
    match = _LOCAL_SUFFIX.fullmatch(version)
    if match is None or match[1] not in VERSIONS:
        raise Unreadable(_at(203, 12, "the version is not in table 0104"), AckCode.AR)
    return warning(203, "MSH", 12, "a local variant of a published version")


def _at(code: int, field: int, rule: str) -> Fault:
    return Fault(code=code, rule=rule, place=Place("MSH", 1, field))
