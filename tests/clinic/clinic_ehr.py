"""An EHR that speaks FHIR: it tells the clinic of its patients and appointments, and is told what became of messages."""

from __future__ import annotations

import json
from typing import Any

from clinic_dsl import Clinic
from clinic_messages import AUTHORITY

from gateway.model.errors import ServerError, Unusable
from gateway.model.event import Outcome
from gateway.model.when import SECOND, to_datetime
from gateway.pipeline.writeback import WritingBack

BASE = "https://ehr.lakeside.example/r4"
MRN = "urn:oid:1.2.3.4"
FEED = f"""\
  fhir:
    kind: mllp
    format: fhir
    organization: lakeside
    port: 2577
    base: {BASE}
    systems: {{'{MRN}': '{AUTHORITY}|MR'}}
    write_back: {{communications: yes, consents: yes}}
"""
Resource = dict[str, Any]


class Ehr:
    """A server that makes what is not there yet (W-03). `answers`: errors of the next exchanges, None: none.

    `dies_after`: it does as asked, and the asker is gone before it hears of it.
    """

    name = "fhir"

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        self.kept: dict[str, list[Resource]] = {}
        self.answers: list[ServerError | None] = []
        self.dies_after = False
        self.made = 0
        self._by: dict[str, str] = {}
        self.rounds = self.another()

    def another(self) -> WritingBack:
        """The rounds of one process."""
        gateway = self.clinic.gateway
        entry = gateway.site.sources["fhir"]
        return WritingBack(gateway.store, entry, self, lambda: gateway.rules.current().ruleset.policy)

    # -- what it is told

    def write(self, resource: bytes, *, identifier: str, id: str | None) -> str:  # noqa: A002
        """As the port says."""
        if self.answers and (error := self.answers.pop(0)) is not None:
            raise error
        told = json.loads(resource)
        found = id or self._by.get(identifier)
        if found is None:
            self.made += 1
            found = self._by[identifier] = f"made-{self.made}"
        self.kept.setdefault(found, []).append(told)
        if self.dies_after:
            raise KilledError
        return found

    def looks(self, span: str = "1m") -> int:
        """Time passes, and a round looks; how many were told."""
        self.clinic.passes(span)
        return self.rounds.once()

    def told(self, type_: str = "Communication") -> list[list[Resource]]:
        """Of every resource its versions, oldest first."""
        return [versions for versions in self.kept.values() if versions[0]["resourceType"] == type_]

    def statuses(self) -> list[list[str]]:
        """Of every Communication the statuses it went through."""
        return [[one["status"] for one in versions] for versions in self.told()]

    # -- what it tells

    def knows(self, handle: str) -> Outcome:
        """The feed brings the Patient."""
        person = self.clinic.person(handle)
        return self._tells(
            {
                "resourceType": "Patient",
                "id": f"p-{handle.casefold()}",
                "identifier": [{"system": MRN, "value": person.mrn}],
                "name": [{"family": person.family, "given": [person.given]}],
                "birthDate": None if person.born is None else person.born.isoformat(),
                "address": [{"country": "US", "state": person.state, "postalCode": person.postal}],
                "telecom": [{"system": "email", "value": person.email}],
            }
        )

    def books(self, handle: str, on: str, id_: str = "a1", **more: Any) -> Outcome:
        """The feed brings an Appointment."""
        start = self.clinic.when(on)
        return self._tells(
            {
                "resourceType": "Appointment",
                "id": id_,
                "status": "booked",
                "serviceType": [{"coding": [{"code": "PCP"}]}],
                "start": to_datetime(start).isoformat(),
                "end": to_datetime(start + 1800 * SECOND).isoformat(),
                "participant": [{"actor": {"reference": f"Patient/p-{handle.casefold()}"}, "status": "accepted"}],
                **more,
            }
        )

    def opts_out(self, handle: str) -> Outcome:
        """The feed brings a Consent that denies everything by e-mail."""
        terms = "http://terminology.hl7.org/CodeSystem"
        return self._tells(
            {
                "resourceType": "Consent",
                "id": "c1",
                "status": "active",
                "scope": {"coding": [{"system": f"{terms}/consentscope", "code": "patient-privacy"}]},
                "category": [{"coding": [{"code": "EMAILWRIT"}]}],
                "patient": {"reference": f"Patient/p-{handle.casefold()}"},
                "policyRule": {"coding": [{"system": f"{terms}/v3-ActCode", "code": "OPTOUT"}]},
                "provision": {},
            }
        )

    def _tells(self, resource: Resource) -> Outcome:
        moment = to_datetime(self.clinic.clock.now()).isoformat()
        whole = {name: value for name, value in resource.items() if value is not None}
        whole["meta"] = {"versionId": str(self.clinic.clock.now()), "lastUpdated": moment}
        return self.clinic.hears(json.dumps(whole).encode(), source="fhir")


class KilledError(BaseException):
    """The process ends between the server's answer and its own commit."""


def refusal() -> ServerError:
    """The server will not have it."""
    return Unusable("the server answered 422", 422)
