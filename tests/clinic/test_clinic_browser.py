"""The pages in a real browser: picked up, chosen and unsubscribed without a script, by keyboard alone, for everyone (WCAG 2.1 AA)."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import clinic_portal
import pytest
from clinic_dsl import Clinic, OpenClinic
from clinic_portal import VISIT, WEEK, code_in, open_portal, registers, texts
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.api.certificates import Certificates
from gateway.api.portal import Pages, routes_of
from gateway.api.portal.words import WORDS
from gateway.api.serving import serve
from gateway.app.assembly import portal_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: nobody looks at the portal's pages"),
]
PICTURES = Path(__file__).parents[2] / "build" / "portal"
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
Opens = Callable[..., Any]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser for all tests of this file."""
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """What a browser sees does not depend on the database."""
    return f"sqlite:///{tmp_path}/caregate.db"


@pytest.fixture
def clinic(open_clinic: OpenClinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    """Ann's reminder lies in the portal, which is served with TLS on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"https://localhost:{port}"
    monkeypatch.setattr(clinic_portal, "URL", url)
    more = clinic_portal.SITE.replace("https://messages.lakeside.example", url)
    clinic = open_portal(open_clinic, tmp_path, more=more, channels="[portal, email]")
    routes = routes_of(portal_of(clinic.gateway), Pages(clinic.gateway.site), url, slowest=0.0)
    server = serve(clinic.gateway.store, "127.0.0.1", port, routes=routes, tls=_certificates(tmp_path))
    clinic.url = url  # type: ignore[attr-defined]
    registers(clinic, "Ann")
    clinic.books("Ann", on=VISIT)
    clinic.until(WEEK)
    yield clinic
    server.stop()


@pytest.fixture
def opens(chromium: Any, clinic: Clinic) -> Iterator[Opens]:
    """Opens pages in contexts of their own; afterwards nothing was asked of anybody else and nothing was complained of."""
    contexts: list[Any] = []
    asked: list[str] = []
    said: list[str] = []

    def open_page(**options: Any) -> Any:
        context = chromium.new_context(ignore_https_errors=True, **{"java_script_enabled": False, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert asked
    assert [one for one in asked if not one.startswith(clinic.url + "/")] == []  # type: ignore[attr-defined]
    assert [one for one in said if "Content Security Policy" in one] == []


def _certificates(folder: Path) -> Certificates:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "tls.pem", folder / "tls.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    private.chmod(0o600)
    return Certificates(certificate, private, None)


def _notice(clinic: Clinic) -> str:
    text = next(mail.text for mail in clinic.mailbox("Ann") if "/p/" in mail.text)
    return str(clinic.url) + clinic_portal.link_in(text)  # type: ignore[attr-defined]


def _enters(clinic: Clinic, page: Any, look: Callable[[str], None] = lambda _name: None, language: str = "en") -> None:
    """The whole way in; `look` is called at each page."""
    words = WORDS[language]
    page.goto(_notice(clinic))
    look("1-enter")
    _presses(page, words["enter_button"])
    look("2-birth")
    born = clinic.person("Ann").born
    assert born is not None
    for label, value in (("month", born.month), ("day", born.day), ("year", born.year)):
        page.get_by_label(words[label], exact=True).fill(str(value))
    _presses(page, words["birth_button"])
    clinic.answers_doorbells()
    look("3-code")
    page.get_by_label(words["code_label"]).fill("000000")
    _presses(page, words["code_button"])
    look("4-wrong")
    page.get_by_label(words["code_label"]).fill(code_in(texts(clinic)[-1]))
    _presses(page, words["code_button"])
    look("5-message")


def _presses(page: Any, name: str) -> None:
    """Press a button and wait for the page it leads to."""
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()


@pytest.mark.parametrize("width", [WIDE, NARROW], ids=["desktop", "phone"])
def test_a_message_is_picked_up_answered_and_left_without_a_script(clinic: Clinic, opens: Opens, width: Any) -> None:
    """EM-10; 5.5: every page, at a desk and on a telephone, with JavaScript switched off; pictures lie in build/portal."""
    page = opens(viewport=width)
    PICTURES.mkdir(parents=True, exist_ok=True)

    def look(name: str) -> None:
        page.screenshot(path=PICTURES / f"{name}-{width['width']}.png", full_page=True)

    _enters(clinic, page, look)
    assert page.get_by_text("Main Street Clinic").count() >= 1
    assert page.title() == "A message is waiting for you – Lakeside Health"
    assert page.url == clinic.url + "/portal"  # type: ignore[attr-defined]
    _presses(page, "I will come")
    assert page.get_by_role("status").inner_text() == "Thank you. Your answer has been kept."
    look("6-answered")
    page.get_by_role("link", name="Choose what you get from us").click()
    look("7-preferences")
    page.get_by_label("By e-mail").uncheck()
    page.get_by_label("Not from").select_option("1260")
    page.get_by_label("until").select_option("720")
    _presses(page, "Save")
    assert page.get_by_role("status").inner_text() == "Saved."
    assert not page.get_by_label("By e-mail").is_checked()
    look("8-saved")
    _presses(page, "Log out")
    look("9-left")
    page.goto(clinic.url + "/portal")  # type: ignore[attr-defined]
    assert page.get_by_role("heading", name="Please open the link again").is_visible()
    assert clinic.count("inbound") == 1


def test_one_button_unsubscribes(clinic: Clinic, opens: Opens) -> None:
    """EM-21, EM-22, 16 CFR 316.5: one page, one button, nothing typed; looking at the page had changed nothing."""
    clinic.consents("Ann", to="portal", permit=False)
    clinic.books("Ann", on="2026-04-20 09:30")
    clinic.until("2026-04-13 10:00")
    told = clinic.mailbox("Ann")[-1].envelope.unsubscribe
    page, before = opens(viewport=NARROW), clinic.count("consent")
    page.goto(told)
    page.reload()
    assert clinic.count("consent") == before
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / "a-unsubscribe-390.png", full_page=True)
    _presses(page, "Stop these e-mails")
    assert page.get_by_role("heading", name="Done").is_visible()
    page.screenshot(path=PICTURES / "b-unsubscribed-390.png", full_page=True)
    assert clinic.count("consent") == before + 1


def test_everything_is_done_by_keyboard(clinic: Clinic, opens: Opens) -> None:
    """WCAG 2.1.1, 2.4.3, 2.4.7: Tab, typing and Enter; where the focus is can always be seen."""
    page = opens(java_script_enabled=True, viewport=WIDE)
    page.goto(_notice(clinic))
    _tabs_to(page, "Continue")
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/birth*")
    born = clinic.person("Ann").born
    assert born is not None
    for field, value in (("month", born.month), ("day", born.day), ("year", born.year)):
        _tabs_to(page, field)
        page.keyboard.type(str(value))
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/code*")
    clinic.answers_doorbells()
    _tabs_to(page, "code")
    page.keyboard.type(code_in(texts(clinic)[-1]))
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal")
    _tabs_to(page, "I cannot come")
    page.keyboard.press("Enter")
    page.get_by_role("status").wait_for()
    _tabs_to(page, "Choose what you get from us")
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/preferences*")
    _tabs_to(page, "appointments.email")
    page.keyboard.press("Space")
    _tabs_to(page, "Save")
    page.keyboard.press("Enter")
    page.get_by_role("status").wait_for()
    _tabs_to(page, "Log out")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="You are logged out").wait_for()


def _tabs_to(page: Any, wanted: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            "() => { const e = document.activeElement; const s = getComputedStyle(e);"
            " return [[e.innerText, e.name, e.value], s.outlineStyle + parseFloat(s.outlineWidth)]; }"
        )
        assert outline != "none0", "where the focus is cannot be seen"
        if wanted in name:
            return
    raise AssertionError(f"the keyboard does not reach {wanted}")


@pytest.mark.parametrize("language", ["en", "es"])
def test_no_page_keeps_anybody_out(clinic: Clinic, opens: Opens, language: str) -> None:
    """45 CFR 84.84: axe-core finds nothing against WCAG 2.1 A and AA on any page, in either language."""
    axe_module = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    axe = axe_module.Axe()
    page = opens(java_script_enabled=True, bypass_csp=True, viewport=NARROW, locale=f"{language}-US")
    found: list[str] = []

    def look(name: str) -> None:
        if name == "5-message":
            page.goto(page.url + "?lang=" + language)  # else in the language we know of her
        told = axe.run(page, options={"runOnly": TAGS}).response["violations"]
        found.extend(f"{name}: {one['id']} {one['nodes'][0]['html']}" for one in told)
        assert page.evaluate("document.documentElement.lang") == language

    _enters(clinic, page, look, language)
    page.goto(f"{clinic.url}/portal/preferences?lang={language}")  # type: ignore[attr-defined]
    look("7-preferences")
    for name, path in (("u", "/u/" + "A" * 43), ("closed", "/portal/birth"), ("p", "/p/" + "A" * 43)):
        fresh = opens(java_script_enabled=True, bypass_csp=True)
        page = fresh
        page.goto(clinic.url + path + "?lang=" + language)  # type: ignore[attr-defined]
        told = axe.run(page, options={"runOnly": TAGS}).response["violations"]
        found.extend(f"{name}: {one['id']} {one['nodes'][0]['html']}" for one in told)
    assert found == []


def test_pages_fit_the_smallest_screen_and_enlarged_text(clinic: Clinic, opens: Opens) -> None:
    """WCAG 1.4.4, 1.4.10: 320 pixels wide, or text twice as large, without scrolling sideways."""
    page = opens(java_script_enabled=True, bypass_csp=True, viewport={"width": 320, "height": 640})

    def look(name: str) -> None:
        for size in ("112.5%", "200%"):
            page.evaluate("size => { document.documentElement.style.fontSize = size; }", size)
            wide = page.evaluate("document.scrollingElement.scrollWidth")
            assert wide <= 320, f"{name} at {size}: {wide}"

    _enters(clinic, page, look)
    page.goto(clinic.url + "/portal/preferences")  # type: ignore[attr-defined]
    look("preferences")


def test_a_message_prints_without_its_forms(clinic: Clinic, opens: Opens) -> None:
    """Readable on paper: the message, who it is from and whom to call; no buttons."""
    page = opens(java_script_enabled=True)
    _enters(clinic, page)
    page.emulate_media(media="print")
    assert page.get_by_text("Main Street Clinic").first.is_visible()
    assert not page.get_by_role("button", name="I will come").is_visible()
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / "c-printed.png", full_page=True)


def test_another_site_can_neither_frame_it_nor_post_to_it(clinic: Clinic, opens: Opens, chromium: Any) -> None:
    """Clickjacking and CSRF, tried by a real browser with an open session and a hostile page in it."""
    page = opens(java_script_enabled=True)
    _enters(clinic, page)
    before = clinic.count("inbound")
    hostile = page.context.new_page()
    hostile.goto("about:blank")
    url = clinic.url  # type: ignore[attr-defined]
    hostile.set_content(
        f'<iframe src="{url}/portal"></iframe>'
        f'<form method="post" action="{url}/portal/reply"><input name="choice" value="cancel"></form>'
    )
    hostile.wait_for_timeout(800)
    assert "Main Street" not in "".join(frame.content() for frame in hostile.frames)
    with hostile.expect_navigation():
        hostile.evaluate("setTimeout(() => document.forms[0].submit())")
    assert "Main Street" not in hostile.content()
    assert clinic.count("inbound") == before
