"""What is written into a record, as resources of the release its server speaks: references, codes and times, never a text of ours.

Each carries an identifier of our own system, by which it is made only once (W-03) and is known when it comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from gateway.mapping.fhir.reader import OURS
from gateway.model.consent import ANY, ChannelKind
from gateway.model.event import Release
from gateway.model.request import CommunicationStatus
from gateway.model.verdict import Reason
from gateway.model.when import Millis, to_datetime

Resource = dict[str, Any]

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_MEDIA: Final = {  # v3 ParticipationMode
    ChannelKind.EMAIL: "EMAILWRIT",
    ChannelKind.SMS: "SMSWRIT",
    ChannelKind.PORTAL: "ONLINEWRIT",
}
_REASONS: Final = {  # communication-not-done-reason, where one of its codes is true
    Reason.CHANNEL_UNAVAILABLE: "system-error",
    Reason.NO_VERIFIED_TLS: "system-error",
    Reason.OUTCOME_UNKNOWN: "unknown",
}
_REQUESTS = frozenset({"CommunicationRequest", "ServiceRequest", "MedicationRequest", "DeviceRequest", "CarePlan"})
_NO_TEXT = {Release.R5}  # its payload has no string


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message to one person by one channel. `patient` and `about`: references at the server, "Patient/12".

    `to_patient`: it went to an address of the patient's own. `sent`: when it was handed over, `received`: when it provably
    arrived, Millis. `template`: its name; what was written is nobody's but the patient's (W-01).
    """

    id: int
    status: CommunicationStatus
    reason: Reason | None
    channel: ChannelKind
    template: str
    patient: str = field(repr=False)
    about: str | None = field(default=None, repr=False)
    to_patient: bool = True
    sent: Millis | None = None
    received: Millis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """A patient who wants no messages by one channel, or (ANY) by any. `recorded` Millis. `patient`: "Patient/12".

    `person`: a token. The ledger has an entry for the person and for each address; it is one Consent. `stands`: it was
    not taken back since.
    """

    person: int
    patient: str = field(repr=False)
    channel: str
    recorded: Millis
    stands: bool = True


def name_of(resource: Resource) -> str:
    """The identifier of ours that a resource carries, as a search has it: "system|value"."""
    told = resource["identifier"]
    told = told[0] if isinstance(told, list) else told  # STU3 has one
    return f"{told['system']}|{told['value']}"


def communication(one: Sent, release: Release) -> Resource:
    """A Communication: what became of one message, with the least that says so (R4 communication.html)."""
    built: Resource = {"resourceType": "Communication", "identifier": _identifier(f"communication-{one.id}")}
    built |= _status(one, release)
    built["category"] = [_concept(_system("communication-category", release), "notification")]
    built["medium"] = [_concept(_v3("ParticipationMode", release), _MEDIA[one.channel])]
    built["subject"] = {"reference": one.patient}
    built |= _about(one.about, release)
    if one.to_patient:
        built["recipient"] = [{"reference": one.patient}]
    for element, at in (("sent", one.sent), ("received", one.received)):
        if at is not None:
            built[element] = _moment(at)
    built["payload"] = [_payload(one.template, release)]
    return built


def consent(one: OptOut, release: Release) -> Resource:
    """A Consent that denies messages: R4 by its provision, R5 by its decision, STU3 by its exception (CN-01, CN-03)."""
    built: Resource = {
        "resourceType": "Consent",
        "identifier": _identifier(f"opt-out-{one.person}-{_what(one.channel)}"),
        "status": "active" if one.stands else "inactive",  # R4 valueset-consent-state-codes: no longer in effect
        "category": [_concept(f"{OURS}:consent", _what(one.channel))],
    }
    opted_out, patient = _concept(_v3("ActCode", release), "OPTOUT"), {"reference": one.patient}
    if release is Release.R5:
        return built | {
            "subject": patient,
            "date": _moment(one.recorded)[:10],
            "regulatoryBasis": [opted_out],
            "decision": "deny",
        }
    built |= {"patient": patient, "dateTime": _moment(one.recorded)}
    if release is Release.STU3:
        denied = {"type": "deny", "code": [_coding(f"{OURS}:consent", _what(one.channel))]}
        return built | {"identifier": built["identifier"][0], "policyRule": f"{OURS}:opt-out", "except": [denied]}
    return built | {
        "scope": _concept(f"{_TERMINOLOGY}/consentscope", "patient-privacy"),
        "policyRule": opted_out,
        "provision": {"type": "deny", "code": [_concept(f"{OURS}:consent", _what(one.channel))]},
    }


def _status(one: Sent, release: Release) -> Resource:
    """The status of the attempt; of one that did not happen with its reason. STU3 says both otherwise."""
    done = one.status not in (CommunicationStatus.NOT_DONE, CommunicationStatus.STOPPED)
    why = {} if one.reason is None else _why(one.reason, release)
    if release is not Release.STU3:
        return {"status": one.status.value} | ({"statusReason": why} if why else {})
    if done:
        return {"status": one.status.value}
    return {"status": "aborted", "notDone": True} | ({"notDoneReason": why} if why else {})


def _why(reason: Reason, release: Release) -> Resource:
    coded = [_coding(f"{OURS}:reason", reason.value)]
    if reason in _REASONS and release is not Release.STU3:
        coded.insert(0, _coding(f"{_TERMINOLOGY}/communication-not-done-reason", _REASONS[reason]))
    return {"coding": coded}


def _about(reference: str | None, release: Release) -> Resource:
    """A request is fulfilled, anything else is what it is about (STU3 calls that the topic)."""
    if reference is None:
        return {}
    about = "topic" if release is Release.STU3 else "about"
    return {"basedOn" if reference.partition("/")[0] in _REQUESTS else about: [{"reference": reference}]}


def _payload(template: str, release: Release) -> Resource:
    if release in _NO_TEXT:
        return {"contentCodeableConcept": _concept(f"{OURS}:template", template)}
    return {"contentString": template}


def _what(channel: str) -> str:
    return "no-messages" if channel == ANY else f"no-{channel}"


def _identifier(value: str) -> list[Resource]:
    return [{"system": OURS, "value": value}]


def _concept(system: str, code: str) -> Resource:
    return {"coding": [_coding(system, code)]}


def _coding(system: str, code: str) -> Resource:
    return {"system": system, "code": code}


def _system(name: str, release: Release) -> str:
    return f"http://hl7.org/fhir/{name}" if release is Release.STU3 else f"{_TERMINOLOGY}/{name}"


def _v3(name: str, release: Release) -> str:
    return f"http://hl7.org/fhir/v3/{name}" if release is Release.STU3 else f"{_TERMINOLOGY}/v3-{name}"


def _moment(at: Millis) -> str:
    return to_datetime(at).isoformat(timespec="seconds")
