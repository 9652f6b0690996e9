"""A text message costs what the networks count, and not one segment more for a curly quote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.render.sms import fold, outside, segments

SMILE = "\U0001f600"
CURLY = "\u2019"


@pytest.mark.parametrize(
    ("text", "encoding", "parts", "units"),
    [
        ("", "GSM-7", 1, 0),
        ("a" * 160, "GSM-7", 1, 160),
        ("a" * 161, "GSM-7", 2, 161),
        ("a" * 306, "GSM-7", 2, 306),
        ("a" * 307, "GSM-7", 3, 307),
        ("a" * 159 + "€", "GSM-7", 2, 161),
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 3, 306),
        (CURLY + "a" * 69, "UCS-2", 1, 70),
        (CURLY + "a" * 70, "UCS-2", 2, 71),
        (SMILE * 35, "UCS-2", 1, 70),
        (SMILE * 36, "UCS-2", 2, 72),
        ("a" * 66 + SMILE + "a" * 66 + CURLY, "UCS-2", 3, 135),
        ("á" * 70, "UCS-2", 1, 70),
        ("Ç", "GSM-7", 1, 1),
        ("ç", "UCS-2", 1, 1),
        ("ñÑ\n", "GSM-7", 1, 3),
        ("^{}\\[~]|", "GSM-7", 1, 16),
    ],
)
def test_segments_are_counted_as_networks_do(text: str, encoding: str, parts: int, units: int) -> None:
    """SM-02; 5.3: 160/153 septets, 70/67 units; escapes cost two; no pair is split over two parts."""
    counted = segments(text)
    assert (counted.encoding, counted.parts, counted.units) == (encoding, parts, units)


@given(st.text(max_size=700))
def test_no_part_holds_more_than_a_network_carries(text: str) -> None:
    """SM-02: what is counted fits into the parts counted, and one part less would not do."""
    counted = segments(text)
    assert counted.units <= counted.room
    whole, joined = (160, 153) if counted.gsm else (70, 67)
    assert counted.room == (whole if counted.parts == 1 else counted.parts * joined)
    if counted.parts > 1:
        assert counted.units > (whole if counted.parts == 2 else (counted.parts - 1) * (joined - 1))
    assert counted.gsm is (outside(text) is None)


def test_smart_punctuation_costs_no_segment_and_names_keep_their_letters() -> None:
    """SM-03: quotes, dashes, dots and blanks are made plain; no letter of a name is."""
    written = "\u201cZoë\u201d\u00a0\u2013 O\u2019Neil\u2026 \u00abSeñora\u00bb\u200b"
    assert fold(written) == '"Zoë" - O\'Neil... "Señora"'
    for name in ("María", "Žofia", "秀英", "Ołeksandra", "Ðorđe"):
        assert fold(name) == name


def test_the_letter_that_costs_is_found() -> None:
    """The lint names it and where it stands."""
    assert outside("Su cancelación") == (12, "ó")
    assert outside("Su cita mañana") is None
