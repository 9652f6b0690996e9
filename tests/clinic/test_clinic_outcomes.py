"""A platform whose row led to something is told what became of it: with its own key, once by id, and of nobody else."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from clinic_cdp import AGREED, SINK, Platform, Through
from clinic_dsl import Answer, OpenClinic
from clinic_ehr import KilledError
from test_clinic_writeback import receives

from gateway.app.telling import tell_sinks
from gateway.model.comingback import ReceiptStatus
from gateway.model.disclosure import Exemption, Recipient
from gateway.model.errors import CommandError, Refused, Unavailable
from gateway.model.when import DAY
from gateway.pipeline import conditions, inspect
from gateway.pipeline.alone import alone
from gateway.pipeline.rights.accounting import account_for
from gateway.pipeline.rights.erasing import erase
from gateway.store import tables

KEY = '["u-1","wellness"]'


@pytest.fixture
def cdp(open_clinic: OpenClinic, tmp_path: Path) -> Platform:
    """Ann is known and says yes to treatment mail."""
    found = Platform(open_clinic, tmp_path)
    found.clinic.enrols("Ann")
    return found


def test_a_row_is_answered_with_what_became_of_it(cdp: Platform) -> None:
    """SN-39: planned, sent, delivered, with the row's own key and the rule, and no name, address or fact of ours."""
    cdp.enters("Ann", user="u-1")
    assert cdp.hears() == 1
    cdp.hears("2h")
    receives(cdp.clinic, ReceiptStatus.DELIVERED)
    cdp.hears()
    assert cdp.rows("kind", "channel", "row_key", "rule", "step") == [
        ("planned", None, KEY, "wellness-news", "1h"),
        ("sent", "email", KEY, "wellness-news", "1h"),
        ("delivered", "email", KEY, "wellness-news", "1h"),
    ]
    assert set(cdp.rows("patient")) == {str(cdp.clinic.token("Ann"))}
    assert set(cdp.rows("source")) == {"cdp"}
    assert cdp.hears() == 0


def test_what_the_ehr_told_is_not_the_platforms_business(cdp: Platform) -> None:
    """Only what its own sources led to."""
    cdp.clinic.books("Ann", "2026-03-20 09:30")
    cdp.hears("12d")
    assert cdp.clinic.arrivals("Ann")
    assert cdp.rows("kind") == []


def test_a_refusal_and_a_bounce_come_with_their_reason(cdp: Platform) -> None:
    """SN-39: what the mail system refused, and what came back."""
    cdp.clinic.post.will(Answer.REFUSE)
    cdp.enters("Ann", user="u-1")
    cdp.hears("2h")
    cdp.clinic.enrols("Ben")
    cdp.enters("Ben", user="u-2")
    cdp.hears("2h")
    receives(cdp.clinic, ReceiptStatus.BOUNCED, "Ben")
    cdp.hears()
    told = cdp.rows("kind", "reason")
    assert ("refused", "refused") in told
    assert ("bounced", "bounced") in told
    assert [kind for kind, _ in told].count("sent") == 1


def test_whoever_gave_no_consent_is_withheld_and_the_reason_says_so(cdp: Platform) -> None:
    """Being in an audience is no consent (SN-05), and the platform learns that."""
    cdp.clinic.adds("Cid")
    cdp.enters("Cid", user="u-3")
    cdp.hears("8d")
    assert ("withheld", "no-consent") in cdp.rows("kind", "reason") or ("held", "no-consent") in cdp.rows(
        "kind", "reason"
    )


def test_a_death_is_not_told_as_a_reason(cdp: Platform) -> None:
    """The platform never said it, so it does not hear it from us."""
    cdp.enters("Ann", user="u-1")
    cdp.clinic.dies("Ann")
    cdp.hears("2h")
    assert cdp.rows("kind", "reason")[-1] == ("withheld", "not-told")


def test_an_opt_out_said_elsewhere_is_told_to_whose_rows_name_the_person(cdp: Platform) -> None:
    """SN-39: by telephone, about everything by e-mail; of Ben, whom no row names, nothing."""
    cdp.clinic.enrols("Ben")
    cdp.enters("Ann", user="u-1")
    cdp.enters("Ann", user="u-1", audience="hearing")
    cdp.hears("2h")
    cdp.clinic.opts_out("Ann")
    cdp.clinic.opts_out("Ben")
    cdp.hears()
    told = [row for row in cdp.rows("kind", "channel", "topic", "row_key") if row[0] == "opted-out"]
    assert sorted(set(told)) == [
        ("opted-out", "email", "*", '["u-1","hearing"]'),
        ("opted-out", "email", "*", KEY),
    ]
    assert set(cdp.rows("patient")) == {str(cdp.clinic.token("Ann"))}


