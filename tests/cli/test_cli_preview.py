"""`caregate preview`: what a patient would read can be looked at, and looking sends nothing and needs nothing."""

from __future__ import annotations

import re
import shutil
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gateway.analyst.specimen import PEOPLE
from gateway.packs import shipped
from gateway.ruleset import load

RULES = len(load(shipped("rules")).rules)


class Page(HTMLParser):
    """What a page holds: its elements with their attributes, and the letter in its frame."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text()
        self.elements = []
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def said(page):
    """The text message in its bubble."""
    return unescape(re.search(r'class="bubble"[^>]*>(.*?)</div>', page.source, re.DOTALL)[1])


@pytest.fixture
def rules(tmp_path):
    """The shipped rules, to change."""
    return Path(shutil.copytree(shipped("rules"), tmp_path / "draft"))


def test_every_message_can_be_looked_at_without_a_site(caregate):
    """No configuration, no key, no database: a page for each rule, language and made-up patient, and one of all."""
    ran = caregate("preview")
    assert (ran.code, ran.err) == (0, "")
    pages = {path.name for path in Path("preview").glob("*.html")}
    assert len(pages) == 1 + RULES * 2 * len(PEOPLE)
    assert f"{len(pages) - 1} messages of {RULES} rules" in ran.out
    index = Page(Path("preview/index.html"))
    assert {link["href"] for link in index.all("a")} == pages - {"index.html"}
    assert {path.name for path in Path().iterdir()} == {"preview"}


def test_all_is_every_rule_in_every_language_by_every_channel(caregate, rules):
    """Where a template is not there in a language, the page says what its reader gets instead; the portal is apart."""
    shutil.copytree(rules / "templates/discharge_follow_up/es", rules / "templates/discharge_follow_up/fr")
    rule = rules / "discharge-follow-up.yaml"
    rule.write_text(rule.read_text().replace("[preferred, email]", "[preferred, email, portal]"))
    ran = caregate("preview", "--all", "--rules", rules)
    assert (ran.code, ran.err) == (0, "")
    pages = {path.name for path in Path("preview").glob("*.html")}
    assert len(pages) == 1 + RULES * 3 * len(PEOPLE)
    index = Page(Path("preview/index.html"))
    assert {link["href"] for link in index.all("a")} == pages - {"index.html"}
    french = Page(Path("preview/appointment-reminder-fr-capitals.html")).source
    assert "there is nothing nearer to fr" in french
    letter = Page(Path("preview/discharge-follow-up-fr-capitals.html"))
    assert "there is nothing nearer" not in letter.source
    assert "In the inbox" in letter.source
    assert "In the portal" in letter.source
    assert len(letter.all("iframe")) == 2


@pytest.mark.parametrize("words", [("appointment-reminder",), ("--language", "es")])
def test_all_leaves_nothing_to_choose(caregate, words):
    """What was asked for besides would be ignored."""
    ran = caregate("preview", "--all", *words)
    assert (ran.code, Path("preview").exists()) == (2, False)
    assert "leave out the rule and --language" in ran.err


def test_a_page_loads_and_runs_nothing(caregate):
    """Self-contained: a strict policy, no script, a frame without rights, links among the pages only."""
    caregate("preview", "appointment-reminder")
    for path in Path("preview").glob("*.html"):
        page = Page(path)
        (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
        assert "default-src 'none'" in policy
        assert not {"script", "img", "link", "form", "object"} & {tag for tag, _ in page.elements}
        assert all(frame["sandbox"] == "" for frame in page.all("iframe"))
        assert all((Path("preview") / link["href"]).is_file() for link in page.all("a"))
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page.source)


def test_an_inbox_and_a_telephone_show_what_would_arrive(caregate):
    """Sender, subject and first words; the letter; the text message with its segments counted."""
    caregate("preview", "appointment-reminder")
    page = Page(Path("preview/appointment-reminder-en-capitals.html"))
    assert "A message from Lakeside Health" in page.source
    assert "care@lakeside.example" in page.source
    (frame,) = page.all("iframe")
    assert "Hello Mary Ann," in frame["srcdoc"]
    assert said(page).startswith("Lakeside Health: your visit is Wednesday, Sep 30, 2026, 2:30 PM.")
    assert "<b>1 segment</b> of 2 allowed · GSM-7" in page.source


def test_a_visit_without_a_time_shows_no_clock(caregate):
    """T-07: in no part of it, in no language."""
    caregate("preview", "appointment-reminder")
    for language in ("en", "es"):
        page = Page(Path(f"preview/appointment-reminder-{language}-no-time.html"))
        assert "2026" in said(page)
        for text in (said(page), page.all("iframe")[0]["srcdoc"].partition("<body")[2].partition(">")[2]):
            assert not re.search(r"\d:\d\d", text)


def test_one_language_is_shown_with_what_it_falls_back_to(caregate):
    """PI-11: es-MX reads the Spanish text, Basque the English one; the page says so."""
    assert caregate("preview", "appointment-reminder", "--language", "es-MX").code == 0
    page = Page(Path("preview/appointment-reminder-es-MX-usual.html"))
    assert "su cita" in said(page)
    assert caregate("preview", "appointment-reminder", "--language", "eu").code == 0
    assert "there is nothing nearer to eu" in Page(Path("preview/appointment-reminder-eu-usual.html")).source
    assert not Path("preview/appointment-reminder-es-MX-usual.html").exists()
    refused = caregate("preview", "--language", "klingonish")
    assert (refused.code, "language tag" in refused.err) == (2, True)


def test_what_would_not_be_sent_says_why(caregate, rules):
    """PH-07, SM-02: on its page, in the overview and on the terminal; the other parts are shown."""
    (rules / "templates/appointment_reminder/sms.txt").write_text("{{ patient.given_name }}" + "a" * 130)
    ran = caregate("preview", "appointment-reminder", "--language", "en", "--rules", rules)
    assert ran.code == 0
    assert "en-chinese.html" not in ran.err
    assert "appointment-reminder-en-long.html" not in ran.err
    assert "en-accents.html: nothing would be sent" in ran.err
    assert "takes 3 segments" in ran.err
    assert (
        "en-least.html: nothing would be sent: template appointment_reminder: not known: patient.given_name" in ran.err
    )
    accents = Page(Path("preview/appointment-reminder-en-accents.html"))
    assert "Nothing would be sent." in accents.source
    assert "Hello Zoë María," in accents.all("iframe")[0]["srcdoc"]
    assert "2 would not be sent as they are" in Page(Path("preview/index.html")).source


def test_a_template_cannot_break_out_of_its_page(caregate, rules):
    """Whatever stands in it is text on the page, and has no rights in its frame."""
    letter = rules / "templates/appointment_reminder"
    (letter / "body.html").write_text('"></iframe><script>alert(1)</script>')
    (letter / "body.txt").write_text("</pre><script>alert(2)</script>")
    (letter / "sms.txt").write_text("<script>alert(3)</script>")
    (letter / "subject.txt").write_text("<img src=x>")
    caregate("preview", "appointment-reminder", "--language", "en", "--rules", rules)
    for path in Path("preview").glob("*.html"):
        assert not {"script", "img"} & {tag for tag, _ in Page(path).elements}


def test_each_wording_of_a_rule_is_shown(caregate, rules):
    """Variants: a page each."""
    path = rules / "appointment-reminder.yaml"
    variants = "variants: [{name: a, template: appointment_reminder, share: 50}, {name: b, template: missed_appointment, share: 50}]"
    path.write_text(path.read_text().replace("template: appointment_reminder", variants))
    caregate("preview", "appointment-reminder", "--language", "en", "--rules", rules)
    assert Path("preview/appointment-reminder-appointment_reminder-en-usual.html").is_file()
    assert Path("preview/appointment-reminder-missed_appointment-en-usual.html").is_file()


def test_a_rule_that_only_writes_text_messages_shows_them(caregate, rules):
    """No empty inbox."""
    path = rules / "appointment-reminder.yaml"
    path.write_text(path.read_text().replace("[preferred, sms, email]", "[sms]"))
    caregate("preview", "appointment-reminder", "--language", "en", "--rules", rules)
    page = Page(Path("preview/appointment-reminder-en-usual.html"))
    assert "In the inbox" not in page.source
    assert "Lakeside Health: your visit" in Page(Path("preview/index.html")).source


def test_a_site_is_shown_with_its_own_name(site):
    """Sender, place and number as configured, without its keys."""
    path = Path("caregate.yaml")
    path.write_text(path.read_text().replace("sender_name: Lakeside Health", "sender_name: Hill Clinic"))
    Path("caregate.keys").unlink()
    assert site("preview", "appointment-reminder").code == 0
    page = Page(Path("preview/appointment-reminder-en-usual.html"))
    assert said(page).startswith("Hill Clinic: ")
    assert "Main Street Clinic" in page.all("iframe")[0]["srcdoc"]


def test_a_preview_overwrites_nothing_but_a_preview(caregate, tmp_path):
    """A folder of somebody's own is left as it is."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "index.html").write_text("mine")
    ran = caregate("preview", "--out", own)
    assert (ran.code, "is no preview" in ran.err) == (2, True)
    assert (own / "index.html").read_text() == "mine"
    assert caregate("preview", "--out", tmp_path / "new").code == 0
    assert caregate("preview", "--out", tmp_path / "new").code == 0


def test_a_rule_that_is_not_there_is_told_with_those_that_are(caregate):
    """One sentence."""
    ran = caregate("preview", "reminder")
    assert ran.code == 2
    assert "there is no rule reminder" in ran.err
    assert "appointment-reminder, discharge-follow-up" in ran.err


def test_the_browser_is_opened_when_asked(caregate, monkeypatch):
    """With the page of all."""
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    caregate("preview", "discharge-follow-up", "--open")
    assert opened == [Path("preview/index.html").resolve().as_uri()]
