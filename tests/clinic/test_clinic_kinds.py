"""Kinds of consent, representatives, agreements and the push of opt-outs, from the desk to what leaves or does not."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import clinic_messages as hl7
import pytest
from clinic_dsl import Clinic, OpenClinic, Postbox
from clinic_site import shipped_policy, shipped_rule, write_rules

from gateway.model.agreement import Agreement
from gateway.model.authorization import CORE
from gateway.model.consent import ChannelKind, ConsentKind
from gateway.model.errors import CommandError, Refused, Unavailable
from gateway.model.party import ContactPoint
from gateway.pipeline import inspect
from gateway.pipeline.inspect.consents import opt_out_address
from gateway.pipeline.ledger import Entry, append
from gateway.pipeline.optouts import ProviderTarget
from gateway.pipeline.revoking import Revoking
from gateway.ports import SuppressesToo
from gateway.store import tables

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"
FORM = dict.fromkeys(CORE, "as on form 7") | {"expiry": "2026-03-15", "signed_on": "2026-03-01"}
MOBILE = "^PRS^CP^^1^312^5550177"


def says(clinic: Clinic, handle: str, *, permit: bool = True, **more: Any) -> list[int]:
    """An entry of any kind."""
    told = {"purpose": "TREAT", "evidence": "form 12", "account": "os:clerk", **more}
    return inspect.consent_add(clinic.gateway, clinic.identifier(handle), permit=permit, **told)


def ledger(clinic: Clinic, handle: str) -> list[inspect.ConsentLine]:
    """What the ledger says."""
    return inspect.consent_list(clinic.gateway, clinic.identifier(handle), reason="look", account="os:clerk")


# -- texts


@pytest.fixture
def texting(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """A site that sends reminders by text only, and Ann with a mobile number."""
    rule = shipped_rule("appointment-reminder", ("channels: [preferred, sms, email]", "channels: [sms]"))
    clinic = open_clinic(rules=write_rules(tmp_path / "texting", {"appointment-reminder": rule}))
    clinic.texts = Postbox(clinic.clock)  # type: ignore[attr-defined]
    clinic.gateway.channels[ChannelKind.SMS] = clinic.texts  # type: ignore[index, attr-defined]
    clinic.person("Ann", pid={13: MOBILE})
    clinic.adds("Ann")
    return clinic


def texts(clinic: Clinic) -> int:
    """How many texts left."""
    return len(clinic.texts.envelopes)  # type: ignore[attr-defined]


def test_consent_to_messages_is_none_to_texts(texting: Clinic) -> None:
    """CN-08, SM-13; regulation 35: neither one nor the other alone."""
    says(texting, "Ann", channel="sms")
    texting.books("Ann", on=FIRST)
    texting.until("2026-03-14 12:00")
    assert (texts(texting), texting.reasons("Ann")) == (0, ["no-consent"])
    says(texting, "Ann", channel="sms", kind=ConsentKind.TEXTS)
    texting.passes("8d")
    assert texts(texting) == 1


def test_a_new_number_inherits_no_consent_to_texts(texting: Clinic) -> None:
    """SM-15; regulation 42: the A31 that changes the number leaves the yes where it was."""
    texting.consents("Ann", to="sms")
    texting.books("Ann", on=FIRST)
    texting.changes("Ann", pid={13: "^PRS^CP^^1^312^5550188"})
    texting.passes("18d")
    assert (texts(texting), texting.reasons("Ann")) == (0, ["no-consent"])


def test_consent_to_texts_wants_a_number(texting: Clinic) -> None:
    """47 CFR 64.1200(a)(1): consent of the called party, of that number; one may be told that is not known yet."""
    texting.adds("Ben")
    with pytest.raises(CommandError, match="no sms address is known"):
        says(texting, "Ben", channel="sms", kind=ConsentKind.TEXTS)
    texting.consents("Ben", to="sms")
    says(texting, "Ben", channel="sms", kind=ConsentKind.TEXTS, address="+13125550199")
    texting.person("Ben", pid={13: "^PRS^CP^^1^312^5550199"})
    texting.changes("Ben")
    texting.books("Ben", on=FIRST)
    texting.passes("18d")
    assert texts(texting) == 2


def test_a_feed_may_tell_consent_to_texts(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """PV-06, CN-08: a code of the site's table that means texts; the entry is to the number known then."""
    codes = tmp_path / "mappings" / "codes"
    codes.mkdir(parents=True)
    (codes / "consent.yaml").write_text("table: consent\ncodes:\n  TEXT: texts:TREAT/sms/*\n", encoding="utf-8")
    clinic = open_clinic()
    clinic.person("Ann", pid={13: MOBILE})
    clinic.adds("Ann")
    for _ in range(2):
        clinic.changes("Ann", extra=[hl7.segment("CON", {1: "1", 2: "TEXT", 11: "A"})])
    (line,) = ledger(clinic, "Ann")
    assert (line.kind, line.decision, line.channel) == ("texts", "permit", "sms")
    assert line.address is not None
    clinic.changes("Ann", extra=[hl7.segment("CON", {1: "1", 2: "TEXT", 11: "R"})])
    assert [(one.decision, one.address is None) for one in ledger(clinic, "Ann")] == [("permit", False), ("deny", True)]
    assert any("deny TREAT/sms/*, texts" in line or "texts" in line for line in clinic.story("Ann"))


