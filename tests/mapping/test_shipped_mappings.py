"""The tests that analysts write beside the shipped mappings, run one by one."""

from __future__ import annotations

import pytest

from gateway.analyst.mapping_tests import Finding, run
from gateway.packs import shipped

FINDINGS = run(shipped("mappings"))


@pytest.mark.parametrize("finding", FINDINGS, ids=[finding.name for finding in FINDINGS])
def test_what_the_analyst_wrote_beside_the_mapping_holds(finding: Finding) -> None:
    """Every expectation in mappings/hl7v2/*.test.yaml and mappings/fhir/*.test.yaml is met."""
    assert finding.passed, "\n".join(f"{finding.file}:{finding.line}: {one}" for one in finding.failures)


@pytest.mark.parametrize("kind", ["hl7v2", "fhir"])
def test_every_shipped_mapping_has_tests_beside_it(kind: str) -> None:
    """A mapping without a test is a guess."""
    folder = shipped("mappings") / kind
    mappings = {path.name.removesuffix(".yaml") for path in folder.glob("*.yaml") if ".test." not in path.name}
    assert mappings == {path.name.removesuffix(".test.yaml") for path in folder.glob("*.test.yaml")}
