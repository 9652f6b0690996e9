"""Who a message is about: identifiers, names, birth, language, address, contact points (conformance 1.17)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapping_messages import FEED, at, message, msh

from gateway.mapping.feed import Feed
from gateway.mapping.telephone import e164
from gateway.model.party import CLEARED

HEAD = msh("ADT^A31")
MRN = "1234^^^LAKESIDE^MR"


def person(event, **fields: str):
    """The event of an A31 with these PID fields."""
    return event(HEAD, at("PID", **{"f3": MRN, **fields}))


def ids(told) -> list[str]:
    """Identifiers as written in tests."""
    return [f"{one.system}|{one.type}|{one.value}" for one in told.identifiers]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("000123^^^A^MR", ["A|MR|000123"]),
        ("123^^^A^MR~123^^^B^MR", ["A|MR|123", "B|MR|123"]),
        ("123^^^A^MR~123^^^A^MR", ["A|MR|123"]),
        ("123", ["LAKESIDE||123"]),
        ('123^^^""^""', ["LAKESIDE||123"]),
        ("123^^^A&1.2.3&ISO^MR", ["A|MR|123"]),
        ("123^^^&1.2.3&ISO^MR", ["1.2.3|MR|123"]),
        ("12-3^^^A B^MR", ["A B|MR|12-3"]),
        (f"900^^^SSA^SS~{MRN}", ["LAKESIDE|MR|1234"]),
        (f"D1^^^IL^DL~{MRN}", ["LAKESIDE|MR|1234"]),
        (f"A9^^^A^AN~{MRN}", ["LAKESIDE|MR|1234"]),
        (f"9^^^A^MR^^20200101^20251231~{MRN}", ["LAKESIDE|MR|1234"]),
        (f"9^^^A^MR^^20300101~{MRN}", ["LAKESIDE|MR|1234"]),
        ("9^^^A^MR^^20200101^20260302", ["A|MR|9"]),
        ("9^^^A^MR^^^", ["A|MR|9"]),
        (f"~{MRN}~ ^^^A^MR", ["LAKESIDE|MR|1234"]),
        ('""~' + MRN, ["LAKESIDE|MR|1234"]),
    ],
)
def test_a_person_is_authority_type_and_number_together(event, field, expected) -> None:
    """PI-01, PI-02: leading zeros stay, expiry is respected, a social security number matches nobody."""
    assert ids(person(event, f3=field)) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("Old^Eva^^^^^L^^^^^^20200101~New^Eva^^^^^D", ("Eva", "New")),
        ("Old^Eva^^^^^L^^^^^^20990101~New^Ewa^^^^^D", ("Ewa", "Old")),
        ("Old^Eva^^^^^L^^^^^^20200101", ("Eva", "Old")),
        ("Old^Eva^^^^^L^^^^^^20200101~Older^Eve^^^^^L^^^^^^20100101", ("Eva", "Old")),
        ("Old^Eva^^^^^L^^^^^^soon~New^Ewa^^^^^D", ("Ewa", "Old")),
    ],
)
def test_a_name_that_has_expired_gives_way_to_one_that_has_not(event, names, expected) -> None:
    """PI-04, XPN.13: the maiden name ended; where nobody told another, it is still hers."""
    told = person(event, f5=names).demographics
    assert (told.given_name, told.family_name) == expected


def test_old_fields_give_extra_numbers_only_with_an_authority(event) -> None:
    """PI-03: PID-2 and PID-4."""
    assert ids(person(event, f2="77", f4="88^^^B^PI")) == ["LAKESIDE|MR|1234", "B|PI|88"]


@pytest.mark.parametrize("field", ["", '""', "900^^^SSA^SS", "9^^^A^MR^^20200101^20200102"])
def test_nobody_without_a_number_is_understood(read, field) -> None:
    """E-08: AE 101 at PID-3."""
    told = read(HEAD, at("PID", f3=field))
    assert told.ack == "AE"
    assert [(fault.code, str(fault.place)) for fault in told.faults] == [(101, "PID^1^3")]


def test_a_number_cut_off_matches_nobody(read) -> None:
    """P-14."""
    assert read(HEAD.replace("^~\\&", "^~\\&#"), at("PID", f3="1234#^^^LAKESIDE^MR")).ack == "AE"


def test_a_name_cut_off_is_used_without_its_mark_and_flagged(read) -> None:
    """P-14."""
    told = read(HEAD.replace("^~\\&", "^~\\&#"), at("PID", f3=MRN, f5="Ash^Alm#"))
    assert told.events[0].demographics.given_name == "Alm"
    assert [fault.code for fault in told.faults] == [104]


@pytest.mark.parametrize("given", ["Ann\\Z01\\", "\\C2842\\Ann", "Ann\\M254A41\\"])
def test_a_name_with_the_senders_own_escapes_greets_nobody(read, given) -> None:
    """P-11: kept in the raw message, told as a warning, and never shown; the family name beside it is used."""
    told = read(HEAD, at("PID", f3=MRN, f5=f"Stone^{given}"))
    person = told.events[0].demographics
    assert (person.given_name, person.family_name) == (None, "Stone")
    assert [fault.code for fault in told.faults] == [102]


@pytest.mark.parametrize(
    ("family", "named"), [("Quincy", "Dr Robert Quincy"), ("Quincy\\Z1\\", "Dr Robert"), ("Qu\ufffdncy", "Dr Robert")]
)
def test_a_part_of_a_name_that_is_not_wholly_known_is_left_out(read, family, named) -> None:
    """P-11, C-03: of what happened alike."""
    booked = at("SCH", f2="F1^S", f6="CHECKUP", f11="^^^202603050900", f25="Booked")
    told = read(
        msh("SIU^S12"), at("PID", f3=MRN), booked, at("AIP", f1="1", f2="A", f3=f"4711^{family}^Robert^^^Dr^MD")
    )
    assert told.events[0].facts["appointment.practitioner"] == named


def test_the_digits_of_a_local_escape_are_nobodys_number(event) -> None:
    """P-11: a number that would only come from it is none."""
    assert points(person(event, f13="(217)555-014\\Z3\\^PRN^PH")) == []


@pytest.mark.parametrize(
    ("field", "given_name", "family_name"),
    [
        ("SMITH", None, "SMITH"),
        ("Ash&von&x^Alma", "Alma", "Ash"),
        ("Ash^Alma^^^^^L~^Allie^^^^^N", "Allie", "Ash"),
        ("Ash^Alma^^^^^D~Law^Full^^^^^L", "Alma", "Law"),
        ("Ghost^Ghost^^^^^A~Ash^Alma^^^^^L", "Alma", "Ash"),
        ("Ghost^Ghost^^^^^A", None, None),
        ("Ghost^Ghost^^^^^S~Gone^Gone^^^^^NOUSE", None, None),
        ("Ash^Alma^^^^^M~Law^Full^^^^^L", "Full", "Law"),
        ('Ash^""', CLEARED, "Ash"),
        ('""', CLEARED, CLEARED),
        ("", None, None),
        ("O\\T\\Dell^Anne Marie", "Anne Marie", "O&Dell"),
        ("C:\\dir^x", "x", "C:\\dir"),
        ("~Ash^Alma", "Alma", "Ash"),
    ],
)
def test_the_name_to_greet_with_is_never_an_alias(event, field, given_name, family_name) -> None:
    """PI-04, N-01, P-07, P-12, P-17."""
    told = person(event, f5=field).demographics
    assert (told.given_name, told.family_name) == (given_name, family_name)


@pytest.mark.parametrize(
    ("field", "born", "warned"),
    [
        ("19800315", "1980-03-15", False),
        ("198003150730", "1980-03-15", False),
        ("198003", "1980-03", False),
        ("1980", "1980", False),
        ("19800315^D", "1980-03-15", False),
        ("19991332", None, True),
        ("00000000", None, True),
        ("99991231", None, True),
        ("21500101", None, True),
        ("soon", None, True),
        ('""', CLEARED, False),
        ("", None, False),
    ],
)
def test_a_birth_date_keeps_its_precision_or_is_absent(read, field, born, warned) -> None:
    """T-01, T-05, T-08."""
    told = read(HEAD, at("PID", f3=MRN, f7=field))
    assert told.events[0].demographics.birth_date == born
    assert [(fault.code, str(fault.place)) for fault in told.faults] == ([(102, "PID^1^7")] if warned else [])


@pytest.mark.parametrize(
    ("field", "language", "warned"),
    [
        ("SPA", "es", False),
        ("es^x", "es", False),
        ("spanish", "es", False),
        ("Klingon", None, True),
        ('""', CLEARED, False),
        ("^^HL70296", None, False),
    ],
)
def test_an_unknown_language_is_flagged_not_failed(read, field, language, warned) -> None:
    """PI-11."""
    told = read(HEAD, at("PID", f3=MRN, f15=field))
    assert told.events[0].demographics.language == language
    assert bool(told.faults) is warned


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("1 Way^^Springfield^IL^62701^USA^H", ("IL", "62701", "US")),
        ("1 Way^^Springfield^il^62701-1^CAN", ("IL", "62701-1", "CA")),
        ("1 Way^^Reno^Nevada", ("NV", CLEARED, "US")),
        ("1 Way^^Reno^Nevada^89501^^H", ("NV", "89501", "US")),
        ("^^^^^^H", (CLEARED, CLEARED, CLEARED)),
        ("1 Way^^X^Middle-earth^^Gondor", (CLEARED, CLEARED, CLEARED)),
        ('1 Way^^X^""^""^""', (CLEARED, CLEARED, CLEARED)),
        ("9 Bad^^R^NV^1^USA^BA~1 Way^^S^IL^2^USA^H", ("IL", "2", "US")),
        ("9 Other^^R^NV^1^USA~1 Way^^S^IL^2^USA^P", ("IL", "2", "US")),
        ("9 Bad^^R^NV^1^USA^BA", ("NV", "1", "US")),
        ("", (None, None, None)),
        ('""', (CLEARED, CLEARED, CLEARED)),
    ],
)
def test_a_told_address_replaces_all_of_the_old_one(event, field, expected) -> None:
    """N-03, law 6: an unknown state is removed, so that no outdated zone is used; a country left out is the source's."""
    told = person(event, f11=field).demographics
    assert (told.state, told.postal_code, told.country) == expected