def test_a_declared_basis_may_be_one_for_texts(open_clinic: OpenClinic, tmp_path: Path) -> None:
    """47 CFR 64.1200(a)(1): the number was given for it, says the policy, and each entry cites it."""
    basis = (
        "basis:\n  - {purpose: TREAT, channel: sms, kinds: [messages, texts], because: they gave the number for it}\n"
    )
    policy = shipped_policy(("basis: []\n", basis))
    clinic = open_clinic(rules=write_rules(tmp_path / "based", {}, policy=policy))
    clinic.person("Ann", pid={13: MOBILE})
    clinic.adds("Ann")
    assert [(one.kind, one.decision) for one in ledger(clinic, "Ann")] == [("messages", "permit"), ("texts", "permit")]


# -- marketing


@pytest.fixture
def selling(open_clinic: OpenClinic, tmp_path: Path) -> Clinic:
    """A site whose reminder is paid for by somebody else: marketing, and so shows nothing about anybody."""
    rule = shipped_rule(
        "appointment-reminder",
        ("purpose: TREAT", "purpose: HMARKT"),
        ("remuneration: none", "remuneration: paid"),
        ("template: appointment_reminder", "template: offer"),
    )
    head, _, tail = rule.partition("  reveals:")
    rule = f"{head}  reveals: []\n{tail.partition(chr(10))[2]}"
    who = "{{ organization.sender_name }} {{ organization.callback }} {{ organization.postal_address }}"
    words = {"offer": f"Come and see us. {who} {{{{ opt_out }}}}\n"}
    clinic = open_clinic(rules=write_rules(tmp_path / "selling", {"appointment-reminder": rule}, templates=words))
    clinic.adds("Ann")
    return clinic


def test_paid_marketing_needs_an_authorization_that_says_so_and_is_not_over(selling: Clinic) -> None:
    """PH-09; regulations 1, 3 and 5: the first leaves under it, the second is after its last day."""
    clinic = selling
    says(clinic, "Ann", purpose="HMARKT", channel="email")
    clinic.books("Ann", on=FIRST)
    more: dict[str, Any] = {"purpose": "HMARKT", "channel": "email", "text_version": "form 7, 2026"}
    says(clinic, "Ann", kind=ConsentKind.AUTHORIZATION, elements=FORM, **more)
    clinic.until("2026-03-13 09:00")
    paid = FORM | {"remuneration": "the maker pays us"}
    says(clinic, "Ann", kind=ConsentKind.AUTHORIZATION, elements=paid, language="en", **more)
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == [WEEK]
    assert clinic.reasons("Ann") == ["no-authorization"]
    entry = next(one for one in clinic.entries("Ann") if one[0] == "communication.cleared")
    assert entry[-1] == "legal.csv 2026-03-01"
    assert any("every gate permitted (legal.csv 2026-03-01)" in line for line in clinic.story("Ann"))
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.consent, ("kind", "sealed", "recorded_by", "text_version"), "kind", ["authorization"])
    assert {(by, version) for _, _, by, version in rows} == {("os:clerk", "form 7, 2026")}
    assert all(b"maker" not in bytes(sealed) for _, sealed, _, _ in rows)


