"""Mistakes that analysts really make, each in a folder of its own: one finding, at the right place, with the right advice.

`wrong/right` is a rule folder in which nothing is to mend; every other folder of `wrong` is laid over it and holds one
mistake, with what `caregate lint` must say of it in `expected.txt`.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
from datetime import date
from pathlib import Path

import pytest

from gateway.analyst.findings import CODES
from gateway.analyst.lint import lint
from gateway.cli.analyst import _triggers
from gateway.mapping.pack import Pack, load_pack
from gateway.packs import shipped

WRONG = Path(__file__).parent / "wrong"
RIGHT = WRONG / "right"
EXPECTED = "expected.txt"
MISTAKES = sorted(path.name for path in WRONG.iterdir() if path.is_dir() and path != RIGHT)
TODAY = date(2026, 3, 1)
_LINE = re.compile(r"\S+?:\d+:\d+: CG\d{3} \S.*")


@pytest.fixture(scope="module")
def pack() -> Pack:
    """The mappings that come with Caregate."""
    return load_pack([shipped("mappings")])


def said(folder: Path, pack: Pack) -> list[str]:
    """What the command says of a folder, by paths from there."""
    codes = {
        fact: frozenset(pack.tables[source.codes].words)
        for family in pack.families.values()
        for fact, source in family.facts.items()
        if source.codes is not None
    }
    found = lint(folder, events=pack.kinds(), codes=codes, triggers=_triggers(pack), today=TODAY)
    return [str(one).replace(f"{folder}{os.sep}", "") for one in found]


def laid_over(name: str, folder: Path) -> Path:
    """The right folder with one mistake."""
    shutil.copytree(RIGHT, folder)
    shutil.copytree(WRONG / name, folder, dirs_exist_ok=True)
    (folder / EXPECTED).unlink()
    return folder


def test_the_folder_below_every_mistake_is_right(tmp_path: Path, pack: Pack) -> None:
    """Else a finding could be its own."""
    assert said(shutil.copytree(RIGHT, tmp_path / "rules"), pack) == []


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_once_at_its_place_with_what_to_do(name: str, tmp_path: Path, pack: Pack) -> None:
    """One finding: the line and the column of the very word, and advice."""
    expected = (WRONG / name / EXPECTED).read_text(encoding="utf-8").splitlines()
    found = said(laid_over(name, tmp_path / "rules"), pack)
    assert len(expected) == 1, f"{name}/{EXPECTED} holds one line"
    if found != expected:
        difference = difflib.unified_diff(expected, found, EXPECTED, "caregate lint", lineterm="", n=0)
        pytest.fail(f"{name}:\n" + "\n".join(difference), pytrace=False)


def test_there_are_thirty_and_more_and_each_has_a_place_and_a_code() -> None:
    """Numbered without gaps, so that none is lost."""
    assert len(MISTAKES) >= 30
    assert [int(name[:2]) for name in MISTAKES] == list(range(1, len(MISTAKES) + 1))
    for name in MISTAKES:
        (line,) = (WRONG / name / EXPECTED).read_text(encoding="utf-8").splitlines()
        assert _LINE.fullmatch(line), f"{name}: {line}"


def test_what_an_editor_on_windows_does_to_a_file_is_no_mistake(tmp_path: Path, pack: Pack) -> None:
    """A byte order mark, and lines that end in CRLF."""
    folder = shutil.copytree(RIGHT, tmp_path / "rules")
    for path in folder.glob("*.yaml"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert said(folder, pack) == []


def test_every_code_of_the_rules_is_shown_by_a_mistake() -> None:
    """A code nobody has seen may say anything; those of configuration, mappings and wording are shown by their own tests."""
    shown = {(WRONG / name / EXPECTED).read_text(encoding="utf-8").split()[1] for name in MISTAKES}
    elsewhere = {"CG002", "CG003", "CG034", "CG040", "CG042"}
    assert {code for code in CODES if code < "CG060"} <= shown | elsewhere
