"""People and visits under other numbers: merged, moved, renumbered, deleted, and merges taken back (AD-14 to AD-33)."""

from __future__ import annotations

from pathlib import Path

import clinic_messages as hl7
import pytest
from clinic_dsl import Clinic, OpenClinic
from test_clinic_orders import own_rules

from gateway.model.errors import CommandError
from gateway.pipeline import inspect
from gateway.store import tables

FIRST = "2026-03-20 09:30"


def number(clinic: Clinic, handle: str) -> str:
    return f"{clinic.person(handle).mrn}^^^{hl7.AUTHORITY}^MR"


def twins(clinic: Clinic, again: str = "Anna", first: str = "Ann") -> None:
    """`again` is `first` under a second number."""
    known = clinic.person(first)
    clinic.person(again, given=known.given, family=known.family, born=known.born)
    clinic.enrols(first)
    clinic.enrols(again)


def merge_ids(clinic: Clinic) -> list[int]:
    return [int(entry[3]) for entry in clinic.entries("Ann") if entry[0] == "patient.merged"]  # type: ignore[call-overload]


# -- numbers


def test_a_corrected_number_is_the_same_person(clinic: Clinic) -> None:
    """AD-21: A47: the key changes, what waits stays, the old number names nobody any more."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    token, old = clinic.token("Ann"), number(clinic, "Ann")
    clinic.person("Ann", mrn="QX7700")
    said = clinic.hears(clinic.visit("A47", "Ann", extra=[f"MRG|{old}"]))
    assert said.events == ("patient.identifier-changed",)
    assert (clinic.token("Ann"), len(clinic.planned("Ann")), clinic.holds("Ann")) == (token, 2, set())
    clinic.person("Old", mrn=old.partition("^")[0])
    with pytest.raises(CommandError):
        clinic.token("Old")
    assert clinic.count("patient") == 1


def test_a_corrected_number_that_was_never_known_is_just_a_number(clinic: Clinic) -> None:
    """AD-21: nobody had the old one; nobody had either."""
    clinic.enrols("Ann")
    clinic.hears(clinic.visit("A47", "Ann", extra=["MRG|77^^^LAKESIDE^MR"]))
    clinic.hears(clinic.visit("A47", "Ben", extra=["MRG|78^^^LAKESIDE^MR"]))
    assert (clinic.holds("Ann"), clinic.holds("Ben"), clinic.count("patient")) == (set(), set(), 2)


def test_a_number_corrected_twice_in_one_batch_is_let_go(clinic: Clinic) -> None:
    """AD-21: the person is as new as the message before."""
    added = clinic.visit("A28", "Ann")
    old = number(clinic, "Ann")
    clinic.person("Ann", mrn="QX7701")
    clinic.hears_together(added, clinic.visit("A47", "Ann", extra=[f"MRG|{old}"]))
    assert clinic.count("identifier") == 1


def test_a_corrected_number_of_two_people_merges_nobody(clinic: Clinic) -> None:
    """AD-21: not a merge: both wait for a person."""
    clinic.enrols("Ann")
    clinic.enrols("Ben")
    clinic.hears(clinic.visit("A47", "Ann", extra=[f"MRG|{number(clinic, 'Ben')}"]))
    assert clinic.token("Ann") != clinic.token("Ben")
    assert clinic.holds("Ann") == clinic.holds("Ben") == {"identity-conflict"}


def test_a_moved_number_waits_for_a_person(clinic: Clinic) -> None:
    """AD-20: A43: whose it is now, only a person can say; said twice, held once."""
    clinic.enrols("Ann")
    clinic.enrols("Ben")
    for _ in range(2):
        clinic.hears(clinic.visit("A43", "Ann", extra=[f"MRG|{number(clinic, 'Ben')}"]))
    assert clinic.holds("Ann") == clinic.holds("Ben") == {"identity-conflict"}


def test_a_link_merges_nobody_and_its_end_parts_nobody(clinic: Clinic) -> None:
    """AD-14: recorded."""
    clinic.enrols("Ann")
    clinic.enrols("Ben")
    for trigger, kind in (("A24", "patient.linked"), ("A37", "patient.unlinked")):
        said = clinic.hears(clinic.visit(trigger, "Ann", extra=[hl7.pid(clinic.person("Ben"))]))
        assert said.events == (kind, kind)
    assert clinic.token("Ann") != clinic.token("Ben")
    assert clinic.holds("Ann") == set()


def test_a_deleted_person_hears_nothing_until_they_are_added_again(clinic: Clinic) -> None:
    """AD-16: A29 withdraws all that waits; what is booked meanwhile waits for an A28."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    for _ in range(2):
        clinic.hears(clinic.visit("A29", "Ann"))
    assert (clinic.ended("Ann"), clinic.holds("Ann")) == (["person-deleted"] * 2, {"person-deleted"})
    clinic.books("Ann", on="2026-04-20 09:30")
    assert clinic.waiting("Ann") == ["person-deleted"] * 2
    clinic.adds("Ann")
    assert (clinic.holds("Ann"), len(clinic.planned("Ann"))) == (set(), 2)


