"""An export of Synthea's shape read by `caregate load`, the command itself: rate, processor time, and the most memory it had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from gateway.store.migrations import migrate
from tests.bench import proc, site, synthetic
from tests.bench.servers import Postgres

NAMES = (
    "fhir.ndjson.sqlite.12000",
    "fhir.ndjson.sqlite.120000",
    "fhir.ndjson.postgresql.120000",
    "fhir.ndjson.sqlite.1200000",
)
_TEN_MB = 10_000_000
_SOURCE = """\
  fhir: {kind: folder, format: fhir, organization: lakeside, path: ., systems: {'https://lakeside.example/mrn': LAKESIDE}}
"""


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Resources a second from the shell to the end of the command, as a baseline (K-16); it fails if one is not taken."""
    here = folder / name
    here.mkdir()
    store, resources = name.split(".")[2], int(name.rpartition(".")[2])
    config = site.make(here)
    config.write_text(config.read_text().replace("\nchannels:", f"\n{_SOURCE}channels:", 1), "utf-8")
    file = here / "export.ndjson"
    with file.open("wb") as out:
        out.writelines(synthetic.lines(resources))
    if store == "sqlite":
        return {"name": name, **_loaded(config, file, resources)}
    with Postgres(here) as server:
        url = server.database("bench_ndjson")
        migrate(url)
        config.write_text(f"{config.read_text()}database: '{url}'\n", "utf-8")
        return {"name": name, **_loaded(config, file, resources)}


def _loaded(config: Path, file: Path, resources: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "gateway.cli", "load", "--json", "--baseline", "--source", "fhir"]
    out = config.parent / "out.jsonl"
    started = time.perf_counter()
    with out.open("wb") as lines:
        process = subprocess.Popen([*command, "--config", str(config), str(file)], stdout=lines)
        seen = _Seen(process.pid, file)
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            seen.look()
            time.sleep(0.1)
    seconds = time.perf_counter() - started
    _, status, used = ended
    cpu = used.ru_utime + used.ru_stime
    told = json.loads(_last_line(out))["summary"]
    taken = told["accepted"] + told["ignored"]
    assert (os.waitstatus_to_exitcode(status), taken) == (0, resources), told
    return {
        "resources_per_s": round(resources / seconds),
        "cpu_us_per_resource": round(cpu / resources * 1e6),
        "main_cpu_us_per_resource": round(seen.seconds / resources * 1e6),
        "rss_mb_at_10": round(seen.early, 1),
        "rss_mb": round(seen.most, 1),
        "file_mb": round(file.stat().st_size / 1e6, 1),
        "accepted": told["accepted"],
        "seconds": round(seconds, 1),
    }


class _Seen:
    """What the command was seen to have: memory of all its processes up to 10 MB of the file, and at most; its own processor time.

    Not `ru_maxrss`: that begins with what its parent had.
    """

    def __init__(self, pid: int, file: Path) -> None:
        self._pid, self._file = pid, file
        self.early = self.most = self.seconds = 0.0

    def look(self) -> None:
        """Take another look at it."""
        try:
            rss = sum(proc.rss_mb(int(one)) for one in (self._pid, *proc.children(self._pid)))
            self.seconds = proc.seconds(self._pid)
            self.most = max(self.most, rss)
            if proc.read_of(self._pid, self._file) <= _TEN_MB:
                self.early = max(self.early, rss)
        except OSError:  # it ended meanwhile
            return


def _last_line(file: Path) -> bytes:
    with file.open("rb") as told:
        told.seek(max(0, file.stat().st_size - 4096))
        return told.read().splitlines()[-1]
