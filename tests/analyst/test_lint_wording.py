"""What is wrong with a template is found at its place before any patient reads it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.analyst.lint import lint
from gateway.packs import shipped

RULE = """\
rule: reminder
owner: desk@clinic.example
why: Fewer missed visits.
when:
  event: [appointment.booked]
  where:
    appointment.status: booked
send:
  purpose: TREAT
  remuneration: none
  topic: appointments
  channels: [sms, email]
  template: note
  at: {before: appointment.start, by: [7d]}
  expires: appointment.start
  reveals: [patient.given_name, appointment.start]
"""
LETTER = {"subject.txt": "A message\n", "body.txt": "Hello {{ patient.given_name }}\n"}
SPANISH = {"es/subject.txt": "Un mensaje\n", "es/body.txt": "Hola, {{ patient.given_name }}\n", "es/sms.txt": "Hola\n"}
Found = Callable[..., list[str]]


@pytest.fixture
def found(tmp_path: Path) -> Found:
    """The CG010, CG011 and CG06x findings of a template's files, beside a rule and policy with texts replaced."""

    def _found(
        files: dict[str, str] | None = None, *, rule: dict[str, str] | None = None, policy: str = ""
    ) -> list[str]:
        shutil.rmtree(tmp_path)
        root = tmp_path / "templates" / "note"
        for name, text in {**LETTER, "sms.txt": "Hello\n", **(files or {})}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text:
                path.write_text(text, encoding="utf-8")
        shipped_policy = (shipped("rules") / "policy.yaml").read_text(encoding="utf-8")
        (tmp_path / "policy.yaml").write_text(shipped_policy + policy, encoding="utf-8")
        text = RULE
        for old, new in (rule or {}).items():
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "reminder.yaml").write_text(text, encoding="utf-8")
        shown = [str(one).replace(f"{root}{os.sep}", "") for one in lint(tmp_path)]
        assert not [one for one in shown if "CG001" in one]
        return [one for one in shown if any(f" {code}" in one for code in ("CG010", "CG011", "CG06"))]

    return _found


