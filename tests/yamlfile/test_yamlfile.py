"""Files are read as they are written, and what is wrong with them is said with file, line and column."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pydantic
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway import yamlfile
from gateway.model.errors import ConfigError
from gateway.yamlfile import nodes


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Send(pydantic.BaseModel):
    channels: list[Literal["sms", "email"]] = []
    n: int = pydantic.Field(default=1, ge=1, le=9)
    start: str | None = pydantic.Field(default=None, alias="from")


class Loose(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    name: str = ""


class Both(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(populate_by_name=True)

    start: str = pydantic.Field(default="", alias="from")


Letter = Literal[
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu"
]  # fmt: skip


class File(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    name: Annotated[str, pydantic.Field(min_length=1)] = "x"
    send: Send | None = None
    where: dict[str, Send | str] = {}
    by_colour: dict[Colour, int] = {}
    flag: bool = False
    ratio: float = 0.5
    colour: Colour | None = None
    items: Sequence[Send] = ()
    plain: dict = {}  # type: ignore[type-arg]
    loose: Optional[Loose] = None  # noqa: UP045
    both: Both | None = None
    anything: Any = None
    letter: Letter = "alpha"
    secret: Annotated[pydantic.SecretStr, pydantic.Field(min_length=8)] = pydantic.SecretStr("x" * 8)
    word: Annotated[str, pydantic.Field(pattern="^[a-z]+$")] = "a"

    @pydantic.field_validator("name")
    @classmethod
    def _not_bad(cls, value: str) -> str:
        if value == "bad":
            raise ValueError("must be better than that")
        return value


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        yamlfile.validate_text(File, text, "f.yaml")
    assert caught.value.__cause__ is None
    return caught.value.problems


def test_every_scalar_stays_as_it_is_written() -> None:
    """19:00 is no number of minutes and NO is not false until a schema says so."""
    root = yamlfile.load_text("a: 19:00\nb: NO\nc: 007\nd: 2026-03-01\ne:\nf: ''\ng: null\nh: [1, ~]", "f.yaml")
    assert root.plain() == {
        "a": "19:00",
        "b": "NO",
        "c": "007",
        "d": "2026-03-01",
        "e": None,
        "f": "",
        "g": "null",
        "h": ["1", "~"],
    }


def test_a_node_knows_where_it_stands() -> None:
    """Places are 1-based lines and columns, of keys and of values."""
    root = yamlfile.load_text("a:\n  - x\n  - b: 1\n", "f.yaml")
    found = root.get("a", 1, "b")
    assert found is not None
    assert (found.place, found.value) == ("f.yaml:3:8", "1")
    inner = root.get("a", 1)
    assert inner is not None
    assert inner.key_place("b") == "f.yaml:3:5"
    assert root.at("a", 1, "nowhere", "b") == (3, 8)
    assert root.get("a", 7) is None
    assert root.get("a", "b") is None
    assert root.get("a", 0, "b", "c") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\n", "2:1: `a` stands here twice; the first is on line 1"),
        ("a: !!int 5\n", "1:4: tags (`!` …) are not allowed; every value is read as text"),
        ("!x a: 5\n", "1:1: tags (`!` …) are not allowed; every value is read as text"),
        ("<<: {a: 1}\n", "1:1: merge keys"),
        ("? [a]\n: b\n", "1:3: a key must be a plain word"),
        ("'': b\n", "1:1: a key must be a plain word"),
        ("a: 1\n---\nb: 2\n", "2:1: only one document"),
        ("a: *x\n", "1:4: alias `*x` has no anchor before it"),
        ("a: &x [*x]\n", "1:8: alias `*x` stands inside its own anchor"),
        ("a: b: c\n", "1:5: a `:` is not allowed here"),
        ("a: 'x\n", "a quote is opened and never closed"),
        ("a: [b\n", "a `[` or `{` is opened and not closed"),
        ("a:\n  b: 1\n\tc: 2\n", "3:1: a tab stands here: indent with spaces"),
        ("a: @x\n", "a value cannot begin with this character"),
        ("a: 1\n b: 2\n", "a `:` is not allowed here"),
        ("a:\n  - b\n c: d\n", "the indentation does not fit"),
        ('a: "\\q"\n', "a backslash in double quotes"),
        ("a: \x07\n", "1:1: holds a control character"),
        ("%FOO\n%%%\n", "this is not valid YAML"),
        ("[" * 50, "1:42: is nested deeper than 40 levels"),
        ("x" * (yamlfile.MAX_BYTES + 1), "1:1: is larger than"),
        (f"{'k' * 60}: 1\n{'k' * 60}: 2\n", "k…` stands here twice"),
    ],
)
def test_what_yaml_would_guess_at_or_choke_on_is_refused_in_words(text: str, expected: str) -> None:
    """Own sentences only: the parser's may quote the file."""
    with pytest.raises(ConfigError) as caught:
        yamlfile.load_text(text, "f.yaml")
    assert expected in str(caught.value)
    assert str(caught.value).startswith("f.yaml:")