@pytest.mark.parametrize(
    ("indicator", "died", "deceased"),
    [
        ("Y", "", True),
        ("y", "", True),
        ("", "20260301", True),
        ("N", "20260301", True),
        ("Y", '""', True),
        ("N", '""', False),
        ('""', '""', False),
        ("N", "", None),
        ('""', "", None),
        ("", '""', None),
        ("", "", None),
    ],
)
def test_a_death_is_told_and_taken_back(event, indicator, died, deceased) -> None:
    """PI-12: N alone is what forms say by default; it takes nothing back."""
    assert person(event, f29=died, f30=indicator).demographics.deceased is deceased


def points(told, field: str = "PID-13") -> list[str]:
    """The contact points of a field as "use system value"."""
    found = dict(told.demographics.telecom)[field]
    return [f"{one.use.value} {one.system.value} {one.value}" for one in found]


@pytest.mark.parametrize(
    ("xtn", "expected"),
    [
        ("(217)555-0143^PRN^PH", ["home phone +12175550143"]),
        ("(217)555-0143^PRN^CP", ["home sms +12175550143"]),
        ("217.555.0143", ["home phone +12175550143"]),
        ("1-217-555-0143^ORN^CP", ["temp sms +12175550143"]),
        ("(217)555-0143^VHN^PH", ["temp phone +12175550143"]),
        ("(217)555-0143^WPN^PH", ["work phone +12175550143"]),
        ("(217)555-0143^PRS^CP", ["mobile sms +12175550143"]),
        ("(217)555-0143^PRS^PH", ["mobile phone +12175550143"]),
        ("(217)555-0143^WPN^FX", ["work other (217)555-0143"]),
        ("(217)555-0143^BPN^BP", ["home other (217)555-0143"]),
        ("(217)555-0143^PRN^MD", ["home other (217)555-0143"]),
        ("(217)555-0143^PRN^TTY", ["home other (217)555-0143"]),
        ("(217)555-0143^EMR^PH", ["home other (217)555-0143"]),
        ("(217)555-0143^XXX^PH", ["home other (217)555-0143"]),
        ("(217)555-0143X12C call late^WPN^PH", ["work phone +12175550143"]),
        ("(217)555-0143X12^PRN^CP", ["home phone +12175550143"]),
        ("(217)555-0143C evenings^PRN^CP", ["home sms +12175550143"]),
        ("^PRN^CP^^1^217^5550143", ["home sms +12175550143"]),
        ("^PRN^CP^^^217^5550143", ["home sms +12175550143"]),
        ("^PRN^CP^^+44^20^79460000", ["home sms +442079460000"]),
        ("^PRN^CP^^1^217^5550143^12", ["home phone +12175550143"]),
        ("(999)999-9999^PRN^PH^^1^217^5550143", ["home phone +12175550143"]),
        ("(999)999-9999^PRN^PH^^^^^^^^^2175550143", ["home phone +12175550143"]),
        ("(217)555-0143^PRN^CP^^^^9", ["home other 9"]),
        ("(217)555-0143^PRN^CP^^^^^9", ["home phone +12175550143"]),
        ("+44 20 7946 0000^PRN^PH", ["home phone +442079460000"]),
        ("555-0143^PRN^PH", ["home other 555-0143"]),
        ("call my sister^PRN^PH", ["home other call my sister"]),
        ("^NET^Internet^alma@example.org", ["home email alma@example.org"]),
        ("^NET^^alma@example.org", ["home email alma@example.org"]),
        ("alma@example.org^NET", ["home email alma@example.org"]),
        ("alma@example.org^^Internet", ["home email alma@example.org"]),
        ("^^^alma@example.org", ["home email alma@example.org"]),
        ("^WPN^Internet^alma@example.org", ["work email alma@example.org"]),
        ("^NET^X.400^c=us;a=x", ["home other c=us;a=x"]),
        ("^NET^Internet^alma at example", ["home other alma at example"]),
        ("^NET^Internet^a@b\\X0D\\.org", ["home other a@b\n.org"]),
        ("(217)555-0143^PRN^PH^alma@example.org", ["home email alma@example.org", "home phone +12175550143"]),
        ('^PRN^PH^""', []),
        ("^PRN^PH", []),
        ("(217)555-0143^PRN^PH^^^^^^^^^^20200101^20251231", []),
        ("(217)555-0143^PRN^PH^^^^^^^^^^^^M", []),
        ("(217)555-0143~(217)555-0143^PRN^PH", ["home phone +12175550143"]),
        ("(217)555-0143^PRN^PH~(217)555-0144^PRN^PH^^^^^^^^^^20200101^20251231", ["home phone +12175550143"]),
    ],
)
def test_only_the_patients_own_reachable_lines_are_written_to(event, xtn, expected) -> None:
    """PI-05 to PI-10: by use, equipment and expiry; a text message only to a mobile."""
    assert points(person(event, f13=xtn)) == expected


