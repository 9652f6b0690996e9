"""What a row may say of a person: how they are reached, beside what others told; and what merging and erasing them means."""

from __future__ import annotations

from pathlib import Path

import pytest
from extract_site import Audience, admission, members

from gateway.model.verdict import Reason
from gateway.model.when import DAY
from gateway.pipeline.extracting.extracts import latest
from gateway.pipeline.retention import purge_extracts, purge_tables
from gateway.pipeline.rights.erasing import erase_tokens
from gateway.pipeline.rounds import Keep, Rounds
from gateway.ports import ExtractMode, SetClock
from gateway.store import tables
from gateway.store.engine import Store

_BASIS = "basis:\n  - {purpose: TREAT, channel: email, topic: education, because: the notice}\n"


@pytest.fixture
def audience(store: Store, tmp_path: Path) -> Audience:
    """Two patients, A with an address the EHR told, and a policy with a declared basis."""
    from extract_site import write_rules

    policy = write_rules(tmp_path / "rules") / "policy.yaml"
    policy.write_text(policy.read_text().replace("basis: []\n", _BASIS))
    made = Audience(store, tmp_path / "rules")
    made.receiver.receive([admission("A", "ann@ehr.example"), admission("B")])
    made.pulls({})
    return made


def _contacts(audience: Audience) -> list[tuple[str, str]]:
    with audience.store.read() as unit:
        return sorted(unit.lookup(tables.contact_point, ("origin", "system"), "system", ["email"]))


def _consents(audience: Audience) -> int:
    with audience.store.read() as unit:
        return len(unit.lookup(tables.consent, ("id",), "channel", ["email"]))


def test_a_row_may_say_how_somebody_is_reached_and_takes_nothing_away(audience: Audience) -> None:
    """SN-05: a field of its own; what the EHR told stays, and no basis follows from it."""
    assert _consents(audience) == 1
    audience.pulls(members("A", "B", email="ann@cdp.example"))
    assert _contacts(audience) == [("PID-13", "email"), ("audience.email", "email"), ("audience.email", "email")]
    assert _consents(audience) == 1
    audience.pulls(members("A", "B", email="new@cdp.example"))
    assert len(_contacts(audience)) == 3
    audience.pulls(members("A", "B"))  # nothing is told of it any more: it stays
    assert len(_contacts(audience)) == 3


def test_a_row_says_nothing_else_of_a_person(audience: Audience) -> None:
    """No version, no digest: what the EHR tells next is judged against what the EHR told."""
    columns = ("version", "digest", "sealed", "hold")
    before = _patients(audience, *columns)
    audience.pulls(members("A", "B", email="ann@cdp.example"))
    assert _patients(audience, *columns) == before


def test_of_who_was_merged_the_survivor_is_meant(audience: Audience) -> None:
    """AD-31: numbers of both name one person, and the row that named two is taken at the next extract."""
    told = {"k": {"mrn": "A", "other": "B"}}
    assert audience.pulls(told).counts["several-patients"] == 1
    with audience.store.begin("test") as uow:
        (one,), (two,) = sorted(uow.lookup(tables.patient, ("token",), "hold", [""]))
        uow.update(tables.patient, ("token",), ("survivor",), [(one, two)])
        uow.audit([("patient.merged",)])
        uow.commit()
    assert audience.pulls(told).counts["taken"] == 1


def test_a_patient_who_was_erased_is_nobody_to_the_next_row(audience: Audience, clock: SetClock) -> None:
    """Their row is told again and makes nobody; when it goes it is forgotten, and nobody needs to know whose it was."""
    audience.pulls(members("A", "B"))
    _erase(audience, "A")
    assert audience.requests() == {"active": 1, f"revoked {Reason.PATIENT_ERASED}": 1}
    clock.set(clock.now() + 1000)
    changed = audience.pulls({**members("A", note="x"), **members("B")})
    assert (changed.counts["no-patient"], changed.counts["unchanged"]) == (1, 1)
    clock.set(clock.now() + 1000)
    assert audience.pulls(members("B")).counts["left"] == 1
    assert audience.requests() == {"active": 1, f"revoked {Reason.PATIENT_ERASED}": 1}


