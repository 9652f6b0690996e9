"""Order never matters: whatever rules are called, and in whatever order what happened in one instant is heard."""

from __future__ import annotations

import itertools
from pathlib import Path

from clinic_dsl import Clinic, OpenClinic
from clinic_site import write_rules
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_clinic_recall import changed, forget

from gateway.model.when import SECOND, Millis
from gateway.pipeline import rules
from gateway.ruleset.load import read_files
from gateway.store import tables

NAMES = ("aa", "mm", "zz")
ROLES = {
    "recall": changed(),
    "latest": changed(("cancel:\n  event: [encounter.registered]\n  where: {encounter.class: outpatient}\n", "")),
    "cancelled": changed(
        ("once_per: patient\n", ""),
        ("encounter.registered]\n  where: {encounter.class: outpatient}", "appointment.cancelled]"),
        ("by: 1y", "by: [1mo, 1y]"),
        (
            "    appointment.status: booked\n",
            "    appointment.status: booked\n  unless:\n    patient.age: {at_least: 90}\n",
        ),
    ),
}
STARTS = ("2026-03-20 09:30", "2026-05-05 14:00", "2026-05-05 14:00")
APPOINTMENTS = st.tuples(st.just("appointment"), st.sampled_from(["S12", "S13", "S15"]), st.sampled_from(STARTS))
VISITS = st.tuples(st.just("visit"), st.sampled_from(["I", "O"]), st.just(""))
STORIES = st.lists(APPOINTMENTS, min_size=2, max_size=5).flatmap(
    lambda booked: st.lists(VISITS, max_size=1).map(lambda seen: [*booked, *seen])
)


@st.composite
def tellings(draw: st.DrawFn) -> tuple[list[tuple[str, str, str]], list[tuple[list[int], int, tuple[str, ...]]]]:
    """What happened, and two ways to hear it: an order, how many come first in a batch of their own, the rules' names."""
    story = draw(STORIES)
    numbers = list(range(len(story)))
    way = st.tuples(st.permutations(numbers), st.integers(0, len(story)), st.permutations(NAMES).map(tuple))
    return story, [draw(way), draw(way)]


def test_no_order_of_rules_or_of_one_instant_changes_what_waits(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """Issue 4: once_per, cancel and unless, three rules under any names, up to six things of one moment in any order."""
    folders = {
        names: write_rules(
            tmp_path / "-".join(names),
            {
                name: text.replace("rule: recall", f"rule: {name}")
                for name, text in zip(names, ROLES.values(), strict=True)
            },
        )
        for names in itertools.permutations(NAMES)
    }
    clinic = open_clinic(rules=folders[NAMES])
    clinic.enrols("Ann")
    start = clinic.clock.now()
    met = set()

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(tellings())
    def told(telling: tuple[list[tuple[str, str, str]], list[tuple[list[int], int, tuple[str, ...]]]]) -> None:
        story, ways = telling
        decided = []
        for order, first, names in ways:
            forget(clinic)
            clinic.clock.set(start)
            rules.activate(
                clinic.gateway.store, read_files(folders[names]), folders[names], account="os:ann", how=rules.ACTIVATED
            )
            messages = [_message(clinic, number, *story[number], at=start + SECOND) for number in order]
            for batch in (messages[:first], messages[first:]):
                clinic.clock.set(start)
                if batch:
                    clinic.hears_together(*batch)
            decided.append(_waiting(clinic, dict(zip(names, ROLES, strict=True))))
        assert decided[0] == decided[1]
        met.update(role for role, *_ in decided[0])

    told()
    assert met == set(ROLES), "each rule had something waiting at least once"


def _message(clinic: Clinic, number: int, kind: str, what: str, start: str, *, at: Millis) -> bytes:
    if kind == "appointment":
        status = "Cancelled" if what == "S15" else "Booked"
        return clinic.schedules(what, "Ann", start=start, appointment=f"A{number}", status=status, at=at)
    return clinic.visit("A04", "Ann", at=at, pv1={2: what, 3: "MAIN", 10: "MED", 19: f"V{number}^^^LAKESIDE"})


def _waiting(clinic: Clinic, roles: dict[str, str]) -> list[tuple[str, str, str, int, str]]:
    """What waits: by which rule's text, about which occurrence, which step, when, and in which state."""
    token = clinic.token("Ann")
    with clinic.gateway.store.read() as unit:
        columns = ("rule", "occurrence", "step", "due", "state")
        rows = unit.lookup(tables.request, columns, "patient", [token])
        keys = dict(unit.lookup(tables.occurrence, ("id", "key"), "id", sorted({row[1] for row in rows})))
    return sorted(
        (roles[rule], bytes(keys[occurrence]).hex(), step, due, state)
        for rule, occurrence, step, due, state in rows
        if state in ("active", "on-hold")
    )
