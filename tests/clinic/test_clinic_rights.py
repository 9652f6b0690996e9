"""What people may ask for, read as an auditor reads it: copies, accountings, erasures, on every store."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from clinic_dsl import Answer, Clinic, OpenClinic
from clinic_site import shipped_policy, shipped_rule, write_rules
from sqlalchemy import select

from gateway.cli.terminal import plain
from gateway.model.disclosure import Exemption, Recipient
from gateway.model.errors import CommandError, KeyringError
from gateway.model.event import AckCode
from gateway.model.when import DAY
from gateway.pipeline import inspect, rights
from gateway.pipeline.directory import CONSENT_COLUMNS
from gateway.pipeline.retention import purge_bodies, purge_facts
from gateway.pipeline.rights.accounting import SIX_YEARS
from gateway.store import tables
from gateway.store.datakeys import feed_key, open_keys
from gateway.store.keyring import seal as seal_bytes
from gateway.store.keyring import unseal
from gateway.store.rotate import rotate
from gateway.store.seal import seal
from gateway.store.statement import Statement
from gateway.store.verify import verify

_NEWEST = Statement("test.newest", select(tables.audit.c.entries).order_by(tables.audit.c.id.desc()).limit(1))
_SENT = Statement("test.sent", select(tables.communication.c.id))
VISIT = "2026-03-20 09:30"
KEPT = SIX_YEARS


def copied(clinic: Clinic, who: rights.Who) -> dict[str, Any]:
    """The JSON file as a program reads it."""
    return json.loads(json.dumps(rights.export(clinic.gateway, who, reason="request 4", account="os:officer")))


def accounted(clinic: Clinic, who: rights.Who, *, everything: bool = True, span: int = SIX_YEARS) -> rights.Accounting:
    """What `caregate patient accounting` answers."""
    return rights.account_for(clinic.gateway, who, span=span, kept=KEPT, everything=everything, account="os:officer")


def erased(clinic: Clinic, handle: str, **told: Any) -> rights.Erasure:
    """What `caregate patient erase` does."""
    return rights.erase(clinic.gateway, clinic.identifier(handle), reason="order 12", account="os:officer", **told)


def rows(clinic: Clinic, table: str, columns: tuple[str, ...], key: str, values: list[Any]) -> list[tuple[Any, ...]]:
    """Rows as they lie in the database."""
    with clinic.gateway.store.read() as unit:
        return unit.lookup(tables.metadata.tables[table], columns, key, values)


def last_entries(clinic: Clinic) -> list[list[Any]]:
    """The entries of the newest audit row."""
    with clinic.gateway.store.read() as unit:
        found = unit.one(_NEWEST)
    assert found is not None
    return json.loads(found[0])


# -- 45 CFR 164.524


def test_a_copy_has_all_that_is_held_and_every_text_that_was_sent(clinic: Clinic) -> None:
    """164.524: who they are, what they decided, their visits, what was planned and sent, with its text; audited."""
    ann = clinic.enrols("Ann", language="en")
    clinic.books("Ann", on=VISIT)
    clinic.until("2026-03-13 12:00")
    (mail,) = clinic.mailbox("Ann")
    told = copied(clinic, clinic.identifier("Ann"))
    assert (told["about"]["by"], told["about"]["reason"]) == ("os:officer", "request 4")
    (person,) = told["person"]
    assert (person["given name"], person["family name"]) == (ann.given, ann.family)
    assert (person["birth date"], person["state of residence"]) == (ann.born.isoformat(), "IL")  # type: ignore[union-attr]
    assert ann.mrn in {one["value"] for one in told["identifiers"]}
    assert ann.email in {one["value"] for one in told["contact points"]}
    assert [one["evidence"] for one in told["consents"]] == ["form 12, 2026-01"]
    (visit,) = told["visits, results and the like"]
    assert (visit["kind"], visit["begins"], visit["place"]) == ("Appointment", "2026-03-20T09:30:00-05:00", "main")
    (sent,) = told["messages sent"]
    assert (sent["text"], sent["subject"], sent["to"]) == (mail.text, mail.subject, ann.email)
    assert {one["state"] for one in told["planned messages"]} == {"sent", "planned"}
    assert {one["from"] for one in told["stored feed messages"]} == {"ehr"}
    assert last_entries(clinic) == [["patient.exported", clinic.token("Ann"), "request 4"]]


def test_the_page_reads_like_the_facts_and_fetches_nothing(clinic: Clinic) -> None:
    """One file for any browser: each value is there, escaped; no script, no link, no picture; it may not even fetch."""
    ann = clinic.enrols("Ann", given="<b>AnnQzvxw</b>")
    clinic.books("Ann", on=VISIT)
    clinic.until("2026-03-13 12:00")
    told = copied(clinic, clinic.identifier("Ann"))
    page = rights.page(told)
    assert html.escape(ann.given) in page
    assert ann.given not in page
    assert html.escape(told["messages sent"][0]["subject"]) in page
    assert "default-src &#x27;none&#x27;" in page
    assert not any(word in page for word in ("<script", "href=", "src=", "url("))
    assert page.count("<h1>") == 1
    assert 'lang="en"' in page


def test_a_copy_holds_what_was_known_under_both_numbers(clinic: Clinic) -> None:
    """AD-32: what was sent before the merge to who was merged away is in the copy, with the merge itself."""
    clinic.enrols("Anna")
    clinic.enrols("Ann")
    clinic.books("Anna", on=VISIT)
    clinic.until("2026-03-13 12:00")
    loser = clinic.token("Anna")
    clinic.merges("Anna", into="Ann")
    told = copied(clinic, clinic.identifier("Anna"))
    assert told["about"]["persons merged into one"] == 2
    assert [one["merged away"] for one in told["merges"]] == [str(loser)]
    assert {one["value"] for one in told["identifiers"]} >= {clinic.person("Anna").mrn, clinic.person("Ann").mrn}
    assert [one["to"] for one in told["messages sent"]] == [clinic.person("Anna").email]


def test_a_copy_says_what_is_not_kept_any_more(clinic: Clinic) -> None:
    """Retention: that it was sent stays evidence, its text does not; the copy says so instead of leaving it out."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until("2026-03-20 12:00")
    clinic.clock.set(clinic.clock.now() + 200 * DAY)
    purge_bodies(clinic.gateway.store, 90 * DAY)
    purge_facts(clinic.gateway.store, 30 * DAY)
    told = copied(clinic, clinic.identifier("Ann"))
    assert {one["text"] for one in told["messages sent"]} == {"not kept any more"}
    assert len(told["messages sent"]) == 2


