"""Whatever goes wrong at the command line is one sentence and an exit code, never a traceback, never a value."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest

from gateway import cli
from gateway.cli.commands import command


@pytest.fixture
def caregate(capfd, monkeypatch, tmp_path):
    """Run a command in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    for name in ("CAREGATE_CONFIG", "CAREGATE_DEBUG", "CAREGATE_ROLES"):
        monkeypatch.delenv(name, raising=False)

    def run(*words):
        code = cli.invoke(words)
        out, err = capfd.readouterr()
        return code, out, err

    return run


def every_command(group=None, prefix=()):
    for name, one in (group or command()).commands.items():
        yield (*prefix, name)
        if getattr(one, "commands", None):
            yield from every_command(one, (*prefix, name))


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_every_command_explains_itself(caregate, words):
    """With --help, and exit code 0."""
    code, out, err = caregate(*words, "--help")
    assert (code, err) == (0, "")
    assert out.startswith("Usage: caregate")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["lod"], "No such command 'lod'. Did you mean 'load'?"),
        (["load"], "Missing argument"),
        (["load", "nope.hl7"], "nope.hl7: no such file or folder"),
        (["run"], "there is no caregate.yaml here"),
        (["run", "--config", "nope.yaml"], "nope.yaml:1:1: there is no such file"),
        (["run", "--roles", "listen,sing"], "there is no role sing"),
        (["plan"], "say --open"),
        (["trace"], "say one of --message ID"),
        (["trace", "--message", "x"], "Invalid value for '--message'"),
        (["lint", "nowhere"], "nowhere has neither rules/ nor mappings/"),
        (["quarantine", "show", "7"], "say why with --reason"),
        (["quarantine", "discard", "7"], "say why with --reason"),
        (["holds", "release", "7"], "say why with --reason"),
        (["feeds", "release", "ehr"], "say why with --reason"),
        (["consent", "list"], "say why with --reason"),
        (["consent", "import", "nope.csv"], "nope.csv: No such file or directory"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(caregate, words, sentence):
    """On standard error, with what to do."""
    code, out, err = caregate(*words)
    assert (code, out) == (2, "")
    assert err.startswith("caregate: ")
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["trace", "--patient", "12345"], ["consent", "list", "--patient", "12345", "--reason", "x"]]
)
def test_an_identifier_in_the_arguments_is_refused_and_not_repeated(caregate, words):
    """Other people of the host can read arguments."""
    code, _, err = caregate(*words)
    assert code == 2
    assert "takes only `-`" in err
    assert "12345" not in err


def test_no_command_shows_the_help(caregate):
    """As it stands, without a prefix."""
    code, _, err = caregate()
    assert code == 2
    assert err.startswith("Usage: caregate")


def test_an_error_of_our_own_tells_its_class_and_nothing_else(caregate, monkeypatch):
    """Foreign texts may quote a message."""

    def broken(_config):
        raise ValueError("MRN 12345")

    monkeypatch.setattr("gateway.cli.site.find", broken)
    code, _, err = caregate("run")
    assert code == 70
    assert err == "caregate: an error of Caregate's own, ValueError; CAREGATE_DEBUG=1 shows where\n"
    monkeypatch.setenv("CAREGATE_DEBUG", "1")
    code, _, err = caregate("run")
    assert code == 70
    assert re.search(r"gateway/cli/site\.py:\d+", err)
    assert "12345" not in err


def test_an_interruption_is_130(caregate, monkeypatch):
    """As the shell expects of SIGINT."""

    def interrupted(_config):
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.cli.site.find", interrupted)
    assert caregate("run")[0] == 130


def test_the_version_is_told(caregate):
    """Of the package."""
    from gateway import __version__

    assert caregate("--version")[1] == f"caregate {__version__}\n"


def test_help_is_there_in_half_a_second_and_loads_nothing_heavy():
    """Imports of the work are inside the commands."""
    code = (
        "import sys; from gateway.cli import invoke; invoke(['--help']);"
        "heavy = {'sqlalchemy', 'pydantic', 'fastapi', 'dramatiq', 'rich', 'yaml', 'cryptography'} & set(sys.modules);"
        "sys.exit(f'loads {heavy}' if heavy else 0)"
    )
    began = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert time.monotonic() - began < 5  # half a second on an idle machine; this one runs tests
