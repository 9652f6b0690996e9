"""The analyst's page names what there is, and nothing else."""

from __future__ import annotations

import re

from mapping_messages import ROOT

from gateway.mapping.computed import COMPUTED
from gateway.mapping.pack import Pack

README = (ROOT / "mappings" / "README.md").read_text(encoding="utf-8")


def test_every_computation_is_explained_to_analysts(pack: Pack) -> None:
    """A mapping may only name what the page lists."""
    assert pack.types()
    section = README.split("### Computations")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `") and "compute:" not in line]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(COMPUTED)


def test_every_computation_says_what_it_gives() -> None:
    """The register carries the first line of each docstring."""
    assert all(one.summary for one in COMPUTED.values())