@pytest.mark.parametrize("told", [{}, {"email": "ann@cdp.example"}])
def test_who_was_erased_and_is_known_again_is_told_by_the_same_row(
    audience: Audience, clock: SetClock, told: dict[str, str]
) -> None:
    """Its state went with them: the row is nobody's until then, and theirs afterwards, though it says nothing new."""
    audience.pulls(members("A", **told))
    _erase(audience, "A")
    assert audience.rows() == 0
    clock.set(clock.now() + 1000)
    assert audience.pulls(members("A", **told)).counts["no-patient"] == 1
    audience.knows("A")
    clock.set(clock.now() + 1000)
    assert audience.pulls(members("A", **told)).counts["taken"] == 1
    assert audience.requests() == {"active": 1, f"revoked {Reason.PATIENT_ERASED}": 1}


def _erase(audience: Audience, mrn: str) -> None:
    digests = audience.store.keyring.sought("identifier", f"LAKESIDE\x1fMR\x1f{mrn}")
    with audience.store.database.shredding(), audience.store.begin("test") as uow:
        tokens = sorted(token for (token,) in uow.lookup(tables.identifier, ("patient",), "hmac", digests))
        erase_tokens(uow, tokens, reason="asked")
        uow.commit()


def test_an_extract_without_news_is_heard(audience: Audience, clock: SetClock) -> None:
    """S-17: the feed watch hears a table that says what it said."""
    audience.pulls(members("A"))
    clock.set(clock.now() + 3_600_000)
    audience.pulls(members("A"))
    with audience.store.read() as unit:
        assert unit.lookup(tables.source, ("last_received",), "name", ["cdp"]) == [(clock.now(),)]


def test_old_extracts_are_forgotten_but_what_the_next_begins_from(audience: Audience, clock: SetClock) -> None:
    """The last finished one and the last snapshot stay, however old."""
    audience.pulls(members("A"))
    audience.pulls(members("A"), mode=ExtractMode.CHANGES)
    audience.pulls(members("A"), mode=ExtractMode.CHANGES)
    clock.set(clock.now() + 91 * DAY)
    assert purge_extracts(audience.store) == 2
    assert purge_extracts(audience.store) == 0
    with audience.store.read() as unit:
        kept = [(one.mode.value, one.cursor) for one in latest(unit, audience.entry.id, 9)]
    assert kept == [("changes", "1"), ("snapshot", "1")]


def test_rows_of_a_table_that_is_configured_no_more_are_forgotten(audience: Audience, clock: SetClock) -> None:
    """Three months after it was read last, an extract that was never finished included; of one that is only silent, never."""
    audience.pulls(members("A", "B"))
    audience.book.begin(ExtractMode.CHANGES)
    clock.set(clock.now() + 89 * DAY)
    assert purge_tables(audience.store, ()) == 0
    clock.set(clock.now() + 2 * DAY)
    assert purge_tables(audience.store, [audience.entry.id]) == 0
    keep = Keep(raw=DAY * 365, facts=DAY * 365, bodies=DAY * 365)
    Rounds(audience.store, keep, None, sources=[audience.entry.id]).once()
    assert audience.rows() == 2
    Rounds(audience.store, keep, None, sources=[]).once()
    assert audience.rows() == 0
    with audience.store.read() as unit:
        assert latest(unit, audience.entry.id, 9) == []
    assert audience.requests() == {"active": 2}


def _patients(audience: Audience, *columns: str) -> list[tuple[object, ...]]:
    with audience.store.read() as unit:
        return sorted(unit.lookup(tables.patient, ("token", *columns), "hold", [""]))