def test_the_field_says_whose_number_it_is_where_the_use_is_empty(event) -> None:
    """PI-05, PI-10: PID-14 is business, PID-40 is read too."""
    told = person(event, f13="(217)555-0143", f14="(217)555-0144", f40="(217)555-0145^PRN^CP")
    assert points(told, "PID-14") == ["work phone +12175550144"]
    assert points(told, "PID-40") == ["home sms +12175550145"]


def test_a_deleted_telephone_is_deleted_and_an_empty_one_is_kept(event) -> None:
    """N-02."""
    assert person(event, f13='""').demographics.telecom == (("PID-13", CLEARED),)
    assert person(event, f13="").demographics.telecom == ()


def test_the_preferred_line_and_its_dates_are_kept(event) -> None:
    """PI-09: XTN.18 lowest first, XTN.13 and .14 as instants."""
    xtn = "^NET^Internet^a@example.org^^^^^^^^^20260101^20261231^^^^2"
    (point,) = dict(person(event, f13=xtn).demographics.telecom)["PID-13"]
    assert (point.rank, point.valid_from, point.valid_until) == (2, 1_767_247_200_000, 1_798_696_800_000)
    (point,) = dict(person(event, f13=xtn[:-1] + "first").demographics.telecom)["PID-13"]
    assert point.rank == 99


