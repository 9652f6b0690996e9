"""The demo's made-up week: people who do not exist, and the HL7 v2 messages an EHR would send about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Chicago")


@dataclass(frozen=True)
class Person:
    """Somebody made up. `number`: medical record number; `born`: YYYYMMDD."""

    number: str
    family: str
    given: str
    born: str
    sex: str

    @property
    def email(self) -> str:
        return f"{self.given}.{self.family}@mail.example".lower()


ADA = Person("50001", "Brook", "Ada", "19580314", "F")
BEN = Person("50002", "Castle", "Ben", "19710622", "M")
CORA = Person("50003", "Dune", "Cora", "19850101", "F")
DAN = Person("50004", "Elm", "Dan", "19391130", "M")
EVE = Person("50005", "Frost", "Eve", "20140519", "F")
FINN = Person("50006", "Gale", "Finn", "19920808", "M")
GWEN = Person("50007", "Hale", "Gwen", "19780227", "F")
HAL = Person("50008", "Ivory", "Hal", "19660910", "M")
EVERYBODY = (ADA, BEN, CORA, DAN, EVE, FINN, GWEN, HAL)
CONSENTING = (ADA, BEN, CORA, DAN, EVE, GWEN, HAL)


@dataclass(frozen=True)
class Sent:
    """A message of the feed at a wall time of the clinic."""

    at: datetime
    story: str
    body: bytes


@dataclass(frozen=True)
class Until:
    """Time passes until a wall time; something may come due."""

    at: datetime
    story: str


def wall(day: int, clock: str) -> datetime:
    """A moment of March 2026 at the clinic. Daylight saving begins on the 8th: a day is wall time, not 24 hours."""
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 3, day, hour, minute, tzinfo=ZONE)


def _stamp(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M%S%z")


class Feed:
    """Builds messages and numbers them."""

    def __init__(self) -> None:
        self._count = 0

    def _body(self, at: datetime, kind: str, *segments: str, processing: str = "P") -> bytes:
        self._count += 1
        header = (
            f"MSH|^~\\&|EHR|LAKESIDE|CAREGATE|LAKESIDE|{_stamp(at)}||{kind}|DEMO{self._count:04}|{processing}|2.5.1"
        )
        return "\r".join([header, *segments, ""]).encode()

    def _pid(self, who: Person, died: datetime | None = None) -> str:
        fields = [
            "PID",
            "1",
            "",
            f"{who.number}^^^LAKESIDE^MR",
            "",
            f"{who.family}^{who.given}^^^^^L",
            "",
            who.born,
            who.sex,
        ]
        fields += ["", "", "12 Sample Street^^Chicago^IL^60601^USA^H", "", f"^NET^Internet^{who.email}", "", "en"]
        fields += [""] * 13
        fields += [_stamp(died), "Y"] if died else ["", ""]
        return "|".join(fields)

    def registered(self, at: datetime, who: Person) -> bytes:
        """ADT^A28: a person becomes known."""
        return self._body(at, "ADT^A28^ADT_A05", f"EVN|A28|{_stamp(at)}", self._pid(who), "PV1|1|N")

    def died(self, at: datetime, who: Person) -> bytes:
        """ADT^A31 with PID-29 and PID-30: word of a death reaches the registry."""
        return self._body(
            at, "ADT^A31^ADT_A05", f"EVN|A31|{_stamp(at)}", self._pid(who, at - timedelta(hours=9)), "PV1|1|N"
        )

    def visit(self, at: datetime, trigger: str, who: Person, number: str, disposition: str = "") -> bytes:
        """ADT^A01 and A03: an inpatient stay begins and ends."""
        structure = {"A01": "ADT_A01", "A03": "ADT_A03"}[trigger]
        fields = ["PV1", "1", "I", "HOSP^412^1", *[""] * 6, "MED", *[""] * 8, f"{number}^^^LAKESIDE^VN"]
        fields += [""] * 16 + [disposition] + [""] * 7 + [_stamp(at - timedelta(minutes=20))]
        if trigger == "A03":
            fields.append(_stamp(at))
        return self._body(
            at, f"ADT^{trigger}^{structure}", f"EVN|{trigger}|{_stamp(at)}", self._pid(who), "|".join(fields)
        )

    def appointment(
        self, at: datetime, trigger: str, who: Person, number: str, start: datetime, service: str, place: str,
        *, processing: str = "P",
    ) -> bytes:  # fmt: skip
        """SIU: booked (S12), moved (S13), cancelled (S15), missed (S26)."""
        status = {"S15": "Cancelled", "S26": "Noshow"}.get(trigger, "Booked")
        end = start + timedelta(minutes=30)
        sch = ["SCH", f"{number}^EHR", f"{number}^EHR", *[""] * 3, "ROUTINE", "ROUTINE", "OFFICE", "30", "MIN"]
        sch += [f"^^30^{_stamp(start)}^{_stamp(end)}", *[""] * 13, status]
        return self._body(
            at,
            f"SIU^{trigger}^SIU_S12",
            "|".join(sch),
            self._pid(who),
            "RGS|1|A",
            f"AIS|1|A|{service}|{_stamp(start)}|0|MIN|30|MIN|{status}",
            f"AIL|1|A|{place}|||{_stamp(start)}|0|MIN|30|MIN|{status}",
            processing=processing,
        )

    def account(self, at: datetime, who: Person) -> bytes:
        """BAR^P01: a standard message that nothing here uses."""
        return self._body(at, "BAR^P01^BAR_P01", f"EVN|P01|{_stamp(at)}", self._pid(who), "PV1|1|O")

    def broken(self, at: datetime) -> bytes:
        """An admission whose PID was lost on the way."""
        return self._body(at, "ADT^A01^ADT_A01", f"EVN|A01|{_stamp(at)}", "PV1|1|I|HOSP^412^1")


def registrations(feed: Feed) -> list[tuple[Person, bytes]]:
    """Everybody becomes known on Monday morning."""
    return [(who, feed.registered(wall(2, "09:00"), who)) for who in EVERYBODY]


def week(feed: Feed) -> list[Sent | Until]:
    """What happens from the second to the ninth of March 2026, in order."""
    ada = feed.appointment(wall(2, "09:05"), "S12", ADA, "9001", wall(11, "10:30"), "CARD", "HEART")
    return [
        Sent(wall(2, "09:05"), "Ada books cardiology for Wednesday the 11th, 10:30", ada),
        Sent(wall(2, "09:05"), "the EHR sends the very same message again", ada),
        Sent(wall(2, "09:06"), "Ben books his family doctor for Thursday the 12th, 14:00",
             feed.appointment(wall(2, "09:06"), "S12", BEN, "9002", wall(12, "14:00"), "FM", "MAIN")),
        Sent(wall(2, "09:07"), "Cora books dermatology for Friday the 13th, 08:30",
             feed.appointment(wall(2, "09:07"), "S12", CORA, "9003", wall(13, "08:30"), "DERM", "MAIN")),
        Sent(wall(2, "09:08"), "Dan books orthopedics for Friday the 13th, 11:00",
             feed.appointment(wall(2, "09:08"), "S12", DAN, "9004", wall(13, "11:00"), "ORTHO", "MAIN")),
        Sent(wall(2, "09:09"), "an appointment for Eve, who is eleven, on Tuesday the 10th",
             feed.appointment(wall(2, "09:09"), "S12", EVE, "9005", wall(10, "09:30"), "ENT", "MAIN")),
        Sent(wall(2, "09:10"), "Finn, who wants no e-mail, books for Tuesday the 10th",
             feed.appointment(wall(2, "09:10"), "S12", FINN, "9006", wall(10, "10:00"), "EYE", "MAIN")),
        Sent(wall(2, "09:11"), "Gwen books with behavioral health",
             feed.appointment(wall(2, "09:11"), "S12", GWEN, "9007", wall(12, "09:00"), "BH", "MAIN")),
        Sent(wall(2, "09:12"), "Hal books for tomorrow morning",
             feed.appointment(wall(2, "09:12"), "S12", HAL, "9008", wall(3, "09:00"), "FM", "MAIN")),
        Sent(wall(2, "09:13"), "somebody tries the interface: MSH-11 is T",
             feed.appointment(wall(2, "09:13"), "S12", ADA, "9009", wall(12, "16:00"), "FM", "MAIN", processing="T")),
        Sent(wall(2, "09:14"), "a billing account, which nothing here uses", feed.account(wall(2, "09:14"), CORA)),
        Sent(wall(2, "09:15"), "an admission that lost its PID on the way", feed.broken(wall(2, "09:15"))),
        Sent(wall(3, "07:40"), "Ben is admitted", feed.visit(wall(3, "07:40"), "A01", BEN, "V700")),
        Until(wall(3, "10:00"), "reminders for Eve and Finn come due"),
        Sent(wall(3, "11:00"), "Cora cancels",
             feed.appointment(wall(3, "11:00"), "S15", CORA, "9003", wall(13, "08:30"), "DERM", "MAIN")),
        Sent(wall(3, "21:15"), "the clinic closes its books: Hal did not come",
             feed.appointment(wall(3, "21:15"), "S26", HAL, "9008", wall(3, "09:00"), "FM", "MAIN")),
        Until(wall(4, "10:30"), "a week before Ada's visit"),
        Sent(wall(4, "15:00"), "word comes that Dan has died", feed.died(wall(4, "15:00"), DAN)),
        Until(wall(4, "21:15"), "a day after Hal's missed visit, but it is late in the evening"),
        Until(wall(5, "08:00"), "the next morning"),
        Until(wall(5, "14:00"), "a week before Ben's visit, but he lies in the hospital"),
        Sent(wall(5, "16:00"), "Ada moves her visit to Monday the 16th, 09:00",
             feed.appointment(wall(5, "16:00"), "S13", ADA, "9001", wall(16, "09:00"), "CARD", "HEART")),
        Sent(wall(6, "11:00"), "Ben goes home", feed.visit(wall(6, "11:00"), "A03", BEN, "V700", "01")),
        Until(wall(6, "12:00"), "his reminder is looked at again"),
        Until(wall(8, "12:05"), "two days after Ben came home (and one night an hour shorter)"),
        Until(wall(9, "09:00"), "a week before Ada's new time"),
    ]  # fmt: skip