def test_an_opt_out_from_before_the_row_is_told_with_the_row(cdp: Platform) -> None:
    """SN-39: one system knew it, and the next is told as soon as it names the person; not what was taken back."""
    cdp.clinic.opts_out("Ann")
    cdp.clinic.enrols("Ben")
    cdp.clinic.opts_out("Ben")
    cdp.clinic.consents("Ben", to="email", purpose="*")
    cdp.hears()
    assert cdp.rows("kind") == []
    cdp.enters("Ann", user="u-1")
    cdp.enters("Ben", user="u-2")
    cdp.hears()
    told = [row for row in cdp.rows("kind", "row_key") if row[0] == "opted-out"]
    assert set(told) == {("opted-out", KEY)}


def test_what_was_refused_of_another_topic_is_not_told(cdp: Platform) -> None:
    """What somebody wants no messages about may tell what they have; of the row's own topic it is told."""
    cdp.enters("Ann", user="u-1")
    cdp.clinic.consents("Ann", topic="appointments", permit=False)
    cdp.clinic.consents("Ann", topic="wellness", permit=False)
    cdp.hears()
    assert [topic for kind, topic in cdp.rows("kind", "topic") if kind == "opted-out"] == ["wellness"]


def test_of_somebody_erased_nothing_is_told_any_more(cdp: Platform) -> None:
    """Nor what happened before, when the sink is behind."""
    cdp.enters("Ann", user="u-1")
    erase(cdp.clinic.gateway, cdp.clinic.identifier("Ann"), reason="asked", account="os:officer")
    cdp.hears("2h")
    assert cdp.rows("kind") == []


def test_a_platform_that_is_away_is_told_later_and_staff_hear_of_it(cdp: Platform) -> None:
    """Back-off; nothing is left out, nothing is told twice; an alarm after a quarter of an hour."""
    through = Through(cdp.sink, Unavailable("away"), Unavailable("away"))
    cdp.rounds = cdp.another(through)
    cdp.enters("Ann", user="u-1")
    assert cdp.hears() == 0
    assert cdp.rounds.once() == 0, "not before the pause is over"
    assert not through.batches
    cdp.hears("20m")
    with cdp.clinic.gateway.store.read() as unit:
        found = [one for one in conditions.found(unit, cdp.clinic.gateway.site) if one.kind == "sink-behind"]
    assert [(one.source, one.count) for one in found] == [("back", 2)]
    assert cdp.hears("2h") > 0
    assert cdp.rows("kind") == ["planned", "sent"]
    with cdp.clinic.gateway.store.read() as unit:
        assert not [one for one in conditions.found(unit, cdp.clinic.gateway.site) if one.kind == "sink-behind"]


def test_what_a_platform_refuses_waits_for_a_person(cdp: Platform) -> None:
    """No storm of log-ins (SN-35): an hour's pause, and an alarm at once."""
    through = Through(cdp.sink, Refused("no such table"))
    cdp.rounds = cdp.another(through)
    cdp.enters("Ann", user="u-1")
    cdp.hears()
    assert cdp.hears("30m") == 0
    with cdp.clinic.gateway.store.read() as unit:
        assert "sink-behind" in [one.kind for one in conditions.found(unit, cdp.clinic.gateway.site)]
    assert [(one.failed, one.said) for one in inspect.sinks(cdp.clinic.gateway)] == [("refused", "no such table")]
    assert cdp.hears("1h") > 0
    assert [(one.failed, one.said) for one in inspect.sinks(cdp.clinic.gateway)] == [(None, "")]


def test_a_person_who_mended_it_need_not_wait_for_the_hour(cdp: Platform) -> None:
    """`caregate sinks again`: from where it stood, and audited with its reason."""
    cdp.rounds = cdp.another(Through(cdp.sink, Refused("no such table")))
    cdp.enters("Ann", user="u-1")
    cdp.hears()
    (before,) = inspect.sinks(cdp.clinic.gateway)
    inspect.sink_again(cdp.clinic.gateway, "back", reason="the table is there now", account="ops")
    (after,) = inspect.sinks(cdp.clinic.gateway)
    assert (before.failed, after.failed, after.unseen) == ("refused", None, before.unseen)
    assert cdp.hears("1m") > 0


def test_killed_between_the_platform_and_our_note_nothing_is_doubled(cdp: Platform) -> None:
    """Told again with the same ids, and further; the file that begins alike is replaced."""

    def dies() -> None:
        raise KilledError

    cdp.enters("Ann", user="u-1")
    cdp.clinic.passes("1m")
    with pytest.raises(KilledError):
        cdp.another(Through(cdp.sink, after=dies)).once()
    first = cdp.rows("id")
    assert first
    cdp.hears("2h")
    assert cdp.rows("id")[:1] == first
    assert len(set(cdp.rows("id"))) == len(cdp.rows("id"))
    assert cdp.rows("kind") == ["planned", "sent"]


def test_two_processes_never_tell_at_once(cdp: Platform) -> None:
    """A named lease; whoever comes second passes the round over."""
    cdp.enters("Ann", user="u-1")
    cdp.clinic.passes("1m")
    with alone(cdp.clinic.gateway.store, "test", "sink:back"):
        assert cdp.rounds.once() == 0
    assert cdp.rounds.once() == 1


