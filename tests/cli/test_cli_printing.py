"""What commands print can be read by people and programs, and steers nobody's terminal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from gateway.cli import identifier
from gateway.cli.terminal import emit, moment, plain, printable, say, table
from gateway.model.errors import CommandError


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Thing:
    colour: Colour
    place: Path
    several: tuple[int, ...]
    names: frozenset[str]
    none: None = None


def test_a_dataclass_becomes_one_json_line(capsys):
    """Enums by value, paths as text, sets sorted."""
    emit(Thing(Colour.RED, Path("/a"), (1, 2), frozenset({"b", "a"})))
    assert json.loads(capsys.readouterr().out) == {
        "colour": "red", "place": "/a", "several": [1, 2], "names": ["a", "b"], "none": None,
    }  # fmt: skip


def test_bytes_are_not_for_printing():
    """They may be a message."""
    with pytest.raises(TypeError):
        plain({"body": b"MSH"})


def test_control_characters_are_shown_not_obeyed(capsys):
    """A feed could clear the screen, or worse."""
    say("name\x1b[2J\x07end")
    assert capsys.readouterr().out == "name\\x1b[2J\\x07end\n"
    assert printable("Ångström\n") == "Ångström\n"


def test_a_table_off_a_terminal_is_tab_separated(capsys):
    """So that cut and awk can be used."""
    table(("When", "What"), [("now", None), ("then", "a\tb")])
    assert capsys.readouterr().out == "when\twhat\nnow\t-\nthen\ta\\x09b\n"


def test_a_moment_is_told_in_utc():
    """To the second; never a guess for nothing."""
    assert moment(0) == "1970-01-01 00:00:00Z"
    assert moment(None) == "-"


def test_an_identifier_is_read_as_pid_3_writes_it():
    """PI-01: value, assigning authority, type."""
    found = identifier.parse("12345^^^LAKESIDE&1.2.3&ISO^MR\n")
    assert (found.system, found.type, found.value) == ("LAKESIDE", "MR", "12345")
    assert identifier.parse("7^^^urn:lakeside:old^\n").type == ""  # FHIR need not tell one


@pytest.mark.parametrize("line", ["", "12345", "12345^^^^MR", "^^^LAKESIDE^MR", "12345^^^LAKESIDE", "a^b^c^d^e^f"])
def test_half_an_identifier_is_refused_and_not_repeated(line):
    """Without authority and type it could be somebody else's."""
    with pytest.raises(CommandError) as caught:
        identifier.parse(line)
    assert "12345" not in str(caught.value).replace("12345^^^LAKESIDE^MR", "")
