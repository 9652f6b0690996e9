"""`python -m tests.fuzz [TARGET …] [--runs N]`: a coverage-guided search (atheris) for input of which our claims do not hold.

Prints, for each target, runs, crashes, peak memory and the slowest input. The exit code is 1 when anything was found: the
input lies where it is told, `python -m tests.fuzz --try FILE TARGET` runs it again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.searching import Found, search, search_blindly
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Search what was asked for."""
    told = _arguments()
    if told.input is not None:
        return _try(told.targets[0] if told.targets else "message", told.input)
    names = told.targets or list(TARGETS)
    if not told.blind and find_spec("atheris") is None:
        print("atheris is not installed (it is there for Linux on x86-64): searching without coverage")
        told.blind = True
    keep = Path(told.keep or tempfile.mkdtemp(prefix="caregate-fuzz-"))
    found = []
    for name in names:
        way = search_blindly if told.blind else search
        found.append(way(name, runs=told.runs // len(names), seed=told.seed, folder=keep / name))
        print(found[-1].line(), flush=True)
    print(_sum(found))
    return int(any(one.crashes for one in found))


def _sum(found: list[Found]) -> str:
    runs, crashes = sum(one.runs for one in found), sum(len(one.crashes) for one in found)
    return f"{runs:,} inputs, {crashes} of which a claim does not hold"


def _try(name: str, path: Path) -> int:
    try:
        TARGETS[name].holds(path.read_bytes())
    except Exception:
        traceback.print_exc()
        return 1
    print("the claims hold")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS) + "; default: all")
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs, shared among the targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder in which corpora are kept, so that the next search goes on")
    parser.add_argument("--blind", action="store_true", help="without coverage: where there is no atheris, and faster")
    parser.add_argument("--try", dest="input", type=Path, metavar="FILE", help="run one input")
    told = parser.parse_args()
    if unknown := [name for name in told.targets if name not in TARGETS]:
        parser.error(f"there is no target {unknown[0]}; there are {', '.join(TARGETS)}")
    return told


if __name__ == "__main__":
    sys.exit(main())
