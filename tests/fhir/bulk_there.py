"""A server that exports, on loopback: what a test says, in the shape of Bulk Data."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fhir_memory import Memory
from fhir_there import Asked, Said, There, client, there

from connectors.sources.fhir.bulk.exporter import Exporter
from connectors.sources.fhir.bulk.options import ExportOptions
from connectors.sources.fhir.bulk.turns import Turns
from connectors.sources.fhir.client.server import FhirServer
from connectors.sources.fhir.polling.handing import Handing
from connectors.sources.tally import Tally
from gateway.ports import ExportStep, SystemClock

AT = "2026-03-02T14:00:00.000Z"
Handler = Callable[[Asked], Said | None]


@dataclass
class Bulk:
    """One export server. `files`: by name its lines, and by type what the manifest lists; `before` may answer first."""

    files: dict[str, Sequence[Any]] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    waits: int = 0
    before: Handler = lambda _: None
    packed: bool = False
    kicked: int = 0
    deleted: int = 0
    there: There = field(default_factory=lambda: There(lambda _: Said()))

    def answer(self, asked: Asked) -> Said:
        if (told := self.before(asked)) is not None:
            return told
        name = asked.path.removeprefix("/fhir/")
        if name.endswith("$export"):
            self.kicked += 1
            return Said(202, headers={"Content-Location": f"{self.there.base}/job/{self.kicked}"})
        if name.startswith("job/"):
            return self._job(asked)
        return self._file(name, asked)

    def url(self, name: str) -> str:
        return f"{self.there.base}/{name}"

    def _job(self, asked: Asked) -> Said:
        if asked.method == "DELETE":
            self.deleted += 1
            return Said(202)
        if self.waits:
            self.waits -= 1
            return Said(202, headers={"Retry-After": "0", "X-Progress": "in progress (40%)"})
        output = [{"type": name.partition(".")[0], "url": self.url(name)} for name in self.files if "-" not in name]
        told = {"transactionTime": AT, "request": "x", "requiresAccessToken": True, "output": output, "error": []}
        return Said(200, {**told, **self.manifest})

    def _file(self, name: str, asked: Asked) -> Said:
        if name not in self.files:
            return Said(404)
        body = b"".join(
            line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in self.files[name]
        )
        if self.packed:
            return Said(200, gzip.compress(body), headers={"Content-Encoding": "gzip"})
        return Said(200, body)


@contextmanager
def exporting(bulk: Bulk, options: Mapping[str, Any] | None = None) -> Iterator[FhirServer]:
    """Serve it, and our client of it, which shows a token."""
    with there(bulk.answer) as found:
        bulk.there = found
        with client(found.base, {"bearer": {"token": "lakeside-token"}, **(options or {})}) as server:
            yield server


def exporter(server: FhirServer, memory: Memory, steps: list[ExportStep] | None = None, **more: Any) -> Exporter:
    """The exports of source "ehr"."""
    return Exporter(
        server,
        memory,
        memory,
        Handing(memory, server.stopping),
        source="ehr",
        options=ExportOptions.model_validate({"poll": 0.05, **more}),
        clock=SystemClock(),
        tally=Tally("ehr"),
        step=(steps if steps is not None else []).append,
    )


def turns(server: FhirServer, memory: Memory, *, every: float) -> Turns:
    """Its exports by the clock."""
    return Turns(exporter(server, memory), every=every, clock=SystemClock(), tally=Tally("ehr"))
