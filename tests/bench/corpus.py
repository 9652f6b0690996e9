"""The feed that is played: made-up ADT and SIU messages of v2.5.1 about made-up people, the same for the same seed.

Everybody always says the same of themselves except where a number changes, as in a real feed; appointments lie
ahead; a third of the messages match a shipped rule; a tenth move or cancel an appointment that is known.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

PATIENTS = 100_000
APPOINTMENTS = 20_000
"""Patients 0 to 19,999 have an appointment ahead from before the feed begins …"""
VISITS = 20_000
"""… and the next 20,000 are in hospital."""
NUMBER_CHANGES = 0.03
"""The share of messages that tell a new mobile number."""

_FAMILY = ("Aldous", "Brandvold", "Carmody", "Dressler", "Eastlake", "Fontanez", "Grimaldi", "Hathaway", "Ivarsson",
           "Jurado", "Kowalczyk", "Langstrom", "Mbeki", "Novotny", "Okafor", "Pruitt", "Quintero", "Rasmussen",
           "Soriano", "Tamura", "Underhill", "Vandermeer", "Whitlock", "Yamazaki", "Zielinski")  # fmt: skip
_GIVEN = ("Ada", "Benno", "Carla", "Dario", "Edith", "Farid", "Gloria", "Henrik", "Irma", "Joel", "Kaja", "Lionel",
          "Marta", "Nils", "Olive", "Pavel", "Quinn", "Rosa", "Sven", "Thea", "Ugo", "Vera", "Wanda", "Yusuf")  # fmt: skip
_CITIES = (("Springfield", "IL", "627"), ("Rockford", "IL", "611"), ("Madison", "WI", "537"), ("Gary", "IN", "464"))
_CLINICS = ("MAIN", "NORTH", "LAKE", "HARBOR")
_SERVICES = ("MED", "FM", "CARD", "DERM", "ORTHO", "ENT")
_WARDS = ("4W", "5E", "6N")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One made-up patient, the same in every message about them."""

    number: int
    mrn: str
    family: str
    given: str
    born: str
    home: str
    address: str

    def pid(self, mobile: int | None = None) -> str:
        """The PID segment; `mobile`: the last digits of a new mobile number."""
        last = self.number % 10_000 if mobile is None else mobile % 10_000
        return (
            f"PID|1||{self.mrn}^^^LAKESIDE^MR~9{self.number:08d}^^^USSSA^SS||{self.family}^{self.given}^M^^^^L||"
            f"{self.born}|F||2106-3^White^HL70005|{self.address}||(312)555-{self.number % 10_000:04d}^PRN^PH~"
            f"(773)555-{last:04d}^PRN^CP~^NET^Internet^{self.given}.{self.family}.{self.number}@patients.example||"
            f"en^English^ISO639|M^Married^HL70002||A{self.number:09d}^^^LAKESIDE^AN||||||N||||||N"
        )


