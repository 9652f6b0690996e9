"""Days in effect, another event that cancels, once per patient, variants: read, checked, and asked as questions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest

from gateway.model.errors import ConfigError
from gateway.model.facts import UNMAPPED
from gateway.model.rule import Cancel, Effective, Variant
from gateway.model.when import Millis, to_millis, zone_of
from gateway.ruleset import RuleSet, alike, cancels, in_effect, load
from tests.rules.test_rule_matching import asks, rule

Write = Callable[..., Path]
CHICAGO = "America/Chicago"
TEMPLATE = "template: appointment_reminder"
VARIANTS = """\
variants:
    - {name: short, template: appointment_reminder, share: 30}
    - {name: long, template: missed_appointment, share: 70}"""


def at(text: str) -> Millis:
    return to_millis(datetime.fromisoformat(text).replace(tzinfo=zone_of(CHICAGO)))


def refused(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder)
    return "\n".join(problem.replace(f"{folder}{os.sep}", "") for problem in caught.value.problems)


def test_every_section_finds_its_place(write: Write) -> None:
    """Each with the line at which a refusal points."""
    extra = """\
effective: {from: 2026-03-01, until: 2026-12-31}
once_per: patient
alike: [appointment.service]
cancel:
  event: [appointment.rescheduled, encounter.registered]
  where:
    encounter.class: outpatient
