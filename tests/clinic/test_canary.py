"""The canary: after everything that can happen to a patient, nothing about them stands anywhere outside a sealed column."""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path

import pytest
import redis
from clinic_canary import Finder, Overheard, dump, file_bytes
from clinic_dsl import Answer, Clinic, OpenClinic
from clinic_people import Person, made_up
from clinic_site import shipped_policy, shipped_rule, write_rules

from gateway import telemetry
from gateway.model.consent import ChannelKind
from gateway.model.errors import CaregateError, CommandError
from gateway.model.when import DAY
from gateway.pipeline import inspect
from gateway.pipeline.inspect.consents import opt_out_address
from gateway.pipeline.retention import purge_bodies, purge_facts
from gateway.pipeline.rounds import Keep, Rounds
from gateway.store.seal import seal
from gateway.store.verify import verify

FIRST = "2026-03-20 09:30"
_SENT_TO = ("Dee", "Eve", "Fay", "Gus")


@pytest.fixture
def canary(open_clinic: OpenClinic, tmp_path: Path, redis_url: str) -> Clinic:
    """A clinic on Redis with declared bases, so that every kind of row is written."""
    policy = shipped_policy(
        ("basis: []", "basis:\n  - {purpose: TREAT, channel: email, topic: '*', because: notice 2026-02}")
    )
    names = ("appointment-reminder", "discharge-follow-up", "missed-appointment-follow-up")
    rules = write_rules(tmp_path / "own", {name: shipped_rule(name) for name in names}, policy=policy)
    clinic = open_clinic(rules=rules)
    clinic.rings_through(redis_url)
    return clinic


