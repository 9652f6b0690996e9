"""One round of telling a server, in a process that kills itself before the n-th step that anybody else could see (0: never).

Arguments: folder of the site, clock in Millis, step. The server is a file: a line for every version it was told.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.app import assemble
from gateway.pipeline.writeback import WritingBack
from gateway.ports import SetClock
from gateway.settings import load
from gateway.store.keyring import Keyring
from gateway.store.uow import UnitOfWork


class FileServer:
    """Makes what is not there yet, and keeps every version."""

    name = "fhir"

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, resource: bytes, *, identifier: str, id: str | None) -> str:  # noqa: A002
        """As the port says."""
        known = [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []
        found = id or next((one["id"] for one in known if one["identifier"] == identifier), None)
        made = found is None
        told = {"id": found or f"m{len(known)}", "identifier": identifier, "made": made}
        with self.path.open("a") as file:
            file.write(json.dumps({**told, "status": json.loads(resource)["status"]}) + "\n")
        return str(told["id"])


def kill_before(step: int) -> None:
    """Commits and exchanges are steps; so is what comes right after an exchange."""
    count = itertools.count(1)

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*told: Any, **more: Any) -> Any:
            if next(count) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*told, **more)

        return stepped

    UnitOfWork.commit = counted(UnitOfWork.commit)  # type: ignore[method-assign]
    FileServer.write = counted(FileServer.write)  # type: ignore[method-assign]
    WritingBack._took = counted(WritingBack._took)  # type: ignore[method-assign]


def main(folder: Path, now: int, step: int) -> None:
    """The round."""
    settings = load(folder / "caregate.yaml", environ={})
    gateway = assemble(settings, clock=SetClock(now), keyring=Keyring.load(folder / "keys.json"), activates=False)
    kill_before(step)
    source = gateway.site.sources["fhir"]
    server = FileServer(folder / "ehr.jsonl")
    WritingBack(gateway.store, source, server, lambda: gateway.rules.current().ruleset.policy).once()
    gateway.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
