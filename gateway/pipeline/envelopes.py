"""Turns a clearance into one recorded attempt: only here is an address revealed and a text rendered (law 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from gateway.model.consent import ChannelKind
from gateway.model.errors import ClearanceError, RenderError
from gateway.model.facts import FactValue
from gateway.model.party import Location, Organization
from gateway.model.request import CommunicationStatus
from gateway.model.rule import Rule
from gateway.model.verdict import Clearance
from gateway.pipeline.directory import Directory, contact_point_of
from gateway.pipeline.rows import ContactRow, OccurrenceRow, PatientRow
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.ports import Envelope
from gateway.render.check import check
from gateway.render.rendered import Rendered
from gateway.store import tables
from gateway.store.uow import UnitOfWork

_COLUMNS = (
    "id",
    "request",
    "channel",
    "attempt",
    "patient",
    "address",
    "topic",
    "purpose",
    "template",
    "template_digest",
    "body_hmac",
    "sealed_body",
    "status",
    "at",
)
_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One recorded attempt and the envelope that may leave for it. `others`: channels are left to fall back to."""

    id: int
    envelope: Envelope
    others: bool


def write_attempt(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    rules: Active,
    clearance: Clearance,
    *,
    rule: Rule,
    patient: PatientRow,
    occurrence: OccurrenceRow,
    facts: Mapping[str, FactValue],
    contact: ContactRow | None,
    attempt: int,
    others: bool,
) -> Attempt:
    """Reveal, render, check, and record the attempt with its sealed body and the digest of its content.

    Raises RenderError; ClearanceError when the contact point is not the one that was cleared.
    """
    if contact is None or contact.id != clearance.contact_point:
        raise ClearanceError("the contact point is not the one that was cleared")
    location = site.location(facts, occurrence.facility)
    organization = site.organization(location, occurrence.source)
    rendered = _render(
        rules, clearance, rule, patient, facts, organization, location, site.zone(location, occurrence.source)
    )
    check(rendered, [(kind, value) for kind, values in forbidden(directory, patient) for value in values])
    identity = uow.new_id()
    envelope = _envelope(directory, identity, clearance, organization, contact, rendered)
    _insert(uow, directory, identity, clearance, rule, patient, contact, attempt, envelope)
    return Attempt(id=identity, envelope=envelope, others=others)


def _render(
    rules: Active,
    clearance: Clearance,
    rule: Rule,
    patient: PatientRow,
    facts: Mapping[str, FactValue],
    organization: Organization,
    location: Location | None,
    zone: str,
) -> Rendered:
    if rules.templates.digest(rule.template) != clearance.template_digest:
        raise RenderError("the template changed after it was cleared")
    revealed = {name: facts[name] for name in clearance.reveals if name in facts}
    return rules.templates.render(
        rule.template,
        language=patient.language or rules.ruleset.policy.language,
        values=revealed,
        organization=organization,
        location=location,
        reveals=clearance.reveals,
        zone=zone,
        channel=ChannelKind(clearance.channel),
        sms_segments=rule.sms_segments,
    )


def forbidden(directory: Directory, patient: PatientRow) -> list[tuple[str, list[str]]]:
    """(kind, values) that must not stand in any text: what tells a chart apart and no rule may reveal.

    Names and postal codes are not looked for: they are also months, streets and the clinic's own address, and a
    template cannot reach them unless the rule reveals them.
    """
    person = directory.person(patient)
    found = [("an identifier", directory.identifiers(patient))]
    if "birth" in person:
        found.append(("the birth date", [person["birth"]]))
    return found


def _envelope(
    directory: Directory,
    identity: int,
    clearance: Clearance,
    organization: Organization,
    contact: ContactRow,
    rendered: Rendered,
) -> Envelope:
    domain = organization.sender_email.rpartition("@")[2]
    # every try of a request carries the same one: who took it after all recognises the second copy (EM-13)
    stable = directory.keyring.digest("message-id", str(clearance.request)).hex()
    return Envelope(
        communication=identity,
        channel=ChannelKind(clearance.channel),
        to=contact_point_of(contact),
        sender_name=organization.sender_name,
        sender_address=organization.sender_email,
        message_id=f"<{stable}@{domain}>",
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        language=rendered.language,
        digest=rendered.digest,
    )


def _insert(
    uow: UnitOfWork,
    directory: Directory,
    identity: int,
    clearance: Clearance,
    rule: Rule,
    patient: PatientRow,
    contact: ContactRow,
    attempt: int,
    envelope: Envelope,
) -> None:
    body = _json([envelope.subject, envelope.text, envelope.html])
    row = (
        identity,
        clearance.request,
        clearance.channel,
        attempt,
        patient.token,
        contact.address,
        rule.topic,
        rule.purpose.value,
        rule.template,
        clearance.template_digest,
        directory.keyring.digest("content", envelope.digest),
        directory.seal_for(patient, body, b"communication.sealed_body:%d" % identity),
        CommunicationStatus.IN_PROGRESS,
        uow.now,
    )
    uow.insert(tables.communication, _COLUMNS, [row])
