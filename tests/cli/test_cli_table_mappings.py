"""A source of rows names its mapping: one that is not there is told by the lint, with its place."""

from __future__ import annotations

import re
from pathlib import Path


def test_a_mapping_of_tables_that_is_not_there_is_told_with_its_place(site):
    """SN-02: nobody would know what the rows mean."""
    config = Path("caregate.yaml")
    text = config.read_text()
    organization = re.search(r"organization: (\S+)", text)[1]
    added = f"\n  drops:\n    kind: tables\n    path: drops\n    files: csv\n    mode: changes\n    organization: {organization}\n    authority: LAKESIDE\n    mapping: product-offer\n"
    config.write_text(text.replace("\nsources:", "\nsources:" + added.rstrip("\n"), 1))
    Path("drops").mkdir()
    ran = site("lint")
    assert ran.code == 1
    assert "CG002 there is no mapping `product-offer` in mappings/tables; did you mean `product-offers`?" in ran.out
    config.write_text(config.read_text().replace("product-offer\n", "product-offers\n"))
    assert site("lint").code == 0, site("lint").out