def test_an_authorization_that_cannot_be_read_authorizes_nothing(selling: Clinic) -> None:
    """Law 6: what was sealed was touched, or is another's."""
    paid = FORM | {"remuneration": "the maker pays us", "expiry": "2027-01-01"}
    says(selling, "Ann", purpose="HMARKT", channel="email")
    more: dict[str, Any] = {"purpose": "HMARKT", "text_version": "7"}
    (made,) = says(selling, "Ann", kind=ConsentKind.AUTHORIZATION, elements=paid, **more)
    with selling.gateway.store.begin("test") as uow:
        uow.update(tables.consent, ("id",), ("sealed",), [(b"x" * 40, made)])
        uow.audit([("test",)])
        uow.commit()
    selling.books("Ann", on=FIRST)
    selling.passes("18d")
    assert (selling.mails(), selling.reasons("Ann")) == ([], ["no-authorization"])


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"kind": "authorization", "purpose": "HMARKT", "elements": FORM}, "needs the version of the text"),
        (
            {"kind": "authorization", "purpose": "HMARKT", "text_version": "7", "elements": FORM | {"revocation": ""}},
            r"not complete \(45 CFR 164.508\(c\)\): revocation",
        ),
        (
            {"kind": "authorization", "purpose": "TREAT", "text_version": "7", "elements": FORM},
            "names the purpose HMARKT",
        ),
        ({"kind": "messages", "elements": FORM}, "only a permit of kind authorization"),
        ({"kind": "texts", "channel": "email"}, "is about the channel sms"),
        ({"kind": "texts", "channel": "sms", "purpose": "HMARKT"}, "needs the version of the text"),
        ({"kind": "open-email", "channel": "sms", "text_version": "7"}, "is about the channel email"),
        ({"kind": "open-email", "channel": "email"}, "needs the version of the text"),
        ({"kind": "alternative", "permit": False}, "names the channel or the address"),
    ],
)
def test_a_yes_that_lacks_what_the_law_wants_is_not_recorded(
    clinic: Clinic, told: dict[str, Any], sentence: str
) -> None:
    """Regulations 3, 4, 11 and 35; PH-01: refused, naming what is missing and no value."""
    clinic.adds("Ann")
    with pytest.raises(CommandError, match=sentence):
        says(clinic, "Ann", **{**told, "kind": ConsentKind(told["kind"])})
    assert ledger(clinic, "Ann") == []


# -- open mail, another way, restrictions


def test_open_mail_is_marked_for_the_mailbox_it_was_chosen_for(clinic: Clinic) -> None:
    """PH-01, PH-02; regulation 11: the envelope says so; after a change of address it does not."""
    clinic.enrols("Ann")
    says(clinic, "Ann", channel="email", kind=ConsentKind.OPEN_EMAIL, text_version="warning 3", language="es")
    clinic.books("Ann", on=FIRST)
    clinic.until("2026-03-14 12:00")
    clinic.person("Ann", email="ann.moved@mail.example")
    clinic.changes("Ann")
    clinic.passes("18d")
    assert [mail.envelope.open_allowed for mail in clinic.mails()] == [True, False]


def test_whoever_asks_for_another_address_is_written_to_there(clinic: Clinic) -> None:
    """PH-03; regulation 9; 45 CFR 164.522(b): whatever the feed ranks first."""
    two = "^NET^Internet^first@mail.example~^NET^Internet^other@mail.example"
    clinic.person("Ann", pid={13: two})
    clinic.adds("Ann")
    clinic.consents("Ann", to="email")
    says(clinic, "Ann", permit=False, purpose="*", kind=ConsentKind.ALTERNATIVE, address="other@mail.example")
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert {mail.envelope.to.value for mail in clinic.mails()} == {"other@mail.example"}


def test_a_restriction_survives_a_merge(clinic: Clinic) -> None:
    """Regulation 10; 45 CFR 164.522(a); AD-31: what was agreed with either side binds the one they are now."""
    for one in ("Ann", "Bea"):
        clinic.enrols(one)
    says(clinic, "Bea", permit=False, purpose="*", kind=ConsentKind.RESTRICTION)
    clinic.merges("Bea", into="Ann")
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert clinic.mails() == []
    assert "restricted" in clinic.reasons("Ann")


# -- import


def test_a_table_tells_kind_text_language_and_who_took_it_down(clinic: Clinic) -> None:
    """CN-08; regulation 35: and twice changes nothing."""
    clinic.person("Ann", pid={13: MOBILE})
    clinic.adds("Ann")
    line = {
        "system": hl7.AUTHORITY, "type": "MR", "identifier": clinic.person("Ann").mrn, "decision": "permit",
        "purpose": "TREAT", "channel": "sms", "evidence": "form 12", "kind": "texts", "text_version": "t4",
        "language": "es", "recorded_by": "desk 3", "address": "+13125550177",
    }  # fmt: skip
    wrong = {**line, "kind": "text"}
    report = inspect.consent_import(clinic.gateway, [line, line, wrong], account="os:clerk")
    assert (report.added, report.already_there, len(report.refused)) == (1, 1, 1)
    own, to_number = ledger(clinic, "Ann")
    assert (own.address, to_number.address is None) == (None, False)
    assert (to_number.kind, to_number.text_version, to_number.language, to_number.recorded_by) == (
        "texts", "t4", "es", "desk 3",
    )  # fmt: skip


