"""One raw message a resource, whichever way it was read: the same version is the same message (Q-09)."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.sources.fhir.client.resources import Resource, dumped, text_of
from connectors.sources.fhir.notices import instant, instant_of
from gateway.fhirfile import deletion
from gateway.model.event import Format, RawMessage
from gateway.model.when import Millis
from gateway.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Makes the messages of one source."""

    source: str
    clock: Clock

    def of(self, resource: Resource, *, baseline: bool = False) -> RawMessage:
        """Of a resource that was read."""
        return self._message(dumped(resource), baseline=baseline)

    def deletion(self, reference: str, *, response: object = None, baseline: bool = False) -> RawMessage:
        """Of "Appointment/12" that is no longer there: a history Bundle of the one entry that says so.

        `response`: of the server's own history entry. Without its time ours tells one deletion from the next.
        """
        told = deletion(reference, response=response, at=instant(self.clock.now()))
        return self._message(told, baseline=baseline)

    def _message(self, body: bytes, *, baseline: bool) -> RawMessage:
        return RawMessage(
            source=self.source, format=Format.FHIR, body=body, received=self.clock.now(), baseline=baseline
        )


def updated(resource: Resource) -> Millis | None:
    """meta.lastUpdated."""
    return instant_of(text_of(resource, "meta", "lastUpdated"))


def version_key(resource: Resource) -> str:
    """What tells this version of this resource: type, id, and meta.versionId, lastUpdated or the content (Q-01, Q-09)."""
    told = text_of(resource, "meta", "versionId") or text_of(resource, "meta", "lastUpdated") or _content(resource)
    return f"{text_of(resource, 'resourceType')}/{text_of(resource, 'id')}/{told}"


def _content(resource: Resource) -> str:
    import hashlib

    return hashlib.sha256(dumped(resource)).hexdigest()
