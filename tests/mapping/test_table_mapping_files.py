"""A wrong mapping of a table is one sentence with its place, before the first row is read."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from gateway.mapping.pack import load_pack
from gateway.mapping.tables.family import shape_of
from gateway.mapping.tables.kinds import CONTACT, ENDS, TOLD
from gateway.mapping.tables.schema import RowEvent
from gateway.model.errors import ConfigError
from gateway.model.event import OccurrenceKind
from gateway.model.facts import VOCABULARY, FactType
from gateway.packs import shipped

RIGHT = {
    "columns": "{id: text, mail: text, at: datetime, word: text, yes: yesno, price: decimal}",
    "key": "[id]",
    "identity": "[{column: id}]",
    "event": "audience.entered",
}


def laid(tmp_path: Path, **changes: str | None) -> Path:
    """A site's folder with one mapping, right but for the changes."""
    told = {name: text for name, text in {**RIGHT, **changes}.items() if text is not None}
    (tmp_path / "tables").mkdir()
    text = "mapping: ours\n" + "".join(f"{name}: {text}\n" for name, text in told.items())
    (tmp_path / "tables" / "ours.yaml").write_text(text, "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"columns": None}, "1:1: mapping `ours` names no `columns`, and nothing below it does"),
        ({"columns": "{id: txt}"}, "2:15: `columns.id` must be 'text', 'integer'"),
        ({"key": "[]"}, "3:1: `key` must name the columns that tell one row from another"),
        ({"key": None}, "1:1: `key` must name the columns"),
        ({"key": "[idd]"}, "3:1: there is no column `idd` under `columns`; did you mean `id`?"),
        ({"at": "id"}, "6:1: column `id` holds text, and here a time is meant"),
        ({"occurred": "word"}, "6:1: column `word` holds text, and here a time is meant"),
        ({"zone": "Mars"}, "6:1: there is no time zone `Mars`"),
        ({"identity": None}, "1:1: `identity` must say who a row is about: an e-mail address or a telephone number"),
        (
            {"identity": "[{column: mail}]", "contact": "{email: mail}"},
            "4:1: column `mail` is a `contact` too: an e-mail",
        ),
        ({"identity": "[{column: id, type: ss}]"}, "4:1: a number of type ss identifies nobody"),
        ({"identity": "[{column: price}]"}, "4:1: column `price` holds decimal, and here a number of the person's"),
        ({"identity": "[{column: id, typ: MR}]"}, "4:25: unknown key `typ`; did you mean `type`?"),
        ({"event": None}, "1:1: `event` must say what a row tells"),
        ({"event": "appointment.booked"}, "5:8: `event` must be 'audience.entered'"),
        (
            {"event": "{column: yes, codes: {maybe: audience.left}}"},
            "5:1: column `yes` is `true` or `false`, never `maybe`",
        ),
        (
            {"event": "{column: word, codes: {a: audience.left, b: offer.available}}"},
            "5:1: the events of one table must",
        ),
        ({"event": "{column: word, codes: {a: nothing}}"}, "5:1: no word means an event"),
        (
            {"event": "{column: at, codes: {a: audience.left}}"},
            "5:1: column `at` holds datetime, and here a word is meant",
        ),
        ({"event": "patient.updated"}, "5:1: a table that tells no event must tell a `contact`"),
        ({"gone": "{column: price, values: [1]}"}, "6:1: column `price` holds decimal, and here a word is meant"),
        ({"contact": "{email: at}"}, "6:11: column `at` holds datetime, and here an address or a number is meant"),
        ({"facts": "{audience.nam: id}"}, "6:9: there is no fact `audience.nam`; did you mean `audience.name`"),
        ({"facts": "{offer.product: id}"}, "6:9: `offer.product` is not a fact about a Group"),
        ({"facts": "{audience.status: id}"}, "6:9: the status of a Group is told by its `event`"),
        ({"facts": "{audience.name: id}"}, "6:9: a code needs a code table (`codes`)"),
        ({"facts": "{audience.entered: {column: at, codes: audience}}"}, "6:9: a datetime takes no code table"),
        ({"facts": "{audience.entered: word}"}, "6:9: column `word` holds text, and here a datetime is meant"),
        (
            {"facts": "{audience.name: {column: id, word: hearing, codes: audience}}"},
            "6:9: a fact takes either a `column`",
        ),
        ({"facts": "{audience.name: {codes: audience}}"}, "6:9: a fact takes either a `column` or a `word`"),
        (
            {"facts": "{audience.name: {column: id, codes: audienc}}"},
            "6:9: there is no code table `audienc`; did you mean",
        ),
        (
            {"facts": "{audience.name: {word: hearin, codes: audience}}"},
            "6:9: `hearin` is not among the `words` of table",
        ),
        (
            {"event": "patient.updated", "contact": "{email: mail}", "facts": "{audience.name: id}"},
            "`audience.name` is not a fact about a Patient",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, changes: dict[str, str | None], sentence: str) -> None:
    """SN-02: types are checked at the start, and nobody learns of it from the thousandth row."""
    with pytest.raises(ConfigError) as wrong:
        load_pack([shipped("mappings"), laid(tmp_path, **changes)])
    assert any(sentence in problem for problem in wrong.value.problems), wrong.value.problems
    assert all("ours.yaml:" in problem for problem in wrong.value.problems)


def test_a_mistake_is_told_once(tmp_path: Path) -> None:
    """What could not be understood is not called missing as well."""
    with pytest.raises(ConfigError) as wrong:
        load_pack([shipped("mappings"), laid(tmp_path, identity="[{colum: id}]", event="audience.enterd")])
    assert [problem.partition("ours.yaml:")[2].partition(" ")[0] for problem in wrong.value.problems] == [
        "4:13:",
        "5:8:",
    ]


def test_an_overlay_changes_what_it_names_for_its_source_alone(tmp_path: Path) -> None:
    """X-08: a column more, a fact less, another authority; everything else stays as it is shipped."""
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "ours.yaml").write_text(
        "mapping: product-offers\nsources: [shop]\ncolumns: {crm_id: integer}\n"
        "identity: [{column: crm_id, authority: CRM}]\nfacts: {offer.campaign: }\n",
        "utf-8",
    )
    pack = load_pack([shipped("mappings"), tmp_path])
    theirs, ours = pack.rows["product-offers"], pack.of("shop").rows["product-offers"]
    assert [one.authority for one in ours.identity] == ["CRM"]
    assert "offer.campaign" in theirs.facts
    assert "offer.campaign" not in ours.facts
    assert ours.columns.keys() - theirs.columns.keys() == {"crm_id"}
    assert ours.key == theirs.key


def test_the_source_is_told_what_to_read() -> None:
    """SN-02, SN-38: the columns by name and type, the key, the time and the mark of deletion; nothing else is asked for."""
    shape = shape_of(load_pack([shipped("mappings")]).rows["product-offers"])
    assert shape.columns["starts_on"] == "date"
    assert (shape.key, shape.at) == (("offer_id",), "updated_at")
    assert shape.gone == ("is_deleted", frozenset({"true"}))
    assert shape_of(load_pack([shipped("mappings")]).rows["segment-audience"]).gone is None


def test_a_rule_may_count_on_the_end_of_whatever_a_row_told() -> None:
    """A row may go without a word: every kind has an end, and the mappings say that they may tell it."""
    pack = load_pack([shipped("mappings")])
    assert pack.kinds() >= {kind.value for kind in ENDS.values()}
    assert set(get_args(RowEvent)) == {*TOLD, CONTACT}
    assert {told.about for told in TOLD.values()} == set(ENDS)
    prefixes = {OccurrenceKind(about).prefix for about in ENDS}
    of_rows = {fact.type for fact in VOCABULARY.values() if fact.name.partition(".")[0] in prefixes}
    assert of_rows == {FactType.CODE, FactType.DATETIME}