# -- representatives


def child(clinic: Clinic, handle: str = "Kim", born: str = "20180510") -> None:
    """A child who has said yes to mail, by whoever may."""
    clinic.person(handle, pid={7: born})
    clinic.enrols(handle)


def test_a_childs_reminder_goes_to_who_represents_them_and_to_nobody_else(clinic: Clinic) -> None:
    """PI-14 to PI-16; regulation 12; 45 CFR 164.502(g): and the audit log says who."""
    child(clinic)
    made = clinic.is_represented("Kim", "guardian@mail.example")
    clinic.books("Kim", on=FIRST)
    clinic.passes("18d")
    assert [mail.envelope.to.value for mail in clinic.mails()] == ["guardian@mail.example"] * 2
    cleared = [one for one in clinic.entries("Kim") if one[0] == "communication.cleared"]
    assert {one[-1] for one in cleared} == {f"representative {made}"}


def test_next_of_kin_are_no_representatives(clinic: Clinic) -> None:
    """PI-15, PI-16; regulation 13: an NK1 is not an authorisation; it waits, and a record releases it."""
    child(clinic)
    clinic.changes("Kim", extra=["NK1|1|DOE^PAT|MTH||^NET^Internet^mother@mail.example"])
    clinic.books("Kim", on=FIRST)
    clinic.until("2026-03-14 12:00")
    assert (clinic.mails(), clinic.reasons("Kim")) == ([], ["no-representative"])
    clinic.is_represented("Kim", "mother@mail.example")
    clinic.passes("2h")
    assert len(clinic.mails()) == 1


def test_two_representatives_wait_for_a_person_to_end_one(clinic: Clinic) -> None:
    """45 CFR 164.502(g): which of them is for a person to say; also when a merge brings the second."""
    child(clinic)
    child(clinic, "Lee")
    clinic.is_represented("Kim", "one@mail.example")
    second = clinic.is_represented("Lee", "two@mail.example")
    clinic.merges("Lee", into="Kim")
    clinic.books("Kim", on=FIRST)
    clinic.until("2026-03-14 12:00")
    assert "representative-unclear" in clinic.reasons("Kim")
    inspect.representatives.end(clinic.gateway, second, reason="order 3", account="os:clerk")
    with pytest.raises(CommandError, match="has ended already"):
        inspect.representatives.end(clinic.gateway, second, reason="order 3", account="os:clerk")
    with pytest.raises(CommandError, match="no representative 5"):
        inspect.representatives.end(clinic.gateway, 5, reason="order 3", account="os:clerk")
    clinic.passes("2h")
    assert [mail.envelope.to.value for mail in clinic.mails()] == ["one@mail.example"]
    lines = inspect.representatives.listed(clinic.gateway, clinic.identifier("Kim"), reason="look", account="os:clerk")
    assert [(one.name, one.valid_until is None) for one in lines] == [("A Guardian", True), ("A Guardian", False)]


def test_a_scope_covers_its_topics_only(clinic: Clinic) -> None:
    """PI-16: who represents for one thing is nobody for another."""
    child(clinic)
    clinic.is_represented("Kim", "guardian@mail.example", topics="follow-up")
    clinic.books("Kim", on=FIRST)
    clinic.passes("18d")
    assert (clinic.mails(), clinic.reasons("Kim")[0]) == ([], "no-representative")


