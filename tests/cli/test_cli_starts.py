"""A command is there at once: it makes itself alone, and loads only what it needs."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from gateway import cli
from gateway.cli import commands
from gateway.model.errors import ConfigError

HEAVY = ("alembic", "dramatiq", "fastapi", "hl7apy", "psycopg", "redis", "rich", "structlog", "uvicorn")
EXPLAIN = """
import sys
from gateway import cli
assert cli.invoke(["explain", "day.hl7"]) == 0
print(sorted({name.partition(".")[0] for name in sys.modules} & set(%r)))
"""


def test_the_word_that_names_a_command_makes_it_alone():
    """Forty others cost a tenth of a second; without a command, or with one that is none, all of them are there."""
    assert list(commands.command("explain").commands) == ["explain"]
    assert list(commands.command("keys").commands) == ["keys"]
    whole = set(commands.command().commands)
    assert {"init", "explain", "lint", "rules", "keys"} < whole
    assert set(commands.command("--version").commands) == set(commands.command("explian").commands) == whole


@pytest.mark.parametrize("word", sorted(commands.command().commands))
def test_every_command_helps_by_itself_as_it_does_among_all(caregate, word, monkeypatch):
    """The short way is no other way."""
    alone = caregate(word, "--help")
    whole = commands.command()
    monkeypatch.setattr(commands, "command", lambda _: whole)
    assert caregate(word, "--help") == alone
    assert alone.code == 0
    assert alone.out.startswith(f"Usage: caregate {word}")


@pytest.mark.parametrize("place", ["with a site", "without one"])
def test_explaining_a_file_loads_neither_servers_nor_migrations(site, feed, tmp_path, place):
    """`explain` answers in under a second (issue 4); half of that went into loading what it never used."""
    here = tmp_path / ("lakeside" if place == "with a site" else ".")
    (here / "day.hl7").write_bytes(feed.booked())
    told = subprocess.run(
        [sys.executable, "-c", EXPLAIN % (HEAVY,)], cwd=here, capture_output=True, text=True, check=False
    )
    assert told.stdout.splitlines()[-1:] == ["[]"], told.stderr


def test_the_collector_rests_in_a_short_command_and_works_in_the_gateway(monkeypatch):
    """What lives long collects as usual: `run` undoes what every other command gains by."""
    seen = []
    before = gc.get_threshold()
    monkeypatch.setattr(cli, "invoke", lambda words: seen.append(gc.get_threshold()) or 0)
    monkeypatch.setattr(sys, "argv", ["caregate", "status"])
    try:
        with pytest.raises(SystemExit):
            cli.main()
        assert seen == [cli.SELDOM]
        with pytest.raises(ConfigError, match="there is no such file"):
            commands.command("run").main(["run", "--config", "nowhere"], standalone_mode=False)
        assert gc.get_threshold() == cli.USUAL
    finally:
        gc.set_threshold(*before)
