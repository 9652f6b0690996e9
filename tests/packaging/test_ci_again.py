"""A test that fails only among the others fails no release, and no run hides that it did."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
CI = Path(__file__).parents[2] / ".ci"
FIRST = "import os, pytest\nfirst = 'PYTEST_XDIST_WORKER' in os.environ\n"
QUICK = {
    name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
}  # ours may be a worker of many
QUICK["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"


def ran(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """A command of Python's in a project of its own."""
    words = [sys.executable, *(str(word) for word in command)]
    return subprocess.run(words, cwd=folder, env=QUICK, capture_output=True, text=True, check=False)


def run_of(folder: Path, tests: str) -> tuple[int, str]:
    """The exit code of such a run and what it says at its end."""
    (folder / "pytest.ini").touch()
    (folder / "test_these.py").write_text(FIRST + tests)
    options = ("-p", "xdist", "-n", "1", "-o", "cache_dir=cache", "--junitxml=first.xml")
    status = ran(folder, "-m", "pytest", *options).returncode
    if status:
        status = ran(folder, CI / "again.py", status, "cache", "first.xml", "again.xml").returncode
    return status, ran(folder, CI / "skipped.py", "pure.xml", "first.xml", "again.xml").stdout


def test_what_passes_alone_fails_no_run_and_is_named_loudly(tmp_path):
    """With its name, after the others were left alone."""
    status, said = run_of(tmp_path, "def test_shaky():\n    assert not first\ndef test_steady():\n    pass\n")
    assert status == 0
    assert "UNSTEADY: 1 " in said
    assert "test_these::test_shaky" in said
    assert "test_steady" not in said + (tmp_path / "again.xml").read_text()


@pytest.mark.parametrize(
    "tests",
    [
        "def test_broken():\n    assert False\ndef test_shaky():\n    assert not first\n",
        "def test_gone():\n    if first: assert False\n    pytest.skip('now')\n",
        "@pytest.fixture\ndef it():\n    yield\n    assert False\ndef test_end(it):\n    pass\n",
        "@pytest.mark.parametrize('n', range(11))\ndef test_many(n):\n    assert not first\n",
        "if first:\n    raise ValueError\ndef test_now():\n    pass\n",
    ],
    ids=["one of two fails again", "is skipped then", "fails at its end", "too many", "no test at all"],
)
def test_any_other_failure_stays_one(tmp_path, tests):
    """What fails again beside one that does not, what is skipped then, what tears down badly, eleven at once, a file that cannot be read."""
    status, _ = run_of(tmp_path, tests)
    assert status != 0


def test_a_process_that_dies_under_a_test_is_a_failure_of_that_test(tmp_path):
    """It is looked at alone like any other."""
    status, said = run_of(tmp_path, "def test_dies():\n    if first: os._exit(3)\n")
    assert status == 0
    assert "test_these::test_dies" in said


def test_a_run_in_which_nothing_failed_names_nothing(tmp_path):
    """No second run, and no word about it."""
    status, said = run_of(tmp_path, "def test_steady():\n    pass\n")
    assert status == 0
    assert "UNSTEADY" not in said
    assert not (tmp_path / "again.xml").exists()
