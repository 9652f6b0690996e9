"""The standard's tables, asked of hl7apy in a process of its own: names, paths, and a process that may fail."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.analyst.hl7v2 import asking
from gateway.analyst.hl7v2.asking import Child, NoAnswer
from gateway.analyst.hl7v2.segments import structure_of
from gateway.analyst.hl7v2.standard import VERSIONS, Catalogue, Standard, cache_folder, nearest
from gateway.er7.paths import parse_path


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Version 2.5.1."""
    with Child() as child:
        return Standard(child, tmp_path_factory.mktemp("tables")).catalogue("2.5.1")


def test_fields_have_the_names_of_the_standard(catalogue: Catalogue) -> None:
    """What PID-3 is called, and that a set id names its segment."""
    assert catalogue.field("PID", 3) == ("Patient identifier list", "CX")
    assert catalogue.field("PID", 1) == ("Set ID - PID", "SI")
    assert catalogue.component("CX", 4) == ("Assigning authority", "HD")
    assert catalogue.component("ST", 1) == ("", "ST")
    assert catalogue.component("ST", 2) is None
    assert catalogue.field("PID", 99) is None
    assert catalogue.field("ZPI", 1) is None


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("PID-5.1", None),
        ("PID-3[MR].4.2", None),
        ("OBX-5.7", None),
        ("PV1-2.1", None),
        ("PID-99.1", "PID has 39 fields"),
        ("SCH-11.13", "SCH-11 is a TQ with 12 components"),
        ("PID-8.2", "PID-8 is an IS with no components"),
        ("PID-5.1.9", "PID-5.1 is an FN with 5 subcomponents"),
        ("PID-5.2.2", "PID-5.2 is an ST with no subcomponents"),
        ("PDI-3", "there is no segment PDI"),
    ],
)
def test_a_path_leads_somewhere_or_it_is_said_why_not(catalogue: Catalogue, path: str, wrong: str | None) -> None:
    """P-16, P-17: field, component and subcomponent, each by its data type."""
    assert catalogue.wrong(parse_path(path)) == wrong


def test_of_an_old_composite_type_nothing_is_called_wrong(tmp_path: Path) -> None:
    """hl7apy does not know the parts of a CM of version 2.1: what it cannot tell is not an error."""
    with Child() as child:
        old = Standard(child, tmp_path).catalogue("2.1")
    types = {part.type for fields in old.segments.values() for part in fields.values()}
    unknown = sorted(one for one in types if one.startswith("CM"))
    assert unknown
    segment, number = next(
        (name, field)
        for name, fields in old.segments.items()
        for field, part in fields.items()
        if part.type in unknown and part.type not in old.types
    )
    assert old.wrong(parse_path(f"{segment}-{number}.7")) is None


def test_every_version_is_there_and_the_last_has_the_fields_of_2_9(tmp_path: Path) -> None:
    """C2: MSH-26 to MSH-28 are of 2.9, of which hl7apy has no tables."""
    with Child() as child:
        standard = Standard(child, tmp_path)
        assert all(standard.catalogue(version).field("PID", 5) for version in VERSIONS)
        assert standard.catalogue("2.8.2").field("MSH", 26) == ("Security classification tag", "CWE")
        assert standard.catalogue("2.8.1").field("MSH", 26) is None


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("2.5.1", "2.5.1"),
        ("", "2.5.1"),
        ("2.3.z", "2.3"),
        ("2.7.1", "2.7"),
        ("2.9", "2.8.2"),
        ("2.9.1", "2.8.2"),
        ("1", "2.1"),
    ],
)
def test_a_version_without_tables_is_read_as_its_nearest(told: str, meant: str) -> None:
    """X-04: the version is advisory."""
    assert nearest(told) == meant


def test_the_structure_of_an_event_that_does_not_name_it() -> None:
    """P-20, table 0354: before 2.3.1 MSH-9.3 is not told; A04 is of the structure of A01."""
    assert structure_of("ADT^A04", "") == "ADT_A01"
    assert structure_of("ADT^A04", "ADT_A01") == "ADT_A01"
    assert structure_of("ORU^R01", "") == "ORU_R01"
    assert structure_of("SIU^S15", "") == "SIU_S12"


def test_tables_are_asked_for_once_and_then_read_from_the_cache(tmp_path: Path) -> None:
    """Lint stays fast: the second time no process is started."""
    with Child() as child:
        first = Standard(child, tmp_path).catalogue("2.3")
    (kept,) = tmp_path.glob("hl7-2.3-*.json")
    idle = Child()
    assert Standard(idle, tmp_path).catalogue("2.3") == first
    assert idle._process is None
    kept.write_text("{ half a fi")
    with Child() as child:
        assert Standard(child, tmp_path).catalogue("2.3") == first, "a cache that was cut off is made anew"


def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(tmp_path: Path) -> None:
    """A read-only home is no reason to fail."""
    file = tmp_path / "no-folder"
    file.write_text("")
    with Child() as child:
        assert Standard(child, file).catalogue("2.2").field("PID", 5)


def test_the_cache_lies_where_the_account_keeps_such_things(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CACHE_HOME, else .cache in the home."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "caregate"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "caregate"


# -- the process


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Put a program of one's own in the place of Python."""

    def put(text: str) -> None:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(asking.sys, "executable", str(path))

    return put


def test_a_process_that_does_not_answer_in_time_is_ended(program) -> None:
    """hl7apy can be slow: the time is limited, and nothing is left behind."""
    program("exec sleep 60")
    child = Child(seconds=0.2)
    with child, pytest.raises(NoAnswer, match=r"no answer in 0\.2 seconds"):
        child.ask({"ask": "catalogue", "version": "2.3"})
    assert child._process is None


def test_a_process_that_dies_is_told_of_and_the_next_question_gets_a_new_one(program, monkeypatch) -> None:
    """One bad message does not stop the others."""
    usual = asking.sys.executable
    program("exit 3")
    with Child() as child:
        with pytest.raises(NoAnswer, match="ended without an answer"):
            child.ask({"ask": "catalogue", "version": "2.1"})
        monkeypatch.setattr(asking.sys, "executable", usual)
        assert child.ask({"ask": "catalogue", "version": "2.1"})["segments"]["PID"]


def test_an_error_of_hl7apy_quotes_nothing() -> None:
    """Law 4: its texts quote what they complain of; only the class of an error comes back."""
    with Child() as child, pytest.raises(NoAnswer) as trouble:
        child.ask({"ask": "catalogue", "version": "Ada Lovelace"})
    assert str(trouble.value) == "hl7apy cannot judge it (UnsupportedVersion)"


def test_no_message_stands_in_an_argument_list() -> None:
    """Law 4: the process gets it through a pipe."""
    with Child() as child:
        child.ask(
            {
                "ask": "deviations",
                "version": "2.5.1",
                "structure": "",
                "marks": ["|", "^", "~", "&"],
                "lines": ["PID|Ada"],
            }
        )
        assert child._process is not None
        arguments = Path(f"/proc/{child._process.pid}/cmdline")
        if arguments.exists():
            assert b"Ada" not in arguments.read_bytes()
        assert "Ada" not in " ".join(map(str, child._process.args))
