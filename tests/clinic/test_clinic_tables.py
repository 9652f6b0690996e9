"""Audiences and offers, from the row of a platform's table to the mail that leaves, or does not, and says nothing it must not."""

from __future__ import annotations

from pathlib import Path

import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_site import shipped_rule, write_rules
from clinic_tables import AUDIENCE, FEEDS, OFFERS, Table, approves, signs

from gateway.model.errors import GuardError
from gateway.model.when import DAY
from gateway.pipeline import inspect
from gateway.pipeline.campaigns import forecasting

OFFER, EDUCATION = "new-product-offer", "targeted-education"
NOBODY_OUT = ("holdout: 10", "holdout: 0")
NEXT_MORNING = "2026-03-03 10:00"


def rules(folder: Path, *changes: tuple[str, str]) -> Path:
    """The shipped rules of offers and education, without a share that is held out, and with changes to the first."""
    told = {OFFER: shipped_rule(OFFER, NOBODY_OUT, *changes), EDUCATION: shipped_rule(EDUCATION, NOBODY_OUT)}
    return write_rules(folder, told)


@pytest.fixture
def opened(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """A clinic that reads two tables of its platform; Monday 2026-03-02, 9:00 in Chicago."""
    return open_clinic(rules=rules(tmp_path / "rules"), feeds=FEEDS)


@pytest.fixture
def offers(opened: Clinic) -> Table:
    """The table of offers."""
    return Table(opened, OFFERS)


@pytest.fixture
def audience(opened: Clinic) -> Table:
    """The table of who is in which audience."""
    return Table(opened, AUDIENCE)


def customers(clinic: Clinic, *handles: str) -> None:
    """Known people who signed for offers."""
    for handle in handles:
        clinic.adds(handle)
        signs(clinic, handle)


def test_an_offer_to_somebody_who_signed_is_one_mail_however_often_its_table_is_read(
    opened: Clinic, offers: Table
) -> None:
    """Row, event, plan, dry run, approval, mail; the same row again and the same with another stamp are nothing new."""
    customers(opened, "Ann")
    offers.offers("Ann")
    assert offers.is_read().counts["taken"] == 1
    found = approves(opened, OFFER)
    assert (found.people, found.sends, found.by_channel) == (1, 1, {"email": 1})
    offers.is_read()
    opened.until("2026-03-03 12:00")
    offers.offers("Ann")
    offers.is_read()
    opened.passes("20d")
    assert opened.arrivals("Ann") == [NEXT_MORNING]


def test_what_an_offer_of_a_product_says_betrays_neither_product_nor_condition(opened: Clinic, offers: Table) -> None:
    """PH-04: its days, how to stop and where the sender is; not the sensor, the sugar, the name."""
    customers(opened, "Ann")
    offers.offers("Ann")
    offers.is_read()
    approves(opened, OFFER)
    opened.until("2026-03-03 12:00")
    (mail,) = opened.mailbox("Ann")
    said = f"{mail.subject} {mail.text} {mail.html}".casefold()
    assert "march 31" in said
    assert "1 lake street" in said
    assert not [word for word in ("sensor", "glucose", "sugar", "diabet", "cgm", "spring", "ann") if f" {word}" in said]


def test_without_an_authorization_nothing_of_a_campaign_is_sent(opened: Clinic, offers: Table) -> None:
    """45 CFR 164.508(a)(3): a yes to advertisements is no authorization; the dry run says so before."""
    opened.enrols("Ann")
    opened.consents("Ann", purpose="HMARKT", topic="product-offers")
    offers.offers("Ann")
    offers.is_read()
    found = approves(opened, OFFER)
    assert (found.sends, found.refused) == (0, {"no-authorization": 1})
    opened.passes("20d")
    assert (opened.mails(), opened.reasons("Ann")) == ([], ["no-authorization"])


def test_an_authorization_that_does_not_say_that_we_are_paid_is_none(opened: Clinic, offers: Table) -> None:
    """45 CFR 164.508(a)(3)(ii)."""
    opened.adds("Ann")
    signs(opened, "Ann", remuneration="")
    offers.offers("Ann")
    offers.is_read()
    approves(opened, OFFER)
    opened.passes("20d")
    assert (opened.mails(), opened.reasons("Ann")) == ([], ["no-authorization"])


def test_being_in_an_audience_is_no_consent(opened: Clinic, audience: Table) -> None:
    """SN-05: also not to messages of treatment."""
    opened.adds("Ann")
    audience.enters("Ann")
    audience.is_read()
    approves(opened, EDUCATION)
    opened.passes("20d")
    assert (opened.mails(), opened.reasons("Ann")) == ([], ["no-consent"])


def test_whoever_leaves_the_audience_is_not_written_to(opened: Clinic, audience: Table) -> None:
    """SN-03: their row is missing from the whole table; of two, the one who stayed hears of it."""
    opened.enrols("Ann")
    opened.enrols("Ben")
    audience.enters("Ann", "Ben")
    audience.is_read()
    approves(opened, EDUCATION)
    audience.lacks("Ann")
    assert audience.is_read().counts["left"] == 1
    opened.until("2026-03-10 12:00")
    assert (opened.mailbox("Ann"), opened.arrivals("Ben")) == ([], [NEXT_MORNING])
    assert opened.ended("Ann") == ["cancelled"]


def test_an_offer_that_says_of_itself_that_it_is_deleted_is_not_told(opened: Clinic, offers: Table) -> None:
    """The same as one whose row is missing."""
    customers(opened, "Ann")
    offers.offers("Ann")
    offers.is_read()
    approves(opened, OFFER)
    opened.passes("1h")
    offers.offers("Ann", is_deleted="true")
    offers.is_read()
    opened.passes("20d")
    assert (opened.mails(), opened.ended("Ann")) == ([], ["cancelled"])


def test_the_dead_the_young_and_who_said_stop_get_no_offer(opened: Clinic, offers: Table) -> None:
    """Who is offered something is the platform's affair; who may be written to is not."""
    customers(opened, "Ann", "Ben", "Cal", "Dee")
    opened.dies("Ann")
    opened.changes("Ben", pid={7: "20150301"})
    opened.opts_out("Cal")
    offers.offers("Ann", "Ben", "Cal", "Dee")
    offers.is_read()
    found = approves(opened, OFFER)
    assert (found.people, found.sends) == (3, 1)
    opened.passes("20d")
    assert [mail.envelope.to.value for mail in opened.mails()] == [opened.person("Dee").email]
    assert opened.reasons("Ann") == ["deceased"]
    assert opened.reasons("Ben") == ["no-representative"]
    assert set(opened.reasons("Cal")) <= {"opted-out", "consent-denied"}


def test_what_only_people_with_a_condition_are_offered_is_never_shown_openly(
    open_clinic: OpenClinic, tmp_path: Path
) -> None:
    """PH-04, PV-08: one rule shows the product; a class for anybody leaves by mail, a sensor for blood sugar does not."""
    folder = rules(
        tmp_path / "shown",
        ("offer.product: [glucose-sensor, mask-kit", "offer.product: [wellness-class, glucose-sensor, mask-kit"),
        ("reveals: [offer.starts, offer.ends]", "reveals: [offer.starts, offer.ends, offer.product]"),
    )
    body = folder / "templates" / "new_product_offer" / "body.txt"
    body.write_text(body.read_text() + "\n{{ offer.product }}\n")
    clinic = open_clinic(rules=folder, feeds=FEEDS)
    table = Table(clinic, OFFERS)
    customers(clinic, "Ann", "Ben")
    table.offers("Ann", product="WELL-CLASS")
    table.offers("Ben", product="CGM-7")
    table.is_read()
    found = approves(clinic, OFFER)
    assert found.refused == {"above-ceiling": 1}
    clinic.passes("20d")
    assert "wellness-class" in clinic.mailbox("Ann")[0].text
    assert (clinic.mailbox("Ben"), clinic.reasons("Ben")) == ([], ["above-ceiling"])


def test_a_table_ten_times_its_size_is_not_believed_until_a_person_says_so(opened: Clinic, offers: Table) -> None:
    """SN-03, point 4: nothing of what is too much is planned; it is shown to staff, and goes on where it stopped."""
    customers(opened, "Ann", "Ben", "Cal")
    offers.offers("Ann", "Ben", "Cal")
    offers.is_read(baseline=True)
    crowd = [f"Q{number}" for number in range(27)]
    customers(opened, *crowd)
    offers.offers(*crowd)
    with pytest.raises(GuardError):
        offers.is_read(expected=len(offers.rows))
    assert not any(opened.requests(handle) for handle in crowd)
    assert "extracts" in inspect.status(opened.gateway).attention
    with pytest.raises(GuardError):
        offers.is_read()
    believed(opened, OFFERS)
    offers.is_read()
    assert sum(len(opened.requests(handle)) for handle in crowd) == 27


def test_an_audience_that_grew_after_its_approval_waits_whole(opened: Clinic, offers: Table) -> None:
    """Point 4: the table was believed; the approval was of three people, and not of thirty."""
    customers(opened, "Ann", "Ben", "Cal")
    offers.offers("Ann", "Ben", "Cal")
    offers.is_read()
    approves(opened, OFFER)
    crowd = [f"Q{number}" for number in range(20)]
    customers(opened, *crowd)
    offers.offers(*crowd)
    offers.is_read()
    opened.until("2026-03-03 12:00")
    assert opened.mails() == []
    assert opened.reasons("Ann") == opened.reasons("Q7") == ["campaign-not-approved"]
    assert approves(opened, OFFER).people == 23
    opened.passes("2h")
    assert len(opened.mails()) == 23


def test_one_address_for_everybody_is_no_address_of_anybody(opened: Clinic, audience: Table) -> None:
    """SN-03, point 4: a column that suddenly holds one value stops the table, and nobody's record has it."""
    crowd = [f"Q{number}" for number in range(8)]
    for handle in crowd:
        opened.enrols(handle)
    before = opened.count("address")
    audience.enters(*crowd, email="test@platform.example")
    with pytest.raises(GuardError) as stopped:
        audience.is_read()
    assert stopped.value.guard == "shared-address"
    assert "test@platform.example" not in str(stopped.value)
    opened.passes("20d")
    assert (opened.mails(), opened.planned("Q0")) == ([], [])
    assert opened.count("address") == before


def test_a_template_that_was_swapped_after_the_dry_run_is_sent_to_nobody(
    opened: Clinic, offers: Table, tmp_path: Path
) -> None:
    """Point 4: what was approved were other words."""
    customers(opened, "Ann")
    offers.offers("Ann")
    offers.is_read()
    approves(opened, OFFER)
    other = rules(tmp_path / "other")
    body = other / "templates" / "new_product_offer" / "body.txt"
    body.write_text(body.read_text().replace("somebody pays us", "nobody pays us"))
    opened.restarts(rules=other)
    opened.until("2026-03-10 12:00")
    assert (opened.mails(), opened.reasons("Ann")) == ([], ["campaign-not-approved"])
    approves(opened, OFFER)
    opened.passes("1h")
    assert "nobody pays us" in opened.mailbox("Ann")[0].text


def test_a_row_of_somebody_nobody_knows_makes_no_patient_and_is_tried_again(opened: Clinic, offers: Table) -> None:
    """SN-05: told by the record the day after, the next reading finds them; the row itself said nothing new."""
    offers.offers("Ann")
    counts = offers.is_read().counts
    assert (opened.count("patient"), opened.count("request"), counts["no-patient"]) == (0, 0, 1)
    customers(opened, "Ann")
    offers.is_read()
    approves(opened, OFFER)
    opened.until("2026-03-03 12:00")
    assert opened.arrivals("Ann") == [NEXT_MORNING]
    assert opened.count("patient") == 1


def test_what_was_there_before_us_is_written_to_nobody(opened: Clinic, offers: Table) -> None:
    """SN-21: the first reading is a baseline; who comes after it is new."""
    customers(opened, "Ann", "Ben")
    offers.offers("Ann")
    offers.is_read(baseline=None)
    offers.offers("Ben")
    offers.is_read(baseline=None)
    assert approves(opened, OFFER).people == 1
    opened.until("2026-03-03 12:00")
    assert (opened.mailbox("Ann"), opened.arrivals("Ben")) == ([], [NEXT_MORNING])


def test_what_a_row_says_of_how_somebody_is_reached_takes_nothing_from_the_record(
    opened: Clinic, audience: Table
) -> None:
    """Only added to: mail goes on to where the record says."""
    opened.enrols("Ann")
    audience.enters("Ann", email="other@platform.example")
    audience.is_read()
    approves(opened, EDUCATION)
    opened.until("2026-03-03 12:00")
    assert opened.arrivals("Ann") == [NEXT_MORNING]


def test_a_dry_run_of_a_campaign_leaves_nothing_behind_but_itself(opened: Clinic, offers: Table) -> None:
    """Before it is approved nothing leaves, however long it waits; what waited too long is withdrawn."""
    customers(opened, "Ann")
    offers.offers("Ann")
    offers.is_read()
    before = opened.clock.now()
    forecasting.plan(opened.gateway, OFFER, by="anna", account="test")
    opened.until("2026-04-02 12:00")
    assert opened.clock.now() - before > 30 * DAY
    assert (opened.mails(), opened.ended("Ann")) == ([], ["expired"])


def believed(clinic: Clinic, source: str) -> None:
    """A person says that the table is right."""
    inspect.tables_believe(clinic.gateway, source, reason="a new region was added", account="os:anna")
