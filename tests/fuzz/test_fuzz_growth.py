"""What is long costs by the byte: eight times as much of anything never costs its square."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from gateway.er7.ack import acknowledge
from gateway.model.event import Format, Outcome, RawMessage, Result
from tests.effort import growth
from tests.fuzz import claims

HEAD = "MSH|^~\\&|EHR|HOSP|GW|HUB|20260302090000-0600||{}|F1|P|2.5.1\r"
PID = "PID|1||77^^^HOSP^MR||Brook^Ada\r"
ADT, SIU, ORU = (HEAD.format(one) for one in ("ADT^A28^ADT_A05", "SIU^S12^SIU_S12", "ORU^R01^ORU_R01"))
SCH = "SCH|P1^E|F1^E|||||||||^^30^20260320093000\r"
OBR = "OBR|1|P{0}|F{0}|L||||||||||||||||||20260302083000|||F\r"
SMALL, TIMES = 1 << 17, 8
BETWEEN = (TIMES + TIMES * TIMES) / 2  # what is linear, and what is the square


def many(unit: str, count: int) -> str:
    """Numbered, so that no two are equal."""
    return "".join(unit.format(number) for number in range(count))


FILLINGS: dict[str, Callable[[int], str]] = {
    "separators": lambda n: ADT + "|" * n,
    "separators in the header": lambda n: ADT[:-1] + "|" * n + "\r" + PID,
    "ends of lines": lambda n: ADT + "\r" * n + PID,
    "ends of lines of three kinds": lambda n: ADT + "\r\n\n" * (n // 3) + PID,
    "lines that are no segment": lambda n: ADT + "x\r" * (n // 2) + PID,
    "unknown segments": lambda n: ADT + PID + "ZZ1|a^b~c\r" * (n // 10),
    "empty repetitions": lambda n: ADT + PID[:-1] + "|" * 8 + "~" * n + "\r",
    "identifiers": lambda n: ADT + "PID|1||" + many("{}^^^H^MR~", n // 14) + "\r",
    "names": lambda n: ADT + "PID|1||77^^^HOSP^MR||" + many("A{}^B~", n // 9) + "\r",
    "components": lambda n: ADT + "PID|1||77^^^HOSP^MR||A" + "^" * n + "\r",
    "escapes": lambda n: ADT + "PID|1||77^^^HOSP^MR||A" + "\\F\\" * (n // 3) + "\r",
    "escape characters": lambda n: ADT + "PID|1||77^^^HOSP^MR||A" + "\\" * n + "\r",
    "hexadecimal": lambda n: ADT + "PID|1||77^^^HOSP^MR||A\\X" + "41" * (n // 2) + "\\\r",
    "blank lines in a name": lambda n: ADT + "PID|1||77^^^HOSP^MR||A" + "\\.sp99\\" * (n // 7) + "\r",
    "addresses": lambda n: ADT + PID[:-1] + "|" * 6 + many("{} St^^X^IL^62701^USA^B~", n // 27) + "\r",
    "telephone numbers": lambda n: ADT + PID[:-1] + "|" * 8 + many("+49{:07d}~", n // 11) + "\r",
    "a telephone number of blanks": lambda n: ADT + PID[:-1] + "|" * 8 + "1" + " " * n + "z\r",
    "a domain of many parts": lambda n: ADT + PID[:-1] + "|" * 8 + "^NET^Internet^a@" + "b." * (n // 2) + "\r",
    "patients": lambda n: ADT + "PID|1||7\r" * (n // 9),
    "patients and what they share": lambda n: SIU + SCH + "PID|1||7\r" * (n // 18) + "AIS|1\r" * (n // 12),
    "continuations": lambda n: ADT + PID + "ADD|xxxxxxx\r" * (n // 12),
    "pointers": lambda n: ADT + PID + "DSC|\r" * (n // 5),
    "consents": lambda n: ADT + PID + many("CON|{}|T|||||||||A\r", n // 22),
    "restrictions": lambda n: ADT + PID + many("ARV|{}|A|x\r", n // 13),
    "observations": lambda n: ORU + PID + OBR.format(1) + "OBX|1|NM|2345-7||99|||HH~L|||F\r" * (n // 31),
    "orders and what they share": lambda n: ORU + PID + "NTE|\r" * (n // 10) + "OBR|1|1|1\r" * (n // 20),
    "orders without a test": lambda n: ORU + PID + "ORC|\r" * (n // 5),
    "resources taken off": lambda n: SIU + SCH + PID + "AIS|1|D|MED\r" * (n // 12),
    "a control id": lambda n: ADT.replace("F1", "F" * n) + PID,
    "no message at all": lambda n: "A|B\r" * (n // 4),
}


def answer(body: bytes) -> None:
    """Read a message and answer it."""
    feed, reader = claims.readers()[0]
    reading = reader(RawMessage(source=feed.name, format=Format.HL7V2, body=body, received=claims.RECEIVED))
    claims.is_one_of_four(reading)
    outcome = Outcome(result=Result.ACCEPTED, ack=reading.ack, faults=reading.faults)
    acknowledge(claims.header_of(body), outcome, control_id="1", now=claims.RECEIVED)


@pytest.mark.slow
@pytest.mark.parametrize("filling", FILLINGS.values(), ids=FILLINGS)
def test_a_long_message_costs_by_the_byte(filling: Callable[[int], str]) -> None:
    """F-11, F-12: a megabyte of anything costs about eight times an eighth of it; its square would be sixty-four times."""
    small, large = (partial(answer, filling(size).encode()) for size in (SMALL, SMALL * TIMES))
    assert growth(small, large, enough=BETWEEN) < BETWEEN
