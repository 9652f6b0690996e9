"""The last look finds what must not stand in a message, and does not see ghosts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import RenderError
from gateway.render import Rendered, check


def _rendered(text: str = "x", *, subject: str = "s", html: str | None = None) -> Rendered:
    return Rendered(subject=subject, text=text, html=html, digest=b"", language="en")


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ("Your number is MRN-00 12.34", "mrn001234"),
        ("Call (617) 555-0199 today", "6175550199"),
        ("Dear Mrs. O'Hara-Wexler", "OHARA WEXLER"),
        ("ÉLODIE MARTINEAU", "élodie martineau"),
        ("Born March 15, 1980.", "1980-03-15"),
        ("Born 3/15/1980.", "1980-03-15"),
        ("Born 15.03.1980.", "1980-03-15"),
    ],
)
def test_an_identifier_is_found_however_it_is_punctuated(text: str, forbidden: str) -> None:
    """PH-06: record numbers, telephone numbers, birth dates, in any spelling; the refusal names none of them."""
    for rendered in (_rendered(text), _rendered(subject=text), _rendered(html=f"<p>{text}</p>")):
        with pytest.raises(RenderError, match="contains an identifier") as refused:
            check(rendered, [forbidden])
        assert forbidden not in str(refused.value)


def test_an_identifier_in_a_link_or_across_tags_is_found() -> None:
    """PH-06: links with identifiers, and HTML that only looks harmless in source."""
    for html in ('<a href="https://x.example/?id=88%2D77441">here</a>', "<p>88<b>77</b>441</p>", "<p>88&#45;77441</p>"):
        with pytest.raises(RenderError, match="html contains"):
            check(_rendered(html=html), ["8877441"])


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ("March 10, 2026 at 10:00, 2nd floor", "10002"),
        ("Suite 123456", "12345"),
        ("Room 5", "5"),
        ("1980 Lake Street", "1980"),
        ("anything", ""),
        ("12 hours before; 345 Lake Street", "12345"),
    ],
)
def test_chance_does_not_stop_a_message(text: str, forbidden: str) -> None:
    """A match begins and ends with a word; short strings do not count."""
    check(_rendered(text, html=f"<p>{text}</p>"), [forbidden])


def test_each_string_may_bring_its_kind() -> None:
    """The refusal says what kind of thing it was."""
    with pytest.raises(RenderError, match="the rendered text contains the birth date"):
        check(_rendered("on 1980-03-15"), [("an identifier", "8877441"), ("the birth date", "1980-03-15")])
    check(_rendered("on 1980-03-15"), [("the birth date", "1980-02-31")])


@given(st.text(alphabet=st.characters(categories=("Lu", "Ll", "Nd")), min_size=5, max_size=20))
def test_whatever_is_forbidden_is_found_as_written(value: str) -> None:
    """No alphabet escapes the check."""
    folded = "".join(char for char in value if char.isalnum())
    if len(folded) >= 5:
        with pytest.raises(RenderError):
            check(_rendered(f"Dear {value}, hello"), [value])