def test_stop_from_a_representatives_mailbox_binds_it(clinic: Clinic) -> None:
    """SM-14: an address is an address, whoever stands behind it; so does an opt-out that is recorded for the child."""
    child(clinic)
    clinic.is_represented("Kim", "guardian@mail.example")
    opt_out_address(
        clinic.gateway, "guardian@mail.example", channel=ChannelKind.EMAIL, evidence="call 9", account="os:clerk"
    )
    clinic.books("Kim", on=FIRST)
    clinic.until("2026-03-14 12:00")
    assert (clinic.mails(), clinic.reasons("Kim")) == ([], ["consent-denied"])
    child(clinic, "Lee")
    clinic.is_represented("Lee", "other@mail.example")
    clinic.opts_out("Lee")
    with clinic.gateway.store.read() as unit:
        stopped = unit.lookup(tables.address, ("id", "opted_out_at"), "sender", [""])
    assert sum(at is not None for _, at in stopped) == 3  # Kim's guardian's, Lee's own and Lee's guardian's


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"addresses": []}, "has an e-mail address"),
        ({"addresses": ["a@mail.example", "b@mail.example"]}, "one of each"),
        ({"addresses": ["somewhere"]}, "an address is"),
        ({"addresses": ["+1312"]}, "an address is"),
        ({"topics": "gossip"}, "topics must be of"),
        ({"evidence": " "}, "name, role and evidence"),
    ],
)
def test_a_representative_without_evidence_or_address_is_not_recorded(
    clinic: Clinic, told: dict[str, Any], sentence: str
) -> None:
    """Law 6; what was told is not repeated."""
    clinic.adds("Kim")
    whole = {"name": "P", "addresses": ["+13125550123"], "role": "parent", "evidence": "form 9", "account": "os:clerk"}
    with pytest.raises(CommandError, match=sentence):
        inspect.representatives.add(clinic.gateway, clinic.identifier("Kim"), **{**whole, **told})


# -- agreements


def test_without_an_agreement_in_force_nothing_is_handed_over(clinic: Clinic) -> None:
    """Regulation 26; 45 CFR 164.308(b): and the status says so a month before."""
    agreements: dict[ChannelKind, Agreement] = clinic.gateway.site.agreements  # type: ignore[assignment]
    agreements[ChannelKind.EMAIL] = Agreement(party="Relay", signed=date(2025, 1, 1), expires=date(2026, 3, 15))
    assert "agreements" in inspect.status(clinic.gateway).attention
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    clinic.passes("18d")
    assert (clinic.arrivals("Ann"), clinic.reasons("Ann")) == ([WEEK], ["no-agreement"])


# -- opt-outs that others must honour


class Told(Postbox):
    """A channel whose provider keeps a list of its own."""

    suppresses = True

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.name = "texter"
        self.list: list[str] = []
        self.answers: list[type[Exception]] = []

    def suppress(self, to: ContactPoint) -> None:
        """Say it, unless the test has it fail."""
        if self.answers:
            raise self.answers.pop(0)("the other side does not answer")
        self.list.append(to.value)


@pytest.fixture
def told(clinic: Clinic) -> Told:
    """A target of opt-outs by e-mail."""
    found = Told(clinic.clock)
    clinic.gateway.channels[ChannelKind.EMAIL] = found  # type: ignore[index]
    return found


def round_of(clinic: Clinic) -> Revoking:
    """The rounds that push."""
    gateway = clinic.gateway
    targets = [
        ProviderTarget(gateway.store, gateway.site, lambda: gateway.rules.current().ruleset.policy, kind, one)
        for kind, one in gateway.channels.items()
        if isinstance(one, SuppressesToo) and one.suppresses
    ]
    return Revoking(gateway.store, targets)


def states(clinic: Clinic) -> list[tuple[str, int]]:
    """State and tries of every push."""
    return [(one.state, one.tries) for one in inspect.revocations(clinic.gateway)]


def test_an_opt_out_is_told_to_others_until_they_acknowledge_it(clinic: Clinic, told: Told) -> None:
    """47 CFR 64.1200(a)(10); SM-14; regulations 37 and 41: whatever wrote it, once each, with the legal clock."""
    clinic.enrols("Ann")
    rounds = round_of(clinic)
    assert rounds.once() == 0
    clinic.opts_out("Ann")
    told.answers = [Unavailable, Unavailable]
    assert rounds.once() == 0
    assert states(clinic) == [("open", 1)]
    assert rounds.once() == 0  # not before its time
    assert states(clinic) == [("open", 1)]
    clinic.passes("2m")
    assert rounds.once() == 0
    clinic.passes("3m")
    assert rounds.once() == 1
    assert (states(clinic), told.list) == ([("acknowledged", 3)], [clinic.person("Ann").email])
    clinic.passes("1h")
    assert (rounds.once(), round_of(clinic).once(), len(told.list)) == (0, 0, 1)
    (line,) = inspect.revocations(clinic.gateway)
    assert line.acknowledged is not None
    assert 10 * 86_400_000 - 1000 <= line.legal_by - line.acknowledged + 5 * 60_000 <= 10 * 86_400_000 + 1000


