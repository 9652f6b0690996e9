"""What must not leave in a letter does not, and what must stand in it does, whether or not anybody ran the lint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_site import shipped_rule, write_rules
from clinic_tables import signs

VISIT, WEEK_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30"
WHERE = "{{ organization.postal_address }}"


def written(open_clinic: OpenClinic, folder: Path, rule: str, *, text: str, html: str = "", **site: Any) -> Clinic:
    """A clinic that reminds in its own words."""
    rules = write_rules(folder / "own", {"appointment-reminder": rule}, templates={"own_words": text})
    if html:
        (rules / "templates" / "own_words" / "body.html").write_text(html, encoding="utf-8")
    return open_clinic(rules=rules, **site)


@pytest.mark.parametrize(
    ("html", "leaves"),
    [
        ("<p>See you soon.</p>", True),
        ('<p>See you soon.</p><img src="https://pixel.example/o.gif" width="1">', False),
        ('<table background="https://pixel.example/b"><tr><td>Soon</td></tr></table>', False),
        ('<style>p { background: url("https://pixel.example/s") }</style><p>Soon</p>', False),
        ('<p style="color: red" style="background: u\\72l(//pixel.example/s)">Soon</p>', False),
        (
            '<p><a href=" javascript:alert(1)">Soon</a></p><p style="color: red">And <a href="https://x.example">more</a></p>',
            False,
        ),
        ('<p>Soon</p><!-- [if mso]><img src="https://pixel.example/m"><![endif]-->', False),
    ],
)
def test_a_letter_that_would_tell_somebody_that_it_was_read_does_not_leave(
    open_clinic: OpenClinic, tmp_path: Path, html: str, leaves: bool
) -> None:
    """EM-15; regulation 30: a pixel in health mail is a disclosure to whoever serves it; it waits for a person."""
    rule = shipped_rule("appointment-reminder", ("template: appointment_reminder", "template: own_words"))
    clinic = written(open_clinic, tmp_path, rule, text="See you soon.\n", html=html)
    clinic.enrols("Ann")
    clinic.books("Ann", VISIT)
    clinic.until("2026-03-14 12:00")
    assert clinic.arrivals("Ann") == ([WEEK_BEFORE] if leaves else [])
    assert clinic.reasons("Ann") == ([] if leaves else ["render-failed"])


def selling() -> str:
    """A rule for marketing: it shows nothing about anybody."""
    changes = (("purpose: TREAT", "purpose: HMARKT"), ("template: appointment_reminder", "template: own_words"))
    head, _, tail = shipped_rule("appointment-reminder", *changes).partition("  reveals:")
    return f"{head}  reveals: []\n{tail.partition(chr(10))[2]}"


@pytest.mark.parametrize(
    ("text", "html", "leaves"),
    [
        (f"Come and see us. {WHERE}\n", "", True),
        (f"Come and see us. {WHERE}\n", f"<p>Come</p><p>1 Lake<br>Street, {'Lakeside'}</p>", True),
        ("Come and see us.\n", "", False),
        (f"Come and see us. {WHERE}\n", "<p>Come and see us.</p>", False),
    ],
)
def test_marketing_says_where_its_sender_is_or_does_not_leave(
    open_clinic: OpenClinic, tmp_path: Path, text: str, html: str, leaves: bool
) -> None:
    """Regulation 46; 15 USC 7704(a)(5)(A)(iii): in each body."""
    clinic = written(open_clinic, tmp_path, selling(), text=text, html=html)
    clinic.adds("Ann")
    signs(clinic, "Ann", topic="appointments")
    clinic.books("Ann", VISIT)
    clinic.until("2026-03-14 12:00")
    assert clinic.arrivals("Ann") == ([WEEK_BEFORE] if leaves else [])
    assert clinic.reasons("Ann") == ([] if leaves else ["render-failed"])


def test_an_organization_that_tells_no_address_sends_no_marketing(
    open_clinic: OpenClinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regulation 46: the template names it, and nothing would stand there."""
    import clinic_site

    monkeypatch.setattr(
        clinic_site, "SITE", clinic_site.SITE.replace("    postal_address: 1 Lake Street, Lakeside\n", "")
    )
    clinic = written(open_clinic, tmp_path, selling(), text=f"Come and see us. {WHERE}\n")
    clinic.adds("Ann")
    signs(clinic, "Ann", topic="appointments")
    clinic.books("Ann", VISIT)
    clinic.until("2026-03-14 12:00")
    assert (clinic.arrivals("Ann"), clinic.reasons("Ann")) == ([], ["render-failed"])
