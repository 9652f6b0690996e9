"""What is written is true: commands are executed, tables are compared with the code, every folder says what it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gateway.settings.environment import VARIABLES
from gateway.settings.installed import offered
from gateway.settings.sections import SiteFile, SourceSection

ROOT = Path(__file__).parents[2]
TESTED = re.compile(r"<!-- executed by tests/docs/test_docs\.py[^>]*-->\n```console\n(.*?)```", re.DOTALL)
LINTED = re.compile(r"<!-- linted by tests/docs/test_docs\.py -->\n```yaml\n(.*?)```", re.DOTALL)
SOURCES = re.compile(r"^sources:\n(?:[ #].*\n)*", re.MULTILINE)
HIDDEN = {"__pycache__", "_packs"}


def documents():
    """Every Markdown file of the repository that is ours."""
    found = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    names = found.stdout.split() or [str(path.relative_to(ROOT)) for path in ROOT.glob("*.md")]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def commands(group, prefix=()):
    """Every command line's words, of nested groups too."""
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            yield from commands(command, (*prefix, name))
        else:
            yield (*prefix, name), command


def everything():
    """All commands of `caregate`."""
    from gateway.cli.commands import command

    return list(commands(command()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "document", [path for path in documents() if TESTED.search(path.read_text())], ids=lambda p: p.name
)
def test_the_commands_of_a_document_do_what_it_says(document, tmp_path):
    """Executed as written, one after the other, in an empty folder."""
    for number, block in enumerate(TESTED.findall(document.read_text())):
        folder = tmp_path / str(number)
        folder.mkdir()
        lines = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
        environ = {key: value for key, value in os.environ.items() if not key.startswith("CAREGATE_")}
        environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
            cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "example", [one for path in documents() for one in LINTED.findall(path.read_text())], ids=lambda one: one.split()[3]
)
def test_an_example_configuration_lints(example, tmp_path, capfd):
    """In a fresh site, in place of its source, once the secrets are where it says."""
    from gateway import cli, telemetry

    told = yaml.safe_load(example)
    kinds = {section["kind"] for section in told["sources"].values()}
    if missing := kinds - {point.name for point in offered("gateway.sources")}:
        pytest.skip(f"not installed here: {', '.join(missing)}")
    assert cli.invoke(["init", str(tmp_path / "lakeside")]) == 0
    config = tmp_path / "lakeside" / "caregate.yaml"
    config.write_text(SOURCES.sub(lambda _: example, config.read_text(), count=1))
    for name in re.findall(r"file:(\S+)", example):
        secret = config.parent / name
        secret.parent.mkdir(exist_ok=True)
        secret.touch(0o600)
        secret.write_text("a made-up secret, long enough\n")
    code = cli.invoke(["lint", "--config", str(config)])
    telemetry.reset()
    assert code == 0, capfd.readouterr()


def test_the_front_door_has_commands_that_are_executed():
    """Lest the marker be lost."""
    assert TESTED.search((ROOT / "README.md").read_text())


def test_the_two_commands_of_the_front_door_are_targets_of_the_makefile():
    """Make demo, make test."""
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^\$ make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_command_is_documented_with_an_example():
    """In the table of gateway/cli, and in its own --help."""
    table = (ROOT / "gateway/cli/README.md").read_text()
    for words, command in everything():
        row = next((line for line in table.splitlines() if line.startswith(f"| `caregate {words[0]}")), None)
        row = next((line for line in table.splitlines() if f"`caregate {words[0]}`" in line), row)
        assert row, words
        assert len(words) == 1 or f"`{words[1]}`" in row or f" {words[1]}`" in row, words
        assert f"caregate {' '.join(words)}" in (command.help or ""), f"{words} has no example"


def test_every_command_named_in_a_document_exists():
    """A reader types what we write."""
    known = {words[0] for words, _ in everything()} | {words for words, _ in everything()}
    for document in documents():
        for first, second in re.findall(r"`caregate ([a-z][a-z0-9]*)(?: ([a-z][a-z-]*))?", document.read_text()):
            assert first in known, f"{document.name}: caregate {first}"
            if second and first not in {words[0] for words, _ in everything() if len(words) == 1}:
                assert (first, second) in known, f"{document.name}: caregate {first} {second}"


def test_every_setting_and_variable_is_documented():
    """In the tables of gateway/settings."""
    text = (ROOT / "gateway/settings/README.md").read_text()
    for key in (*SiteFile.model_fields, *SourceSection.model_fields, *VARIABLES):
        assert f"`{key}" in text, key


def test_every_folder_says_what_it_is():
    """Code folders and packs; templates, mapping kinds and migrations are described by their parent's."""
    described = {path.parent for path in documents()}
    exempt = {
        "rules/templates",
        "rules/templates/*",
        "rules/templates/*/*",
        "mappings/*",
        "gateway/api/portal/templates",
        "gateway/render/builtin/*",
        "gateway/render/builtin/*/*",
        "gateway/store/migrations/versions",
        "gateway/pipeline/inspect",
        "gateway/api/staff/templates",
        "tests/golden/*",
    }
    tops = [ROOT / top for top in ("gateway", "connectors", "rules", "mappings", "docker")]
    folders = [*tops, *(path for top in tops for path in top.rglob("*") if path.is_dir())]
    names = [folder.relative_to(ROOT) for folder in folders if folder not in described]
    missing = [
        str(name)
        for name in names
        if not HIDDEN & set(name.parts) and not any(name.match(pattern) for pattern in exempt)
    ]
    assert missing == []


def test_links_between_documents_lead_somewhere():
    """Relative ones."""
    for document in documents():
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.relative_to(ROOT)}: {target}"


def test_the_changelog_names_this_version():
    """Keep a Changelog."""
    from gateway import __version__

    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "docker").glob("compose.*.yaml")))
def test_compose_files_are_yaml_that_runs_our_commands(name):
    """No engine is needed to see that; each service is an image or built from the Dockerfile."""
    content = yaml.safe_load((ROOT / "docker" / name).read_text())
    known = {words[0] for words, _ in everything()}
    for service, body in content["services"].items():
        assert ("image" in body) != ("build" in body), service
        if "build" in body:
            assert (ROOT / body["build"]["dockerfile"]).is_file()
            assert body.get("command", ["run"])[0] in known
            assert body["read_only"] is True
            assert {key for key in body["environment"] if key.startswith("CAREGATE_")} <= set(VARIABLES)


def test_the_image_does_not_run_as_root():
    """And is told where its site is by a variable we know."""
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    assert re.search(r"^USER caregate$", dockerfile, re.MULTILINE)
    assert set(re.findall(r"CAREGATE_\w+", dockerfile)) <= set(VARIABLES)


def test_the_lock_names_versions_and_no_index():
    """Everything exactly, from wherever the reader's index is."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z0-9._-]+==[A-Za-z0-9.+!_-]+( ; .+)?", line), line