# -- visits


@pytest.fixture
def ward(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """A clinic that writes to those admitted an hour later; Ann is, under V001."""
    clinic = open_clinic(rules=own_rules(tmp_path / "own", by="1h"))
    clinic.enrols("Ann")
    clinic.admits("Ann")
    return clinic


def moves(clinic: Clinic, trigger: str, handle: str, *, visit: str, mrg: hl7.Fields) -> tuple[str, ...]:
    pv1 = {2: "I", 3: "MAIN", 19: f"{visit}^^^LAKESIDE"}
    return clinic.hears(clinic.visit(trigger, handle, pv1=pv1, extra=[hl7.segment("MRG", mrg)])).events


@pytest.mark.parametrize("trigger", ["A42", "A50"])
def test_a_visit_under_another_number_goes_on(ward: Clinic, trigger: str) -> None:
    """AD-19: MRG-5 becomes PV1-19; a discharge under the new number ends that visit, and one merge is one visit."""
    moves(ward, trigger, "Ann", visit="V9", mrg={1: number(ward, "Ann"), 5: "V001^^^LAKESIDE"})
    assert (ward.count("occurrence"), len(ward.planned("Ann"))) == (1, 1)
    ward._visited("A11", "Ann", {2: "I"}, visit="V9")
    assert ward.ended("Ann") == ["cancelled"]


def test_two_visits_that_are_one_are_told_of_once(ward: Clinic) -> None:
    """AD-19: both known: what waited for the wrong number is withdrawn, and it never was."""
    ward.admits("Ann", visit="V002")
    moves(ward, "A42", "Ann", visit="V002", mrg={1: number(ward, "Ann"), 5: "V001^^^LAKESIDE"})
    assert (ward.ended("Ann"), len(ward.planned("Ann"))) == (["superseded"], 1)
    moves(ward, "A42", "Ann", visit="V002", mrg={1: number(ward, "Ann"), 5: "V002^^^LAKESIDE"})
    moves(ward, "A42", "Ann", visit="V002", mrg={1: number(ward, "Ann"), 5: "V404^^^LAKESIDE"})
    assert len(ward.planned("Ann")) == 1


def test_a_visit_moves_to_the_person_it_belongs_to(ward: Clinic) -> None:
    """AD-20: A45: from MRG-1 to PID-3; nobody is merged, and what waited is the other's."""
    ward.enrols("Ben")
    assert moves(ward, "A45", "Ben", visit="V001", mrg={1: number(ward, "Ann")}) == ("encounter.moved",)
    assert (ward.ended("Ann"), len(ward.planned("Ben"))) == (["superseded"], 1)
    assert (ward.holds("Ann"), ward.holds("Ben")) == (set(), set())
    assert ward.token("Ann") != ward.token("Ben")


def test_a_visit_moved_from_somebody_else_waits_for_a_person(ward: Clinic) -> None:
    """AD-20: MRG-1 names another person than the visit has."""
    ward.enrols("Ben")
    ward.enrols("Cyd")
    moves(ward, "A45", "Ben", visit="V001", mrg={1: number(ward, "Cyd")})
    assert ward.holds("Ben") == {"identity-conflict"}


def test_another_source_replaces_nothing(ward: Clinic) -> None:
    """Design: each occurrence has one owner; what another source says only holds."""
    pv1 = {2: "I", 3: "MAIN", 19: "V9^^^LAKESIDE"}
    mrg = hl7.segment("MRG", {1: number(ward, "Ann"), 5: "V001^^^LAKESIDE"})
    ward.hears(ward.visit("A42", "Ann", pv1=pv1, extra=[mrg]), source="partner")
    assert ward.waiting("Ann") == ["superseded"]


# -- merges, and back


@pytest.mark.parametrize("trigger", ["A18", "A30", "A34", "A36", "A40"])
def test_older_merges_merge_too(clinic: Clinic, trigger: str) -> None:
    """AD-18."""
    twins(clinic)
    clinic.hears(clinic.visit(trigger, "Ann", extra=[f"MRG|{number(clinic, 'Anna')}"]))
    assert clinic.token("Anna") == clinic.token("Ann")


def test_the_same_appointment_of_both_is_told_once(clinic: Clinic) -> None:
    """AD-31: equal start and place: the second waits for a person, another one does not."""
    twins(clinic)
    clinic.books("Ann", on=FIRST)
    clinic.books("Anna", on=FIRST)
    clinic.books("Anna", on="2026-04-20 09:30")
    clinic.merges("Anna", into="Ann")
    assert clinic.waiting("Ann") == ["possible-duplicate"] * 2
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == ["2026-03-13 09:30", "2026-03-19 09:30"]


def test_a_death_in_the_batch_of_a_merge_ends_what_both_waited_for(clinic: Clinic) -> None:
    """PI-12: what was booked before, and in this very batch under the number that died, is the survivor's by then."""
    twins(clinic)
    clinic.books("Ann", on=FIRST)
    clinic.books("Anna", on="2026-04-20 09:30")
    clinic.hears_together(
        clinic.schedules("S12", "Anna", start="2026-04-22 09:30", appointment="A900"),
        clinic.visit("A40", "Ann", extra=[f"MRG|{number(clinic, 'Anna')}"]),
        clinic.visit("A31", "Ann", pid={30: "Y"}),
    )
    assert (clinic.planned("Ann"), clinic.ended("Ann")) == ([], ["deceased"] * 6)


def test_a_death_in_the_batch_in_which_a_visit_changed_hands_ends_what_waits_for_the_new_patient(
    clinic: Clinic,
) -> None:
    """D-06, PI-12: the visit is Ben's when Ben dies."""
    clinic.enrols("Ann")
    clinic.enrols("Ben")
    clinic.books("Ann", on=FIRST, appointment="A001")
    clinic.hears_together(
        clinic.schedules("S12", "Ben", start=FIRST, appointment="A001"),
        clinic.visit("A31", "Ben", pid={30: "Y"}),
    )
    assert (clinic.waiting("Ben"), clinic.ended("Ben")) == ([], ["deceased"] * 2)


def test_a_merge_is_taken_back(clinic: Clinic) -> None:
    """AD-31: each their own again with what waited for them; both wait until somebody looks."""
    twins(clinic)
    clinic.books("Ann", on=FIRST)
    clinic.books("Anna", on=FIRST)
    loser, survivor = clinic.token("Anna"), clinic.token("Ann")
    clinic.merges("Anna", into="Ann")
    (merge,) = merge_ids(clinic)
    assert len(inspect.unmerge(clinic.gateway, merge, reason="ticket 9", account="os:officer").returned) == 2
    assert (clinic.token("Anna"), clinic.token("Ann")) == (loser, survivor)
    assert (len(clinic.planned("Ann")), len(clinic.planned("Anna"))) == (2, 2)
    assert clinic.holds("Ann") == clinic.holds("Anna") == {"reversed"}
    assert any("undone" in line and "ticket 9" in line for line in clinic.story("Ann"))
    for handle in ("Ann", "Anna"):
        inspect.release_patient(clinic.gateway, clinic.token(handle), "reversed", reason="looked", account="os:officer")
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == clinic.arrivals("Anna") == ["2026-03-13 09:30", "2026-03-19 09:30"]


def test_what_was_inherited_goes_back_with_an_undone_merge(clinic: Clinic) -> None:
    """AD-31: a death and a hold of the one are not the other's; a no of the one binds only them again."""
    twins(clinic)
    clinic.dies("Anna")
    clinic.changes("Anna", pid={31: "Y"})
    clinic.opts_out("Anna")
    clinic.merges("Anna", into="Ann")
    assert "identity-doubtful" in clinic.holds("Ann")
    inspect.unmerge(clinic.gateway, merge_ids(clinic)[0], reason="ticket 9", account="os:officer")
    assert clinic.holds("Ann") == {"reversed"}
    assert clinic.holds("Anna") == {"identity-doubtful", "reversed"}
    inspect.release_patient(clinic.gateway, clinic.token("Ann"), "reversed", reason="looked", account="os:officer")
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert len(clinic.arrivals("Ann")) == 2


def test_merges_are_undone_from_the_last_one_back(clinic: Clinic) -> None:
    """AD-33: A into B, B into C: the second first, and then all who died into B are B's again."""
    clinic.enrols("Ann")
    clinic.enrols("Bea")
    clinic.enrols("Cyd")
    tokens = [clinic.token(one) for one in ("Ann", "Bea", "Cyd")]
    clinic.merges("Ann", into="Bea")
    clinic.merges("Bea", into="Cyd")
    with clinic.gateway.store.read() as unit:
        ids = sorted(one for (one,) in unit.lookup(tables.merge, ("id",), "loser", tokens))
    with pytest.raises(CommandError, match="a later one on top"):
        inspect.unmerge(clinic.gateway, ids[0], reason="x", account="os:officer")
    inspect.unmerge(clinic.gateway, ids[1], reason="x", account="os:officer")
    assert [clinic.token(one) for one in ("Ann", "Bea", "Cyd")] == [tokens[1], tokens[1], tokens[2]]
    inspect.unmerge(clinic.gateway, ids[0], reason="x", account="os:officer")
    assert [clinic.token(one) for one in ("Ann", "Bea", "Cyd")] == tokens
    with pytest.raises(CommandError, match="undone already"):
        inspect.unmerge(clinic.gateway, ids[0], reason="x", account="os:officer")
    with pytest.raises(CommandError, match="there is no merge"):
        inspect.unmerge(clinic.gateway, 5, reason="x", account="os:officer")
