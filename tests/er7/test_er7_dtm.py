"""Times keep their precision and zone, and nonsense is absent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.er7.dtm import dtm_gap, offset_zone, parse_date, parse_dtm
from gateway.model.when import Precision, When, to_millis

CHICAGO = "America/Chicago"


def at(text: str, zone: str = CHICAGO) -> When:
    when = parse_dtm(text, zone=zone)
    assert when is not None
    return when


@pytest.mark.parametrize(
    ("text", "precision", "start"),
    [
        ("2026", Precision.YEAR, (2026, 1, 1)),
        ("202607", Precision.MONTH, (2026, 7, 1)),
        ("20260712", Precision.DAY, (2026, 7, 12)),
        ("2026071209", Precision.HOUR, (2026, 7, 12, 9)),
        ("202607120915", Precision.MINUTE, (2026, 7, 12, 9, 15)),
        ("20260712091530", Precision.SECOND, (2026, 7, 12, 9, 15, 30)),
        ("20260712091530.1234", Precision.SECOND, (2026, 7, 12, 9, 15, 30, 123_000)),
    ],
)
def test_the_precision_told_is_the_precision_kept(text, precision, start):
    """T-01, T-07: a year is not the first of January, and a date has no clock."""
    when = at(text)
    assert when.precision is precision
    assert when.local().replace(tzinfo=None) == datetime(*start)
    assert when.has_clock == (len(text) >= 12)


def test_a_time_without_offset_is_the_sender_s_local_time():
    """T-02: never UTC, never ours; an offset told wins."""
    assert at("20260712090000").utc == to_millis(datetime(2026, 7, 12, 14, tzinfo=UTC))
    assert at("20260712090000", "+05:30").utc == to_millis(datetime(2026, 7, 12, 3, 30, tzinfo=UTC))
    told = at("20260712090000-0700")
    assert (told.utc, told.zone) == (to_millis(datetime(2026, 7, 12, 16, tzinfo=UTC)), "-07:00")


def test_msh_7_tells_the_default_zone_of_its_message():
    """T-02, T-03: an offset told is a zone; -0000 tells nothing about the sender's clock."""
    assert offset_zone("20260301120000-0500") == "-05:00"
    assert offset_zone("20260301120000+0000") == "+00:00"
    assert offset_zone("20260301120000-0000") is None
    assert offset_zone("20260301120000") is None
    assert offset_zone("") is None


def test_civil_offset_zero_and_utc_with_unknown_local_time_differ():
    """T-03: the same instant, told apart."""
    civil, unknown = at("20260712090000+0000"), at("20260712090000-0000")
    assert civil.utc == unknown.utc
    assert (civil.zone, unknown.zone) == ("+00:00", "UTC")


def test_midnight_is_the_start_of_its_day():
    """T-04."""
    assert at("202607120000").local() == at("20260712").local()


def test_an_appointment_in_the_daylight_saving_gap_is_moved_later_and_flagged():
    """T-06: 02:30 on 8 March 2026 does not exist in Chicago."""
    assert dtm_gap("20260308023000", CHICAGO)
    assert at("20260308023000").local().isoformat() == "2026-03-08T03:30:00-05:00"
    assert not dtm_gap("20260308033000", CHICAGO)
    assert not dtm_gap("20260308023000-0600", CHICAGO)
    assert not dtm_gap("20260308", CHICAGO)


def test_an_appointment_in_the_fold_is_the_first_unless_an_offset_says_so():
    """T-06: 01:30 on 1 November 2026 happens twice in Chicago."""
    assert at("20261101013000").local().isoformat() == "2026-11-01T01:30:00-05:00"
    assert at("20261101013000-0600").utc - at("20261101013000").utc == 3_600_000
    assert not dtm_gap("20261101013000", CHICAGO)


@pytest.mark.parametrize(
    "text",
    [
        "", "00000000", "20261332", "20260230", "99991231", "00010101", "2026071", "20260712240000", "20260712126000",
        "2026-07-12", "20260712T0900", "20260712090000-2500", "20260712090000+0575", "20260712090000-05", "abc", '""',
        " 20260712", "20260712\n", "２０２６", "20260712^D", "2026071209.5",
    ],
)  # fmt: skip
def test_an_impossible_date_is_absent(text):
    """T-08: sentinels and nonsense are None, never an exception."""
    assert parse_dtm(text, zone=CHICAGO) is None
    assert not dtm_gap(text, CHICAGO)


def test_a_birth_date_is_a_calendar_day_without_a_zone():
    """T-01, T-08: and a year alone is none."""
    assert parse_date("19840229") == date(1984, 2, 29)
    assert parse_date("198402290330-0500") == date(1984, 2, 29)
    for nothing in ("1984", "198402", "19830229", "99991231", "", "x"):
        assert parse_date(nothing) is None


def test_a_zone_that_does_not_exist_is_the_configuration_s_fault():
    """T-02: it is checked when the configuration is read, and not papered over with UTC."""
    with pytest.raises(ValueError, match="no such time zone"):
        parse_dtm("20260712", zone="Mars/Olympus")


@given(st.text(max_size=24) | st.text(alphabet="0123456789.+-", max_size=24))
def test_no_text_ever_raises(text):
    """T-08."""
    assert parse_dtm(text, zone=CHICAGO) is None or text[:4].isdigit()
    assert isinstance(dtm_gap(text, CHICAGO), bool)
    assert parse_date(text) is None or text[:8].isdigit()
    assert offset_zone(text) is None or text[:4].isdigit()


@given(st.datetimes(datetime(1800, 1, 1), datetime(2999, 12, 31)), st.integers(-14 * 60, 14 * 60))
def test_every_told_instant_is_read_exactly(moment, minutes):
    """T-01, T-02: against the standard library's own arithmetic."""
    sign, rest = ("-" if minutes < 0 else "+"), abs(minutes)
    text = f"{moment:%Y%m%d%H%M%S}".zfill(14) + f"{sign}{rest // 60:02d}{rest % 60:02d}"
    expected = moment.replace(microsecond=0, tzinfo=UTC) - timedelta(minutes=minutes)
    assert at(text).utc == round(expected.timestamp() * 1000)