def person(number: int) -> Person:
    """The patient of a number, 0 to PATIENTS - 1; all are of age."""
    city, state, postal = _CITIES[number % len(_CITIES)]
    year, month, day = 1935 + number % 68, 1 + number % 12, 1 + number % 28
    return Person(
        number=number,
        mrn=f"{number:08d}",
        family=_FAMILY[number % len(_FAMILY)],
        given=_GIVEN[(number // 25) % len(_GIVEN)],
        born=f"{year}{month:02d}{day:02d}",
        home=city,
        address=f"{1 + number % 9_000} Bench Street^Apt {number % 40}^{city}^{state}^{postal}{number % 100:02d}^USA^H",
    )


class Feed:
    """Makes the messages of one feed, in order.

    `now`: the instant of its first message; a message a millisecond. `day`: the day from which appointments are
    counted, one for all feeds about the same people. `prefix`: of its control ids. `told`: how many messages other
    feeds told before it, so that what it books and admits is new. `ward`: who is in hospital and by which visit, one for
    all feeds of a month that begins with nobody known: then those it admits go home again.
    """

    def __init__(
        self, *, now: datetime, day: date, prefix: str = "B", seed: int = 20, told: int = 0,
        ward: list[tuple[int, int]] | None = None,
    ) -> None:  # fmt: skip
        self._now = now.astimezone(UTC)
        self._day = day
        self._prefix = prefix
        self._random = random.Random(seed)
        self._open = list(range(APPOINTMENTS))
        self._random.shuffle(self._open)
        self._count = 0
        self._fresh = PATIENTS + told
        self._moved = 0
        self._ward = ward

    def known(self) -> Iterator[bytes]:
        """What was told before: everybody once, some by booking an appointment, some by an admission."""
        for number in range(PATIENTS):
            if number < APPOINTMENTS:
                yield self._siu("S12", number, number, "Booked")
            elif number < APPOINTMENTS + VISITS:
                yield self._adt("A01", number, visit=number)
            else:
                yield self._adt("A28", number)

    def messages(self, count: int) -> Iterator[bytes]:
        """The feed itself."""
        kinds: list[Callable[[], bytes]] = []
        for weight, kind in self._mix():
            kinds += [kind] * weight
        for _ in range(count):
            yield self._random.choice(kinds)()

    def _mix(self) -> list[tuple[int, Callable[[], bytes]]]:
        """Of 100 messages: how many of which kind."""
        anybody, inpatient = self._anybody, self._inpatient
        return [
            (26, lambda: self._siu("S12", anybody(), self._fresh + self._count, "Booked")),
            (6, lambda: self._siu("S13", (n := self._appointed()), n, "Booked")),
            (4, lambda: self._siu("S15", (n := self._appointed()), n, "Cancelled")),
            (4, lambda: self._siu("S14", (n := self._random.randrange(APPOINTMENTS)), n, "Booked")),
            (8, lambda: self._adt("A01", *self._admitted())),
            (16, lambda: self._adt("A04", anybody(), visit=self._fresh + self._count, kind="O")),
            (25, lambda: self._adt("A08", *inpatient())),
            (3, lambda: self._adt("A03", *inpatient(leaves=True), disposition="01")),
            (4, lambda: self._adt("A03", *inpatient(leaves=True), disposition="02")),
            (4, lambda: self._adt("A31", anybody())),
        ]

    def _anybody(self) -> int:
        return self._random.randrange(PATIENTS)

    def _admitted(self) -> tuple[int, int]:
        one = (self._anybody(), self._fresh + self._count)
        if self._ward is not None:
            self._ward.append(one)
        return one

    def _inpatient(self, *, leaves: bool = False) -> tuple[int, int]:
        """Who is in hospital, and the number of the visit."""
        if not self._ward:
            number = APPOINTMENTS + self._random.randrange(VISITS)
            return number, number
        at = self._random.randrange(len(self._ward))
        return self._ward.pop(at) if leaves else self._ward[at]

    def _appointed(self) -> int:
        """Somebody whose appointment is moved or cancelled; nobody twice before everybody once."""
        self._moved += 1
        return self._open[self._moved % APPOINTMENTS]

    # -- segments

    def _head(self, kind: str, trigger: str, structure: str) -> tuple[str, str]:
        self._count += 1
        stamp = f"{self._now + timedelta(milliseconds=self._count):%Y%m%d%H%M%S}+0000"
        return (
            (
                f"MSH|^~\\&|EHR|LAKESIDE|CAREGATE|HUB|{stamp}||{kind}^{trigger}^{structure}|{self._prefix}{self._count:012d}|P|2.5.1"
                "|||AL|NE|USA|UNICODE UTF-8"
            ),
            stamp,
        )

    def _pid(self, number: int) -> str:
        changed = self._random.random() < NUMBER_CHANGES
        return person(number).pid(self._random.randrange(10_000) if changed else None)

    def _adt(
        self, trigger: str, number: int, visit: int | None = None, *, kind: str = "I", disposition: str = ""
    ) -> bytes:
        head, stamp = self._head("ADT", trigger, "ADT_A05" if visit is None else "ADT_A01")
        one = person(number)
        lines = [
            head,
            f"EVN|{trigger}|{stamp}|||CLERK7^Clerk^Carol^^^^^^LAKESIDE^L|{stamp}|LAKESIDE",
            self._pid(number),
            f"PD1|||Lakeside Health^^10045^^^^XX|{1_000_000_000 + number}^Marlow^Philip^J^^Dr^MD^^NPI||||N",
            (
                f"NK1|1|{one.family}^Robin^^^^^L|SPO^Spouse^HL70063|{one.address}|(312)555-{number % 9_973:04d}^PRN^PH||"
                "EC^Emergency Contact^HL70131"
            ),
        ]
        lines += self._pv1(visit, kind, disposition, stamp)
        lines += [
            "AL1|1|DA^Drug allergy^HL70127|7980^Penicillin^RXNORM|SV^Severe^HL70128|Hives|20100101",
            (
                f"IN1|1|PPO^Preferred Provider^HL70072|INS{number % 977:03d}|Example Health Plan|PO Box 1^^{one.home}^IL^62701^USA||"
                f"(312)555-0199^WPN^PH|GRP{number % 99_991:06d}|||20200101|||PPO|{one.family}^{one.given}|SEL^Self^HL70063"
            ),
        ]
        return _joined(lines)

    def _pv1(self, visit: int | None, kind: str, disposition: str, stamp: str) -> list[str]:
        if visit is None:
            return ["PV1|1|N"]
        ward = _WARDS[visit % len(_WARDS)]
        midnight = datetime.combine(self._day, time(), UTC)
        begun = f"{midnight - timedelta(hours=5 + visit % 48):%Y%m%d%H%M}+0000"
        ended = stamp if disposition else ""
        return [
            (
                f"PV1|1|{kind}|{ward}^{100 + visit % 400}^{1 + visit % 4}^LAKESIDE|E^Emergency^HL70007|||"
                f"{2_000_000_000 + visit % 997}^Achterberg^Lena^^^Dr^MD^^NPI^L^^^NPI|||{_SERVICES[visit % 3]}||||7|A0||"
                f"{2_000_000_000 + visit % 997}^Achterberg^Lena^^^Dr^MD|IP^Inpatient^HL70018|V{visit:09d}^^^LAKESIDE^VN|SELF"
                f"||||||||||||||||{disposition}|||||||LAKESIDE|{begun}|{ended}"
            ),
            f"PV2|||R53.1^Weakness^I10|||||{begun}||3",
            f"DG1|1||R53.1^Weakness^I10|Weakness|{stamp}|A",
        ]

    def _siu(self, trigger: str, number: int, appointment: int, status: str) -> bytes:
        head, _ = self._head("SIU", trigger, "SIU_S12")
        # an appointment keeps its time unless it is moved (S13)
        draw = self._random.randrange(10_000) if trigger == "S13" else appointment * 7919
        start = f"{self._day + timedelta(days=9 + draw % 50):%Y%m%d}{8 + draw % 9:02d}{(draw % 4) * 15:02d}00"
        clinic, service = _CLINICS[appointment % len(_CLINICS)], _SERVICES[appointment % len(_SERVICES)]
        doctor = f"{3_000_000_000 + appointment % 991}"
        return _joined(
            [
                head,
                (
                    f"SCH|P{appointment:09d}^EHR|F{appointment:09d}^EHR||||ROUTINE^Routine^HL70276|FOLLOWUP^Follow-up visit^L|"
                    f"OFFICE^Office visit^HL70277|30|MIN^Minutes^ISO+|^^30^{start}^|{doctor}^Scheduler^Sam^^^^^^NPI|"
                    f"(312)555-0142^WPN^PH|||{doctor}^Scheduler^Sam^^^^^^NPI|(312)555-0142^WPN^PH|||||{status}^{status}^HL70278"
                ),
                f"TQ1|1||||||{start}||R^Routine^HL70485",
                self._pid(number),
                f"PV1|1|O|{clinic}^2^1^LAKESIDE||||{doctor}^Achterberg^Lena^^^Dr^MD^^NPI",
                f"DG1|1||Z09^Encounter for follow-up examination^I10|Follow-up|{start}|W",
                "RGS|1|A|CLINIC",
                f"AIS|1|A|{service}^Office visit^L|{start}|0|MIN^Minutes^ISO+|30|MIN^Minutes^ISO+||BOOKED^Booked^HL70278",
                f"AIL|1|A|{clinic}^2^1^LAKESIDE|C^Clinic^HL70305|Clinic|{start}|0|MIN^Minutes^ISO+|30|MIN^Minutes^ISO+||BOOKED",
                f"AIP|1|A|{doctor}^Achterberg^Lena^^^Dr^MD^^NPI|ATT^Attending^HL70443|GEN|{start}|0|MIN^Minutes^ISO+|30|MIN",
            ]
        )


def _joined(lines: list[str]) -> bytes:
    return ("\r".join(lines) + "\r").encode()


# -- the feed as a file, so that playing it costs nothing


def write(path: Path, messages: Iterator[bytes]) -> int:
    """Write framed messages (0B … 1C 0D), one after the other; returns how many."""
    count = 0
    with path.open("wb") as file:
        for message in messages:
            file.write(b"\x0b%b\x1c\r" % message)
            count += 1
    return count


def frames(path: Path) -> list[bytes]:
    """The framed messages of a file that `write` made."""
    return [frame + b"\x1c\r" for frame in path.read_bytes().split(b"\x1c\r")[:-1]]
