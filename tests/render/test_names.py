"""A feed that shouts does not make us shout at a patient."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from render_parts import VALUES, Write, render

from gateway.model.errors import RenderError
from gateway.render.names import cased


@pytest.mark.parametrize(
    ("told", "written"),
    [
        ("JANE", "Jane"),
        ("(ANN)", "(Ann)"),
        ("MARY ANN", "Mary Ann"),
        ("JEAN-LUC", "Jean-Luc"),
        ("McDONALD", "McDonald"),
        ("MCDONALD", "McDonald"),
        ("O'NEIL", "O'Neil"),
        ("O\u2019NEIL", "O\u2019Neil"),
        ("D'ANGELO", "D'Angelo"),
        ("SA'ID", "Sa'id"),
        ("DE LA CRUZ", "de la Cruz"),
        ("MARIA DEL CARMEN", "Maria del Carmen"),
        ("LA TOYA", "La Toya"),
        ("VAN GOGH", "Van Gogh"),
        ("VAN", "Van"),
        ("ÉLODIE", "Élodie"),
        ("İPEK", "İpek"),
        ("HENRY III", "Henry III"),
        ("SMITH JR", "Smith Jr"),
        ("JP", "JP"),
        ("JO", "Jo"),
        ("J.P.", "J.P."),
        ("MARIA-DE LUZ", "Maria-De Luz"),
    ],
)
def test_a_shouted_name_is_written_as_its_bearer_would(told: str, written: str) -> None:
    """PI-04: particles, elisions, Mc, hyphens, initials and numbers of kings."""
    assert cased(told) == written


@pytest.mark.parametrize(
    "name",
    ["de la Cruz", "MacDonald", "jane", "bell hooks", "王秀英", "ИВАН", "ΜΑΡΙΑ", "محمد", "McDonald", "", "3", "LeBron"],
)
def test_any_other_name_is_left_as_it_was_told(name: str) -> None:
    """Whoever wrote it in mixed letters, or in letters that are not Latin, knew better."""
    assert cased(name) == name


def test_a_turkish_reader_sees_turkish_letters() -> None:
    """I is lowered to the dotless ı where the reader's language does so."""
    assert cased("IŞIK", turkic=True) == "Işık"
    assert cased("TANSU ILICA", turkic=True) == "Tansu Ilıca"


@given(st.text(max_size=40))
def test_no_letter_of_a_name_is_lost(name: str) -> None:
    """Only capitals become small; done twice is done once."""
    assert cased(name).casefold().replace("\u0307", "") == name.casefold().replace("\u0307", "")
    assert cased(cased(name)) == cased(name)


def test_a_template_writes_the_name(write: Write) -> None:
    """As a filter, in text and HTML; what is not known or not text is refused without quoting it."""
    line = "{{ patient.given_name | name }}"
    told = {**VALUES, "patient.given_name": "D'ANGELO <X>"}
    rendered = render(write(body_txt=line, body_html=line), values=told)
    assert rendered.text == "D'Angelo <X>\n"
    assert rendered.html == "D&#39;Angelo &lt;X&gt;\n"
    with pytest.raises(RenderError, match=r"not known: patient\.family_name$"):
        render(write(body_txt="{{ patient.family_name | name }}"))
    with pytest.raises(RenderError, match="not text"):
        render(write(body_txt="{{ appointment.start | name }}"))
