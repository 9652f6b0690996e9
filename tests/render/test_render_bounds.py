"""What a template cannot be made to cost, and where in HTML a value may stand."""

from __future__ import annotations

from functools import partial

import pytest
from render_parts import VALUES, Write, render

from gateway.model.errors import RenderError
from gateway.render import Templates
from tests.effort import calls

RUNAWAYS = {
    "a number no computer counts to": "{{ " + "9" * 5000 + " }}",
    "conditions within conditions": "{% if opt_out %}" * 120 + "x" + "{% endif %}" * 120,
    "filters upon filters": "{{ opt_out" + "|upper" * 250 + " }}",
    "parentheses": "{{ " + "(" * 300 + "opt_out" + ")" * 300 + " }}",
    "a long denial": "{{ " + "not " * 3000 + "opt_out }}",
    "a long conjunction": "{{ " + " and ".join(["opt_out"] * 4000) + " }}",
    "many cases": "{% if opt_out %}" + "{% elif opt_out %}" * 3000 + "{% endif %}",
}


@pytest.mark.parametrize("source", RUNAWAYS.values(), ids=RUNAWAYS)
def test_a_template_that_cannot_be_compiled_is_named_like_any_other_mistake(write: Write, source: str) -> None:
    """PH-06: Jinja's compiler fails in many ways, and the analyst reads one of them."""
    with pytest.raises(RenderError, match=r"^template visit: "):
        render(write(body_txt=source))


def test_a_template_that_would_keep_a_sender_busy_for_minutes_is_refused_before_it_runs(write: Write) -> None:
    """A filter costs what it is given: long constants and long chains are counted, not waited for."""
    long = " ~ ".join(["opt_out"] * 2_000)
    for source, told in (
        ("{% if '" + "A" * 60_000 + "'" + "|name" * 20 + " == 'a' %}{% endif %}", "longer than 200 characters"),
        ("{% if (" + long + ")" + "|name" * 100 + " == 'a' %}{% endif %}", "more than 10000 expressions"),
    ):
        made = calls(partial(_refused, write(body_txt=source), told), most=2_000_000)
        assert not made["name_filter"]


def _refused(templates: Templates, told: str) -> None:
    with pytest.raises(RenderError, match=told):
        render(templates)


SAFE = (
    '<html lang="{{ language }}" dir="{{ direction }}">',
    "<p title='{{ patient.given_name }}' class=a>{{ patient.given_name }}</p>",
    "{% if opt_out %}<p>{{ opt_out }}</p>{% endif %}",
    '<a href="tel:{{ organization.callback }}">{{ organization.callback }}</a>',
    "<!doctype html><!-- > --><style>p{}</style>{{ opt_out }}<br/>{{ opt_out }} a < b {{ opt_out }}",
    '<a/title="{{ opt_out }}">{{ opt_out }}</a>',
)
UNSAFE = (
    "<p title={{ patient.given_name }}>x</p>",
    '<p title=a"{{ patient.given_name }}">x</p>',
    "<p {{ patient.given_name }}>x</p>",
    "<{{ patient.given_name }}>x",
    '<a href="{{ patient.given_name }}">x</a>',
    '<p style="color:{{ patient.given_name }}">x</p>',
    "<style>p { color: {{ patient.given_name }} }</style>x",
    "<sty{# x #}le>{{ patient.given_name }}</style>x",
    "<!-- {{ patient.given_name }} -->x",
    '<p class="a" {% if opt_out %}hidden{% endif %}>x</p>',
    "<script>if (1 < 2) '{{ patient.given_name }}'</script>x",
)


@pytest.mark.parametrize("source", SAFE)
def test_a_value_may_stand_in_running_text_and_in_quotes(write: Write, source: str) -> None:
    """Where escaping makes any name harmless."""
    assert render(write(body_html=source), values={**VALUES, "patient.given_name": "<b>"}).html is not None


@pytest.mark.parametrize("source", UNSAFE)
def test_a_value_never_stands_where_escaping_does_not_help(write: Write, source: str) -> None:
    """A patient called `x onmouseover=…` or `javascript:…` stays a patient with a name (EM-14)."""
    with pytest.raises(RenderError, match=r"^template visit: body\.html:1: a value stands"):
        render(write(body_html=source))


@pytest.mark.parametrize(
    "name", ["Win at http://a.example", "www.a.example", "a.example/win", "Ann evil.com", "bit.XYZ"]
)
def test_a_name_that_a_telephone_would_make_a_link_of_is_not_sent_on(write: Write, name: str) -> None:
    """Typed into a registration form to be mailed on by us: with a scheme or without one (SM-19)."""
    with pytest.raises(RenderError, match=r"patient\.given_name holds a link"):
        render(write(body_txt="{{ patient.given_name }}"), values={**VALUES, "patient.given_name": name})


@pytest.mark.parametrize("name", ["J. R. St.John", "O'Neil, M.D.", "Ana/Maria", "J.Link"])
def test_a_name_with_stops_is_a_name(write: Write, name: str) -> None:
    """Nobody is left out for how a clerk abbreviates."""
    assert render(write(body_txt="{{ patient.given_name }}"), values={**VALUES, "patient.given_name": name}).text