def test_aliases_are_allowed_and_bounded() -> None:
    """An alias repeats a value; a billion laughs ends at MAX_NODES."""
    assert yamlfile.load_text("a: &x [1, 2]\nb: *x\n", "f").plain() == {"a": ["1", "2"], "b": ["1", "2"]}
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    with pytest.raises(ConfigError, match="aliases counted each time"):
        yamlfile.load_text(laughs, "f.yaml")


def test_the_pure_python_parser_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where libyaml is missing nothing changes but speed."""
    text = "a: &x [1, '']\nb: *x\nc: |\n  NO\n"
    fast = yamlfile.load_text(text, "f")
    monkeypatch.setattr(nodes, "_LOADER", yaml.BaseLoader)
    assert yamlfile.load_text(text, "f") == fast


@given(st.text(max_size=200))
def test_no_text_gets_through_as_another_error(text: str) -> None:
    """Whatever is in a file, it is read or refused as a ConfigError."""
    with contextlib.suppress(ConfigError):
        yamlfile.load_text(text, "f.yaml").plain()


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    """Missing, a folder, not UTF-8: one sentence each."""
    with pytest.raises(ConfigError, match="there is no such file"):
        yamlfile.load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        yamlfile.load(tmp_path)
    (tmp_path / "bad.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ConfigError, match=r"bad\.yaml:2:4: is not UTF-8 text: save the file as UTF-8"):
        yamlfile.load(tmp_path / "bad.yaml")
    (tmp_path / "wide.yaml").write_bytes("a: 1\n".encode("utf-16"))
    with pytest.raises(ConfigError, match=r"wide\.yaml:1:1: is UTF-16 text: save the file as UTF-8"):
        yamlfile.load(tmp_path / "wide.yaml")


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    """Windows editors write one."""
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: y\n")
    assert yamlfile.validate(File, path).name == "y"


def test_a_good_file_becomes_its_model() -> None:
    """Texts are typed by the schema, not by YAML."""
    text = (
        "name: NO\nsend: {channels: [sms], n: 5, from: '1'}\nwhere: {a: b, c: {n: 2}}\nby_colour: {red: 3}\nflag: yes\n"
        "items: [{n: 2}]\nplain: {x: 1}\nloose: {name: a, other: b}\nboth: {start: a}\nanything: {p: {q: r}}\n"
    )
    file = yamlfile.validate_text(File, text, "f.yaml")
    assert (file.name, file.flag, file.by_colour) == ("NO", True, {Colour.RED: 3})
    assert isinstance(file.where, Mapping)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "f.yaml:1:1: the file is empty"),
        ("- a\n", "f.yaml:1:1: the file must have keys of its own"),
        ("nmae: x\n", "f.yaml:1:1: unknown key `nmae`; did you mean `name`?"),
        ("send: {chanels: [sms]}\n", "f.yaml:1:8: unknown key `chanels`; did you mean `channels`?"),
        ("send: {start: x}\n", "f.yaml:1:8: unknown key `start`; known here: "),
        ("items: [{chanels: [sms]}]\n", "f.yaml:1:10: unknown key `chanels`; did you mean `channels`?"),
        ("where: {a: {zzz: 1}}\n", "f.yaml:1:13: unknown key `zzz`"),
        (f"{'z' * 50}: 1\n", "unknown key `" + "z" * 40 + "…`"),
        ("send: {n: five}\n", "f.yaml:1:11: `send.n` must be a whole number"),
        ("send: {n: 0}\n", "f.yaml:1:11: `send.n` must be at least 1"),
        ("send: {n: 10}\n", "f.yaml:1:11: `send.n` must be at most 9"),
        ("send: {n: }\n", "`send.n` is empty"),
        ("send: {channels: sms}\n", "`send.channels` must be a list"),
        ("items: [{n: 1}, {n: x}]\n", "f.yaml:1:21: `items[2].n` must be a whole number"),
        ("send: {channels: [emial]}\n", "`send.channels[1]` must be 'sms' or 'email'; did you mean `email`?"),
        ("colour: rde\n", "`colour` must be 'red' or 'blue'; did you mean `red`?"),
        ("colour: 17\n", "`colour` must be 'red' or 'blue'"),
        ("colour: []\n", "`colour` must be 'red' or 'blue'"),
        ("by_colour: {rad: 1}\n", "f.yaml:1:13: `by_colour.rad` must be 'red' or 'blue'"),
        ("by_colour: {reds: 1}\n", "`by_colour.reds` must be 'red' or 'blue'; did you mean `red`?"),
        ("letter: alfa\n", "`letter` must be one of the known words; did you mean `alpha`?"),
        ("letter: q\n", "`letter` must be 'alpha', 'beta'"),
        ("secret: short\n", "`secret` must have at least this many characters: 8"),
        ("flag: maybe\n", "`flag` must be yes or no"),
        ("ratio: half\n", "`ratio` must be a number"),
        ("name: bad\n", "`name` must be better than that"),
        ("name: ''\n", "`name` must have at least this many characters: 1"),
        ("word: X1\n", "`word` is not of the expected form"),
    ],
)
def test_a_mistake_gets_one_sentence_at_its_place(text: str, expected: str) -> None:
    """Never pydantic's words, never the value."""
    assert any(expected in problem for problem in problems(text)), problems(text)


