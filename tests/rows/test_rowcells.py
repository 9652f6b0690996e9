"""Values of columns in their declared types, as files and databases tell them."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rowcells import ColumnType, cell
from gateway.rowjson import gone, key_of, parse, told

_EAST = timezone(timedelta(hours=-5))


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("text", "  a b ", "a b"),
        ("text", "   ", None),
        ("text", True, "true"),
        ("text", 12345678901234567890, "12345678901234567890"),
        ("text", Decimal("12.50"), "12.5"),
        ("text", 7.0, "7"),
        ("text", date(2026, 3, 2), "2026-03-02"),
        ("text", datetime(2026, 3, 2, 10, tzinfo=_EAST), "2026-03-02T15:00:00Z"),
        ("integer", "007", 7),
        ("integer", Decimal("7.0"), 7),
        ("integer", -3, -3),
        ("decimal", "1e3", "1000"),
        ("decimal", "0.10", "0.1"),
        ("decimal", 0.1, "0.1"),
        ("date", "2026-03-02", "2026-03-02"),
        ("date", "2026-03-02 00:00:00.000 UTC", "2026-03-02"),
        ("date", date(2026, 3, 2), "2026-03-02"),
        ("date", datetime(2026, 3, 2), "2026-03-02"),
        ("datetime", "2026-03-02 10:00:00 -0500", "2026-03-02T15:00:00Z"),
        ("datetime", "2026-03-02 10:00:00 UTC", "2026-03-02T10:00:00Z"),
        ("datetime", "2026-03-02T10:00:00.25Z", "2026-03-02T10:00:00.250000Z"),
        ("datetime", "2026-03-02T10:00:00+01", "2026-03-02T09:00:00Z"),
        ("datetime", "2026-03-02 10:00:00", "2026-03-02T10:00:00"),
        ("datetime", "2026-03-02 4:30:42", "2026-03-02T04:30:42"),
        ("yesno", "T", True),
        ("yesno", 0, False),
        ("yesno", False, False),
        ("date", None, None),
    ],
)
def test_a_value_is_told_in_the_type_of_its_column(type_: str, value: object, expected: object) -> None:
    """SN-02, SN-13, SN-33."""
    assert cell(ColumnType(type_), value) == expected


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("text", 0.5),
        ("text", ["a"]),
        ("integer", "7.5"),
        ("integer", "seven"),
        ("integer", True),
        ("decimal", "NaN"),
        ("decimal", "1e400"),
        ("decimal", True),
        ("date", "02/03/2026"),
        ("date", "2026-02-30"),
        ("date", "2026-03-02T10:00"),
        ("date", datetime(2026, 3, 2, 10)),
        ("date", 20260302),
        ("datetime", "2026-03-02"),
        ("datetime", date(2026, 3, 2)),
        ("datetime", 1772463600),
        ("datetime", "yesterday at ten"),
        ("yesno", "perhaps"),
        ("yesno", 2),
        ("yesno", 1.0),
    ],
)
def test_what_is_not_of_its_type_is_refused_and_not_quoted(type_: str, value: object) -> None:
    """A guess about a date is a message on the wrong day; law 6."""
    with pytest.raises(ValueError, match=f"^is no {type_}$") as refusal:
        cell(ColumnType(type_), value)
    assert refusal.value.__cause__ is None


@given(st.sampled_from(ColumnType), st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.datetimes()))
def test_whatever_comes_it_is_a_cell_or_refused(type_: ColumnType, value: object) -> None:
    """Foreign input."""
    try:
        found = cell(type_, value)
    except ValueError as refusal:
        assert str(refusal) == f"is no {type_.value}"  # noqa: PT017
    else:
        assert found is None or cell(type_, found) == found, "what was told once is told the same again"


def test_a_row_is_told_and_read_again() -> None:
    """The same row is the same bytes; numbers that JSON's readers would change are text."""
    body = told("7", {"name": "Ann", "n": 2**60, "yes": True, "no": None})
    assert body == told("7", {"name": "Ann", "n": 2**60, "yes": True, "no": None})
    assert parse(body) == ("7", {"name": "Ann", "n": str(2**60), "yes": True, "no": None})
    assert parse(gone("7")) == ("7", None)


@given(st.lists(st.one_of(st.text(), st.integers(), st.booleans(), st.none()), min_size=1), st.data())
def test_two_rows_never_share_a_key(values: list[str | int | bool | None], data: st.DataObject) -> None:
    """SN-11: rows are known by their keys."""
    other = data.draw(
        st.lists(
            st.one_of(st.text(), st.integers(), st.booleans(), st.none()), min_size=len(values), max_size=len(values)
        )
    )
    alike = [str(a) if type(a) is int else a for a in values] == [str(b) if type(b) is int else b for b in other]
    assert (key_of(values) == key_of(other)) == alike