def test_a_good_template_is_quiet(found: Found) -> None:
    """In two languages and three parts, with a link to its own domain and a number to call."""
    html = '<p>Hello <a href="https://my.lakeside.example/start">us</a>, <a href="tel:+13125550100">call</a> {{ patient.given_name }}</p>\n'
    files = {**SPANISH, "body.html": html, "es/body.html": html, "sms.txt": "See https://lakeside.example/visit.\n"}
    assert found(files, policy="languages: [en, es]\nlink_domains: [lakeside.example]\n") == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sms.txt": ""}, "body.txt:1:1: CG061 rule reminder sends text messages: write sms.txt beside it, or take `sms` from `channels`"),
        ({"es/body.txt": "Hola\n", "es/sms.txt": "Hola\n"}, "es/body.txt:1:1: CG060 es/subject.txt is missing beside it: write it, or take es/ away"),
        ({"es/sms.txt": "Hola\n"}, "body.txt:1:1: CG060 es/body.txt is missing, for rule reminder: who reads es would get it in en"),
        ({**SPANISH, "es/sms.txt": ""}, "sms.txt:1:1: CG060 es/sms.txt is missing, for rule reminder: who reads es would get it in en"),
        ({**SPANISH, "body.html": "<p>Hello</p>\n"}, "es/body.txt:1:1: CG060 es/body.html is missing: who reads es would get plain text only"),
        ({"sms.txt": "a" * 307}, "sms.txt:1:1: CG062 takes up to 3 segments (GSM-7), rule reminder allows 2: shorten it by 1 character, or set `sms_segments: 3` in rule reminder"),
        ({"sms.txt": "a" * 1000}, "sms.txt:1:1: CG062 takes up to 7 segments (GSM-7), rule reminder allows 2: shorten it by 694 characters"),
        ({"sms.txt": "\u201ca\u201d\n" + "a" * 100 + " ça va " + "a" * 60}, "sms.txt:2:102: CG062 takes up to 3 segments (UCS-2, because of `ç`), rule reminder allows 2: shorten it by 37 characters, or set `sms_segments: 3` in rule reminder"),
        ({"sms.txt": "{{ patient.given_name }}" + "a" * 120}, "sms.txt:1:1: CG062 takes up to 3 segments (UCS-2, for names with letters beyond GSM-7), rule reminder allows 2: shorten it by 6 characters, or set `sms_segments: 3` in rule reminder"),
        ({"sms.txt": "{{ appointment.start | weekday }}{{ appointment.start | date }}" + "a" * 280}, "sms.txt:1:1: CG062 takes up to 3 segments (GSM-7), rule reminder allows 2: shorten it by 1 character, or set `sms_segments: 3` in rule reminder"),
        ({"it/subject.txt": "s", "it/body.txt": "Ciao\n {{ opt_out }}", "it/sms.txt": "Ciao"}, "it/body.txt:2:5: CG063 there is no `opt_out` sentence in this language: write one out here, with the number to call or STOP"),
        ({"body.txt": "Hello\n{{ appointment.start }}\n"}, "body.txt:1:1: CG063 template note: a value of kind When is printed without a filter (date, time, weekday): nobody could get this message"),
        ({"body.txt": "Hello\nsee https://bit.example/x.\n"}, "body.txt:2:5: CG064 `bit.example` is not one of your domains: name it in `link_domains` of policy.yaml, or drop the link"),
        ({"sms.txt": "www.bit.example\n"}, "sms.txt:1:1: CG064 `www.bit.example` is not one of your domains: name it in `link_domains` of policy.yaml, or drop the link"),
        ({"body.html": '<p>\n<a href="https://{{ patient.given_name }}.example/">x</a></p>'}, "body.html:2:1: CG064 a link must say nothing about anybody: it is logged wherever it passes; write it out, without {{ }}"),
        ({"body.html": '<a href="javascript:alert(1)">x</a>'}, "body.html:1:1: CG064 a link is https://, tel: or mailto:"),
        ({"body.html": "<p>https://[bad</p>"}, "body.html:1:4: CG064 `https://[bad` is not one of your domains: name it in `link_domains` of policy.yaml, or drop the link"),
        ({"body.html": '<p>x</p>\n <img src="cid:logo">'}, "body.html:2:2: CG065 `<img>` is fetched when the message is read, and tells who read it: take it out"),
        ({"body.html": "<script>x</script>"}, "body.html:1:1: CG065 `<script>` does not belong in a message: mail readers drop it or warn of it; take it out"),
        ({"body.html": '<table background="x">y</table>'}, "body.html:1:1: CG065 `background` of `<table>` fetches or runs something: take it out"),
        ({"body.html": '<p style="background:url(x)">y</p>'}, "body.html:1:1: CG065 the style of `<p>` fetches something: use plain colours"),
        ({"body.html": "<style>p{}\n@import 'x';</style>y"}, "body.html:1:8: CG065 the style sheet fetches something: use plain colours"),
        ({"body.txt": "Dear ${FIRST_NAME}\n"}, "body.txt:1:6: CG066 `${FIRST_NAME}` would be read by the patient as it stands: write {{ fact }}, or take it out"),
        ({"body.txt": "Dear\n{patient.given_name}\n"}, "body.txt:2:1: CG066 `{patient.given_name}` would be read by the patient as it stands: write {{ fact }}, or take it out"),
        ({"subject.txt": "TODO"}, "subject.txt:1:1: CG066 `TODO` would be read by the patient as it stands: write {{ fact }}, or take it out"),
        ({"body.txt": "Hello{% if appointment.start is timed %} you{% endif %}\nthere\n"}, "body.txt:1:45: CG068 after `{% endif %}` the line break goes, and two words run together: end the line with a word"),
        ({"body.txt": "Hello\n  {{ patient.family_name }}\n"}, "body.txt:2:6: CG010 `patient.family_name` is not revealed by rule reminder: add the fact to `reveals`, or drop it"),
        ({"body.txt": "Hello\n{{ broken\n"}, "body.txt:2:1: CG010 template note: body.txt:2: this is not valid template syntax"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_template_is_found_at_its_place(found: Found, files: dict[str, str], expected: str) -> None:
    """SM-02, SM-19, PH-06, PH-07: one finding, with what to do."""
    assert found(files) == [expected]


def test_a_language_the_site_speaks_is_missing(found: Found) -> None:
    """PI-11: for each part of it; a regional tag is content with its language."""
    missing = found(policy="languages: [en, es]\n")
    assert [one.partition(":")[0] for one in missing] == ["body.txt", "sms.txt"]
    assert all("CG060 es/" in one for one in missing)
    assert found(SPANISH, policy="languages: [en, es-MX]\n") == []


def test_the_folder_itself_is_in_the_sites_first_language(found: Found) -> None:
    """A German site needs no de/ folder, and its dates are German."""
    long = {"sms.txt": "{{ appointment.start | date }}" + "a" * (306 - len("22. September 2026")) + "a"}
    assert found(policy="languages: [de]\n") == []
    (one,) = found(long, policy="languages: [de]\n")
    assert "shorten it by 1 character" in one


def test_a_rule_may_allow_more_or_fewer_segments(found: Found) -> None:
    """SM-02, SM-13: one for who must not exceed 160 characters."""
    files = {"sms.txt": "a" * 161}
    assert found(files) == []
    (one,) = found(files, rule={"template: note": "template: note\n  sms_segments: 1"})
    assert "takes up to 2 segments (GSM-7), rule reminder allows 1: shorten it by 1 character" in one


def test_parts_that_no_channel_of_the_rule_sends_are_left_alone(found: Found) -> None:
    """A template may be there for another rule, too."""
    assert found({"sms.txt": ""}, rule={"[sms, email]": "[email]"}) == []
    assert found({"sms.txt": "a" * 2000}, rule={"[sms, email]": "[preferred, portal]"}) == []
    assert found({"body.txt": "{{ appointment.start }}"}, rule={"[sms, email]": "[sms]"}) == []


MARKETING = {"purpose: TREAT": "purpose: HMARKT", "patient.given_name, appointment.start": ""}


def test_marketing_offers_a_way_out_in_every_part(found: Found) -> None:
    """15 USC 7704(a)(3), (5); 47 CFR 64.1200(a)(10): text, HTML and text message, in each language, with an address."""
    plain = {"body.txt": "Hello\n", "body.html": "<p>Hello</p>\n", "es/sms.txt": "Hola\n"}
    assert [" ".join(one.split()[:2]) for one in found(plain, rule=MARKETING) if "CG060" not in one] == [
        "body.html:1:1: CG011", "body.html:1:1: CG067", "body.txt:1:1: CG011", "body.txt:1:1: CG067", "es/sms.txt:1:1: CG011", "sms.txt:1:1: CG011",
    ]  # fmt: skip
    letter = "Hello {% include 'footer.txt' %}"
    told = {
        "body.txt": letter,
        "footer.txt": "{{ opt_out }} {{ organization.postal_address }}",
        "body.html": "<p>{{ opt_out }} {{ organization.postal_address }}</p>",
        "sms.txt": "Reply STOP to opt out",
    }
    assert found(told, rule=MARKETING) == []


def test_each_wording_and_each_rule_is_looked_at_once(found: Found, tmp_path: Path) -> None:
    """Two rules of one template tell its literal mistakes once, and their own each."""
    found({"body.txt": "TODO {{ patient.given_name }}\n"})
    second = RULE.replace("rule: reminder", "rule: second").replace("patient.given_name, ", "")
    (tmp_path / "second.yaml").write_text(second, encoding="utf-8")
    codes = [(one.code, "second" in one.sentence) for one in lint(tmp_path) if one.code in ("CG066", "CG010")]
    assert sorted(codes) == [("CG010", True), ("CG066", False)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Reply YES to confirm", "sms.txt:1:7: CG069 `YES` is offered as an answer: it is taken for a wish to get texts, and only after START: offer C or 1"),
        ("Please reply C to confirm or CANCEL to cancel", "sms.txt:1:30: CG069 `CANCEL` is offered as an answer: networks and providers take it for STOP, and it ends every text: offer X or 2"),
        ("{{ appointment.start | date }}:\nText END to end", "sms.txt:2:6: CG069 `END` is offered as an answer: networks and providers take it for STOP, and it ends every text: offer X or 2"),
        ("Responda SI para confirmar", "sms.txt:1:10: CG069 `SI` is offered as an answer: it is taken for a wish to get texts, and only after START: offer C or 1"),
        ("Reply 3 for more", "sms.txt:1:7: CG069 `3` is offered as an answer: offer C or 1 to confirm, X or 2 to cancel: nothing else is understood"),
        ('Reply with "N" if not', "sms.txt:1:13: CG069 `N` is offered as an answer: offer C or 1 to confirm, X or 2 to cancel: nothing else is understood"),
    ],
)  # fmt: skip
def test_an_answer_that_means_something_else_is_not_offered(found: Found, text: str, expected: str) -> None:
    """SM-09: YES and CANCEL are the networks' words, whatever a clinic means by them."""
    assert found({"sms.txt": f"{text}\n", **SPANISH}) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "Reply C to confirm, X to cancel or R for another time. Reply STOP to end.",
        "Reply 1 to confirm or 2 to cancel, up to 3 days ahead. Text HELP for help",
        "Responda C para confirmar o X para cancelar. Responda ALTO para no recibir mas",
        "CANCEL by calling us. Text or call the ER, or send {{ patient.given_name }} a NOTE",
    ],
)
def test_the_answers_that_are_understood_may_be_offered(found: Found, text: str) -> None:
    """SM-09: C or 1, X or 2, and what ends or explains it."""
    assert found({"sms.txt": f"{text}\n"}) == []
