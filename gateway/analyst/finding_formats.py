"""Findings as code hosts show them beside the line: GitHub's workflow commands, and SARIF 2.1.0 (OASIS)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from gateway.analyst.findings import CODES, Finding

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ESCAPES = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))
_IN_PROPERTIES = ((":", "%3A"), (",", "%2C"))


class Shape(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def github(finding: Finding, root: Path) -> str:
    """One `::error` workflow command; files below `root` by their path from there, as the host knows them."""
    told = {
        "file": relative(finding.file, root),
        "line": str(finding.line),
        "col": str(finding.column),
        "title": finding.code,
    }
    if not finding.line:
        del told["line"], told["col"]
    properties = ",".join(f"{key}={_escaped(value, *_ESCAPES, *_IN_PROPERTIES)}" for key, value in told.items())
    return f"::error {properties}::{_escaped(finding.sentence, *_ESCAPES)}"


def _escaped(text: str, *escapes: tuple[str, str]) -> str:
    for char, code in escapes:
        text = text.replace(char, code)
    return text


def sarif(findings: Iterable[Finding], root: Path) -> dict[str, Any]:
    """The whole run as one SARIF log; every code that was found is described in it."""
    found: Sequence[Finding] = list(findings)
    codes = sorted({finding.code for finding in found})
    rules = [{"id": code, "shortDescription": {"text": CODES.get(code, code)}} for code in codes]
    driver = {"name": "caregate lint", "rules": rules}
    results = [_result(finding, codes.index(finding.code), root) for finding in found]
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _result(finding: Finding, number: int, root: Path) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": relative(finding.file, root)}}
    if finding.line:
        place["region"] = {"startLine": finding.line, "startColumn": finding.column}
    return {
        "ruleId": finding.code,
        "ruleIndex": number,
        "level": "error",
        "message": {"text": finding.sentence},
        "locations": [{"physicalLocation": place}],
    }


def relative(file: str, root: Path) -> str:
    """A file's path from `root` with forward slashes; as it is when it lies elsewhere."""
    path = Path(file)
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return path.as_posix()
