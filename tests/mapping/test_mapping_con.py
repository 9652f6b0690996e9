"""What CON segments say of consent, and what they leave to a person (PV-06, PV-07)."""

from __future__ import annotations

from pathlib import Path

import pytest
from mapping_messages import FEED, RECEIVED, ROOT, at, message, msh

from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import load_pack
from gateway.model.consent import ConsentKind
from gateway.model.errors import ConfigError
from gateway.model.event import Format, PatientEvent, RawMessage
from gateway.model.verdict import Reason

PID = "PID|1||1234^^^LAKESIDE^MR"
SITE = "table: consent\ncodes:\n  MAIL: TREAT/email/*\n  TEXT: texts:TREAT/sms/*\n"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Hl7v2Reader:
    """A site whose code MAIL is about reminders by e-mail."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "codes").mkdir()
    (folder / "codes" / "consent.yaml").write_text(SITE, encoding="utf-8")
    return Hl7v2Reader(load_pack([ROOT / "mappings", folder]), FEED)


def told(reader: Hl7v2Reader, *cons: str) -> PatientEvent:
    body = message(msh("ADT^A31"), PID, *cons)
    return reader(RawMessage(source="ehr", format=Format.HL7V2, body=body, received=RECEIVED)).events[0]


def con(status: str, code: str = "MAIL", **more: str) -> str:
    return at("CON", f1="1", f2=code, f11=status, **more)


@pytest.mark.parametrize("status", ["A", "R", "X"])
def test_an_active_consent_permits_and_a_refused_one_denies(reader, status) -> None:
    """PV-06: A permits; R and X refuse at once."""
    event = told(reader, con(status))
    (one,) = event.consents
    assert (one.permit, one.purpose, one.channel, one.topic) == (status == "A", "TREAT", "email", "*")
    assert (one.valid_from, one.valid_until) == (None, None)
    assert Reason.CONSENT_UNCLEAR not in event.flags


@pytest.mark.parametrize("status", ["A", "R"])
def test_consent_to_texts_is_another_than_to_messages(reader, status) -> None:
    """CN-08: a code of the site's own that means automated texts."""
    (one,) = told(reader, con(status, "TEXT")).consents
    assert (one.kind, one.permit, one.channel) == (ConsentKind.TEXTS, status == "A", "sms")


def test_a_consent_holds_only_within_its_dates(reader) -> None:
    """PV-06: CON-14, else CON-13, to CON-15; a refusal neither waits for its date nor ends by itself."""
    (one,) = told(reader, con("A", f13="20260101", f14="20260201", f15="20270101")).consents
    assert one.valid_from == 1_769_925_600_000
    assert one.valid_until == 1_798_783_200_000
    (one,) = told(reader, con("A", f13="20260101")).consents
    assert one.valid_from == 1_767_247_200_000
    (one,) = told(reader, con("R", f14="20270101", f15="20280101")).consents
    assert (one.valid_from, one.valid_until) == (None, None)
    (one,) = told(reader, con("A", f14='""')).consents
    assert one.valid_from is None


@pytest.mark.parametrize(
    "segment",
    [
        con("L"),
        con("L", f9="only about the knee"),
        con("A", f9="not to my brother"),
        con("A", f16="N"),
        con("Q"),
        con(""),
        con("R", code="ZZZ"),
        con("A", code="110"),
        con("R", code=""),
    ],
)
def test_what_only_a_person_can_read_waits_for_one_and_permits_nothing(reader, segment) -> None:
    """PV-06: limits, free text, no competence, an unknown status, a no to something unknown, a restriction."""
    event = told(reader, segment)
    assert event.consents == ()
    assert event.flags == {Reason.CONSENT_UNCLEAR: True}


@pytest.mark.parametrize(
    "segment", [con("P"), con("B"), con("A", code="001"), con("A", code="ZZZ"), con("X", code="110")]
)
def test_what_says_nothing_about_messages_changes_nothing(reader, segment) -> None:
    """PV-06, PV-07: pending, bypassed, a consent to something else, a restriction that was rescinded."""
    event = told(reader, segment)
    assert (event.consents, dict(event.flags)) == ((), {})


def test_no_consent_segment_says_nothing(reader) -> None:
    """PV-07: neither grant nor withdrawal."""
    event = told(reader)
    assert (event.consents, dict(event.flags)) == ((), {})


def test_several_consents_each_count(reader) -> None:
    """PV-06: CON repeats."""
    event = told(reader, con("A"), con("R"), con("L"))
    assert [one.permit for one in event.consents] == [True, False]
    assert event.flags == {Reason.CONSENT_UNCLEAR: True}


@pytest.mark.parametrize(
    "word",
    [
        "TREAT/email",
        "CARE/email/*",
        "TREAT/fax/*",
        "TREAT/email/",
        "texts:TREAT/email/*",
        "texts:TREAT",
        "texts:HMARKT/sms/*",
    ],
)
def test_a_word_that_names_no_purpose_or_channel_is_refused(tmp_path: Path, word) -> None:
    """E-08 of analysts: the ledger knows purposes and channels, and no others; regulation 35: no feed tells a written consent to texts."""
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "consent.yaml").write_text(
        f'table: consent\nwords:\n  "{word}":\n    meaning: x\n', encoding="utf-8"
    )
    with pytest.raises(ConfigError, match="is neither `restriction` nor like"):
        load_pack([ROOT / "mappings", tmp_path])
