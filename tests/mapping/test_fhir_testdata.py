"""Other people's resources: each is loaded, or refused at the place we say; run with -s for the table of counts."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from fhir_verdicts import ACCEPTED, PRIMITIVES_OF, REFUSED, RELEASE_OF
from mapping_messages import ROOT

from gateway.fhirjson import parse
from gateway.mapping.fhir.primitives import PRIMITIVES
from gateway.mapping.fhir.validation import validate
from gateway.model.errors import Unreadable
from gateway.model.event import Release

RELEASES = {"r4": Release.R4, "r4b": Release.R4B, "r5": Release.R5, "malformed": Release.R4}


@pytest.fixture(scope="module")
def fhir() -> Path:
    """Where other people's resources are."""
    folder = Path(os.environ.get("CAREGATE_TESTDATA", ROOT.parent / "shared" / "testdata")) / "fhir"
    if not folder.is_dir():
        pytest.skip(f"no FHIR test data at {folder}: set CAREGATE_TESTDATA")
    return folder


def files(folder: Path) -> Iterator[Path]:
    """Every file, in order."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def bodies(path: Path) -> list[bytes]:
    """One resource, or one a line."""
    whole = path.read_bytes()
    if path.suffix != ".ndjson" or path.name.startswith("CDCgov"):  # that one is a resource in a file of that name
        return [whole]
    return [line for line in whole.splitlines() if line.strip()]


def verdict(path: Path, release: Release) -> str:
    """`loaded`, `400 rule`, `422 code place` of the first that is refused, or `415`."""
    if path.suffix == ".xml":
        return "415"
    for body in bodies(path):
        try:
            faults = validate(parse(body), release)
        except Unreadable as refused:
            return f"400 {refused.fault.rule}"
        if faults:
            return f"422 {faults[0].code} {faults[0].place}"
    return "loaded"


@pytest.mark.slow
def test_every_file_is_loaded_or_refused_where_we_say(fhir: Path) -> None:
    """Issue 6, what must hold 1: S-37; XML is answered 415 (V-items: no claim about profiles or terminology)."""
    counts, differing = Counter[tuple[str, str]](), {}
    for path in files(fhir):
        folder = path.relative_to(fhir).parts[0]
        name = f"{folder}/{path.name}"
        if path.name.startswith("google_fhir__"):
            counts[folder, "simple values"] += 1
            continue
        found = verdict(path, RELEASE_OF.get(name, RELEASES[folder]))
        expected = "415" if path.suffix == ".xml" else REFUSED.get(name, "loaded")
        if found != expected:
            differing[name] = found
        accepted = folder == "malformed" and found == "loaded"
        counts[folder, "loaded though labelled bad" if accepted else found.split(maxsplit=1)[0]] += 1
        assert not accepted or path.name in ACCEPTED, f"{name}: loaded, and no reason stated"
    assert differing == {}
    for (folder, what), count in sorted(counts.items()):
        print(f"{folder:10} {what:27} {count:4}")


@pytest.mark.parametrize("kind", PRIMITIVES_OF)
def test_simple_values_are_told_apart(fhir: Path, kind: str) -> None:
    """Google's good and bad values of each type, one a line; those we judge otherwise are named."""
    for folder, word in (("r4/primitive-validation-ndjson", "valid"), ("malformed", "invalid")):
        lines = (fhir / folder / f"google_fhir__{kind}.{word}.ndjson").read_text("utf-8").splitlines()
        values = [_loaded(line) for line in lines if line.strip()]
        look = PRIMITIVES[PRIMITIVES_OF[kind]]
        good = [value for value in values if value is None or not look(value)]  # null: no value, in any type
        assert (len(good) == len(values)) if word == "valid" else good in ([], [None]), (kind, word)


def _loaded(line: str) -> object:
    try:
        return json.loads(line, parse_float=Decimal)
    except json.JSONDecodeError:
        return object()  # `+1` is not even JSON


def test_the_lists_name_files_that_exist(fhir: Path) -> None:
    """A verdict about a file that is not there is a spelling mistake."""
    names = {f"{path.relative_to(fhir).parts[0]}/{path.name}" for path in files(fhir)}
    assert {name for name in (*REFUSED, *RELEASE_OF) if name not in names} == set()
    assert {name for name in ACCEPTED if f"malformed/{name}" not in names} == set()
