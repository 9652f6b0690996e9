"""What a patient reads, and what a template cannot be made to say."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from render_parts import LOCATION, REVEALS, START, VALUES, Write, render

from gateway.model.errors import ConfigError, RenderError
from gateway.model.facts import UNMAPPED
from gateway.model.when import Precision, When
from gateway.packs import shipped
from gateway.ports import content_digest
from gateway.render import Templates


def test_a_patient_reads_day_and_time_in_the_places_zone(write: Write) -> None:
    """SI-23: the visit is shown where it happens, whatever zone the feed wrote it in."""
    templates = write(
        body_txt="{{ appointment.start | weekday }}, {{ appointment.start | date }}, {{ appointment.start | time }} {{ appointment.start | zone }}"
    )
    told = {**VALUES, "appointment.start": When(START, "UTC", Precision.MINUTE)}
    assert render(templates, values=told).text == "Tuesday, March 3, 2026, 2:30 PM EST\n"


def test_a_patient_reads_in_their_own_language_when_the_template_has_it(write: Write) -> None:
    """A folder per language; a regional tag finds its language; dates and the opt-out follow."""
    templates = write({"es/subject.txt": "Su cita", "es/body.txt": "{{ appointment.start | date }}. {{ opt_out }}"})
    rendered = render(templates, language="es-MX")
    assert rendered.subject == "Su cita"
    assert rendered.text.startswith("3 de marzo de 2026. Para dejar de recibir")
    assert rendered.language == "es-MX"
    assert rendered.html is None


def test_a_region_nobody_knows_reads_as_its_language(write: Write) -> None:
    """CLDR lacks the region; the language's own forms serve."""
    rendered = render(write(body_txt="{{ appointment.start | date }}"), language="en-ZZ")
    assert rendered.text == "March 3, 2026\n"


def test_a_zone_without_a_short_name_is_named_in_full(write: Write) -> None:
    """No patient reads "-0500"."""
    templates = write({"es/subject.txt": "Su cita", "es/body.txt": "{{ appointment.start | zone }}"})
    assert render(templates, language="es").text == "hora estándar oriental\n"


def test_a_template_nested_beyond_reason_is_refused(write: Write) -> None:
    """Depth is bounded like everything else."""
    with pytest.raises(RenderError, match="visit: cannot be compiled"):
        render(write(body_txt="{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}"))


def test_a_language_without_a_translation_gets_the_default_wholly(write: Write) -> None:
    """No half-translated letter: text, dates and the language tag are all the default's."""
    templates = write(body_txt="{{ language }} {{ direction }} {{ appointment.start | date }}")
    rendered = render(templates, language="ar")
    assert rendered.text == "en ltr March 3, 2026\n"
    assert rendered.language == "en"


def test_a_visit_without_a_time_never_shows_a_clock(write: Write) -> None:
    """T-07: a date alone is printed as a date; asking for its time fails."""
    day = {**VALUES, "appointment.start": When(START, "Asia/Tokyo", Precision.DAY)}
    assert render(write(body_txt="{{ appointment.start | date }}"), values=day).text == "March 4, 2026\n"
    with pytest.raises(RenderError, match="no time of day"):
        render(write(body_txt="{{ appointment.start | time }}"), values=day)


@pytest.mark.parametrize(("precision", "shown"), [(Precision.MONTH, "March 2026\n"), (Precision.YEAR, "2026\n")])
def test_no_more_of_a_date_is_shown_than_was_told(write: Write, precision: Precision, shown: str) -> None:
    """T-01: a month is not its first day."""
    told = {**VALUES, "appointment.start": When(START, "UTC", precision)}
    assert render(write(body_txt="{{ appointment.start | date }}"), values=told).text == shown
    with pytest.raises(RenderError, match="no day"):
        render(write(body_txt="{{ appointment.start | weekday }}"), values=told)


def test_a_calendar_date_can_be_printed(write: Write) -> None:
    """Date facts take the date filter in all its lengths and no other."""
    templates = write(body_txt="{{ patient.family_name | date('full') }} {{ patient.family_name | weekday }}")
    values = {**VALUES, "patient.family_name": date(2026, 3, 3)}
    assert render(templates, values=values).text == "Tuesday, March 3, 2026 Tuesday\n"


def test_the_place_has_a_name_and_a_number_to_call(write: Write) -> None:
    """`appointment.location` is the configured location; in HTML its name is escaped."""
    line = "{{ appointment.location.name }} {{ location.callback }} {{ organization.name }}"
    rendered = render(write(body_txt=line, body_html=line))
    assert rendered.text == "East <Wing> & Garden 212-555-0111 Lakeside Health\n"
    assert rendered.html == "East &lt;Wing&gt; &amp; Garden 212-555-0111 Lakeside Health\n"


def test_another_place_than_the_visits_is_not_shown(write: Write) -> None:
    """A location that is not the fact's is as good as none (law 6)."""
    with pytest.raises(RenderError, match="not known"):
        render(write(body_txt="{{ location.name }}"), values={**VALUES, "appointment.location": "west"})


