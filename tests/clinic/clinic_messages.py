"""HL7 v2 messages built from words: our own, field by field, so that a scenario changes exactly what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from clinic_people import Person

from gateway.model.when import Millis, to_datetime

ZONE = "America/Chicago"
AUTHORITY = "LAKESIDE"
Fields = Mapping[int, str]


def segment(name: str, fields: Fields) -> str:
    """A segment with the given fields; those between are empty. MSH counts its separator as MSH-1."""
    last = max(fields, default=0)
    first = 1
    if name == "MSH":
        name, first = "MSH|^~\\&", 3
    return "|".join([name, *(fields.get(number, "") for number in range(first, last + 1))])


def body(*segments: str) -> bytes:
    """Segments as the bytes of one message."""
    return ("\r".join(segments) + "\r").encode()


def stamp(at: Millis) -> str:
    """A DTM with the clinic's offset, to the second."""
    return to_datetime(at, ZONE).strftime("%Y%m%d%H%M%S%z")


def local(text: str) -> str:
    """A wall time such as 2026-03-20 09:30 as a DTM without an offset; a bare date stays one."""
    if len(text) == 10:
        return text.replace("-", "")
    return datetime.fromisoformat(text).strftime("%Y%m%d%H%M%S")


def msh(kind: str, control: str, at: Millis, changes: Fields | None = None) -> str:
    """MSH-9 is `kind` ("ADT^A01"), MSH-10 `control`; production, version 2.5.1."""
    fields = {
        3: "EHR",
        4: "LAKESIDE",
        5: "CAREGATE",
        6: "LAKESIDE",
        7: stamp(at),
        9: kind,
        10: control,
        11: "P",
        12: "2.5.1",
    }
    return segment("MSH", {**fields, **(changes or {})})


def pid(person: Person, changes: Fields | None = None) -> str:
    """Everything the feed knows of the person, as a snapshot."""
    phone = f"^PRN^PH^^1^{person.phone[:3]}^{person.phone[3:]}"
    mail = f"~^NET^Internet^{person.email}" if person.email else ""
    fields = {
        1: "1",
        3: f"{person.mrn}^^^{AUTHORITY}^MR~{person.ssn}^^^USA^SS",
        5: f"{person.family}^{person.given}",
        7: person.born.strftime("%Y%m%d") if person.born else "",
        8: "F",
        11: f"{person.street}^^{person.city}^{person.state}^{person.postal}^USA^H",
        13: phone + mail,
        15: person.language,
        19: person.ssn,
    }
    return segment("PID", {**fields, **person.pid, **(changes or {})})


def siu(
    trigger: str,
    people: Sequence[str],
    *,
    control: str,
    at: Millis,
    appointment: str,
    start: str,
    status: str,
    service: str,
    place: str,
    msh_: Fields | None = None,
    sch: Fields | None = None,
    extra: Sequence[str] = (),
) -> bytes:
    """A scheduling message; `people` are PID segments, each followed by a PV1 of its own."""
    kind = f"SIU^{trigger}^SIU_S12"
    told = {1: f"{appointment}^PLACER", 2: f"{appointment}^SCHED", 11: f"^^30^{start}", 25: status}
    groups = [part for one in people for part in (one if "\r" in one else f"{one}\rPV1|1|O|{place}").split("\r")]
    resources = ["RGS|1|A", f"AIS|1|A|{service}^^L", f"AIL|1|A|{place}"]
    return body(msh(kind, control, at, msh_), segment("SCH", {**told, **(sch or {})}), *groups, *resources, *extra)


def adt(
    trigger: str,
    person: str,
    *,
    control: str,
    at: Millis,
    pv1: Fields | None = None,
    pd1: Fields | None = None,
    msh_: Fields | None = None,
    evn: Fields | None = None,
    before_visit: Sequence[str] = (),
    extra: Sequence[str] = (),
) -> bytes:
    """An admission, discharge or person message; without `pv1` there is no visit in it."""
    parts = [
        msh(f"ADT^{trigger}", control, at, msh_),
        segment("EVN", {1: trigger, 2: stamp(at), **(evn or {})}),
        person,
    ]
    if pd1:
        parts.append(segment("PD1", pd1))
    parts += before_visit
    if pv1:
        parts.append(segment("PV1", {1: "1", **pv1}))
    return body(*parts, *extra)
