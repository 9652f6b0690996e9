"""The three questions of an export: begin, how far, and forget it; each with the answers Bulk Data gives them a meaning by."""

from __future__ import annotations

import re
from dataclasses import dataclass

from connectors.sources.fhir.bulk.manifest import Manifest, manifest_of
from connectors.sources.fhir.bulk.options import ExportOptions
from connectors.sources.fhir.client.addresses import plus_kept
from connectors.sources.fhir.client.line import Answer, Stream
from connectors.sources.fhir.client.outcomes import codes_of, trouble_of
from connectors.sources.fhir.client.server import FhirServer
from connectors.sources.fhir.client.waiting import http_date, retry_after
from gateway.model.errors import Busy, Missing, ServerError, Unusable
from gateway.model.when import Millis

_PASSES = frozenset({"transient", "throttled", "lock-error", "timeout"})
_PERCENT = re.compile(r"(\d{1,3})(?:\.\d+)?\s*%")
_MOST_PAGES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Not yet. `after`: seconds, where it was told. `percent`: of X-Progress; nothing else of its text is kept."""

    after: float | None = None
    percent: int | None = None


def kick_off(server: FhirServer, options: ExportOptions, since: str | None) -> str:
    """Ask for an export; the URL that tells how far it is (K-01). Raises ServerError; Busy: perhaps one runs (K-02)."""
    told = _parameters(options, since)
    prefer = "respond-async, separate-export-status" if options.separate_status else "respond-async"
    if options.post:
        listed = [_parameter(name, value) for name, value in told]
        body = {"resourceType": "Parameters", "parameter": listed}
        reply = server.ask("POST", server.base.at(options.path), resource=body, headers={"Prefer": prefer})
    else:
        reply = server.get(options.path, told, headers={"Prefer": prefer})
    where = reply.headers.get("content-location")
    if reply.status != 202 or not where:
        raise Unusable("the server does not export: it gave no address to ask how far it is", reply.status)
    return str(server.base.link(where))


def how_far(server: FhirServer, url: str, now: Millis) -> Manifest | Waiting:
    """The whole manifest, its further pages too, or that it is not there yet (K-03, K-04).

    Raises Missing: the server knows it no more; Busy: the server is not to be had; Unusable: the export failed there.
    """
    found = _looked(server, url, now)
    pages = 1
    while isinstance(found, Manifest) and found.next is not None:
        if pages > _MOST_PAGES:
            raise Unusable("the server's manifest has pages without an end")
        more = _looked(server, found.next, now)
        if isinstance(more, Waiting):
            return more
        found, pages = found.joined(more), pages + 1
    return found


def forget(server: FhirServer, url: str) -> bool:
    """Have the server drop the export and its files (K-13); whether it did. What goes wrong is no matter of ours."""
    try:
        server.ask("DELETE", server.base.link(url))
    except ServerError as error:
        return isinstance(error, Missing)
    return True


def bounded(stream: Stream, most: int) -> bytes:
    """The body of an answer; Unusable when it is larger."""
    found = bytearray()
    for piece in stream.pieces:
        found += piece
        if len(found) > most:
            raise Unusable("the server's answer is larger than `max_body`")
    return bytes(found)


def _looked(server: FhirServer, url: str, now: Millis) -> Manifest | Waiting:
    target = server.base.link(url)
    with server.streamed(target, headers={"Accept": "application/json"}) as stream:
        answer = Answer(status=stream.status, headers=stream.headers, body=bounded(stream, server.options.max_body))
    headers = answer.headers
    after = retry_after(headers.get("retry-after"), http_date(headers.get("date")), now)
    status = _export_status(answer)
    percent = _PERCENT.search(headers.get("x-progress", "")[:100])
    if status == 202:
        return Waiting(after=after, percent=min(100, int(percent[1])) if percent else None)
    if status == 200:
        return manifest_of(answer.body)
    raise _trouble(status, answer, after)


def _export_status(answer: Answer) -> int:
    """3.0.0, separate-export-status: the poll went well, and says in a header how the export fares."""
    told = answer.headers.get("x-export-status", "").strip()[:3]
    return int(told) if answer.status == 200 and told.isascii() and told.isdigit() else answer.status


def _trouble(status: int, answer: Answer, after: float | None) -> ServerError:
    codes = codes_of(answer)
    if status == 500 or (status > 504) or (codes and status >= 500):
        said = f"the server answered {status}" + (f" ({', '.join(codes)})" if codes else "")
        return Unusable(f"the export failed: {said}", status) if _PASSES.isdisjoint(codes) else Busy(said, after)
    return trouble_of(answer, after) or Unusable(f"the server answered {status}", status)


def _parameters(options: ExportOptions, since: str | None) -> list[tuple[str, str]]:
    """No `_outputFormat`: NDJSON is what every server gives unasked, and some refuse its full name."""
    told: list[tuple[str, str]] = []
    if since:
        told.append(("_since", since))
    if options.types:
        told.append(("_type", ",".join(options.types)))
    told += [("_typeFilter", plus_kept(one)) for one in options.filters]
    if options.elements:
        told.append(("_elements", ",".join(options.elements)))
    return told


def _parameter(name: str, value: str) -> dict[str, str]:
    return {"name": name, "valueInstant" if name == "_since" else "valueString": value}