def test_without_a_repetition_separator_there_is_one_repetition(read) -> None:
    """P-03: a sender that declares only component and nothing else."""
    body = message(
        HEAD.replace("^~\\&", "^"), at("PID", f3="1~2^^^A^MR", f5="Ash&x^Al\\F\\ma", f13="(217)555-0143^PRN^PH")
    )
    told = read(body).events[0]
    assert ids(told) == ["A|MR|1~2"]
    assert told.demographics.given_name == "Al\\F\\ma"
    assert points(told) == ["home phone +12175550143"]


@settings(max_examples=300, deadline=None)
@given(st.from_regex(r"(?:\+?1)?[2-9][0-9]{9}", fullmatch=True), st.sampled_from(["US", "CA", "PR"]))
def test_the_quick_way_to_e164_says_what_the_library_says(text: str, region: str) -> None:
    """PI-08: North American numbers are judged by the library's own patterns."""
    import phonenumbers

    number = phonenumbers.parse(text, region)
    valid = phonenumbers.is_valid_number(number)
    expected = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if valid else None
    assert e164(text, region) == expected


def test_numbers_elsewhere_are_read_with_their_own_region(event) -> None:
    """PI-08: the feed's default region."""
    feed = Feed(name="f", zone="Europe/London", default_region="GB", default_authority="X")
    told = event(HEAD, at("PID", f3=MRN, f13="020 7946 0000^PRN^PH~+^PRN^PH"), feed=feed)
    assert points(told) == ["home phone +442079460000", "home other +"]


def test_an_unknown_region_still_reads_international_numbers(event) -> None:
    """PI-08."""
    feed = Feed(name="f", zone="UTC", default_region="ZZ", default_authority="X")
    told = event(HEAD, at("PID", f3=MRN, f13="+12175550143^PRN^PH~2175550143^PRN^PH"), feed=feed)
    assert points(told) == ["home phone +12175550143", "home other 2175550143"]


@pytest.mark.parametrize("tests", [{"1234"}, {"LAKESIDE|1234"}])
def test_a_known_test_patient_is_never_production(event, tests) -> None:
    """X-05."""
    feed = Feed(name="f", zone="UTC", test_identifiers=frozenset(tests))
    assert event(HEAD, at("PID", f3=MRN), feed=feed).production is False
    other = Feed(name="f", zone="UTC", test_identifiers=frozenset({"NORTH|1234"}))
    assert event(HEAD, at("PID", f3=MRN), feed=other).production is True


def test_the_feeds_authority_is_used_where_none_is_told(event) -> None:
    """PI-01: missing CX.4."""
    assert person(event, f3="55^^^^MR").identifiers[0].system == FEED.default_authority
