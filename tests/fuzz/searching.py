"""Starts a search, starts it again behind what it found, and tells what was seen; a hang and too much memory are findings too."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz import seeds
from tests.fuzz.memory import peak_mb
from tests.fuzz.targets import MOST, TARGETS

ROOT = Path(__file__).resolve().parents[2]
_FINDINGS = ("crash-*", "timeout-*", "oom-*")
_MOST_FINDINGS = 10


@dataclass(slots=True, kw_only=True)
class Found:
    """What a search saw. `crashes`: the inputs it left behind. Times in seconds, memory in MB, sizes in bytes."""

    target: str
    runs: int = 0
    seconds: float = 0.0
    memory_mb: float = 0.0
    slowest: float = 0.0
    slowest_size: int = 0
    crashes: list[Path] = field(default_factory=list)
    said: str = ""

    def line(self) -> str:
        """One line, and one for each finding."""
        rate = self.runs / self.seconds if self.seconds else 0
        told = (
            f"{self.target}: {self.runs:,} runs ({rate:,.0f} a second), {len(self.crashes)} crashes, peak memory "
            f"{self.memory_mb:.0f} MB, slowest input {self.slowest * 1000:.0f} ms ({self.slowest_size:,} bytes)"
        )
        return "\n".join((told, *(f"  {path}" for path in self.crashes), *([self.said] if self.crashes else [])))


def search(name: str, *, runs: int, seed: int, folder: Path) -> Found:
    """Run `runs` inputs of one target, keeping its corpus in `folder`; goes on after a finding, up to ten times."""
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    (folder / "words.dict").write_text(_dictionary())
    for number, body in enumerate(TARGETS[name].seeds()):
        (folder / "corpus" / f"seed-{number:03d}").write_bytes(body)
    found = Found(target=name)
    while found.runs < runs and len(found.crashes) < _MOST_FINDINGS:
        before = _findings(folder)
        _child(found, name, runs - found.runs, seed + len(found.crashes), folder)
        fresh = sorted(_findings(folder) - before)
        found.crashes += fresh
        _put_aside(fresh, folder / "corpus")
        if not fresh and found.runs < runs:
            raise RuntimeError(f"the search ended by itself: {found.said}")
    return found


def search_blindly(name: str, *, runs: int, seed: int, folder: Path) -> Found:
    """The same without coverage, by our own mutations alone, in this process: where there is no atheris, and faster."""
    folder.mkdir(parents=True, exist_ok=True)
    target, rng, found = TARGETS[name], random.Random(seed), Found(target=name)
    pool, began = list(target.seeds()), time.monotonic()
    while found.runs < runs and len(found.crashes) < _MOST_FINDINGS:
        data = target.mutated(rng.choice(pool), rng, MOST)
        if rng.random() < 0.02:  # what came of mutation is mutated again
            pool[rng.randrange(len(pool))] = data
        started = time.thread_time()
        try:
            target.holds(data)
        except Exception:
            found.crashes.append(folder / f"crash-{hashlib.sha1(data).hexdigest()}")
            found.crashes[-1].write_bytes(data)
            found.said = traceback.format_exc(limit=-3)
        _timed(found, time.thread_time() - started, len(data))
    found.seconds = time.monotonic() - began
    found.memory_mb = peak_mb()
    return found


def _timed(found: Found, took: float, size: int) -> None:
    found.runs += 1
    if took > found.slowest and found.runs > 1_000:  # before that Python itself warms up
        found.slowest, found.slowest_size = took, size


def _child(found: Found, name: str, runs: int, seed: int, folder: Path) -> None:
    seen = folder / "seen.json"
    seen.unlink(missing_ok=True)
    orders = json.dumps({"target": name, "runs": runs, "seed": seed, "folder": str(folder)})
    command = [sys.executable, "-m", "tests.fuzz.child", orders]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    found.said = "\n".join((ended.stdout + ended.stderr).splitlines()[-25:])
    if seen.exists():
        told = json.loads(seen.read_text())
        found.runs += told["runs"]
        found.seconds += told["seconds"]
        found.memory_mb = max(found.memory_mb, told["memory_mb"])
        if told["slowest"] > found.slowest:
            found.slowest, found.slowest_size = told["slowest"], told["slowest_size"]


def _put_aside(findings: Iterable[Path], corpus: Path) -> None:
    """What is in the corpus and fails now would end every search at its beginning."""
    failing = {path.read_bytes() for path in findings}
    for path in corpus.iterdir():
        if failing and path.read_bytes() in failing:
            path.unlink()


def _findings(folder: Path) -> set[Path]:
    return {path for pattern in _FINDINGS for path in folder.glob(pattern)}


def _dictionary() -> str:
    """The words as libFuzzer reads them: quoted, every byte in hexadecimal."""
    return "".join(f'"{_hex(word)}"\n' for word in seeds.words())


def _hex(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)
