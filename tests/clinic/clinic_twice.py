"""One appointment, visit, result or prescription as each of two standards tells it, and what becomes of it later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import clinic_messages as hl7
from clinic_fhir import ORDERS, Resource, Server
from clinic_site import shipped_rule
from test_clinic_orders import RULE

from gateway.model.when import HOUR, Millis, to_datetime

VISITS = "urn:oid:1.2.3.6"
EVENTS = {"result": "result.available", "prescription": "prescription.new", "visit": "encounter.discharged"}
KINDS = ("appointment", *EVENTS)
START, LATER, STILL_LATER = "2026-03-20 09:30", "2026-03-24 10:00", "2026-03-26 11:00"


def rules() -> dict[str, str]:
    """One rule for each kind: the shipped reminder, and news of the others two hours later."""
    news = {name: RULE.format(name=name, event=event, by="2h") for name, event in EVENTS.items()}
    return {"appointment-reminder": shipped_rule("appointment-reminder"), **news}


@dataclass
class Twice:
    """Tells one thing about somebody; `number`: None tells none that another system could know."""

    server: Server
    kind: str
    handle: str
    at: Millis

    @property
    def _id(self) -> str:
        return f"{self.kind}-{self.handle}".casefold()

    # -- HL7 v2

    def hl7(self, number: str, change: str = "", start: str = START) -> bytes:
        """The message. `change`: "moved" or "ended"."""
        clinic = self.server.clinic
        if self.kind == "appointment":
            trigger, status = {"": ("S12", "Booked"), "moved": ("S13", "Booked"), "ended": ("S15", "Cancelled")}[change]
            return clinic.schedules(trigger, self.handle, start=start, appointment=number, status=status)
        if self.kind == "visit":
            told = {2: "I", 3: "MAIN", 10: "MED", 19: f"{number}^^^LAKESIDE", 44: hl7.stamp(self.at)}
            told |= {} if change == "ended" else {36: "01", 45: hl7.stamp(self.at + HOUR)}
            return clinic.visit("A13" if change == "ended" else "A03", self.handle, pv1=told)
        type_, segments = self._order(number, change)
        head = hl7.msh(type_, clinic._control(), clinic.clock.now())
        return hl7.body(head, hl7.pid(clinic.person(self.handle)), *segments)

    def _order(self, number: str, change: str) -> tuple[str, list[str]]:
        at = hl7.stamp(self.at)
        if self.kind == "result":
            status = {"": "F", "moved": "C", "ended": "D"}[change]
            obr = hl7.segment(
                "OBR",
                {1: "1", 3: f"{number}^SCHED", 4: "24323-8^X^LN", 22: at, 25: "X" if change == "ended" else status},
            )
            obx = hl7.segment("OBX", {1: "1", 2: "NM", 3: "2345-7", 5: "99", 8: "N", 11: status})
            return "ORU^R01^ORU_R01", [obr, obx]
        orc = hl7.segment("ORC", {1: {"": "NW", "moved": "XO", "ended": "CA"}[change], 2: f"{number}^SCHED", 9: at})
        return "RDE^O11^RDE_O11", [orc, hl7.segment("RXE", {2: "0378^Aspirin^NDC", 16: "2"})]

    # -- FHIR

    def fhir(self, number: str | None, change: str = "", start: str = START) -> Resource:
        """The resource, stored at the server as its next version."""
        if self.kind == "appointment":
            more = {"status": "cancelled"} if change == "ended" else {}
            return self.server.appointment(self.handle, start, self._id, number=number, **more)
        make: dict[str, Callable[[str], dict[str, Any]]] = {
            "result": self._report,
            "visit": self._encounter,
            "prescription": self._prescription,
        }
        system = VISITS if self.kind == "visit" else ORDERS
        told = {"id": self._id, "subject": {"reference": f"Patient/p-{self.handle.casefold()}"}}
        told["identifier"] = [{"system": system, "value": number}] if number else []
        return self.server.puts(told | make[self.kind](change))

    def _report(self, change: str) -> dict[str, Any]:
        coded = {"coding": [{"system": "http://loinc.org", "code": "24323-8"}]}
        status = {"": "final", "moved": "corrected", "ended": "entered-in-error"}[change]
        return {"resourceType": "DiagnosticReport", "status": status, "code": coded, "issued": self._iso()}

    def _encounter(self, change: str) -> dict[str, Any]:
        coded = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
        told: dict[str, Any] = {"resourceType": "Encounter", "class": coded}
        told["period"] = {"start": self._iso(), "end": self._iso(HOUR)}
        left = {"dischargeDisposition": {"coding": [{"code": "home"}]}}
        return told | {"status": "entered-in-error" if change == "ended" else "finished", "hospitalization": left}

    def _prescription(self, change: str) -> dict[str, Any]:
        status = "cancelled" if change == "ended" else "active"
        told = {"resourceType": "MedicationRequest", "status": status, "intent": "order", "authoredOn": self._iso()}
        return told | {"medicationCodeableConcept": {"text": "aspirin"}}

    def _iso(self, after: Millis = 0) -> str:
        return to_datetime(self.at + after).isoformat()
