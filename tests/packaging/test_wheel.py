"""What a site installs: one wheel with the packs inside, which works where there is no checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

MESSAGE = (
    b"MSH|^~\\&|EHR|LAKESIDE|CAREGATE|LAKESIDE|20260302090500-0600||ADT^A28^ADT_A05|W1|P|2.5.1\r"
    b"EVN|A28|20260302090500-0600\rPID|1||50001^^^LAKESIDE^MR||Brook^Ada||19580314|F\rPV1|1|N\r"
)


def run(*command, folder, **more):
    """Run a command with no trace of this checkout in its environment; its standard output."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "CAREGATE_", "COV"))}
    ran = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        **more,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, folder=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The command of a fresh environment that holds the wheel; what it depends on is lent by this one."""
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, with_pip=False)
    site = next((folder / "lib").glob("python*")) / "site-packages"
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel, folder=folder)
    lent = next(path for path in map(Path, sys.path) if path.name == "site-packages" and (path / "pydantic").is_dir())
    # by path and not by .pth: this environment's own .pth would lead back to the checkout
    (site / "lent.pth").write_text(f"{lent}\n")
    script = folder / "bin" / "caregate"
    script.write_text(f"#!{folder}/bin/python\nfrom gateway.cli import main\n\nmain()\n")
    script.chmod(0o755)
    return script


def test_the_wheel_carries_packs_and_types_and_no_tests(wheel):
    """gateway/_packs is where an installation finds rules and mappings."""
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "gateway/_packs/rules/policy.yaml",
        "gateway/_packs/rules/templates/appointment_reminder/body.txt",
        "gateway/_packs/mappings/hl7v2/encounters.yaml",
        "gateway/_packs/mappings/codes/service.yaml",
        "gateway/store/migrations/script.py.mako",
        "gateway/policy/zones.csv",
        "connectors/sources/mllp/source.py",
    ):
        assert wanted in names
    assert not [name for name in names if name.startswith("tests/") or name.endswith((".db", ".keys"))]


def test_an_installed_caregate_makes_lints_tests_and_loads_a_site(installed, tmp_path):
    """Outside the checkout: packs come from the package."""
    where = run(installed.parent / "python", "-c", "import gateway; print(gateway.__file__)", folder=tmp_path)
    assert str(ROOT) not in where
    run(installed, "init", "site", folder=tmp_path)
    site = tmp_path / "site"
    run(installed, "lint", folder=site)
    run(installed, "test", folder=site)
    (site / "first.hl7").write_bytes(MESSAGE)
    lines = [json.loads(line) for line in run(installed, "load", "--json", "first.hl7", folder=site).splitlines()]
    assert lines[0]["outcome"] == "accepted"
    assert lines[0]["events"] == ["patient.added"]
    assert lines[-1]["summary"]["messages"] == 1


def test_an_installed_caregate_loads_without_any_site(installed, tmp_path):
    """A first look takes one command."""
    (tmp_path / "first.hl7").write_bytes(MESSAGE)
    lines = run(installed, "load", "--json", "first.hl7", folder=tmp_path).splitlines()
    assert json.loads(lines[0])["ack"] == "AA"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.hl7"]
