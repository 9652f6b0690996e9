"""A Consent of a FHIR server permits for as long as its newest version does, and what it is narrowed to."""

from __future__ import annotations

from typing import Any

import pytest
from clinic_dsl import OpenClinic
from clinic_fhir import SERVER, Server

_TERMS = "http://terminology.hl7.org/CodeSystem"
_PERIOD = {"start": "2026-01-01", "end": "2026-03-10"}


@pytest.fixture
def served(open_clinic: OpenClinic) -> Server:
    """A clinic that hears a FHIR server, and knows Ann."""
    found = Server(open_clinic(feeds=SERVER))
    found.tells(found.patient("Ann"))
    return found


def _says(served: Server, *, id_: str = "c1", rule: str = "OPTIN", **more: Any) -> None:
    """The next version of a Consent."""
    served.clinic.passes("1m")
    told = {
        "resourceType": "Consent",
        "id": id_,
        "status": "active",
        "scope": {"coding": [{"system": f"{_TERMS}/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"code": "EMAILWRIT"}]}],
        "patient": {"reference": "Patient/p-ann"},
        "policyRule": {"coding": [{"system": f"{_TERMS}/v3-ActCode", "code": rule}]},
        "provision": {},
    }
    served.tells(served.puts({**told, **more}))


def _mails(served: Server) -> int:
    """Of an appointment on 20 March, with reminders a week and a day ahead."""
    served.tells(served.appointment("Ann", "2026-03-20 09:30"))
    served.clinic.until("2026-03-20 12:00")
    return len(served.clinic.mailbox("Ann"))


def test_a_consent_that_is_given_an_end_has_one(served: Server) -> None:
    """CN-04: the version without an end says nothing any more."""
    _says(served)
    _says(served, provision={"period": {"end": "2026-03-16"}})
    assert _mails(served) == 1


def test_a_consent_that_loses_its_end_has_none(served: Server) -> None:
    """CN-04: and the last word counts in this direction too."""
    _says(served, provision={"period": {"end": "2026-03-16"}})
    _says(served)
    assert _mails(served) == 2


def test_an_old_consent_that_comes_late_ends_no_later_one(served: Server) -> None:
    """CN-06: exports tell what was in force for a year in any order."""
    _says(served, provision={"period": {"start": "2026-01-01"}})
    _says(served, id_="c0", provision={"period": {"start": "2025-01-01", "end": "2025-12-31"}})
    assert _mails(served) == 2


def test_a_consent_that_is_yet_to_begin_ends_none(served: Server) -> None:
    """CN-04: next year's, signed in advance."""
    _says(served, provision={"period": {"start": "2026-01-01", "end": "2026-06-30"}})
    _says(served, id_="c2", provision={"period": {"start": "2026-07-01"}})
    assert _mails(served) == 2


@pytest.mark.parametrize(
    ("rule", "provision"),
    [
        ("OPTOUT", {"period": _PERIOD, "provision": [{"type": "permit"}]}),
        ("OPTIN", {"purpose": [{"code": "HPAYMT"}]}),
        ("OPTIN", {"action": [{"coding": [{"code": "collect"}]}]}),
    ],
    ids=["over", "for-payment", "to-collect"],
)
def test_what_a_consent_is_narrowed_to_is_all_it_permits(served: Server, rule: str, provision: dict[str, Any]) -> None:
    """CN-04, CN-05: an exception ends with its consent; the root's purpose and action narrow everything."""
    _says(served, rule=rule, provision=provision)
    assert _mails(served) == 0


def test_a_part_of_a_consent_permits_nothing(served: Server) -> None:
    """K-10: its exceptions may be what the server left out."""
    _says(served, meta={"tag": [{"code": "SUBSETTED"}]})
    assert (_mails(served), served.clinic.holds("Ann")) == (0, {"consent-unclear"})


@pytest.mark.parametrize(
    "more",
    [
        {"status": "rejected"},
        {"status": "draft"},
        {"scope": {"coding": [{"system": f"{_TERMS}/consentscope", "code": "research"}]}},
        {"status": "inactive", "provision": {"actor": [{"role": {"text": "x"}, "reference": {"display": "x"}}]}},
    ],
    ids=["rejected", "draft", "research", "unreadable"],
)
def test_a_consent_that_says_nothing_any_more_waits_for_a_person(served: Server, more: dict[str, Any]) -> None:
    """CN-02, CN-04: what an earlier version permitted is in force no longer, as when it is deleted."""
    _says(served)
    _says(served, **more)
    assert (_mails(served), served.clinic.holds("Ann")) == (0, {"consent-unclear"})


@pytest.mark.parametrize("status", ["inactive", "rejected", "entered-in-error"])
def test_a_consent_that_became_a_no_and_ended_waits_for_a_person(served: Server, status: str) -> None:
    """CN-04: what counts is what an earlier version permitted, not what this one could have."""
    _says(served)
    _says(served, rule="OPTOUT", status=status)
    assert (_mails(served), served.clinic.holds("Ann")) == (0, {"consent-unclear"})


def test_whatever_the_reader_tolerates_takes_a_consent_back(served: Server) -> None:
    """CN-04: a byte order mark, and a number that only Decimal can hold."""
    _says(served)
    served.clinic.passes("1m")
    draft = served.puts({**served.stored["Consent/c1"], "status": "draft", "language": "NUMBER"})
    body = served.body(draft).replace(b'"language": "NUMBER"', b'"extension": [{"url": "x", "valueDecimal": 1e399}]')
    assert served.clinic.hears(b"\xef\xbb\xbf" + body, source="fhir").ack == "AA"
    assert (_mails(served), served.clinic.holds("Ann")) == (0, {"consent-unclear"})


@pytest.mark.parametrize(
    "more",
    [{"provision": {"purpose": [{"code": "HPAYMT"}]}}, {"category": [{"coding": [{"code": "SMSWRIT"}]}]}],
    ids=["for-payment", "texts-alone"],
)
def test_a_consent_that_speaks_no_more_of_what_it_permitted_waits_for_a_person(
    served: Server, more: dict[str, Any]
) -> None:
    """CN-04, CN-05: what its root is narrowed to is all it is about, in a later version too."""
    _says(served)
    _says(served, **more)
    assert (_mails(served), served.clinic.holds("Ann")) == (0, {"consent-unclear"})


def test_a_consent_that_is_widened_or_excepts_something_holds_nobody(served: Server) -> None:
    """CN-01, CN-03: an exception speaks of what it denies; more of the same is no less."""
    _says(served)
    _says(served, provision={"provision": [{"type": "deny", "purpose": [{"code": "HMARKT"}]}]})
    _says(served)
    _says(served, category=[{"coding": [{"code": one}]} for one in ("EMAILWRIT", "SMSWRIT")])
    assert (_mails(served), served.clinic.holds("Ann")) == (2, set())


def test_what_another_consent_permitted_is_not_this_ones_to_speak_of(served: Server) -> None:
    """CN-06: each by itself."""
    _says(served)
    _says(served, id_="texts", category=[{"coding": [{"code": "SMSWRIT"}]}])
    _says(served, id_="texts", category=[{"coding": [{"code": "SMSWRIT"}]}], language="en")
    assert (_mails(served), served.clinic.holds("Ann")) == (2, set())


def test_a_consent_that_becomes_another_persons_permits_nothing_for_the_first(served: Server) -> None:
    """CN-04: one of the two versions was about the wrong person."""
    served.tells(served.patient("Ben"))
    _says(served)
    _says(served, patient={"reference": "Patient/p-ben"})
    assert (_mails(served), served.clinic.holds("Ann")) == (0, {"consent-unclear"})
    assert served.clinic.holds("Ben") == set()


def test_a_consent_that_never_said_anything_holds_nobody(served: Server) -> None:
    """CN-04: a draft beside one that is in force has no effect."""
    _says(served)
    _says(served, id_="c2", status="draft")
    assert (_mails(served), served.clinic.holds("Ann")) == (2, set())


def test_a_draft_that_comes_after_what_became_of_it_has_no_effect(served: Server) -> None:
    """S-21: versions in the wrong order; the newest decides."""
    _says(served, status="draft")
    draft = served.stored["Consent/c1"]
    _says(served)
    served.tells({**draft, "language": "en"})
    assert (_mails(served), served.clinic.holds("Ann")) == (2, set())


def test_an_opt_out_that_is_over_holds_nobody(served: Server) -> None:
    """CN-04: it permitted nothing that could be taken back; what another Consent permits since stands."""
    _says(served, id_="c0", rule="OPTOUT")
    served.clinic.passes("1d")
    _says(served)
    _says(served, id_="c0", rule="OPTOUT", status="inactive")
    assert (_mails(served), served.clinic.holds("Ann")) == (2, set())


def test_what_said_nothing_for_a_while_counts_as_of_its_own_time(served: Server) -> None:
    """S-21: not as of when it came, which may be later than the next version was made."""
    _says(served)
    _says(served, status="draft", language="en")
    draft = served.stored["Consent/c1"]
    served.clinic.passes("1h")
    served.tells({**draft, "language": "fr"})
    later = {**draft, "status": "active", "provision": {"period": {"end": "2026-12-31"}}}
    served.tells({**later, "meta": {**draft["meta"], "versionId": "9"}})
    assert served.clinic.count("consent") == 2