class Needs(pydantic.BaseModel):
    inner: dict[str, Send | Loose | str] = {}
    must: str
    either: Send | int = 3
    when: pydantic.AwareDatetime | None = None


def test_a_missing_key_is_named_with_its_path_at_its_owner() -> None:
    """The place is that of the mapping that lacks it."""
    with pytest.raises(ConfigError) as caught:
        yamlfile.validate_text(Needs, "inner: {}\n", "f.yaml")
    assert caught.value.problems == ("f.yaml:1:1: `must` is missing",)


def test_of_a_union_only_the_member_that_came_furthest_speaks() -> None:
    """`must be text` would be noise beside the real mistake."""
    with pytest.raises(ConfigError) as caught:
        yamlfile.validate_text(Needs, "must: a\neither: {n: x}\n", "f.yaml")
    assert caught.value.problems == ("f.yaml:2:13: `either.n` must be a whole number",)


def test_a_kind_of_error_nobody_thought_of_still_gets_a_sentence() -> None:
    """Without pydantic's text, which would quote the value."""
    with pytest.raises(ConfigError) as caught:
        yamlfile.validate_text(Needs, "must: a\nwhen: 2026-01-01T10:00\n", "f.yaml")
    assert caught.value.problems == ("f.yaml:2:7: `when` is not acceptable here",)


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    """An analyst mends a file in one go."""
    found = problems("flag: maybe\nsend: {n: x, chanels: []}\nflog: 1\n")
    assert [problem.split(":")[1] for problem in found] == ["1", "2", "2", "3"]


def test_an_unknown_key_behind_a_validator_is_an_error_all_the_same(tmp_path):
    """What the walk over annotations cannot see, pydantic's own refusal still tells."""

    class Inner(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="forbid")
        name: str

    class Outer(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="forbid")
        items: Annotated[tuple[Inner, ...], pydantic.BeforeValidator(lambda told: [told])]

    path = tmp_path / "x.yaml"
    path.write_text("items:\n  name: a\n  nmae: b\n")
    with pytest.raises(ConfigError) as raised:
        yamlfile.validate(Outer, path)
    assert "x.yaml:" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "depth", "left"),
    [
        ("name: x\nflag: maybe\nword: b", 1, {"name", "word"}),
        ("where: {a: {n: 77}, b: {n: 2}}", 2, {"where"}),
        ("nmae: x\nword: b", 1, {"word"}),
        ("by_colour: {red: 1, green: 2}", 2, {"by_colour"}),
        ("where: {a: {n: 77, channels: [fax]}, b: {n: 2}}", 3, {"where"}),
    ],
)
def test_what_is_right_of_a_file_can_be_looked_at(text: str, depth: int, left: set[str]) -> None:
    """Each entry with a mistake is left out, and nothing else."""
    found = yamlfile.salvaged(File, yamlfile.load_text(text, "f.yaml"), depth=depth)
    assert found is not None
    assert found.model_fields_set == left
    if "where" in left:
        assert {"b"} <= set(found.where) <= ({"b"} if depth == 2 else {"a", "b"})
    if "by_colour" in left:
        assert found.by_colour == {Colour.RED: 1}


@pytest.mark.parametrize("text", ["- a", "word", "tests: 1"])
def test_a_file_that_is_something_else_has_nothing_right_in_it(text: str) -> None:
    """A list, a word, or what lacks what it must have."""

    class Needing(File):
        tests: list[str]
        mapping: str

    assert yamlfile.salvaged(Needing, yamlfile.load_text(text, "f.yaml"), depth=2) is None