@pytest.mark.parametrize(
    "name", ["patient.family_name", "appointment.start", "location.name", "appointment.location.name"]
)
def test_what_the_rule_does_not_reveal_is_not_in_scope(write: Write, name: str) -> None:
    """Law 3: not by name, not behind `is defined`, not behind `default`."""
    for text in ("{{ %s }}", "{%% if %s is defined %%}x{%% endif %%}y", "{{ %s | default('') }}y"):
        templates = write(body_txt=text % name)
        with pytest.raises(RenderError, match="does not reveal") as refused:
            render(templates, reveals=("patient.given_name",))
        assert name in str(refused.value)
        assert templates.unrevealed("visit", ("patient.given_name",)) == (name,)


def test_a_revealed_fact_nobody_knows_stops_the_message(write: Write) -> None:
    """PH-07: a placeholder without a value is no message; a template may provide for it."""
    with pytest.raises(RenderError, match=r"not known: patient\.family_name"):
        render(write(body_txt="Dear {{ patient.family_name }}"))
    assert render(write(body_txt="Dear {{ patient.family_name | default('patient') }}")).text == "Dear patient\n"


def test_an_unmapped_code_is_never_printed(write: Write) -> None:
    """Law 6: nobody knows what it would say."""
    with pytest.raises(RenderError, match="unmapped"):
        render(write(), values={**VALUES, "patient.given_name": UNMAPPED})


@pytest.mark.parametrize(
    "text",
    [
        "{% for c in patient.given_name %}{{ c }}{% endfor %}",
        "{{ patient.given_name * 1000000 }}",
        "{{ 'a' ** 9 }}",
        "{{ patient.given_name.upper() }}",
        "{{ patient['given_name'] }}",
        "{{ patient.given_name[0] }}",
        "{{ range(9) }}",
        "{% set x = patient %}{{ x.given_name }}",
        "{% macro m() %}{% endmacro %}",
        "{% import 'body.txt' as b %}",
        "{% autoescape false %}{% endautoescape %}",
        "{{ patient.given_name | safe }}",
        "{{ patient.given_name | replace('a', 'b') }}",
        "{{ ('%s' ~ patient.given_name) | format(1) }}",
        "{% include ['a.txt', 'b.txt'] %}",
        "{% include patient.given_name %}",
        "{% include '../other/body.txt' %}",
        "{% include '/etc/passwd' %}",
        "{% include 'body.html' %}",
        "{{ patient.given_name.__class__ }}",
        "{{ _zone }}",
        "{{ self }}",
        "{{ patient }}",
        "{{ unclosed",
        "{% if patient.given_name is string %}{% endif %}",
        "{{ appointment.start.utc }}",
        "{{ ('a' ~ 'b').x }}",
    ],
)
def test_a_template_may_do_nothing_but_print_and_choose(write: Write, text: str) -> None:
    """No loops, calls, arithmetic, assignments, foreign files or unescaping; the message names the place."""
    with pytest.raises(RenderError):
        render(write(body_txt=text, body_html="<p>x</p>"))


def test_a_value_needs_the_filter_that_says_how(write: Write) -> None:
    """An instant or a yes/no printed bare would be a programmer's word in a patient's letter."""
    for value in (True, When(START, "UTC", Precision.MINUTE), date(2026, 1, 1)):
        with pytest.raises(RenderError, match="without a filter"):
            render(write(body_txt="{{ patient.family_name }}"), values={**VALUES, "patient.family_name": value})
    with pytest.raises(RenderError):
        render(write(body_txt="{{ appointment.location }}"))


@pytest.mark.parametrize(
    "filtered", ["given_name | date", "given_name | time", "given_name | weekday", "given_name | zone"]
)
def test_a_name_is_not_a_date(write: Write, filtered: str) -> None:
    """Filters refuse what they cannot show, without quoting it."""
    with pytest.raises(RenderError) as refused:
        render(write(body_txt="{{ patient." + filtered + " }}"))
    assert "Marisol" not in str(refused.value)


def test_a_date_has_four_lengths(write: Write) -> None:
    """Any other pattern is refused: a pattern could print what was not told."""
    with pytest.raises(RenderError, match="short, medium, long or full"):
        render(write(body_txt="{{ appointment.start | date('yyyy hh:mm') }}"))


def test_files_may_share_parts_but_not_run_in_circles(write: Write) -> None:
    """Includes stay in the folder, keep their kind, and are counted."""
    templates = write({"footer.txt": "{{ organization.callback }}"}, body_txt="Hello {% include 'footer.txt' %}")
    assert render(templates).text == "Hello 312-555-0100\n"
    with pytest.raises(RenderError, match="itself"):
        render(write({"footer.txt": "{% include 'footer.txt' %}"}, body_txt="{% include 'footer.txt' %}"))


