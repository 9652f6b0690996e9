"""What the feed says, as HL7 v2 bytes: visits booked, moved and cancelled, people told of, merged and dead."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from gateway.model.when import Millis, to_datetime
from tests.scenarios.site import AUTHORITY, ZONE


@dataclass(slots=True, kw_only=True)
class Person:
    """One patient as the feed knows them now; `guardian`: who receives in a child's stead."""

    mrn: str
    phone: str
    email: str
    born: str = "19700101"
    dead: bool = False
    guardian: str | None = None
    phones: list[str] = field(default_factory=list)

    def pid(self) -> str:
        """PID, a snapshot of everything known."""
        cell = f"^PRN^CP^^1^{self.phone[:3]}^{self.phone[3:]}" if self.phone else ""
        mail = f"^NET^Internet^{self.email}" if self.email else ""
        told = ["PID", "1", "", f"{self.mrn}^^^{AUTHORITY}^MR", "", f"F{self.mrn}^G{self.mrn}", "", self.born, "F"]
        told += ["", "", "1 Lake St^^Chicago^IL^60601^USA^H", "", "~".join(filter(None, (cell, mail)))]
        told += [""] * 16 + ["Y" if self.dead else "N"]
        return "|".join(told)


def stamp(at: Millis) -> str:
    """A DTM with the clinic's offset."""
    return to_datetime(at, ZONE).strftime("%Y%m%d%H%M%S%z")


def _msh(kind: str, control: str, at: Millis) -> str:
    return f"MSH|^~\\&|EHR|LAKESIDE|CAREGATE|LAKESIDE|{stamp(at)}||{kind}|{control}|P|2.5.1"


def _body(*segments: str) -> bytes:
    return ("\r".join(segments) + "\r").encode()


def visit(trigger: str, person: Person, *, control: str, at: Millis, name: str, start: datetime) -> bytes:
    """SIU^S12 (booked), S13 (moved) or S15 (cancelled)."""
    status = "Cancelled" if trigger == "S15" else "Booked"
    return _body(
        _msh(f"SIU^{trigger}^SIU_S12", control, at),
        f"SCH|{name}^PLACER|{name}^SCHED|||||||||^^30^{start:%Y%m%d%H%M%S}||||||||||||||{status}",
        person.pid(), "PV1|1|O|MAIN", "RGS|1|A", "AIS|1|A|PCP^^L", "AIL|1|A|MAIN",
    )  # fmt: skip


def told(trigger: str, person: Person, *, control: str, at: Millis, loser: str | None = None) -> bytes:
    """ADT^A28 or A31 about a person, or A40 by which `loser`'s number dies into theirs."""
    more = [] if loser is None else [f"MRG|{loser}^^^{AUTHORITY}^MR"]
    return _body(_msh(f"ADT^{trigger}", control, at), f"EVN|{trigger}|{stamp(at)}", person.pid(), *more)