why:"""
    told = load(write({"why:": extra, TEMPLATE: VARIANTS})).rules["reminder"]
    assert told.effective == Effective(start=date(2026, 3, 1), until=date(2026, 12, 31), line=3)
    assert told.once_per_patient
    assert told.alike == ("appointment.service",)
    assert told.looks_across
    assert told.cancel is not None
    assert (told.cancel.events, told.cancel.line) == ({"appointment.rescheduled", "encounter.registered"}, 6)
    assert [(one.fact, one.line) for one in told.cancel.where] == [("encounter.class", 9)]
    assert [(one.name, one.template, one.share) for one in told.variants] == [
        ("short", "appointment_reminder", 30),
        ("long", "missed_appointment", 70),
    ]
    assert told.templates == ("appointment_reminder", "missed_appointment")


def test_a_rule_without_any_of_it_is_plain(write: Write) -> None:
    """Nothing is looked up for nothing."""
    plain = load(write()).rules["reminder"]
    assert (plain.effective, plain.cancel, plain.variants, plain.looks_across) == (None, None, (), False)
    assert plain.templates == ("appointment_reminder",)
    assert plain.worded(plain.variant(50)) is plain


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("why:", "effective: {}\nwhy:", "reminder.yaml:3:12: tell `from`, `until` or both"),
        ("why:", "effective: {from: 2026-04-01, until: 2026-03-01}\nwhy:", "reminder.yaml:3:38: ends before it begins"),
        ("why:", "effective: {from: spring}\nwhy:", "reminder.yaml:3:19: `effective.from` must be a date like 2026-03-15"),
        ("why:", "effective: {since: 2026-04-01}\nwhy:", "unknown key `since`"),
        ("why:", "once_per: visit\nwhy:", "reminder.yaml:3:11: `once_per` must be 'patient'"),
        ("why:", "cancel: {event: appointment.boked}\nwhy:", "reminder.yaml:3:17: unknown event `appointment.boked`; did you mean"),
        ("why:", "cancel: {event: result.pending}\nwhy:", "unknown event `result.pending`"),
        ("why:", "cancel: {event: [appointment.booked, appointment.booked]}\nwhy:", "`appointment.booked` stands here twice"),
        ("why:", "cancel: {event: patient.updated}\nwhy:", "reminder.yaml:3:17: an event about the person alone leads nothing to a state"),
        ("why:", "once_per: patient\nalike: [appointment.drug]\nwhy:", "reminder.yaml:4:9: unknown fact `appointment.drug`"),
        ("why:", "once_per: patient\nalike: [appointment.service, appointment.service]\nwhy:", "reminder.yaml:4:30: `appointment.service` stands here twice"),
        ("why:", "alike: [appointment.service]\nwhy:", "reminder.yaml:3:8: nothing is looked for: tell `once_per` or `cancel`"),
        ("why:", "cancel: {where: {appointment.status: booked}}\nwhy:", "`cancel.event` is missing"),
        ("why:", "cancel: {event: appointment.booked, where: {appointment.stauts: x}}\nwhy:", "unknown fact `appointment.stauts`"),
        (TEMPLATE, f"{TEMPLATE}\n  {VARIANTS}", "reminder.yaml:13:3: tell either `template` or `variants`"),
        (f"  {TEMPLATE}\n", "", "tell either `template` or `variants`"),
        (TEMPLATE, VARIANTS.replace("share: 70", "share: 60"), "the shares are 90 together: they must be 100"),
        (TEMPLATE, VARIANTS.replace("share: 70", "share: 100"), "`send.variants[2].share` must be at most 99"),
        (TEMPLATE, VARIANTS.replace("name: long", "name: short"), "reminder.yaml:19:14: two variants are named `short`"),
        (TEMPLATE, VARIANTS.replace("missed_appointment", "appointment_reminder"), "two variants have the same template: they are one"),
        (TEMPLATE, VARIANTS.replace("missed_appointment", "missed_apointment"), "reminder.yaml:19:30: there is no template folder `templates/missed_apointment`"),
        (TEMPLATE, "variants:\n    - {name: short, template: appointment_reminder, share: 99}", "`send.variants` must have at least this many entries: 2"),
    ],
)  # fmt: skip
def test_a_section_that_cannot_be_meant_is_named_with_its_place(
    write: Write, old: str, new: str, expected: str
) -> None:
    """File, line, column, and what to do."""
    assert expected in refused(write({old: new}))


@pytest.mark.parametrize(
    ("start", "until", "now", "expected"),
    [
        ("2026-03-01", "2026-12-31", "2026-02-28T23:59", False),
        ("2026-03-01", "2026-12-31", "2026-03-01T00:00", True),
        ("2026-03-01", "2026-12-31", "2026-12-31T23:59", True),
        ("2026-03-01", "2026-12-31", "2027-01-01T00:00", False),
        ("2026-03-01", None, "2031-01-01T00:00", True),
        (None, "2026-12-31", "2020-01-01T00:00", True),
    ],
)
def test_both_days_are_included_where_it_takes_place(
    start: str | None, until: str | None, now: str, expected: bool
) -> None:
    """A quarter to midnight in Chicago is tomorrow in Greenwich, and still in effect."""
    days = Effective(
        start=date.fromisoformat(start) if start else None, until=date.fromisoformat(until) if until else None, line=3
    )
    assert in_effect(rule(effective=days), at(now), CHICAGO) is expected
    assert in_effect(rule(), at(now), CHICAGO)


@pytest.mark.parametrize(
    ("kind", "occurred", "service", "expected"),
    [
        ("appointment.booked", 10, "primary-care", True),
        ("appointment.booked", 11, "primary-care", True),
        ("appointment.booked", 9, "primary-care", False),
        ("appointment.missed", 11, "primary-care", False),
        ("appointment.booked", 11, "surgery", False),
        ("appointment.booked", 11, UNMAPPED, False),
        ("appointment.booked", 11, None, False),
    ],
)
def test_what_happened_then_or_later_makes_a_message_needless(
    kind: str, occurred: Millis, service: str | None, expected: bool
) -> None:
    """Not what was known before; and not what is not known to be so."""
    told = Cancel(
        events=frozenset({"appointment.booked"}),
        where=(asks("appointment.service", values=frozenset({"primary-care"})),),
        line=4,
    )
    facts = {} if service is None else {"appointment.service": service}
    assert cancels(rule(cancel=told), kind, occurred, facts, own={}, since=10) is expected
    assert not cancels(rule(), kind, occurred, facts, own={}, since=10)


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [("A", "A", True), ("A", "B", False), (None, None, False), ("A", None, False), (UNMAPPED, UNMAPPED, False)],
)
def test_only_what_is_known_to_be_alike_is_alike(own: str | None, other: str | None, expected: bool) -> None:
    """Two medicines of unknown name may be two."""
    told = Cancel(events=frozenset({"prescription.dispensed"}), where=(), line=4)
    asked = rule(cancel=told, alike=("prescription.drug",))
    mine, its = ({} if one is None else {"prescription.drug": one} for one in (own, other))
    assert alike(asked, mine, its) is expected
    assert cancels(asked, "prescription.dispensed", 10, its, own=mine, since=10) is expected
    assert alike(rule(), mine, its)


def test_every_number_of_a_hundred_has_its_variant() -> None:
    """Thirty of a hundred get the short one; the rule that is sent has that variant's template and no other."""
    short, long = Variant(name="short", template="a", share=30), Variant(name="long", template="b", share=70)
    told = rule(template="a", variants=(short, long))
    drawn = [told.variant(number) for number in range(100)]
    assert (drawn[:30], drawn[30:]) == ([short] * 30, [long] * 70)
    assert told.worded(long).template == "b"
    assert told.worded(long).material == told.material
    assert told.variant(100) is None  # there is no such number