def test_the_canary_is_found_nowhere(
    canary: Clinic,
    overheard: Overheard,
    redis_url: str,
    store_url: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Law 4; 45 CFR 164.312: log, broker, audit, metrics, exceptions, tables and database file, whatever happened."""
    seen: list[bytes] = []
    errors: list[str] = []
    _lives(canary, errors)
    canary.clock.set(canary.when("2026-03-13 09:30"))
    canary.dispatcher.once()
    seen.append(_everything_in(redis_url))  # doorbells nobody has answered yet
    assert b"deliver" in seen[0]
    canary.works()
    _is_written_to(canary, errors)
    _is_looked_at(canary, errors)
    seal(canary.gateway.store, heads_file=tmp_path / "heads")
    assert verify(canary.gateway.store, tmp_path / "heads").ok
    seen.append(_everything_in(redis_url))
    finder = Finder(canary.people.values())
    places: dict[str, str | bytes] = {
        "redis": b"".join(seen),
        "log and exceptions": overheard.text(),
        "metrics": telemetry.exposition()[0],
        "errors that reached a person": "\n".join(errors),
        "standard output": "".join(capfd.readouterr()),
        "signed heads": (tmp_path / "heads").read_bytes(),
        "the open database file": file_bytes(store_url),
        **dump(store_url),
    }
    assert {"audit", "raw", "patient", "communication"} <= places.keys()
    assert all(len(places[name]) > 100 for name in ("audit", "raw", "patient", "communication", "redis"))
    assert len(errors) > 3
    assert {where: found for where, told in places.items() if (found := finder.found(told))} == {}


def _lives(clinic: Clinic, errors: list[str]) -> None:
    """Everything a feed can say, well and badly."""
    ann = clinic.enrols("Ann")
    for name in ("Anna", "Ben", "Cyd", "Kim"):
        clinic.enrols(name)
    clinic.person("Mia", given=clinic.person("Mia").mrn)
    clinic.enrols("Mia")
    for name in _SENT_TO:
        clinic.enrols(name)
    for name in ("Ann", "Ben", "Cyd", "Mia", "Anna", *_SENT_TO):
        clinic.books(name, on=FIRST)
    clinic.reschedules("Ben", to="2026-03-20 11:30")
    clinic.modifies("Ann", place="NORTH")
    clinic.books("Ann", on="2026-03-20 10:10", service="XQ77", place="ANNEX9")
    clinic.misses("Ann")
    clinic.hears(clinic.schedules("S12", "Ann", "Ben", start="2026-03-20 15:00", appointment="G1"))
    clinic.admits("Cyd")
    clinic.discharges("Cyd")
    clinic.books("Ben", on=FIRST, msh={11: "T"})
    clinic.merges("Anna", into="Ann")
    clinic.changes("Ben", pid={3: f"{clinic.person('Ben').mrn}^^^LAKESIDE^MR~{clinic.person('Cyd').mrn}^^^LAKESIDE^MR"})
    clinic.changes("Cyd", pid={5: f"{ann.family}x^{ann.given}x", 7: "19610101"})
    _is_garbled(clinic, ann)
    for act in (lambda: clinic.consents("Zoe"), lambda: inspect.quarantine_show(
        clinic.gateway, 7, reason="look", account="os:clerk")):  # fmt: skip
        _expect(act, errors)


def _is_garbled(clinic: Clinic, ann: Person) -> None:
    """Messages with the canary where it does not belong."""
    good = clinic.schedules("S12", "Ann", start=FIRST, appointment="Z1", control=f"C{ann.mrn}").decode()
    bad = [
        f"{ann.family} {ann.given} {ann.phone}".encode(),
        good.replace("SCH|Z1^PLACER|Z1^SCHED", "SCH||").encode(),
        good.replace("|SIU^S12^SIU_S12|", f"|{ann.family}^{ann.given}|").encode(),
        good.replace("|SIU^S12^SIU_S12|", f"|{ann.mrn}|").encode(),
        good.replace("|P|2.5.1", f"|{ann.family}|2.5.1").encode(),
        good.replace("|P|2.5.1", f"|P|{ann.mrn}").encode(),
        good.replace("MSH|^~\\&|", f"MSH|{ann.family}|").encode(),
        good.replace("PID|1|", f"PID|1|{ann.ssn}|", 1).replace("Z1^SCHED", f"{ann.mrn}^{ann.family}").encode(),
        good.encode().replace(ann.given.encode(), b"\xff\xfe" + ann.given.encode()),
        good.replace("Booked", ann.family).replace("||MAIN", f"||{ann.street}").encode(),
        good.replace("AIS|1|A|PCP^^L", f"AIS|1|A|{ann.family}^^{ann.mrn}").encode(),
        good.replace("MSH|^~\\&|EHR|LAKESIDE", f"MSH|^~\\&|{ann.given}|{ann.family}").encode(),
        clinic.visit(
            "A01", "Ann", pv1={2: ann.given, 3: ann.street, 10: ann.family, 16: ann.mrn, 19: ann.phone, 36: ann.email}
        ),
        clinic.visit(
            "A31", "Ann", pid={7: ann.family, 11: f"^^^{ann.family}^{ann.postal}", 15: ann.given, 30: ann.mrn[:1]}
        ),
        clinic.visit("A40", "Ann", extra=[f"MRG|{ann.mrn}^^^LAKESIDE^MR"]),
    ]
    for message in bad:
        clinic.hears(message)
        clinic.hears(message)
    clinic.hears_together(*bad)
    clinic.cancels_admission("Ann", visit=ann.phone)  # else her reminders are looked at every hour for days


def _is_written_to(clinic: Clinic, errors: list[str]) -> None:
    """Every way a send can end."""
    clinic.post.will(Answer.UNAVAILABLE, Answer.REFUSE, Answer.LOSE, Answer.KEEP_SILENT)
    clinic.passes("1h")
    clinic.books("Kim", on="2026-03-14 15:00")
    clinic.post.before = _crash
    clinic.until("2026-03-13 16:00")
    clinic.post.before = None
    clinic.until("2026-03-14 12:00")
    found = {reason for name in (*_SENT_TO, "Kim", "Mia", "Ann", "Ben", "Cyd") for reason in clinic.reasons(name)}
    assert {"channel-unavailable", "refused", "outcome-unknown", "render-failed"} <= found
    assert clinic.waiting("Kim") == ["outcome-unknown"]
    clinic.opts_out("Cyd")
    clinic.consents("Cyd", to="email", purpose="*", evidence="call 78")
    opt_out_address(
        clinic.gateway, clinic.person("Ben").email, channel=ChannelKind.EMAIL, evidence="reply 6", account="os:clerk"
    )
    clinic.dies("Ben")
    clinic.lives("Ben")


def _crash(envelope: object) -> None:
    raise ZeroDivisionError(f"{getattr(envelope, 'to', '')} {getattr(envelope, 'text', '')} {envelope!r}")


def _is_looked_at(clinic: Clinic, errors: list[str]) -> None:
    """Everything a person can do by hand, some of it wrong."""
    gateway, ann = clinic.gateway, clinic.person("Ann")
    for name in ("Ann", "Ben", "Mia"):
        assert clinic.story(name)
    assert inspect.consent_list(gateway, clinic.identifier("Ann"), reason="look", account="os:clerk")
    report = inspect.consent_import(
        gateway,
        [
            {
                "system": "LAKESIDE",
                "identifier": ann.mrn,
                "decision": "permit",
                "evidence": "form 1",
                "channel": "email",
            },
            {"system": ann.family, "identifier": ann.phone, "decision": "permit", "evidence": "form 1"},
            {"system": "LAKESIDE", "identifier": ann.mrn, "decision": ann.given, "evidence": "form 1"},
            {"system": "LAKESIDE", "identifier": ann.mrn, "decision": "deny", "evidence": "x", "from": ann.postal},
            {"system": "LAKESIDE", "identifier": ann.mrn, "decision": "deny", "evidence": "x", "purpose": ann.family},
        ],
        account="os:clerk",
    )
    errors += report.refused
    kept = inspect.quarantine_list(gateway)
    assert len(kept) > 3
    errors += [f"{one.place} {one.rule} {one.type}" for one in kept]
    inspect.quarantine_show(gateway, kept[0].message, reason="ticket 3", account="os:engineer")
    inspect.quarantine_replay(gateway, kept[1].message, account="os:engineer")
    inspect.quarantine_discard(gateway, kept[2].message, reason="theirs", account="os:engineer")
    for line in inspect.holds(gateway):
        inspect.release_request(gateway, line.request, reason="looked", account="os:clerk")
    clinic.looks()
    _expect(
        lambda: inspect.release_patient(gateway, clinic.token("Ann"), "deceased", reason="?", account="os:clerk"),
        errors,
    )
    inspect.plan_open(gateway, dry_run=False, account="os:analyst")
    inspect.would_send(gateway, "ehr")
    inspect.hold_source(gateway, "ehr", reason="stop", account="os:operator")
    inspect.release_source(gateway, "ehr", reason="go", account="os:operator")
    clinic.passes("12d")
    Rounds(gateway.store, Keep(raw=60 * DAY, facts=30 * DAY, bodies=90 * DAY), None).once()
    clinic.clock.set(clinic.clock.now() + 100 * DAY)
    purge_bodies(gateway.store, 90 * DAY)
    purge_facts(gateway.store, 30 * DAY)


def _expect(act: object, errors: list[str]) -> None:
    with pytest.raises(CaregateError) as raised:
        act()  # type: ignore[operator]
    assert isinstance(raised.value, CommandError)
    errors.append(f"{raised.value} {raised.value!r}")


def _everything_in(url: str) -> bytes:
    """Every key of Redis with its value, whatever its type."""
    link = redis.Redis.from_url(url)
    found: list[bytes] = []
    for key in link.keys("*"):
        match link.type(key):
            case b"string":
                value: object = link.get(key)
            case b"hash":
                value = link.hgetall(key)
            case b"list":
                value = link.lrange(key, 0, -1)
            case b"set":
                value = link.smembers(key)
            case _:
                value = link.zrange(key, 0, -1, withscores=True)
        found += [key, repr(value).encode(), link.dump(key) or b""]
    link.close()
    return b"\n".join(found)


# -- that the search can fail


_BIRD = made_up("Bird", "a seed of its own")


@pytest.mark.parametrize("kind", sorted(_BIRD.canaries()))
@pytest.mark.parametrize(
    "written",
    [
        str,
        str.lower,
        str.upper,
        lambda text: text.encode().hex(),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(b"x" + text.encode() + b"yz").decode(),
        lambda text: base64.urlsafe_b64encode(b"xy" + text.encode() + b"z").decode(),
        lambda text: text.encode("utf-16-le").decode("latin-1"),
        lambda text: "".join(f"%{byte:02X}" if not chr(byte).isalnum() else chr(byte) for byte in text.encode()),
    ],
    ids=["plain", "lower", "upper", "hex", "base64", "base64-1", "base64-2", "utf-16", "url"],
)
def test_a_planted_canary_is_found(kind: str, written: object) -> None:
    """The search itself: every string, in every writing, in the middle of something else."""
    finder = Finder([_BIRD])
    for text in _BIRD.canaries()[kind]:
        planted = f'{{"said":"{written(text)}","id":1}}'  # type: ignore[operator]
        assert any(f"Bird's {kind}" in one for one in finder.found(planted.encode("latin-1"))), text
    assert finder.found('{"said":"nothing","id":286875310882816000}') == []


def test_a_canary_planted_in_the_log_or_the_database_fails_the_scenario(
    clinic: Clinic, overheard: Overheard, store_url: str, redis_url: str
) -> None:
    """The plumbing: log, audit table, database file and Redis are really read."""
    ann = clinic.enrols("Ann")
    finder = Finder([ann])
    assert finder.found(overheard.text()) == []
    overheard.log.write(f"sent to {ann.email}")
    assert finder.found(overheard.text()) == ["Ann's e-mail", "Ann's given name"]
    overheard.log.truncate(0)
    overheard.errors.clear()
    _plant(store_url, f"about {ann.mrn}")
    assert finder.found(dump(store_url)["lease"]) == ["Ann's record number"]
    if store_url.startswith("sqlite"):
        assert finder.found(file_bytes(store_url)) == ["Ann's record number"]
    _plant(store_url, "x" * (len(ann.mrn) + 6), instead_of=f"about {ann.mrn}")
    link = redis.Redis.from_url(redis_url)
    link.hset("caregate:some", "key", ann.phone)
    link.close()
    assert finder.found(_everything_in(redis_url)) == ["Ann's phone"]
    clinic.people.clear()  # what was planted is not to be found a second time


def test_a_number_inside_a_longer_one_is_no_canary() -> None:
    """Ids and times are long numbers: a birth date in the middle of one is chance."""
    told = "".join(_BIRD.canaries()["birth date"][1])
    assert Finder([_BIRD]).found(f"id {told}77 and 5{told}") == []
    assert Finder([_BIRD]).found(f"id 5{told}, {told}.") == ["Bird's birth date"]


def test_the_directory_opens_what_the_search_does_not_see(clinic: Clinic) -> None:
    """Law 4: sealed is not lost: name and address come out again where a clearance asks for them."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert clinic.mailbox("Ann")[0].envelope.to.value == clinic.person("Ann").email


def _plant(url: str, text: str, *, instead_of: str = "") -> None:
    put = "INSERT INTO lease (name, holder, until, fence, floor) VALUES ({0}, 'bird', 1, 1, 0)"
    move = "UPDATE lease SET name = {0} WHERE name = {1}"
    values = (text, instead_of) if instead_of else (text,)
    statement = move if instead_of else put
    if url.startswith("sqlite:///"):
        link = sqlite3.connect(url.removeprefix("sqlite:///"))
        link.execute(statement.format("?", "?"), values)
        link.commit()
        link.close()
        return
    import psycopg

    with psycopg.connect(url) as other:
        other.execute(statement.format("%s", "%s").encode(), values)
