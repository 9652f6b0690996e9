"""`caregate rules`: what an editor and a reader are given is what the code reads, in a new site and afterwards."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gateway.analyst.schemas import files
from gateway.packs import shipped


def test_a_new_site_helps_its_editor(site):
    """The schemas lie there, and the two lines that name them."""
    told = json.loads(Path(".vscode/settings.json").read_text())["yaml.schemas"]
    assert told == {
        "./.schemas/rules.schema.json": "rules/*.yaml",
        "./.schemas/mappings.schema.json": "mappings/**/*.yaml",
    }
    assert {path.name: path.read_text() for path in Path(".schemas").iterdir()} == files()
    assert all((Path() / name).is_file() for name in told)


def test_the_settings_of_the_readme_are_those_of_a_new_site(site):
    """Whoever has an older site copies them from there."""
    readme = (shipped("rules") / "README.md").read_text()
    block = re.search(r"```json\n(.*?)```", readme, re.DOTALL)
    assert block
    assert json.loads(block[1]) == json.loads(Path(".vscode/settings.json").read_text())


def test_schemas_are_written_where_one_wants_them(caregate, tmp_path):
    """Over older ones too; or shown as one object."""
    assert caregate("rules", "schema", "--out", str(tmp_path / "made")).code == 0
    ran = caregate("rules", "schema", "--out", str(tmp_path / "made"))
    assert f"wrote {len(files())} schemas" in ran.out
    assert {path.name for path in (tmp_path / "made").iterdir()} == set(files())
    assert set(json.loads(caregate("rules", "schema").out)) == set(files())


def test_the_reference_is_shown_or_written(caregate, tmp_path):
    """The same page."""
    assert caregate("rules", "reference").out.rstrip() == (shipped("rules") / "REFERENCE.md").read_text().rstrip()
    assert caregate("rules", "reference", "--out", str(tmp_path / "page.md")).code == 0
    assert (tmp_path / "page.md").read_text() == (shipped("rules") / "REFERENCE.md").read_text()


def test_the_mapping_reference_is_shown_or_written(caregate, tmp_path):
    """The same page."""
    page = (shipped("mappings") / "REFERENCE.md").read_text()
    assert caregate("mappings", "reference").out.rstrip() == page.rstrip()
    assert caregate("mappings", "reference", "--out", str(tmp_path / "page.md")).code == 0
    assert (tmp_path / "page.md").read_text() == page