@pytest.mark.parametrize("more", ["", "agreement: {party: CDP Inc, signed: 2020-01-01, expires: 2021-01-01}"])
def test_without_an_agreement_in_force_nothing_is_told(open_clinic: OpenClinic, tmp_path: Path, more: str) -> None:
    """45 CFR 164.308(b)."""
    cdp = Platform(open_clinic, tmp_path, more=more)
    cdp.clinic.enrols("Ann")
    cdp.enters("Ann", user="u-1")
    assert cdp.hears("2h") == 0
    assert cdp.files() == []


def test_only_the_kinds_and_rules_that_are_wanted(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """`kinds` and `rules` narrow what a platform hears."""
    cdp = Platform(open_clinic, tmp_path, more=f"{AGREED}\n    kinds: [sent, opted-out]\n    rules: wellness-news")
    cdp.clinic.enrols("Ann")
    cdp.enters("Ann", user="u-1")
    cdp.hears("2h")
    assert cdp.rows("kind") == ["sent"]


def test_what_was_never_planned_by_another_rule_is_not_told_either(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """`rules` narrows that too."""
    cdp = Platform(open_clinic, tmp_path, more=f"{AGREED}\n    rules: another-rule")
    cdp.clinic.enrols("Ann")
    cdp.clinic.dies("Ann")
    cdp.enters("Ann", user="u-1")
    assert cdp.hears() == 0
    cdp.clinic.restarts(more=SINK.format(path=cdp.folder, more=AGREED))
    cdp.rounds = cdp.another()
    assert cdp.hears("2h") > 0, "it is told to who asked for all"


def test_a_database_restored_tells_again_with_the_same_ids(cdp: Platform) -> None:
    """The place goes back with the database; the other side knows what it knew by id."""
    cdp.enters("Ann", user="u-1")
    cdp.hears("2h")
    before = cdp.rows("id")
    with cdp.clinic.gateway.store.begin("test") as uow:
        uow.update(tables.sink, ("name",), ("position",), [(0, "back")])
        uow.audit([("test",)])
        uow.commit()
    through = Through(cdp.sink)
    cdp.rounds = cdp.another(through)
    cdp.hears()
    assert [row.id for batch in through.batches for row in batch] == before
    assert cdp.rows("id") == before


def test_a_person_puts_a_sink_back_and_sees_first_how_much_that_is(cdp: Platform) -> None:
    """A dry run moves nothing; then the same rows come again, and its place is told."""
    gateway = cdp.clinic.gateway
    cdp.enters("Ann", user="u-1")
    cdp.hears("2h")
    before = cdp.rows("id")
    asked = {"to": 0, "reason": "their table was lost", "account": "os:clerk"}
    assert inspect.sink_rewind(gateway, "back", dry_run=True, **asked) == 2
    assert cdp.hears() == 0
    assert inspect.sink_rewind(gateway, "back", **asked) == 2
    assert cdp.rounds.once() == 2
    assert cdp.rows("id") == before
    (line,) = inspect.sinks(gateway)
    assert (line.name, line.told, line.failed, line.agreed) == ("back", 4, None, True)
    assert inspect.sink_rewind(gateway, "back", **(asked | {"to": cdp.clinic.clock.now()})) == 0
    with pytest.raises(CommandError):
        inspect.sink_rewind(gateway, "backwards", **asked)


def test_a_running_gateway_tells_by_itself(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """The sink is found by its entry point, and told in a thread of its own."""
    cdp = Platform(open_clinic, tmp_path, more=f"{AGREED}\n    every: 1s")
    cdp.clinic.enrols("Ann")
    cdp.enters("Ann", user="u-1")
    with ExitStack() as stack:
        tell_sinks(cdp.clinic.gateway, stack)
        until = time.monotonic() + 20
        while not cdp.files() and time.monotonic() < until:
            time.sleep(0.05)
    assert cdp.rows("kind") == ["planned"]


def test_who_was_told_of_somebody_stands_in_their_story(cdp: Platform) -> None:
    """Law 2: what is disclosed is audited for whom it is about."""
    cdp.enters("Ann", user="u-1")
    cdp.hears()
    assert any("told to back" in line for line in cdp.clinic.story("Ann"))


def test_who_was_told_of_somebody_stands_in_their_accounting(cdp: Platform) -> None:
    """Regulation 16; 45 CFR 164.528(a)(1)(i): to a system of a business associate, exempt, and listed with --all."""
    cdp.enters("Ann", user="u-1")
    cdp.hears()
    asked = {"kept": 6 * 366 * DAY, "account": "os:clerk"}
    who = cdp.clinic.identifier("Ann")
    assert account_for(cdp.clinic.gateway, who, everything=False, **asked).disclosures == ()
    (one,) = account_for(cdp.clinic.gateway, who, everything=True, **asked).disclosures
    assert (one.channel, one.recipient, one.exemption) == ("back", Recipient.SYSTEM, Exemption.OPERATIONS)