def test_a_text_that_outgrows_its_bound_is_not_sent(write: Write) -> None:
    """A bounded output, however it came about."""
    templates = write({"big.txt": "x" * 60_000}, body_txt="{% include 'big.txt' %}{% include 'big.txt' %}")
    with pytest.raises(RenderError, match="longer than"):
        render(templates)


@pytest.mark.parametrize("subject", ["", " \n ", "two\nlines", "bell\x07", "x" * 151])
def test_a_subject_is_one_line(write: Write, subject: str) -> None:
    """EM-14: header safety begins here."""
    with pytest.raises(RenderError, match="subject"):
        render(write(subject_txt=subject))


def test_an_empty_body_is_no_message(write: Write) -> None:
    """PH-07."""
    with pytest.raises(RenderError, match="empty"):
        render(write(body_txt="\n{% if patient.family_name is defined %}x{% endif %}\n"))


@pytest.mark.parametrize("name", ["x" * 201, "Win a prize https://bad.example"])
def test_a_name_that_is_no_name_is_not_printed(write: Write, name: str) -> None:
    """A registration form is no way to have us mail links."""
    with pytest.raises(RenderError) as refused:
        render(write(body_txt="{{ patient.given_name }}"), values={**VALUES, "patient.given_name": name})
    assert name not in str(refused.value)


def test_a_missing_part_or_template_is_named(write: Write, tmp_path: Path) -> None:
    """The analyst reads which file is missing."""
    with pytest.raises(RenderError, match=r"visit/es: subject\.txt is missing"):
        render(write({"es/body.txt": "Hola"}), language="es")
    with pytest.raises(RenderError, match="no template other"):
        Templates(tmp_path / "templates").digest("other")
    assert Templates(tmp_path / "nowhere").names == ()


def test_a_broken_template_is_named_with_its_line(write: Write) -> None:
    """file:line, as everywhere."""
    with pytest.raises(RenderError, match=r"visit: body\.txt:2: "):
        render(write(body_txt="ok\n{{ broken"))


def test_the_digest_changes_with_any_file_and_the_old_text_stays_in_force(write: Write, tmp_path: Path) -> None:
    """Law 3: a clearance names the template's digest; an edit counts only once it is activated."""
    templates = write(body_txt="one")
    before = templates.digest("visit")
    edited = write({"es/subject.txt": "s", "es/body.txt": "b"}, body_txt="one")
    assert edited.digest("visit") != before
    write(body_txt="two")
    assert render(templates).text == "one\n"
    assert templates.digest("visit") == before


def test_the_digest_of_what_was_rendered_is_the_ports_own(write: Write) -> None:
    """The channel verifies the same bytes (law 3); a repr shows none of them."""
    rendered = render(write(body_txt="{{ patient.given_name }}", body_html="<p>{{ patient.given_name }}</p>"))
    assert rendered.digest == content_digest(rendered.subject, rendered.text, rendered.html)
    assert "Marisol" not in repr(rendered)


def test_files_that_cannot_be_templates_are_all_named(tmp_path: Path) -> None:
    """One start shows every problem."""
    folder = tmp_path / "templates"
    for name, raw in {
        "visit/body.txt": b"\xff",
        "visit/run.sh": b"x",
        "visit/Deutsch/body.txt": b"x",
        "BIG/a.txt": b"",
        "visit/big.txt": b"x" * 70_000,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    (tmp_path / "secret.txt").write_text("x")
    (folder / "visit" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "visit" / ".hidden").write_text("x")
    with pytest.raises(ConfigError) as refused:
        Templates(folder)
    assert len(refused.value.problems) == 6


def test_every_shipped_template_compiles() -> None:
    """What ships renders: no shipped file uses what the language of templates lacks."""
    templates = Templates(shipped("rules") / "templates")
    assert templates.names
    for name in templates.names:
        assert templates.uses(name)


_HTML = '<p title="{{ patient.given_name }}">{{ patient.given_name }}</p>'


@settings(deadline=None, max_examples=150)
@given(name=st.text(max_size=80))
def test_any_name_at_all_stays_a_name(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """EM-14: whatever a feed calls a patient, the subject is one line and the HTML has our tags and no others."""
    folder = tmp_path_factory.mktemp("templates")
    (folder / "visit").mkdir()
    for file, text in {"subject.txt": "Hi {{ patient.given_name }}!", "body.txt": "x", "body.html": _HTML}.items():
        (folder / "visit" / file).write_text(text)
    try:
        rendered = render(Templates(folder), values={**VALUES, "patient.given_name": name})
    except RenderError:
        return
    assert len(rendered.subject.splitlines()) == 1
    assert rendered.subject.isprintable() or not rendered.subject.isascii()
    assert rendered.html is not None
    assert rendered.html.count("<") == 2
    assert rendered.html.count('"') == 2


def test_the_location_of_the_patient_is_not_needed_for_a_message_without_one(write: Write) -> None:
    """A rule that reveals no place renders without a location."""
    assert render(write(), location=None, reveals=REVEALS[:1]).text == "Hello\n"
    assert LOCATION.callback == "212-555-0111"
