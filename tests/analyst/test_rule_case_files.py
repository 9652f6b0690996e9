"""The tests beside a rule fail in words when the rule does something else, and are refused when they cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.analyst.rule_tests import read, run, run_suite
from gateway.mapping.pack import load_pack
from gateway.model.errors import ConfigError
from gateway.packs import shipped
from gateway.yamlfile import load_text
from tests.analyst.test_lint_rules import RULE, write  # noqa: F401 - a fixture

GIVEN = """\
given:
  zone: America/Chicago
  event: appointment.booked
  now: 2026-03-02 10:00
  facts: {appointment.start: 2026-03-20 09:30, appointment.status: booked}
tests:
  - name: one
    expect: EXPECT
"""
SENDS = "{sends: [{step: 7d, at: 2026-03-13 09:30, by: email}]}"
Write = Callable[..., Path]


@pytest.fixture
def failures(write: Write) -> Callable[..., tuple[str, ...]]:  # noqa: F811
    """Runs one test and gives its failures: `failures(expect, extra="patient: …", change={…})`."""

    def _failures(
        expect: str, *, extra: str = "", change: dict[str, str] | None = None, policy: str = ""
    ) -> tuple[str, ...]:
        folder = write(change)
        if policy:
            (folder / "policy.yaml").write_text(policy, encoding="utf-8")
        text = GIVEN.replace("EXPECT", expect) + (f"    {extra}\n" if extra else "")
        (folder / "reminder.test.yaml").write_text(text, encoding="utf-8")
        (result,) = run(folder)
        assert (result.rule, result.name, result.line) == ("reminder", "one", 7)
        return result.failures

    return _failures


Failures = Callable[..., tuple[str, ...]]


@pytest.mark.parametrize(
    ("expect", "extra"),
    [
        (SENDS, ""),
        ("{silent: {because: when.event}}", "event: appointment.missed"),
        ("{silent: {because: appointment.status}}", "facts: {appointment.status: pending}"),
        ("{silent: {because: appointment.status}}", "facts: {appointment.status: absent}"),
        ("{withheld: {because: deceased}}", "patient: {deceased: yes}"),
        ("{held: [{step: 7d, because: no-representative}]}", "patient: {age: 3}"),
        (SENDS, "patient: {age: 3, represented: yes}"),
        ("{withheld: {because: minor}}", "patient: {age: 15, represented: yes}\n    facts: {appointment.service: absent}"),
        ("{withheld: {because: restricted}}", 'consents: ["permit * * *", "deny TREAT * * restriction"]'),
        ("{withheld: {because: no-consent}}", "consents: [permit * * * texts]"),
        ("{withheld: {because: no-consent}}", "consents: [permit HPAYMT * *]"),
        ("{withheld: {because: consent-denied}}", 'consents: ["permit * * *", "deny TREAT email *"]'),
        ("{withheld: {because: merged-away}}", "patient: {merged: yes}"),
        ("{withheld: {because: not-production}}", "production: no"),
        ("{withheld: {because: too-old}}", "occurred: 2026-02-20 10:00"),
        ("{held: {because: identity-doubtful}}", "patient: {holds: [identity-doubtful]}"),
        ("{held: {because: age-unknown}}", "patient: {age: unknown}"),
        ("{held: {because: unmapped-code}}", "facts: {appointment.service: unmapped}"),
        ("{skipped: 7d}", "now: 2026-03-14 10:00"),
        ("{sends: [{step: 7d, at: 2026-03-13 13:00, by: email}]}", "patient: {zone: Pacific/Kiritimati}"),
        ("{sends: [{step: 7d, at: 2026-03-14 08:00, by: email}]}",
         "sent: [2026-03-13 08:00, 2026-03-13 08:10, 2026-03-13 08:20, 2026-03-13 08:30]"),
    ],
)  # fmt: skip
def test_a_test_passes_when_what_it_says_comes_about(failures: Failures, expect: str, extra: str) -> None:
    """Matching, schedule and gates are those of receive and deliver."""
    assert failures(expect, extra=extra) == ()


@pytest.mark.parametrize(
    ("expect", "extra", "said"),
    [
        ("{sends: [{step: 7d, at: 2026-03-13 10:30, by: email}]}", "",
         "step 7d: expected at 2026-03-13 10:30, but it sends at 2026-03-13 09:30"),
        (SENDS, "patient: {deceased: yes}",
         "step 7d: expected that it sends at 2026-03-13 09:30 by email, but it is withheld because deceased (gate deceased)"),
        (SENDS, "facts: {appointment.status: pending}",
         "the rule stays silent because of `appointment.status` (reminder.yaml:7): `appointment.status` is pending, and it asks for booked"),
        (SENDS, "event: appointment.missed", "the rule stays silent because of `when.event` (reminder.yaml): it speaks of appointment.booked"),
        ("{silent: {because: appointment.status}}", "",
         "expected silence because of `appointment.status`, but `appointment.status` is booked and the rule speaks: it asks for booked (reminder.yaml:7)"),
        ("{silent: {because: when.event}}", "facts: {appointment.status: pending}",
         "expected silence because of `when.event`, but it is silent because of `appointment.status` (reminder.yaml:7): `appointment.status` is pending, and it asks for booked"),
        ("{silent: {because: when.event}}", "", "expected silence because of `when.event`, but the rule speaks: every condition is met"),
        ("{silent: {because: apointment.status}}", "",
         "expected silence because of `apointment.status`, but the rule speaks, and no condition of it asks about that; did you mean `appointment.status`?"),
        ("{sends: [{step: 7d, at: 2026-03-13 09:30, by: sms}]}", "", "step 7d: expected by sms, but it sends by email (sms is not tried before it)"),
        ("{sends: [{step: 7d, at: 2026-03-13 09:00, by: email}]}", "patient: {zone: Pacific/Kiritimati}",
         "step 7d: expected at 2026-03-13 09:00, but it sends at 2026-03-13 13:00 (it waits: quiet-hours)"),
        ("{}", "", "step 7d sends at 2026-03-13 09:30 by email, which the test does not mention"),
        ("{held: {step: 1d, because: minor}}", "",
         "step 7d sends at 2026-03-13 09:30 by email, which the test does not mention"),
        ("{held: {because: deceased}}", "patient: {deceased: yes}",
         "step 7d: expected that it is held because deceased, but it is withheld because deceased (gate deceased)"),
        ("{withheld: {because: minor}}", "patient: {deceased: yes}",
         "step 7d: expected that it is withheld because minor, but it is withheld because deceased (gate deceased)"),
        ("{skipped: [7d]}", "", "step 7d: expected that it is skipped, but it sends at 2026-03-13 09:30 by email"),
        (SENDS, "now: 2026-03-14 10:00",
         "step 7d: expected that it sends at 2026-03-13 09:30 by email, but it is skipped: its time is past"),
        ("{sends: [{step: 7d, at: 2026-03-13 09:30, by: email}, {step: 1d, at: 2026-03-19 09:30, by: email}]}", "",
         "step 1d was expected, but the rule plans 7d only"),
        (SENDS, "facts: {appointment.start: absent}",
         "nothing can be planned: `appointment.start` is absent or coarser than a day"),
    ],
)  # fmt: skip
def test_a_failure_says_what_was_expected_and_what_came(failures: Failures, expect: str, extra: str, said: str) -> None:
    """In words, with the line or the gate that decided."""
    assert said in failures(expect, extra=extra)


def test_at_once_is_sent_at_once(failures: Failures) -> None:
    """`0m` is no offset that could be past."""
    change = {"{before: appointment.start, by: [7d]}": "{after: event.occurred, by: 0m}"}
    expect = "{sends: [{step: 0m, at: 2026-03-02 10:00, by: email}]}"
    assert failures(expect, extra="occurred: 2026-03-02 09:00", change=change) == ()


def test_the_patients_own_choice_comes_first_and_the_next_channel_follows(failures: Failures) -> None:
    """`preferred`, then the order of the rule; denials of all channels are told together."""
    change = {"channels: [email]": "channels: [preferred, email, sms]"}
    by_sms = SENDS.replace("email", "sms")
    assert failures(by_sms, extra="patient: {prefers: sms, reachable: [sms, email]}", change=change) == ()
    assert failures(SENDS, extra="patient: {prefers: sms}", change=change) == ()
    assert failures(by_sms, extra="patient: {prefers: portal, reachable: [sms]}", change=change) == ()
    none = "{withheld: {because: opted-out}}"
    assert failures(none, extra="patient: {opted_out: [email], reachable: [email]}", change=change) == ()


def test_what_would_show_too_much_is_withheld(failures: Failures) -> None:
    """The ceiling counts what the rule reveals; nothing revealed is public."""
    change = {"purpose: TREAT": "purpose: HPAYMT"}
    assert failures("{withheld: {because: above-ceiling}}", change=change) == ()
    assert failures(SENDS, change={**change, "reveals: [patient.given_name]": "reveals: []"}) == ()


def test_a_value_that_betrays_more_than_its_fact_is_withheld(write: Write) -> None:  # noqa: F811
    """PV-08: as at sending, by the code tables in use: where somebody was discharged to may be a psychiatric place."""
    disposition = {
        "appointment.booked": "encounter.discharged",
        "appointment.status: booked": "encounter.status: finished",
        "{before: appointment.start, by: [7d]}": "{after: event.occurred, by: 0m}",
        "expires: appointment.start": "expires_after: 1d",
        "[patient.given_name]": "[encounter.disposition]",
    }
    folder = write(disposition)
    policy = folder / "policy.yaml"
    policy.write_text(
        policy.read_text(encoding="utf-8").replace("email: ordinary", "email: sensitive"), encoding="utf-8"
    )
    given = GIVEN.replace("appointment.booked", "encounter.discharged").partition("  facts:")[0]
    (folder / "reminder.test.yaml").write_text(
        f"{given}tests:\n"
        "  - name: home\n    facts: {encounter.status: finished, encounter.disposition: home}\n"
        "    expect: {sends: [{step: 0m, at: 2026-03-02 10:00, by: email}]}\n"
        "  - name: elsewhere\n    facts: {encounter.status: finished, encounter.disposition: psychiatric}\n"
        "    expect: {withheld: {because: above-ceiling}}\n",
        encoding="utf-8",
    )
    suite = read(folder, load_pack([shipped("mappings")]).sensitivity)
    assert [result.failures for result in run_suite(suite)] == [(), ()]


def test_a_hold_that_never_ends_by_time_is_told_as_held(failures: Failures) -> None:
    """Unmapped reveals are of the highest sensitivity and wait for a person."""
    change = {"reveals: [patient.given_name]": "reveals: [patient.given_name, appointment.location]"}
    expect = "{held: {because: unmapped-code}}"
    assert failures(expect, extra="facts: {appointment.location: unmapped}", change=change) == ()


def test_values_of_every_type_are_read(failures: Failures) -> None:
    """Codes, numbers, yes/no, texts, times."""
    facts = (
        "facts: {appointment.duration: 30, patient.has_email: yes, appointment.practitioner: A. Person,"
        " appointment.end: 2026-03-20}"
    )
    assert failures(SENDS, extra=facts) == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("now: 2026-03-02 10:00", "now: 2026-03-02", "4:8: `now` must be a local date and time"),
        ("now: 2026-03-02 10:00", "now: soon", "4:8: `now` must be a local date and time"),
        ("now: 2026-03-02 10:00", "now: 2026-03-02T10:00Z", "4:8: `now` must be a local date and time"),
        ("  now: 2026-03-02 10:00\n", "", "6:5: `now` must be"),
        ("  event: appointment.booked\n", "", "6:5: `event` is missing"),
        ("event: appointment.booked", "event: appointment.boked", "3:10: `given.event` must be one of the known words; did you mean `appointment.booked` or"),
        ("America/Chicago", "Mars/Olympus", "2:9: `zone` is no time zone"),
        ("appointment.status: booked", "appointment.stauts: booked", "5:48: unknown fact `appointment.stauts`; did you mean `appointment.status`"),
        ("appointment.start: 2026-03-20 09:30", "appointment.start: soon", "5:30: `appointment.start` takes a local date and time"),
        ("appointment.status: booked", "appointment.duration: x", "`appointment.duration` takes a whole number"),
        ("appointment.status: booked", "patient.has_email: x", "`patient.has_email` takes yes or no"),
        ("tests:", "  consents: [permit all]\ntests:", "a consent is `permit` or `deny`, a purpose, a channel and a topic"),
        ("tests:", "  consents: [allow * * *]\ntests:", "a consent is"),
        ("tests:", "  consents: [permit * * * calls]\ntests:", "a consent is of one of these kinds: messages, texts, open-email"),
        ("tests:", "  consents: [permit X * *]\ntests:", "a consent is"),
        ("tests:", "  consents: [permit * fax *]\ntests:", "a consent is"),
        ("tests:", "  sent: [never]\ntests:", "`sent` must be a local date and time"),
        ("tests:", "  occurred: never\ntests:", "`occurred` must be a local date and time"),
        ("  - name: one", "  - nmae: one", "7:5: unknown key `nmae`; did you mean `name`?"),
    ],
)  # fmt: skip
def test_a_test_file_that_cannot_be_read_is_refused_with_its_place(
    write: Write,  # noqa: F811
    old: str,
    new: str,
    expected: str,
) -> None:
    """All files are read before any is refused."""
    folder = write()
    text = GIVEN.replace("EXPECT", SENDS)
    assert old in text
    (folder / "reminder.test.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        run(folder)
    found = "\n".join(problem.replace(f"{folder}{os.sep}", "") for problem in caught.value.problems)
    assert expected in found


def test_tests_without_their_rule_are_refused(write: Write) -> None:  # noqa: F811
    """A renamed rule must take its tests along; hidden files are nobody's."""
    folder = write()
    (folder / "renamed.test.yaml").write_text("tests: []\n", encoding="utf-8")
    (folder / ".x.test.yaml").write_text("[", encoding="utf-8")
    with pytest.raises(ConfigError, match="there is no rule `renamed` for these tests"):
        run(folder)


def test_a_date_fact_is_read_as_a_date() -> None:
    """No date fact is in the vocabulary yet; its reader is ready."""
    from gateway.analyst.rule_cases import _Reading
    from gateway.model.facts import FactType

    reading = _Reading(load_text("tests: [x]", "f"), 0, "UTC", [])
    assert str(reading._typed(FactType.DATE, "2026-03-15")) == "2026-03-15"
    assert reading._typed(FactType.DATE, "soon") is None


assert RULE  # the shared example
