"""The byte cases of conformance 5.1 against the whole gateway: what the real receive decides is what the sender reads."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import select

from connectors.sources.mllp.client import MllpClient
from connectors.sources.mllp.codec import frame
from gateway.app import Gateway, assemble
from gateway.model.errors import Unknown
from gateway.packs import shipped
from gateway.ports import SetClock
from gateway.settings import loads
from gateway.store import tables
from gateway.store.keyring import Keyring
from gateway.store.statement import Statement

NOW = 1_772_384_460_000
CONFIG = """\
environment: test
allowed_recipients: []
organizations:
  lakeside: {{name: Lakeside Health, zone: America/New_York, sender_name: Lakeside Health,
    sender_email: care@lakeside.example, callback: '+1 312 555 0100'}}
sources:
  ehr: {{kind: mllp, organization: lakeside, authority: HOSP, port: 0{more}}}
keys: keys.json
rules: '{rules}'
api: {{port: 0}}
"""


class Site:
    """A running gateway with one MLLP feed."""

    def __init__(self, gateway: Gateway, port: int, opened: ExitStack) -> None:
        self.gateway, self.port, self._opened = gateway, port, opened

    def client(self) -> MllpClient:
        """A connection of its own."""
        return self._opened.enter_context(MllpClient("127.0.0.1", self.port, timeout=20))

    def stored(self) -> list[str]:
        """What became of every message that is stored, in order."""
        return [result for _, result in sorted(self._every(tables.raw.c.id, tables.raw.c.result))]

    def audited(self) -> list[list[object]]:
        """Audit entries in order."""
        rows = sorted(self._every(tables.audit.c.id, tables.audit.c.entries))
        return [entry for _, entries in rows for entry in json.loads(entries)]

    def people(self) -> int:
        """How many patients are known."""
        return len(self._every(tables.patient.c.token))

    def _every(self, *columns: object) -> list[tuple[object, ...]]:
        with self.gateway.store.read() as unit:
            return list(unit.all(Statement("test.mllp", select(*columns))))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """`site(", ack_mode: enhanced")` runs a gateway with these options of its feed."""
    Keyring.create(tmp_path / "keys.json")
    with ExitStack() as opened:

        def run(more: str = "") -> Site:
            settings = loads(CONFIG.format(more=more, rules=shipped("rules")), tmp_path / "caregate.yaml", environ={})
            gateway = assemble(settings, clock=SetClock(NOW))
            opened.callback(gateway.close)
            told: dict[str, object] = {}
            ready, stop = threading.Event(), threading.Event()
            running = threading.Thread(
                target=lambda: gateway.run(("listen",), ready=lambda one: (told.update(one), ready.set()), stop=stop)
            )
            running.start()
            opened.callback(running.join, 30)
            opened.callback(stop.set)
            assert ready.wait(20)
            return Site(gateway, told["ports"]["ehr"], opened)

        yield run


@pytest.mark.parametrize(
    ("old", "new", "ack", "error", "kept"),
    [
        (b"", b"", "AA", ("PV1^1^19", "101", "W"), ["accepted"]),
        (b"PV1|1|O", b"PV1|1|O" + b"|" * 17 + b"V1", "AA", None, ["accepted"]),
        (b"ADT^A04^ADT_A01", b"ZZZ^Z99", "AR", ("MSH^1^9", "200", "E"), ["rejected"]),
        (b"ADT^A04^ADT_A01", b"ADT^A99", "AR", ("MSH^1^9", "201", "E"), ["rejected"]),
        (b"ADT^A04^ADT_A01", b"BAR^P01^BAR_P01", "AA", None, ["ignored"]),
        (b"|P|2.5.1", b"|X|2.5.1", "AR", ("MSH^1^11", "202", "E"), ["rejected"]),
        (b"|2.5.1", b"|9.9", "AR", ("MSH^1^12", "203", "E"), ["rejected"]),
        (b"|0001|", b"||", "AE", ("MSH^1^10", "101", "E"), ["quarantined"]),
        (b"123^^^HOSP^MR", b"", "AE", ("PID^1^3", "101", "E"), ["quarantined"]),
        (b"PID|1||123^^^HOSP^MR||DOE^JANE\r", b"", "AE", ("PID^1", "100", "E"), ["quarantined"]),
        (b"DOE^JANE", b"DOE^JANE||19991332", "AA", ("PID^1^7", "102", "W"), ["accepted"]),
        (b"DOE^JANE", b"DO\xd1E^JANE", "AE", ("MSH^1^18", "102", "E"), ["quarantined"]),
        (b"|2.5.1", b"|2.5.1||||||UNICODE UTF-16", "AE", ("MSH^1^18", "103", "E"), ["quarantined"]),
    ],
)
def test_every_message_gets_the_answer_it_deserves(site, admission, read, old, new, ack, error, kept) -> None:
    """E-08, E-01, E-02, A-01 to A-03, A-06, A-27, D-05, C-03, F-15: as the pipeline decides, and as it is stored."""
    here = site()
    answer = here.client().send(admission.replace(old, new, 1))
    told = read(answer)
    assert told["MSA"][1:3] == [ack, "" if old == b"|0001|" else "0001"]
    found = (told["ERR"][2], told["ERR"][3].split("^")[0], told["ERR"][4]) if "ERR" in told else None
    assert found == error
    assert here.stored() == kept
    assert b"DOE" not in answer


def test_the_first_message_of_a_feed(site, admission, read) -> None:
    """5.1 cases 1, 9, 10; D-02, D-03: repeated it is told the same and stored once; reused the id means another message, flagged."""
    here = site()
    client = here.client()
    first, again = read(client.send(admission)), read(client.send(admission))
    assert first["MSH"][3:7] + first["MSH"][9:10] == ["GW", "HOSP", "EHR", "HOSP", "ACK^A04^ACK"]
    assert first["MSA"][:3] == again["MSA"][:3] == ["MSA", "AA", "0001"]
    assert len({first["MSH"][10], again["MSH"][10], "0001"}) == 3
    assert here.stored() == ["accepted"]
    assert read(client.send(admission.replace(b"JANE", b"JOAN")))["MSA"][1:3] == ["AA", "0001"]
    assert here.stored() == ["accepted", "accepted"]
    reused = [entry for entry in here.audited() if entry[0] == "message.received" and "control_id_reused" in str(entry)]
    assert len(reused) == 1
    assert here.people() == 1


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_other_line_ends_are_the_same_message(site, admission, read, end) -> None:
    """5.1 case 11; P-05."""
    here = site()
    assert read(here.client().send(admission.replace(b"\r", end)))["MSA"][1:3] == ["AA", "0001"]
    assert (here.stored(), here.people()) == (["accepted"], 1)


def test_a_line_feed_in_a_field_begins_no_segment(site, admission, read) -> None:
    """5.1 case 11; P-05: what looks like a person behind it, or like an acknowledgement, is text."""
    here = site()
    note = b"NTE|1||said\nPID|1||999^^^HOSP^MR||EVIL^ANN\nMSA|AA|0001\r"
    assert read(here.client().send(admission + note))["MSA"][1:3] == ["AA", "0001"]
    assert (here.stored(), here.people()) == (["accepted"], 1)


@pytest.mark.parametrize(
    ("asks", "old", "new", "codes"),
    [
        (b"NE|NE", b"", b"", []),
        (b"AL|NE", b"", b"", ["CA"]),
        (b"ER|NE", b"", b"", []),
        (b"ER|NE", b"2.5.1", b"9.9", ["CR"]),
        (b"AL|AL", b"123^^^HOSP^MR", b"", ["CA", "AE"]),
        (b"NE|AL", b"", b"", ["AA"]),
    ],
)
def test_enhanced_mode_is_answered_as_it_asks(site, admission, read, asks, old, new, codes) -> None:
    """5.1 cases 12, 13; A-10 to A-16."""
    here = site(", ack_mode: enhanced")
    client = here.client()
    client.write(frame(admission.replace(b"|2.5.1", b"|2.5.1|||" + asks, 1).replace(old, new, 1)))
    answers = [read(client.receive()) for _ in codes]
    assert [one["MSA"][1] for one in answers] == codes
    assert all(one["ERR"][3].startswith("203^") for one in answers if one["MSA"][1] == "CR")
    client.write(frame(admission.replace(b"|0001|", b"|0002|")))  # in original mode: its answer is the next byte
    assert read(client.receive())["MSA"][1:3] == ["AA", "0002"]
    with pytest.raises(Unknown):
        client.receive(0.1)
    assert len(here.stored()) == 2


def test_a_sender_may_choose_its_delimiters(site, admission, read) -> None:
    """5.1 case 15; P-01, A-24: the person is read by them, and the answer is written in them."""
    here = site()
    chosen = admission.translate(bytes.maketrans(b"|^~\\&", b"#*+%@"))
    assert read(here.client().send(chosen))["MSA"][1:3] == ["AA", "0001"]
    assert (here.stored(), here.people()) == (["accepted"], 1)
    assert read(here.client().send(admission.replace(b"|0001|", b"|0002|")))["MSA"][1:3] == ["AA", "0002"]
    assert here.people() == 1, "the same number of the same authority, however it was written"


def test_what_has_no_header_is_refused_and_kept(site, read) -> None:
    """A-07: never AA, not even of a feed that would block behind a quarantined message."""
    here = site(", quarantine_ack: AA")
    for junk in (b"hello", b"MSH", b"MSH|^^\\&|EHR|HOSP\r"):
        assert read(here.client().send(junk))["MSA"][1:3] == ["AR", ""]
    assert here.stored() == ["quarantined"] * 3
