"""What a FHIR server tells of the clinic's people: resources as bytes, made up, one version after the other."""

from __future__ import annotations

import json
from typing import Any

from clinic_dsl import Clinic
from clinic_messages import AUTHORITY

from gateway.model.event import Outcome
from gateway.model.when import SECOND, to_datetime
from gateway.pipeline.fetching import FetchList
from gateway.ports import BASELINE, Wanted

BASE = "https://ehr.lakeside.example/r4"
MRN = "urn:oid:1.2.3.4"
ORDERS = "urn:oid:1.2.3.5"
FEED = f"""\
  fhir:
    kind: mllp
    format: fhir
    organization: lakeside
    port: 2577
    systems: {{'{MRN}': '{AUTHORITY}|MR', '{ORDERS}': 'SCHED'}}
"""
SERVER = f"{FEED}    base: {BASE}\n"

Resource = dict[str, Any]


class Server:
    """A server whose resources the clinic hears, and from which it fetches what it must."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        self.stored: dict[str, Resource] = {}
        self._versions: dict[str, int] = {}

    # -- resources

    def patient(self, handle: str, id_: str | None = None, **more: Any) -> Resource:
        """Somebody as this server knows them, with their number; `id_`: their logical id."""
        person = self.clinic.person(handle)
        return self.puts(
            {
                "resourceType": "Patient",
                "id": id_ or _id(handle),
                "active": True,
                "identifier": [{"system": MRN, "value": person.mrn}],
                "name": [{"use": "official", "family": person.family, "given": [person.given]}],
                "birthDate": None if person.born is None else person.born.isoformat(),
                "address": [{"use": "home", "country": "US", "state": person.state, "postalCode": person.postal}],
                "telecom": [{"system": "email", "value": person.email}],
                **more,
            }
        )

    def appointment(self, handle: str, on: str, id_: str = "a1", *, number: str | None = None, **more: Any) -> Resource:
        """Booked for somebody, who is only referred to."""
        start = self.clinic.when(on)
        identifier = [{"system": ORDERS, "value": number}] if number else []
        return self.puts(
            {
                "resourceType": "Appointment",
                "id": id_,
                "identifier": identifier,
                "status": "booked",
                "serviceType": [{"coding": [{"code": "PCP"}]}],
                "start": to_datetime(start).isoformat(),
                "end": to_datetime(start + 1800 * SECOND).isoformat(),
                "participant": [{"actor": {"reference": f"Patient/{_id(handle)}"}, "status": "accepted"}],
                **more,
            }
        )

    def puts(self, resource: Resource) -> Resource:
        """The next version of a resource."""
        name = f"{resource['resourceType']}/{resource['id']}"
        self._versions[name] = self._versions.get(name, 0) + 1
        moment = to_datetime(self.clinic.clock.now()).isoformat()
        whole = {key: value for key, value in resource.items() if value not in ([], None)}
        whole["meta"] = {**resource.get("meta", {}), "versionId": str(self._versions[name]), "lastUpdated": moment}
        self.stored[name] = whole
        return whole

    # -- what the clinic hears

    def tells(self, resource: Resource, *, baseline: bool = False) -> Outcome:
        """The feed brings one resource."""
        return self.clinic.hears(self.body(resource), source="fhir", baseline=baseline)

    @staticmethod
    def body(resource: Resource) -> bytes:
        """The bytes of one."""
        return json.dumps(resource).encode()

    def deletes(self, reference: str) -> Outcome:
        """The feed tells that a resource is gone."""
        self.stored.pop(reference, None)
        moment = to_datetime(self.clinic.clock.now() + SECOND).isoformat()
        entry = {
            "request": {"method": "DELETE", "url": reference},
            "response": {"status": "204", "lastModified": moment},
        }
        return self.tells({"resourceType": "Bundle", "type": "history", "entry": [entry]})

    @property
    def fetches(self) -> FetchList:
        """What the clinic must still read here."""
        return FetchList(self.clinic.gateway.store, self.clinic.gateway.site.sources["fhir"])

    def is_asked(self) -> list[str]:
        """Everything due is fetched, as the connector does; what was asked for, in order."""
        asked: list[str] = []
        while found := self.fetches.take(1, 60 * SECOND):
            asked += [self._answers(one) for one in found]
        return asked

    def _answers(self, wanted: Wanted) -> str:
        resource = self.stored.get(wanted.reference)
        if resource is not None:
            self.tells(resource, baseline=wanted.why == BASELINE)
        self.fetches.done(wanted, "gone" if resource is None else "received")
        return wanted.reference


def _id(handle: str) -> str:
    return f"p-{handle.casefold()}"