def test_nobody_is_copied_who_was_never_here(clinic: Clinic) -> None:
    """One sentence that repeats nothing."""
    clinic.enrols("Ann")
    clinic.person("Zoe")
    for who in (clinic.identifier("Zoe"), 17):
        with pytest.raises(CommandError):
            copied(clinic, who)


# -- 45 CFR 164.528


def test_what_went_to_the_person_is_exempt_and_only_counted(clinic: Clinic) -> None:
    """164.528(a)(1)(ii), AU-06: the accounting proper is empty; with --all each has date, channel, digest, facts, clause."""
    ann = clinic.enrols("Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until("2026-03-20 12:00")
    proper = accounted(clinic, clinic.identifier("Ann"), everything=False)
    assert (proper.disclosures, proper.exempt) == ((), 2)
    told = accounted(clinic, clinic.identifier("Ann"))
    assert [clinic.wall(one.at)[:10] for one in told.disclosures] == ["2026-03-13", "2026-03-19"]
    for one in told.disclosures:
        assert (one.recipient, one.exemption) == (Recipient.INDIVIDUAL, Exemption.TO_INDIVIDUAL)
        assert (one.clause, one.purpose, one.channel) == ("45 CFR 164.528(a)(1)(ii)", "TREAT", "email")
        assert one.facts == ("appointment.location", "appointment.start", "patient.given_name")
        assert one.address == clinic.keyring.digest("address", ann.email.casefold()).hex()
        assert (one.certain, one.label) == (True, None)
        assert len(one.consents) == 1
        assert len(str(one.template_digest)) == 64
    assert told.answer_by - told.asked == 60 * DAY
    assert ann.given not in json.dumps(plain(told))
    assert last_entries(clinic)[0][0] == "disclosures.accounted"


def test_a_visit_told_to_somebody_else_must_be_accounted_for(clinic: Clinic) -> None:
    """164.528(a)(1), AD-31: a wrong merge sent Ben's visit to Ann; once taken back it is Ben's disclosure, not exempt."""
    clinic.enrols("Ann")
    clinic.enrols("Ben")
    clinic.books("Ben", on=VISIT)
    loser = clinic.token("Ben")
    clinic.merges("Ben", into="Ann")
    clinic.until("2026-03-13 12:00")
    (mail,) = clinic.mailbox("Ann")
    assert mail
    inspect.unmerge(clinic.gateway, loser, reason="ticket 9", account="os:officer")
    told = accounted(clinic, clinic.identifier("Ben"), everything=False)
    (one,) = told.disclosures
    assert (one.recipient, one.exemption, one.clause) == (Recipient.ANOTHER, Exemption.NONE, "45 CFR 164.528(a)(1)")
    assert one.address == clinic.keyring.digest("address", clinic.person("Ann").email.casefold()).hex()
    anns = accounted(clinic, clinic.identifier("Ann"))
    assert [one.exemption for one in anns.disclosures] == [Exemption.TO_INDIVIDUAL]


def test_what_may_have_left_is_told_and_what_provably_did_not_is_not(clinic: Clinic) -> None:
    """Fail closed: an unknown outcome is a disclosure that may not have arrived; a refusal is none."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=VISIT)
    clinic.post.will(Answer.REFUSE, Answer.LOSE)
    clinic.until("2026-03-20 12:00")
    told = accounted(clinic, clinic.identifier("Ann"))
    assert [one.certain for one in told.disclosures] == [False]


def test_an_accounting_never_pretends_to_reach_further_than_its_evidence(clinic: Clinic) -> None:
    """164.528(a)(1): six years; more than is kept is refused, and a site younger than that says so."""
    clinic.enrols("Ann")
    with pytest.raises(CommandError, match="reaches back no further"):
        accounted(clinic, clinic.identifier("Ann"), span=KEPT + DAY)
    told = accounted(clinic, clinic.identifier("Ann"))
    assert told.complete_from > told.since
    assert not told.complete
    clinic.clock.set(clinic.clock.now() + SIX_YEARS + DAY)
    assert accounted(clinic, clinic.identifier("Ann")).complete


def test_what_is_older_than_asked_is_not_told(clinic: Clinic) -> None:
    """The last ten days only."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until("2026-03-27 12:00")
    told = accounted(clinic, clinic.identifier("Ann"), span=10 * DAY)
    assert [clinic.wall(one.at)[:10] for one in told.disclosures] == ["2026-03-19"]


def test_a_copy_is_itself_in_the_accounting_as_given_to_the_person(clinic: Clinic) -> None:
    """164.524 and 164.528(a)(1)(ii): exempt, and yet told with --all."""
    clinic.enrols("Ann")
    copied(clinic, clinic.identifier("Ann"))
    told = accounted(clinic, clinic.identifier("Ann"))
    assert [(one.channel, one.exemption) for one in told.disclosures] == [("file", Exemption.TO_INDIVIDUAL)]


def test_a_part_2_message_is_labelled_for_good(open_clinic: OpenClinic, tmp_path: Any) -> None:
    """42 CFR 2.25, 2.32: the label is recorded with the attempt, so that it outlives the facts of the visit."""
    policy = shipped_policy(("behavioral-health, substance-use, ", "behavioral-health, "))
    rule = shipped_rule("appointment-reminder", ("substance-use, ", ""))
    clinic = open_clinic(rules=write_rules(tmp_path / "own", {"appointment-reminder": rule}, policy=policy))
    clinic.enrols("Ann")
    clinic.books("Ann", on=VISIT, service="SUD")
    clinic.books("Ann", on="2026-03-20 11:30")
    clinic.until("2026-03-13 12:00")
    clinic.clock.set(clinic.clock.now() + 300 * DAY)
    purge_facts(clinic.gateway.store, 30 * DAY)
    told = accounted(clinic, clinic.identifier("Ann"))
    assert sorted(str(one.label) for one in told.disclosures) == ["None", "part-2"]


# -- erasure


def test_an_erased_person_is_gone_and_the_evidence_stays(clinic: Clinic) -> None:
    """Keys destroyed, requests withdrawn, every readable thing gone; audit chain whole, accounting still answered."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until("2026-03-13 12:00")
    token = clinic.token("Ann")
    seal(clinic.gateway.store)
    done = erased(clinic, "Ann")
    assert done.patients == (token,)
    assert len(done.withdrawn) == 1
    assert done.erased["stored messages"] == 2
    clinic.until("2026-03-20 12:00")
    assert len(clinic.mailbox("Ann")) == 1
    requests = rows(clinic, "request", ("state", "reason"), "patient", [token])
    assert sorted(requests) == [("completed", None), ("revoked", "patient-erased")]
    ((key,),) = rows(clinic, "patient", ("key",), "token", [token])
    assert rows(clinic, "data_key", ("wrapped",), "id", [key]) == [(None,)]
    for table in ("identifier", "contact_point"):
        assert rows(clinic, table, ("patient",), "patient", [token]) == []
    assert rows(clinic, "patient", ("sealed", "language", "zones", "state"), "token", [token]) == [
        (b"", None, "", "IL")
    ]
    assert rows(clinic, "occurrence", ("start_utc", "sealed_facts"), "patient", [token]) == [(None, b"")]
    assert {body for (body,) in rows(clinic, "communication", ("sealed_body",), "patient", [token])} == {None}
    assert len(rows(clinic, "consent", ("id",), "patient", [token])) == 1
    seal(clinic.gateway.store)
    assert verify(clinic.gateway.store).ok
    for who in (clinic.identifier("Ann"), token):
        told = accounted(clinic, who)
        assert [(one.channel, one.facts) for one in told.disclosures] == [
            ("email", ("appointment.location", "appointment.start", "patient.given_name"))
        ]
    with pytest.raises(CommandError, match="nobody here has that identifier"):
        copied(clinic, clinic.identifier("Ann"))
    with pytest.raises(CommandError, match="was erased"):
        copied(clinic, token)
    with pytest.raises(CommandError, match="erased already"):
        rights.erase(clinic.gateway, token, reason="again", account="os:officer")


def test_whoever_was_merged_into_them_is_erased_with_them(clinic: Clinic) -> None:
    """Both keys: erasing the survivor by the number of who was merged away destroys each."""
    clinic.enrols("Anna")
    clinic.enrols("Ann")
    clinic.books("Anna", on=VISIT)
    clinic.books("Ann", on="2026-03-21 11:30")
    tokens = [clinic.token("Ann"), clinic.token("Anna")]
    clinic.merges("Anna", into="Ann")
    done = erased(clinic, "Anna")
    assert sorted(done.patients) == sorted(tokens)
    keys = [key for (key,) in rows(clinic, "patient", ("key",), "token", tokens)]
    assert rows(clinic, "data_key", ("wrapped",), "id", keys) == [(None,), (None,)]
    assert (len(done.withdrawn), done.erased["visits"]) == (4, 2)
    clinic.until("2026-03-20 12:00")
    assert clinic.post.envelopes == []


def test_an_opt_out_outlives_the_person(clinic: Clinic) -> None:
    """47 CFR 64.1200(d)(6): the address stays opted out, by keyed digest, for whoever has it next."""
    ann = clinic.enrols("Ann")
    clinic.opts_out("Ann")
    erased(clinic, "Ann")
    clinic.enrols("Zoe", email=ann.email)
    clinic.books("Zoe", on=VISIT)
    clinic.until("2026-03-13 12:00")
    assert clinic.post.envelopes == []


def test_a_later_message_is_about_one_new_person(clinic: Clinic) -> None:
    """The hospital goes on telling of them: AA, one new patient however often, nothing remembered, consent asked anew."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=VISIT)
    old = clinic.token("Ann")
    erased(clinic, "Ann")
    outcome = clinic.modifies("Ann", place="NORTH")
    assert outcome.ack is AckCode.AA
    new = clinic.token("Ann")
    assert new != old
    clinic.changes("Ann")
    clinic.reschedules("Ann", to="2026-03-23 09:30")
    assert clinic.token("Ann") == new
    assert clinic.count("patient") == 2
    assert len(rows(clinic, "occurrence", ("id",), "patient", [new])) == 1
    clinic.until("2026-03-23 12:00")
    assert clinic.post.envelopes == []  # no consent
    told = accounted(clinic, clinic.identifier("Ann"))
    assert told.persons == 2
    clinic.consents("Ann")
    clinic.reschedules("Ann", to="2026-03-27 09:30")
    clinic.until("2026-03-27 12:00")
    assert len(clinic.post.envelopes) == 1


def test_a_message_that_is_sent_again_brings_nobody_back(clinic: Clinic) -> None:
    """D-01: the very same bytes are a repetition, before and after the erasure."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=VISIT)
    erased(clinic, "Ann")
    clinic.hears(clinic.spoken[-1])
    assert clinic.count("patient") == 1


def test_a_dry_run_erases_nothing(clinic: Clinic) -> None:
    """It tells the same counts and leaves everything as it is."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=VISIT)
    tried = erased(clinic, "Ann", dry_run=True)
    clinic.until("2026-03-13 12:00")
    assert len(clinic.mailbox("Ann")) == 1
    assert erased(clinic, "Ann").patients == tried.patients


def test_an_erasure_in_the_middle_of_a_send_brings_nothing_back(clinic: Clinic) -> None:
    """PH-10: what is under way may have left; its failure does not revive what was withdrawn."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=VISIT)
    token = clinic.token("Ann")

    def strike(_: object) -> None:
        clinic.post.before = None
        rights.erase(clinic.gateway, token, reason="order 12", account="os:officer")

    clinic.post.before = strike
    clinic.post.will(Answer.UNAVAILABLE)
    clinic.until("2026-03-20 12:00")
    assert {state for (state,) in rows(clinic, "request", ("state",), "patient", [token])} == {"revoked"}
    assert clinic.post.envelopes == []


def test_somebody_else_in_the_same_message_keeps_everything_but_its_bytes(clinic: Clinic) -> None:
    """A group visit: the message goes, for it names who was erased; the other's visit and reminder stay."""
    clinic.enrols("Ann")
    clinic.enrols("Ben")
    clinic.hears(clinic.schedules("S12", "Ann", "Ben", start="2026-03-20 15:00", appointment="G1"))
    assert erased(clinic, "Ann").others == 1
    clinic.until("2026-03-20 12:00")
    assert len(clinic.mailbox("Ben")) == 2


def test_an_erased_identifier_is_found_after_the_index_was_rotated(clinic: Clinic) -> None:
    """Its digest is re-keyed like every other, twice over."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until("2026-03-13 12:00")
    erased(clinic, "Ann")
    for _ in range(2):
        rotate(clinic.gateway.store, index=True)
    assert len(accounted(clinic, clinic.identifier("Ann")).disclosures) == 1


def test_erasing_is_in_the_story_and_names_nobody(clinic: Clinic) -> None:
    """AU-05: who did it, when and why; the clinic's own search for canaries follows."""
    clinic.enrols("Ann")
    token = clinic.token("Ann")
    erased(clinic, "Ann")
    (entry, *more) = last_entries(clinic)
    assert entry[:3] == ["patient.erased", token, "order 12"]
    assert [one[0] for one in more] == ["key.destroyed"]
    (found, *_) = rows(clinic, "erasure", ("by", "why"), "patient", [token])
    assert found == ("os:officer", "order 12")


# -- what other parts of the house write


def _written(clinic: Clinic, handle: str) -> dict[str, int]:
    """A receipt, a reply, a representative, an authorization, a pushed opt-out, a link and a session of one person."""
    token, ids = clinic.token(handle), {}
    ((key,),) = rows(clinic, "patient", ("key",), "token", [token])
    with clinic.gateway.store.begin("test") as uow:
        plain = open_keys(uow, [key])[key]
        day = feed_key(uow, clinic.gateway.site.sources["ehr"].id)
        assert plain is not None
        names = ("receipt", "inbound", "representative", "consent", "revocation", "link", "login", "stop")
        ids = {name: uow.new_id() for name in names}
        ((sent, address),) = uow.lookup(tables.communication, ("id", "address"), "patient", [token])

        def put(name: str, **told: Any) -> None:
            uow.insert(tables.metadata.tables[name], ("id", *told), [(ids[name], *told.values())])

        def sealed(name: str, text: str, under: bytes = plain) -> bytes:
            return seal_bytes(under, text.encode(), f"{name}.sealed:{ids[name]}".encode())

        now, person = uow.now, clinic.person(handle)
        put("receipt", communication=sent, provider_event="e1", status="delivered", at=now, code="2.0.0")
        put("inbound", channel="email", provider_event="e2", address=address, sender="care@lakeside.example",
            received=now, feed_key=day.id, sealed=sealed("inbound", f"No thanks, {person.given}", day.plain),
            meaning="free-text", state="open", patient=token)  # fmt: skip
        put("representative", patient=token, role="mother", scope="*", valid_from=now, evidence="form 9",
            recorded=now, recorded_by="os:clerk", sealed=sealed("representative", f"mother of {person.given}"))  # fmt: skip
        put("consent", patient=token, purpose="HMARKT", channel="*", topic="*", permit=1, valid_from=now - DAY,
            evidence="form 77", recorded=now - DAY, kind="authorization", sealed=sealed("consent", f"signed {person.family}"))  # fmt: skip
        put(
            "revocation",
            consent=ids["stop"],
            target="cdp",
            state="acknowledged",
            legal_by=now,
            next_at=now,
            acknowledged=now,
        )
        put("link", digest=b"l" * 32, kind="pick-up", patient=token, created=now, expires=now + DAY)
        put("login", link=ids["link"], patient=token, digest=b"s" * 32, state="open", started=now, ends=now + DAY)
        ids["address"] = address
        stop = (ids["stop"], None, address, "*", "email", "*", 0, now, None, "reply STOP", now)
        uow.insert(tables.consent, CONSENT_COLUMNS, [stop])
        uow.audit([("test",)], patients=[token])
        uow.commit()
    return ids


@pytest.fixture
def busy(clinic: Clinic) -> Clinic:
    """Ann, who was written to once and of whom every table knows something."""
    clinic.enrols("Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until("2026-03-13 12:00")
    return clinic


def test_a_copy_opens_replies_representatives_and_authorizations(busy: Clinic) -> None:
    """164.524: whatever is sealed about them is in it, and a STOP of their address too."""
    _written(busy, "Ann")
    told, ann = copied(busy, busy.identifier("Ann")), busy.person("Ann")
    assert [one["text"] for one in told["replies"]] == [f"No thanks, {ann.given}"]
    assert [one["told"] for one in told["representatives"]] == [f"mother of {ann.given}"]
    assert [one.get("elements") for one in told["consents"]] == [None, f"signed {ann.family}", None]
    assert told["consents"][2]["evidence"] == "reply STOP"
    assert told["messages sent"][0]["receipts"][0].endswith("delivered 2.0.0")
    assert [one["for"] for one in told["links to the portal"]] == ["pick-up"]


def test_an_opt_out_that_was_passed_on_is_operations(busy: Clinic) -> None:
    """164.528(a)(1)(i): told to a system of ours or of a business associate, exempt, and listed with --all."""
    _written(busy, "Ann")
    told = accounted(busy, busy.identifier("Ann"))
    (one,) = [one for one in told.disclosures if one.channel == "cdp"]
    assert (one.recipient, one.exemption) == (Recipient.SYSTEM, Exemption.OPERATIONS)
    assert accounted(busy, busy.identifier("Ann"), everything=False).disclosures == ()


def test_marketing_with_an_authorization_says_so(busy: Clinic) -> None:
    """164.528(a)(1)(iv): as long as it was in force; a denial of marketing ends it."""
    _written(busy, "Ann")
    with busy.gateway.store.begin("test") as uow:
        found = uow.all(_SENT)
        uow.update(tables.communication, ("id",), ("purpose", "at"), [("HMARKT", uow.now, one) for (one,) in found])
        uow.audit([("test",)])
        uow.commit()
    told = accounted(busy, busy.identifier("Ann"))
    assert {one.exemption for one in told.disclosures if one.channel == "email"} == {Exemption.AUTHORIZATION}
    token = busy.token("Ann")
    with busy.gateway.store.begin("test") as uow:
        deny = (uow.new_id(), token, None, "HMARKT", "*", "*", 0, uow.now - DAY // 2, None, "call", uow.now)
        uow.insert(tables.consent, CONSENT_COLUMNS, [deny])
        uow.audit([("test",)])
        uow.commit()
    told = accounted(busy, busy.identifier("Ann"))
    assert {one.exemption for one in told.disclosures if one.channel == "email"} == {Exemption.TO_INDIVIDUAL}


def test_a_message_to_a_representative_went_to_one(clinic: Clinic) -> None:
    """164.502(g): as to the individual, and told as what it is; the copy shows where it went, an erasure forgets that."""
    clinic.person("Kim", pid={7: "20180510"})
    clinic.enrols("Kim")
    made = clinic.is_represented("Kim", "guardian@mail.example")
    clinic.books("Kim", on=VISIT)
    clinic.until("2026-03-13 12:00")
    (one,) = accounted(clinic, clinic.identifier("Kim")).disclosures
    assert (one.recipient, one.exemption) == (Recipient.REPRESENTATIVE, Exemption.TO_INDIVIDUAL)
    (sent,) = copied(clinic, clinic.identifier("Kim"))["messages sent"]
    assert sent["to"] == "guardian@mail.example"
    erased(clinic, "Kim")
    assert rows(clinic, "contact_point", ("id",), "patient", [made]) == []


def test_an_erasure_ends_links_sessions_and_representatives(busy: Clinic) -> None:
    """Nobody picks anything up any more, no session goes on, no reply can be read, no opt-out is lost."""
    ids = _written(busy, "Ann")
    erased(busy, "Ann")
    ((ended,),) = rows(busy, "link", ("ended",), "id", [ids["link"]])
    assert ended is not None
    assert rows(busy, "login", ("digest", "state"), "id", [ids["login"]]) == [(None, "ended")]
    assert rows(busy, "inbound", ("sealed", "state"), "id", [ids["inbound"]]) == [(None, "done")]
    ((sealed, until),) = rows(busy, "representative", ("sealed", "valid_until"), "id", [ids["representative"]])
    assert (sealed, until is None) == (b"", False)
    assert rows(busy, "consent", ("sealed", "evidence"), "id", [ids["consent"]]) == [(None, "form 77")]
    assert len(rows(busy, "consent", ("id",), "address", [ids["address"]])) == 1


def test_nothing_of_an_erased_person_can_be_opened_with_every_key_there_is(busy: Clinic) -> None:
    """An auditor with database and key file: whatever was sealed under their key stays shut."""
    token = busy.token("Ann")
    ((key, sealed),) = rows(busy, "patient", ("key", "sealed"), "token", [token])
    ((identity, facts),) = rows(busy, "occurrence", ("id", "sealed_facts"), "patient", [token])
    erased(busy, "Ann")
    busy.restarts()
    with busy.gateway.store.read() as unit:
        assert open_keys(unit, [key]) == {key: None}
        others = [
            plain
            for (one,) in unit.all(Statement("test.keys", select(tables.data_key.c.id)))
            if (plain := open_keys(unit, [one])[one]) is not None and len(plain) == 32
        ]
    assert others
    for plain in others:
        for content, aad in ((sealed, b"patient.sealed:%d" % token), (facts, b"occurrence.sealed_facts:%d" % identity)):
            with pytest.raises(KeyringError):
                unseal(plain, bytes(content), aad)
