"""The staff pages in a real browser that runs no script: a day's work, the keyboard alone, and axe-core's opinion."""

from __future__ import annotations

from pathlib import Path

import pytest
from staff_site import MRN, WORDS

from gateway.pipeline import inspect
from gateway.store import tables

pytestmark = pytest.mark.slow
SHOTS = Path(__file__).parents[2] / "build" / "staff"
WIDTHS = (1280, 390)


def _sign_in(page, key):
    page.get_by_label("Your key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Worklist").wait_for()


def _shot(page, name, width):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.wait_for_load_state()
    page.screenshot(path=SHOTS / f"{name}-{width}.png", full_page=True)


def _find(page, button):
    form = page.locator("form", has=page.get_by_role("button", name=button))
    form.get_by_label("Assigning authority").fill("LAKESIDE")
    form.get_by_label("Identifier", exact=True).fill(MRN)
    form.get_by_label("Reason").fill("ticket 88")
    form.get_by_role("button", name=button).click()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_privacy_officer_does_a_days_work_without_a_script(site, reply, tab, width):
    """Sign in, decide what waits, trace, consents, suppression, a reply, sign out; every page looked at."""
    site.hold()
    site.suppress()
    page = tab(width)
    _shot(page, "sign-in", width)
    _sign_in(page, site.key("privacy-officer"))
    _shot(page, "worklist", width)
    page.get_by_label("Reason to decide request").first.fill("chart checked")
    page.get_by_role("button", name="Judge again").first.click()
    page.get_by_role("heading", name="Worklist").wait_for()
    assert "active" in {state for (state,) in site.rows(tables.request.c.state)}

    page.get_by_role("link", name="Trace").click()
    _shot(page, "trace", width)
    _find(page, "Show their story")
    page.get_by_role("heading", name="What happened").wait_for()
    assert "planned as request" in page.content()
    _shot(page, "story", width)

    page.get_by_role("link", name="Consents").click()
    _find(page, "Show their consents")
    page.get_by_label("They permit it").check()
    page.get_by_label("Purpose", exact=True).select_option("TREAT")
    page.get_by_label("Channel").select_option("email")
    page.get_by_label("How we know").last.fill("form 12")
    page.get_by_role("button", name="Add to the ledger").click()
    page.get_by_role("status").wait_for()
    _shot(page, "consents", width)
    page.get_by_label("They permit it").check()
    page.get_by_label("What it is consent to").select_option("authorization")
    page.get_by_label("Purpose", exact=True).select_option("HMARKT")
    page.get_by_label("How we know", exact=True).fill("form 7")
    page.get_by_label("Version of the words").fill("auth-3")
    page.get_by_text("Elements of a marketing authorization").click()
    page.get_by_role("button", name="Add to the ledger").click()
    assert "redisclosure" in page.content()  # told which elements are missing
    _shot(page, "consent-incomplete", width)
    page.get_by_role("link", name="Consents").click()
    _find(page, "Show their consents")
    page.get_by_label("How we know that entry").first.fill("call 5")
    page.get_by_role("button", name="Take back").first.click()
    page.get_by_role("status").wait_for()

    page.get_by_role("link", name="Suppression").click()
    _shot(page, "suppression", width)
    page.get_by_label("Reason to restore address").first.fill("asked at the desk")
    page.get_by_role("button", name="Write again").first.click()
    page.get_by_role("heading", name="Suppression list").wait_for()

    page.get_by_role("link", name="Replies").click()
    _shot(page, "replies", width)
    page.get_by_label(f"Reason to read reply {reply}").fill("ticket 88")
    page.get_by_role("button", name="Read").click()
    assert WORDS in page.locator("blockquote").inner_text()
    _shot(page, "reply", width)
    page.get_by_label("Seen to by hand").check()
    page.get_by_label("Reason").fill("called them")
    page.get_by_role("button", name="Decide").click()
    page.get_by_text("No reply waits.").wait_for()

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="You are signed out").wait_for()
    _shot(page, "signed-out", width)
    page.go_back()
    assert MRN not in page.content()


def test_everything_can_be_done_with_the_keyboard_alone(site, tab):
    """WCAG 2.1.1, 2.4.1, 2.4.7: the skip link first, then the form, then what waits."""
    site.hold()
    page = tab()
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type(site.key("operator"))
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Worklist").wait_for()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.locator(":focus").get_attribute("name") == "reason":
            break
    page.keyboard.type("chart checked")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Worklist").wait_for()
    assert "active" in {state for (state,) in site.rows(tables.request.c.state)}


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_against_wcag(site, reply, tab, width):
    """WCAG 2.1 A and AA (45 CFR 84.84, regulation 51), on every page, wide and narrow, and nothing scrolls sideways."""
    from axe_playwright_python.sync_playwright import Axe

    site.hold()
    site.suppress()
    site.campaign("new-product-offer")
    site.stopped_extract()
    page = tab(width, script=True)  # only the checker is a script
    seen = []

    def check(name):
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
        seen.append(name)
        assert found.violations_count == 0, (name, found.generate_report())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name

    check("sign-in")
    page.get_by_label("Your key").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    check("wrong key")
    _sign_in(page, site.key("privacy-officer"))
    check("worklist")
    for link in ("Outbox", "Campaigns", "Tables", "Trace", "Consents", "Suppression", "Replies"):
        page.get_by_role("link", name=link).click()
        check(link)
    page.get_by_role("link", name="Campaigns").click()
    page.get_by_role("link", name="new-product-offer").click()
    check("campaign")
    page.get_by_role("link", name="Replies").click()
    page.get_by_label(f"Reason to read reply {reply}").fill("ticket 88")
    page.get_by_role("button", name="Read").click()
    check("reply")
    page.get_by_role("link", name="Outbox").click()
    form = page.locator("form.danger")
    form.get_by_label("Reason").fill("wrong texts")
    form.get_by_role("button", name="Stop everything").click()
    check("sure")
    page.get_by_role("button", name="Yes, stop everything").click()
    check("stopped")
    page.get_by_role("link", name="Trace").click()
    _find(page, "Show their story")
    check("story")
    page.get_by_role("link", name="Consents").click()
    _find(page, "Show their consents")
    check("consents of a person")
    page.get_by_label("They deny it").check()
    page.get_by_label("How we know").last.fill("form 12")
    page.get_by_role("button", name="Add to the ledger").click()
    page.get_by_role("status").wait_for()
    check("recorded")
    page.get_by_role("link", name="Trace").click()
    form = page.locator("form", has=page.get_by_role("button", name="Show its story")).first
    form.get_by_label("Number of the request").fill("7")
    form.get_by_label("Reason").fill("ticket 88")
    form.get_by_role("button", name="Show its story").click()
    check("failed")
    page.get_by_role("button", name="Sign out").click()
    check("signed out")
    assert len(seen) == 19


def test_a_page_left_alone_leaves_the_screen(site, tab, monkeypatch):
    """Auto logoff: what stands on an unattended screen goes, without a script."""
    monkeypatch.setattr(inspect, "IDLE", 2_000)
    page = tab()
    _sign_in(page, site.key("operator"))
    page.get_by_role("heading", name="You are signed out").wait_for(timeout=10_000)
