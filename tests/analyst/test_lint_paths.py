"""A path that leads nowhere is told with its line and column, before the first message comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.analyst import lint_paths as module
from gateway.analyst.hl7v2.asking import NoAnswer
from gateway.analyst.lint_paths import lint_paths
from gateway.packs import shipped


def overlay(folder: Path, text: str) -> list[str]:
    """The findings of one file, "line:column code sentence"."""
    (folder / "hl7v2").mkdir(exist_ok=True)
    (folder / "hl7v2" / "ours.yaml").write_text(text)
    return [f"{one.line}:{one.column} {one.code} {one.sentence}" for one in lint_paths([folder])]


def test_every_path_we_ship_is_in_the_standard() -> None:
    """Design, "Rules and mappings": checked against the version's structures."""
    assert lint_paths([shipped("mappings")]) == []


def test_a_field_a_component_and_a_segment_that_are_nowhere(tmp_path: Path) -> None:
    """Each with file, line, column and advice."""
    assert overlay(
        tmp_path,
        """\
mapping: person
person:
  given_name: {path: PID-99.1, compute: given_name}
  telecom: {paths: [PID-13, PID-55], compute: telecom, codes: telecom}
  birth_date: {path: PDI-7, compute: birth_date}
flags:
  vip: {path: QQQ-1, compute: indicator}
""",
    ) == [
        "3:22 CG080 `PID-99.1` is in no version of HL7 v2: PID has 40 fields",
        "4:29 CG080 `PID-55` is in no version of HL7 v2: PID has 40 fields; a field the sender adds is written under `local: [PID-55]`",
        "5:22 CG080 `PDI-7` is in no version of HL7 v2: there is no segment PDI; meant PID?",
        "7:15 CG080 `QQQ-1` is in no version of HL7 v2: there is no segment QQQ; a segment of the site's own begins with Z",
    ]


def test_a_field_of_another_version_than_the_file_is_for(tmp_path: Path) -> None:
    """`versions`: the fields of others are named with where they are."""
    assert overlay(
        tmp_path,
        """\
mapping: person
versions: [2.3, 2.5.1]
person:
  telecom: {paths: [PID-13, PID-40], compute: telecom, codes: telecom}
""",
    ) == ["4:29 CG080 `PID-40` is in version 2.7 to 2.8.2, not in 2.3, 2.5.1 that this file is for"]


def test_what_is_in_one_of_the_versions_is_right(tmp_path: Path) -> None:
    """X-04: senders of several versions are read with one mapping; 2.9 is 2.8.2 and a little more."""
    assert (
        overlay(tmp_path, "mapping: person\nversions: [2.3, 2.9]\nperson:\n  telecom: {paths: [PID-40, MSH-28]}\n")
        == []
    )


def test_a_segment_of_the_sites_own_and_a_field_the_sender_adds_are_not_judged(tmp_path: Path) -> None:
    """Z segments are local (C2 §2.6); `local` names fields beyond the standard."""
    assert (
        overlay(tmp_path, "mapping: person\nlocal: [PID-55]\nperson:\n  given_name: {paths: [ZPI-3.1, PID-55.2]}\n")
        == []
    )


def test_versions_and_local_fields_that_are_none(tmp_path: Path) -> None:
    """CG081, where they stand."""
    assert overlay(tmp_path, "mapping: person\nversions: [2.0]\nlocal: [PID]\n") == [
        "2:12 CG081 there are no tables of version `2.0`: 2.1, 2.2, 2.3, 2.3.1, 2.4, 2.5, 2.5.1, 2.6, 2.7, 2.8, 2.8.1, 2.8.2",
        "3:9 CG081 `local` takes fields like PID-50",
    ]


def test_what_is_no_path_or_no_yaml_is_left_to_who_tells_it(tmp_path: Path) -> None:
    """`load_pack` says so, with the same place: twice would be noise."""
    assert overlay(tmp_path, "mapping: person\nperson: {given_name: {path: P5}, family_name: {paths: []}}\n") == []
    assert overlay(tmp_path, "mapping: [") == []


def test_paths_that_could_not_be_checked_do_not_look_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail closed: hl7apy gives no answer, lint says so."""

    class Silent:
        def catalogue(self, version: str) -> object:
            raise NoAnswer(f"no tables of {version}")

    monkeypatch.setattr(module, "Standard", lambda _child: Silent())
    assert overlay(tmp_path, "mapping: person\nkey: {path: PID-3}\n") == [
        "1:1 CG080 the paths were not checked: no tables of 2.1"
    ]


def test_versions_that_do_not_follow_one_another_are_each_named(tmp_path: Path) -> None:
    """PID-2 is withdrawn in some and gone in none; SCH-11.13 is nowhere; PV1-53 is in the last ones."""
    found = overlay(tmp_path, "mapping: person\nversions: [2.3]\nperson:\n  given_name: {path: PV1-53}\n")
    assert len(found) == 1
    assert "not in 2.3 that this file is for" in found[0]
