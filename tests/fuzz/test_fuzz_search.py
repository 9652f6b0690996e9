"""A short search in the suite: enough to see that the searching works and that nothing easy was broken."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz import searching
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_search_by_coverage_finds_nothing(name: str, tmp_path: Path) -> None:
    """F-12, P-16: some thousand inputs, bounded memory, no input takes long."""
    if find_spec("atheris") is None:
        pytest.skip("atheris is not installed: it is there for Linux on x86-64")
    found = searching.search(name, runs=2_000, seed=3, folder=tmp_path)
    assert found.crashes == [], found.line()
    assert found.runs >= 2_000
    assert 0 < found.memory_mb < 400
    assert found.slowest < 5


@pytest.mark.parametrize("name", TARGETS)
def test_a_search_without_coverage_finds_nothing_either(name: str, tmp_path: Path) -> None:
    """Where there is no atheris."""
    found = searching.search_blindly(name, runs=3_000, seed=4, folder=tmp_path)
    assert found.crashes == [], found.line()
    assert found.runs == 3_000


def test_what_a_search_finds_is_kept_told_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finding is a file; it can be tried again; it does not stop the search."""
    monkeypatch.setattr("tests.fuzz.claims.is_ours", lambda _: False)
    found = searching.search_blindly("message", runs=50, seed=1, folder=tmp_path)
    assert len(found.crashes) == 10
    assert "AssertionError" in found.line()
    monkeypatch.undo()
    tried = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "message", "--try", str(found.crashes[0])],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (tried.returncode, tried.stdout) == (0, "the claims hold\n")
