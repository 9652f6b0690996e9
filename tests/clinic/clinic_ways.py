"""The ways a FHIR server's resource comes to the clinic: told whole, told by its id and fetched, found by polling, in a file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from clinic_fhir import Resource, Server
from fhir_there import Asked, Said, bundle, client, there

from connectors.sources.fhir.client.server import FhirServer
from connectors.sources.fhir.polling.fetcher import Fetcher
from connectors.sources.fhir.polling.handing import Handing
from connectors.sources.fhir.polling.messages import Maker
from connectors.sources.fhir.polling.options import FetchOptions, PollOptions
from connectors.sources.fhir.polling.poller import Poller
from connectors.sources.tally import Tally
from gateway import fhirfile
from gateway.model.event import Format, RawMessage
from gateway.pipeline.noting import NoteBook
from gateway.ports import ReplyTo

POLLED = ["Patient", "Appointment", "Encounter", "DiagnosticReport", "MedicationRequest"]
WAYS = ("told", "fetched", "polled", "filed")


@dataclass
class Ways:
    """How the clinic comes by what the server stores; `comes` brings one resource by one of WAYS."""

    server: Server
    fetcher: Fetcher
    poller: Poller

    def comes(self, resource: Resource, way: str) -> None:
        """It is stored at the server already (`Server.puts`)."""
        clinic = self.server.clinic
        if way == "told":
            self.server.tells(resource)
        elif way == "fetched":
            self.server.fetches.want([(f"{resource['resourceType']}/{resource['id']}", None)], "notified")
            while self.fetcher.once():
                pass
        elif way == "polled":
            assert self.poller.once()
        else:
            pieces = fhirfile.split(io.BytesIO(json.dumps(resource).encode() + b"\n"), name="export.ndjson")
            clinic.hears_together(*(piece.body for piece in pieces), source="fhir")
        clinic.answers_doorbells()


class _Intake:
    """Commits at once, in the thread of who offers."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def offer(self, message: RawMessage, ticket: object, reply_to: ReplyTo) -> bool:
        """As the port says."""
        (outcome,) = self._server.clinic.gateway.receiver.receive([message])
        reply_to.answered([(ticket, outcome)])
        return True

    def witness(self, *_: object) -> None:
        """Nothing is witnessed here."""
        raise AssertionError


def _answering(server: Server) -> Callable[[Asked], Said]:
    """A server that searches by type alone and has no histories."""

    def answer(asked: Asked) -> Said:
        name = asked.path.removeprefix("/fhir/")
        if name.endswith("_history"):
            return Said(status=501)
        if "/" not in name:
            return Said(body=bundle(*(one for key, one in server.stored.items() if key.startswith(f"{name}/"))))
        found: Any = server.stored.get(name)
        return Said(status=404) if found is None else Said(body=found)

    return answer


@contextmanager
def ways(server: Server) -> Iterator[Ways]:
    """The connector's own fetcher and poller, over HTTP; what the server stored before is the poller's baseline."""
    clinic = server.clinic
    store, entry = clinic.gateway.store, clinic.gateway.site.sources["fhir"]
    with there(_answering(server)) as http, client(http.base, clock=clinic.clock) as line:
        made = _fetcher(server, line), _poller(server, line, NoteBook(store, entry))
        assert made[1].once()
        yield Ways(server, *made)


def _common(server: Server, line: FhirServer) -> tuple[tuple[Handing, Maker], dict[str, Any]]:
    clock = server.clinic.clock
    handing = Handing(_Intake(server), line.stopping)
    more = {"elements": lambda _: (), "clock": clock, "tally": Tally("fhir")}
    return (handing, Maker(source="fhir", clock=clock)), more


def _fetcher(server: Server, line: FhirServer) -> Fetcher:
    told, more = _common(server, line)
    return Fetcher(line, server.fetches, *told, options=FetchOptions(), **more)


def _poller(server: Server, line: FhirServer, notes: Any) -> Poller:
    told, more = _common(server, line)
    options = PollOptions.model_validate({"resources": POLLED, "deletes": False})
    return Poller(line, notes, server.fetches, *told, options=options, **more)


__all__ = ["WAYS", "Format", "Ways", "ways"]
