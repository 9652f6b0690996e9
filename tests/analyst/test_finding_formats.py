"""Findings as code hosts read them: escaped, by paths from the repository, described."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.analyst.finding_formats import github, relative, sarif
from gateway.analyst.findings import CODES, Finding, finding_of

HERE = Path.cwd()


def finding(file: str, line: int = 3, sentence: str = "mend it") -> Finding:
    return Finding(file=file, line=line, column=5, code="CG031", sentence=sentence)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (finding("rules/a.yaml"), "::error file=rules/a.yaml,line=3,col=5,title=CG031::mend it"),
        (finding(str(HERE / "rules" / "a,b:c.yaml")), "::error file=rules/a%2Cb%3Ac.yaml,line=3,col=5,title=CG031::mend it"),
        (finding("a.yaml", sentence="100 %\nof: it"), "::error file=a.yaml,line=3,col=5,title=CG031::100 %25%0Aof: it"),
        (finding("environment", line=0), "::error file=environment,title=CG031::mend it"),
    ],
)  # fmt: skip
def test_a_workflow_command_cannot_be_broken_by_what_it_says(one: Finding, expected: str) -> None:
    """Per cent signs, line ends, commas and colons have a meaning there."""
    assert github(one, HERE) == expected


def test_a_sarif_log_describes_what_it_found() -> None:
    """Version 2.1.0: one run, its rules with their meaning, results with a region where there is one."""
    log = sarif([finding("rules/a.yaml"), finding("environment", line=0), finding_of("b.yaml:1:2: is bad")], HERE)
    run = json.loads(json.dumps(log))["runs"][0]
    assert log["version"] == "2.1.0"
    assert [one["id"] for one in run["tool"]["driver"]["rules"]] == ["CG001", "CG031"]
    assert run["tool"]["driver"]["rules"][1]["shortDescription"]["text"] == CODES["CG031"]
    first, second, third = run["results"]
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "rules/a.yaml"},
        "region": {"startLine": 3, "startColumn": 5},
    }
    assert "region" not in second["locations"][0]["physicalLocation"]
    assert (third["ruleId"], third["ruleIndex"], third["message"]["text"]) == ("CG001", 0, "is bad")
    assert sarif([], HERE)["runs"][0]["results"] == []


def test_a_file_elsewhere_keeps_its_path(tmp_path: Path) -> None:
    """Only what lies below the repository is shortened."""
    assert relative(str(tmp_path / "x.yaml"), HERE) == (tmp_path / "x.yaml").as_posix()


def test_a_problem_that_is_in_no_file_has_line_zero() -> None:
    """`environment: …` is shown without a made-up place."""
    assert str(finding_of("environment: HOME is not set", "CG003")) == "environment: CG003 HOME is not set"