def test_the_rules_that_look_across_are_found_by_the_event_that_cancels(folder: Path) -> None:
    """A rule set without such rules looks nothing up."""
    policy = load(folder).policy
    told = Cancel(events=frozenset({"appointment.booked", "encounter.registered"}), where=(), line=4)
    cancelled, once = rule(name="cancelled", cancel=told), rule(name="once", once_per_patient=True)
    asking = rule(name="asking", cancel=Cancel(events=frozenset({"appointment.booked"}), where=(asks("encounter.class", values=frozenset({"x"})),), line=4))  # fmt: skip
    made = RuleSet.of([once, cancelled, asking, rule(name="plain")], policy, {}, digest="d", folder=folder)
    assert [one.name for one in made.across] == ["asking", "cancelled", "once"]
    assert [one.name for one in made.cancelled_by("appointment.booked")] == ["asking", "cancelled"]
    assert [one.name for one in made.cancelled_by("encounter.registered")] == ["cancelled"]
    assert made.cancelled_by("appointment.missed") == ()
    assert "encounter.class" in made.facts_used  # law 5: what cancels is kept


def test_the_order_of_the_files_decides_nothing(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same files, listed by the file system in another order, are the same rule set."""
    for name in ("b", "a", "c"):
        folder = write(name=name)
    one = load(folder)
    shutil.copytree(folder, tmp_path / "copy")
    listing = Path.glob
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(sorted(listing(self, pattern), reverse=True)))
    other = load(tmp_path / "copy")
    assert list(one.rules) == list(other.rules) == ["a", "b", "c"]
    assert one.digest == other.digest
    assert [r.name for r in one.for_event("appointment.booked", {"appointment.status": "booked"})] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("was", "told", "sentence"),
    [
        ("[preferred, email]", "[preferred, email]\n  fallback: {on_silence: 24h}", "no second channel"),
        ("[preferred, email]", "[preferred, email]\n  read_within: 2d", "only what lies in the portal"),
    ],
)
def test_a_fallback_needs_a_second_channel_and_a_reader_the_portal(
    write: Write, was: str, told: str, sentence: str
) -> None:
    """What makes no sense is no rule."""
    assert sentence in refused(write({was: told}))


def test_silence_is_no_reason_for_a_second_marketing_message(write: Write) -> None:
    """45 CFR 164.508: an authorization is for one."""
    changes = {"[preferred, email]": "[preferred, email, sms]\n  fallback: {on_silence: 24h}", "TREAT": "HMARKT"}
    assert "silence is no reason" in refused(write(changes))