def test_an_opt_out_that_nobody_takes_is_for_a_person(clinic: Clinic, told: Told) -> None:
    """47 CFR 64.1200(a)(10): refused, nobody's address, or not acknowledged within the legal time."""
    clinic.enrols("Ann")
    clinic.opts_out("Ann")
    told.answers = [Refused]
    rounds = round_of(clinic)
    rounds.once()
    assert states(clinic) == [("failed", 1)]
    assert "revocations" in inspect.status(clinic.gateway).attention
    opt_out_address(clinic.gateway, "no@mail.example", channel=ChannelKind.EMAIL, evidence="call", account="os:clerk")
    rounds.once()
    assert [state for state, _ in states(clinic)] == ["failed", "failed"]
    clinic.enrols("Bea")
    clinic.opts_out("Bea")
    told.answers = [Unavailable] * 100
    rounds.once()
    assert states(clinic)[0] == ("open", 1)
    clinic.passes("11d")
    rounds.once()
    assert states(clinic)[0] == ("failed", 2)


def test_a_target_is_not_told_of_addresses_it_cannot_write_to(clinic: Clinic, told: Told) -> None:
    """47 CFR 64.1200(a)(10): an opt-out from everything at an e-mail address is no business of a provider of texts."""
    gateway = clinic.gateway
    agreements: dict[ChannelKind, Agreement] = gateway.site.agreements  # type: ignore[assignment]
    agreements[ChannelKind.SMS] = agreements[ChannelKind.EMAIL]
    gateway.channels[ChannelKind.SMS] = gateway.channels.pop(ChannelKind.EMAIL)  # type: ignore[index, attr-defined]
    clinic.enrols("Ann")
    ann = clinic.token("Ann")
    with gateway.store.begin("os:clerk") as uow:
        for (address,) in uow.lookup(tables.contact_point, ("address",), "patient", [ann]):
            said = Entry(patient=None, address=address, scope=("*", "*", "*"), permit=False, evidence="call")
            append(uow, [said])
        uow.commit()
    round_of(clinic).once()
    assert sorted(states(clinic)) == [("acknowledged", 1), ("moot", 1)]
    assert clinic.person("Ann").email not in told.list
    assert "revocations" not in inspect.status(gateway).attention


def test_a_list_that_the_site_did_not_turn_on_is_no_target(clinic: Clinic, told: Told) -> None:
    """Regulation 26: an address goes only where the site says it may."""
    told.suppresses = False
    clinic.enrols("Ann")
    clinic.opts_out("Ann")
    round_of(clinic).once()
    assert (states(clinic), told.list) == ([], [])


def test_nobody_is_handed_an_address_without_an_agreement(clinic: Clinic, told: Told) -> None:
    """45 CFR 164.308(b): a push hands over an address too; a representative's mailbox is pushed as any other."""
    child(clinic)
    clinic.is_represented("Kim", "guardian@mail.example")
    rounds = round_of(clinic)
    opt_out_address(
        clinic.gateway, "guardian@mail.example", channel=ChannelKind.EMAIL, evidence="call", account="os:clerk"
    )
    rounds.once()
    assert told.list == ["guardian@mail.example"]
    agreements: dict[ChannelKind, Agreement] = clinic.gateway.site.agreements  # type: ignore[assignment]
    agreements[ChannelKind.EMAIL] = Agreement(party="Relay", signed=date(2025, 1, 1), expires=date(2025, 3, 15))
    clinic.opts_out("Kim")
    rounds.once()
    assert [state for state, _ in states(clinic)].count("failed") == 2
    assert len(told.list) == 1


def test_a_target_that_is_configured_no_more_is_left_to_a_person(clinic: Clinic, told: Told) -> None:
    """Law 6: the row stays and says failed."""
    clinic.enrols("Ann")
    clinic.opts_out("Ann")
    told.answers = [Unavailable]
    round_of(clinic).once()
    clinic.passes("1h")
    clinic.gateway.channels[ChannelKind.EMAIL] = clinic.post  # type: ignore[index]
    round_of(clinic).once()
    assert states(clinic) == [("failed", 2)]
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.audit, ("entries",), "actor", ["revoking"])
    pushed = [entry for (entries,) in rows for entry in json.loads(entries) if entry[0] == "revocation.pushed"]
    assert sorted(entry[3] for entry in pushed) == ["failed", "open", "open"]
