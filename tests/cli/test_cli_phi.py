"""`caregate phi`: the page is written, the lines are short, and a site's own windows stand on it."""

from __future__ import annotations

from pathlib import Path


def test_somebody_reads_a_few_lines_and_a_program_reads_everything(caregate):
    """Without a site: the shipped set."""
    ran = caregate("phi")
    assert ran.code == 0
    assert "appointment-reminder shows it by sms, email for TREAT" in ran.out
    told = caregate("phi", "--json").lines[0]
    assert {one["field"] for one in told["fields"]} >= {"PID-5", "SCH-11.4"}


def test_a_site_has_its_own_rules_and_windows_on_its_page(site):
    """No page of the shipped set lies in a new site: it would be about other rules one day."""
    assert not Path("rules/PHI.md").exists()
    config = Path("caregate.yaml")
    config.write_text(config.read_text() + "\nretention: {raw: 12h, facts: 7d}\n")
    ran = site("phi", "--markdown", "page.md")
    assert (ran.code, ran.out) == (0, "")
    page = Path("page.md").read_text()
    assert "kept sealed for 12h" in page
    assert "sealed; 7d after it is over" in page
    before = page
    rule = Path("rules/appointment-reminder.yaml")
    rule.write_text(rule.read_text().replace("channels: [preferred, sms, email]", "channels: [email]"))
    site("phi", "--markdown", "page.md")
    assert "sms" in shown_by("appointment_reminder", before)
    assert "sms" not in shown_by("appointment_reminder", Path("page.md").read_text())


def shown_by(template: str, page: str) -> str:
    """The lines of a page that tell where a template may be read."""
    told = page.partition("## What is read")[0].splitlines()
    return "\n".join(line for line in told if f"| {template} |" in line)


def test_a_folder_of_drafts_has_a_page_too(site, tmp_path):
    """As lint and test take one; what is neither is refused."""
    assert site("phi", ".").code == 0
    assert site("phi", tmp_path / "nowhere").code == 2
