"""Where the search begins: the made-up messages beside the shipped mappings, the bench's feed, and a few of odd shape."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from itertools import islice

import yaml

from gateway.packs import shipped
from tests.bench.corpus import Feed

_HEAD = "MSH|^~\\&|EHR|HOSP|GW|HUB|20260302090000-0600||{}|F1|P|2.5.1"
_ODD = (
    # every delimiter another one, and each of them escaped in a name
    "MSH#*+%@!#EHR#HOSP#GW#HUB#20260302090000##ADT*A28*ADT_A05#F2#P#2.7\rPID#1##77***HOSP*MR##A%F%B%S%C%R%D%T%E%E%F%P%*Ada!\r",
    # no repetition, escape or subcomponent
    "MSH|^|EHR|HOSP|GW|HUB|20260302090000||ADT^A28|F3|P|2.3\rPID|1||77^^^HOSP^MR||Brook^Ada\r",
    _HEAD.format("ADT^A31^ADT_A05") + '|||AL|NE||8859/1\rPID|1||77^^^HOSP^MR||Mu\xf1oz^Jos\xe9~""^Pepe^^^^^N||1980\r',
    _HEAD.format("ADT^A31^ADT_A05")
    + "|||ER|SU||UNICODE UTF-8\nPID|1||77^^^HOSP^MR||\\X4D75C3B16F7A\\^J\\.br\\o\\H\\s\\N\\e\n",
    _HEAD.format("ADT^A08^ADT_A01") + "\rPID|1||77^^^HOSP^MR||Bro\rADD|ok^Ada\rADD|||19800315\rPV1|1|N\r",
    _HEAD.format("SIU^S12^SIU_S12") + "\rSCH|P1^EHR|F1^EHR||||ROUTINE|||30|MIN|^^30^20260320093000||||||||||||||Booked"
    "\rPID|1||77^^^HOSP^MR\rPID|2||78^^^HOSP^MR\rRGS|1|A\rAIL|1|D|MED\rAIS|1|A|MED|20260320093000|5|MIN\r",
    _HEAD.format("ORU^R01^ORU_R01")
    + "\rPID|1||77^^^HOSP^MR\rORC|RE|P1\rOBR|1|P1|F1|24323-8^^LN||||||||||||||||||20260302083000|||F"
    "\rOBX|1|NM|2345-7||99|||HH|||F\rOBR|2|P2|F2|24323-8^^LN|||||||||||||||||||||P\rOBX|1|NM|1||2||||||W\r",
    _HEAD.format("ADT^A01^ADT_A01")
    + "|||||||||||||R^^HL70952\rARV|1|A|DEM|PHY|not to him|^20270101\rPID|1||77^^^HOSP^MR||B^A|||||||"
    "|||||||||||||||20260301|Y|Y|US\rPD1|||||||||||N|Y\rCON|1|TREAT-sms|||||||||A||20260101|20260102|20270101|Y\rPV1|1|I\r",
    _HEAD.format("ADT^A28^ADT_A05") + "|7||F0\rPID|1||77^^^HOSP^MR\rDSC|F1|I\r",
    _HEAD.format("ACK^A01^ACK") + "\rMSA|AA|F1\r",
    _HEAD.format("ADT^A24^ADT_A24") + "\rPID|1||77^^^HOSP^MR\rPID|2||78^^^HOSP^MR\r",
)


@cache
def messages() -> tuple[bytes, ...]:
    """Bodies without framing bytes, the same in every run."""
    feed = Feed(now=datetime(2026, 3, 2, 15, tzinfo=UTC), day=date(2026, 3, 2))
    return (*_beside_mappings(), *islice(feed.messages(400), 30), *(one.encode("latin-1") for one in _ODD))


def _beside_mappings() -> tuple[bytes, ...]:
    """The messages of `mappings/hl7v2/*.test.yaml`, so that every shipped mapping has one of each of its kinds."""
    files = sorted((shipped("mappings") / "hl7v2").glob("*.test.yaml"))
    cases = (case for path in files for case in yaml.safe_load(path.read_text("utf-8"))["tests"])
    return tuple(case["message"].replace("\n", "\r").encode() for case in cases)


@cache
def words() -> tuple[bytes, ...]:
    """What the mappings look for and random bytes would not hit: segment ids, codes, times, escapes, names of charsets."""
    told = {word for body in messages() for word in _split(body)}
    return (*sorted(told), *_DICTIONARY)


def _split(body: bytes) -> list[bytes]:
    parts = body.replace(b"\r", b"|").replace(b"^", b"|").replace(b"~", b"|").split(b"|")
    return [part for part in parts if 0 < len(part) < 24]


_DICTIONARY = (
    b"|", b"^", b"~", b"\\", b"&", b"#", b"\r", b"\n", b"\r\n", b'""', b"\\F\\", b"\\S\\", b"\\T\\", b"\\R\\", b"\\E\\", b"\\P\\",
    b"\\X0D0A\\", b"\\X1C\\", b"\\XE9\\", b"\\.br\\", b"\\.sp9999\\", b"\\H\\", b"\\N\\", b"\\C2842\\", b"\\Zx\\", b"\xef\xbb\xbf",
    b"\xef\xbf\xbd", b"\xff", b"\xc3\xa9", b"\x1b$B", b"\x1b(B", b"\x00", b"\x0b", b"\x1c", b"ADD|", b"DSC|", b"MSA|AA|", b"ZZZ|1",
    b"8859/1", b"8859/15", b"UNICODE UTF-8", b"ISO IR87", b"GB 18030-2000", b"KS X 1001", b"BIG-5", b"ASCII", b"UTF-16", b"hex",
    b"20260308023000", b"20261101013000-0500", b"19000229", b"99991231235959.9999+1400", b"00000000", b"-0000", b"1e9",
    b"9" * 40, b"^" * 30, b"~" * 30, b"&" * 30, b"|" * 70, b"A24", b"A40", b"A39", b"S26", b"R01", b"O11", b"T02", b"V04", b"P03",
)  # fmt: skip
