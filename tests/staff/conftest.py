"""A served site with one patient, a planned message, a reply and keys for every role; a browser where there is one."""

from __future__ import annotations

import shutil

import pytest
from staff_site import WORDS, Caller, StaffSite, booked

from tests.conftest import absent


@pytest.fixture
def site(tmp_path):
    """A site with a patient and what is about them."""
    made = StaffSite(tmp_path)
    made.receive(booked())
    yield made
    made.gateway.close()


@pytest.fixture
def reply(site):
    """The id of a reply that waits."""
    return site.hear(WORDS)


@pytest.fixture
def address(site):
    """Where it is served."""
    with site.serving() as told:
        yield told


@pytest.fixture(autouse=True)
def _closed():
    """What callers held open is given back."""
    yield
    while Caller.made:
        Caller.made.pop().close()


@pytest.fixture
def caller(site, address):
    """`caller("operator")`: somebody with a key of these roles."""
    return lambda *roles, **headers: Caller(address, site.key(*roles) if roles else None, **headers)


@pytest.fixture(scope="module")
def chromium():
    """Debian's browser, without a window; skipped where there is none. Not longer than its file: its event loop would run on beneath the next one's."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        absent("chromium", "it is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium, address):
    """`tab(width=…)`: a page that runs no script, begun at the sign-in; whatever it asks of others fails the test."""
    made, elsewhere = [], []

    def _tab(width=1280, *, script=False):
        context = chromium.new_context(viewport={"width": width, "height": 900}, java_script_enabled=script)
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.on("request", lambda one: None if one.url.startswith(address) else elsewhere.append(one.url))
        page.goto(f"{address}/staff/")
        made.append(context)
        return page

    yield _tab
    for context in made:
        context.close()
    assert elsewhere == []
