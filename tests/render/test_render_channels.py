"""Which part of a template leaves by which channel, in which language, and within which bounds."""

from __future__ import annotations

import pytest
from render_parts import START, VALUES, Write, render

from gateway.model.consent import ChannelKind
from gateway.model.errors import RenderError
from gateway.model.when import Precision, When
from gateway.ports import content_digest
from tests.effort import calls

SMS = ChannelKind.SMS
TEXT = "{{ organization.sender_name }}: {{ appointment.start | date('medium') }}. {{ opt_out }}\n"


def test_a_text_message_is_its_own_part_and_nothing_else(write: Write) -> None:
    """Law 3: the digest covers the bytes that leave by this channel; no subject, no HTML."""
    templates = write(sms_txt=TEXT, body_html="<p>Hello</p>")
    rendered = render(templates, channel=SMS)
    assert rendered.text == "Lakeside Health: Mar 3, 2026. Reply STOP to opt out."
    assert (rendered.subject, rendered.html) == ("", None)
    assert rendered.digest == content_digest("", rendered.text, None)
    assert rendered.sms is not None
    assert (rendered.sms.parts, rendered.sms.encoding) == (1, "GSM-7")
    assert "Lakeside" not in repr(rendered)


@pytest.mark.parametrize("channel", [ChannelKind.EMAIL, ChannelKind.PORTAL])
def test_a_letter_has_no_text_message_in_it(write: Write, channel: ChannelKind) -> None:
    """Law 3: e-mail and portal get subject, text and HTML; a text message that is too long is no hindrance to them."""
    rendered = render(write(sms_txt="x" * 2000, body_html="<p>Hello</p>"), channel=channel)
    assert (rendered.subject, rendered.text, rendered.html) == ("Your visit", "Hello\n", "<p>Hello</p>\n")
    assert rendered.digest == content_digest("Your visit", "Hello\n", "<p>Hello</p>\n")
    assert rendered.sms is None


def test_a_template_without_a_text_message_sends_none(write: Write) -> None:
    """Law 6: a letter is no text message."""
    with pytest.raises(RenderError, match=r"visit: sms\.txt is missing"):
        render(write(), channel=SMS)


def test_each_message_is_in_the_nearest_language_that_has_it_whole(write: Write) -> None:
    """PI-11: es-MX, then es, then the default, for each channel by itself."""
    templates = write(
        {
            "es-MX/sms.txt": "es-MX",
            "es/sms.txt": "es",
            "es/subject.txt": "Cita",
            "es/body.txt": "Hola",
            "fr/sms.txt": "fr",
        },
        sms_txt="en",
    )
    said = {
        (tag, channel): render(templates, language=tag, channel=channel).text.strip()
        for tag in ("es-MX", "es-AR", "es", "fr", "de")
        for channel in (SMS, ChannelKind.EMAIL)
    }
    assert [said[tag, SMS] for tag in ("es-MX", "es-AR", "es", "fr", "de")] == ["es-MX", "es", "es", "fr", "en"]
    assert [said[tag, ChannelKind.EMAIL] for tag in ("es-MX", "es", "fr", "de")] == ["Hola", "Hola", "Hello", "Hello"]
    assert render(templates, language="fr").language == "en"
    assert render(templates, language="fr", channel=SMS).language == "fr"


def test_a_text_message_keeps_within_its_segments(write: Write) -> None:
    """SM-02: two segments unless the rule says otherwise; the refusal names no word of it."""
    templates = write(sms_txt="{{ patient.given_name }}" + "a" * 300)
    assert render(templates, channel=SMS, values={**VALUES, "patient.given_name": "Ana"}).sms is not None
    with pytest.raises(RenderError, match="takes 3 segments, its rule allows 2") as refused:
        render(templates, channel=SMS)
    assert "Marisol" not in str(refused.value)
    with pytest.raises(RenderError, match="takes 5 segments"):
        render(templates, channel=SMS, values={**VALUES, "patient.given_name": "Šimon"})
    counted = render(templates, channel=SMS, sms_segments=3).sms
    assert counted is not None
    assert counted.parts == 3


def test_a_text_message_is_as_plain_as_a_telephone(write: Write) -> None:
    """SM-03: quotes made plain, blanks run together, lines kept, letters kept."""
    rendered = render(write(sms_txt="\r\n  \u201cHello\u201d \t  Zoë\u2019s  \r\n\r\nline  \r\n"), channel=SMS)
    assert rendered.text == '"Hello" Zoë\'s\n\nline'


@pytest.mark.parametrize("text", ["", " \n ", "{% if patient.family_name is defined %}x{% endif %}"])
def test_an_empty_text_message_is_none(write: Write, text: str) -> None:
    """PH-07."""
    with pytest.raises(RenderError, match="empty"):
        render(write(sms_txt=text), channel=SMS)


def test_a_text_message_holds_no_control_characters(write: Write) -> None:
    """Nothing that could steer what shows it."""
    with pytest.raises(RenderError, match="control characters"):
        render(write(sms_txt="a\x07b"), channel=SMS)


def test_the_way_out_is_the_one_of_the_channel(write: Write) -> None:
    """SM-09; 47 CFR 64.1200(a)(10): STOP in a text message, a number to call in a letter; in the reader's language."""
    files = {"es/sms.txt": "{{ opt_out }}", "es/subject.txt": "s", "es/body.txt": "{{ opt_out }}"}
    templates = write(files, sms_txt="{{ opt_out }}", body_txt="{{ opt_out }}")
    for language in ("en", "es"):
        told = render(templates, language=language, channel=SMS)
        assert "STOP" in told.text
        assert told.sms is not None
        assert told.sms.gsm
        assert "312-555-0100" in render(templates, language=language).text


def test_a_template_can_ask_whether_a_time_was_told(write: Write) -> None:
    """T-07: wording without a time, instead of a message that fails."""
    templates = write(
        body_txt="{{ appointment.start | date }}{% if appointment.start is timed %}, {{ appointment.start | time }}{% endif %}"
    )
    assert render(templates).text == "March 3, 2026, 2:30 PM\n"
    day = {**VALUES, "appointment.start": When(START, "America/New_York", Precision.DAY)}
    assert render(templates, values=day).text == "March 3, 2026\n"


def test_a_date_that_is_not_known_is_named_as_that(write: Write) -> None:
    """PH-07: and only the name that is missing, not one that the template provides for."""
    text = "{% if patient.family_name is defined %}x{% endif %}{{ appointment.start | FILTER }}"
    for name in ("date", "time", "weekday", "zone"):
        templates = write(body_txt=text.replace("FILTER", name))
        with pytest.raises(RenderError, match=r"not known: appointment\.start$"):
            render(templates, values={"patient.given_name": "Ana"})


def test_the_costliest_template_is_rendered_in_a_moment(write: Write) -> None:
    """What may be written at all is bounded by its expressions, and the most of the slowest of them is soon done."""
    line = "{{ appointment.start | zone }}{{ appointment.start | date }}\n"
    templates = write({"part.txt": line * 700}, body_txt="{% include 'part.txt' %}" * 2)
    calls(lambda: render(templates), most=3_000_000)
    with pytest.raises(RenderError, match="more than 10000 expressions"):
        render(write(body_txt="{% include 'part.txt' %}" * 3))


def test_includes_count_as_often_as_they_are_included(write: Write) -> None:
    """A small file cannot stand for a large one."""
    templates = write({"part.txt": "{{ language }}" * 500}, body_txt="{% include 'part.txt' %}" * 40)
    with pytest.raises(RenderError, match="more than 10000 expressions"):
        render(templates)
