"""Turns a clearance into one recorded attempt: only here is an address revealed and a text rendered (law 3)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec

from gateway.model.consent import ChannelKind, Purpose
from gateway.model.errors import ClearanceError, KeyringError, RenderError
from gateway.model.facts import FactValue
from gateway.model.party import Location, Organization
from gateway.model.request import CommunicationStatus
from gateway.model.rule import Rule
from gateway.model.verdict import Clearance
from gateway.model.when import DAY, Millis
from gateway.pipeline import links
from gateway.pipeline.awaited import NOBODY_WAITS, Watched, watch_of
from gateway.pipeline.directory import Directory, contact_point_of
from gateway.pipeline.links import LinkKind
from gateway.pipeline.rows import ContactRow, OccurrenceRow, PatientRow
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.policy.disclosures import label_of
from gateway.ports import Envelope, content_digest
from gateway.render.check import check, check_sender_told
from gateway.render.rendered import Rendered
from gateway.store import tables
from gateway.store.keyring import Keyring
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
    "label",
    "silent_at",
    "read_by",
)
UNSUBSCRIBE_LASTS: Millis = 366 * DAY
"""15 USC 7704(a)(3)(A)(ii) asks for thirty days; people look at old mail for longer."""
_json = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(list[Any]).decode
_LONGEST_ID = 20


class Said(Protocol):
    """What a message is said to be about; a rule is, and what the gateway says of its own accord."""

    @property
    def topic(self) -> str:
        """What people say yes or no to."""
        ...

    @property
    def purpose(self) -> Purpose:
        """Why it is sent."""
        ...

    @property
    def template(self) -> str:
        """What it is written from."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One recorded attempt and the envelope that may leave for it.

    `others`: channels are left to fall back to. `stands`: an earlier one has left and nobody knows that it did not arrive.
    """

    id: int
    envelope: Envelope
    others: bool
    stands: bool = False


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
    first: Millis,
    until: Millis | None,
    open_allowed: bool = False,
    stands: bool = False,
) -> Attempt:
    """Reveal, render, check, and record the attempt with its sealed body and the digest of its content.

    `first`: when the request was tried first, `until`: as of `policy.kinds.rings_until` (Millis UTC). `open_allowed`: the person chose unencrypted mail for this mailbox
    (PH-01). `stands`: as of `Attempt`. Raises RenderError; ClearanceError when the contact point is not the one that was cleared.
    """
    if contact is None or contact.id != clearance.contact_point:
        raise ClearanceError("the contact point is not the one that was cleared")
    location = site.location(facts, occurrence.facility)
    organization = site.organization(location, occurrence.source)
    rendered = _render(
        rules, clearance, rule, patient, facts, organization, location, site.zone(location, occurrence.source)
    )
    check(rendered, [(kind, value) for kind, values in forbidden(directory, patient) for value in values])
    if rule.purpose is Purpose.HMARKT and clearance.channel != ChannelKind.SMS:
        check_sender_told(rendered, organization.postal_address)
    identity = uow.new_id()
    envelope = envelope_of(
        directory, identity, clearance, organization, contact, rendered,
        at=first, until=until, open_allowed=open_allowed,
    )  # fmt: skip
    envelope = with_unsubscribe(uow, site, envelope, patient, contact, rule.topic)
    watched = watch_of(rule, rules.ruleset.policy, envelope.channel, uow.now, alone=not others or stands)
    record(uow, directory, identity, clearance, rule, patient, contact, attempt, envelope, label_of(facts), watched)
    return Attempt(id=identity, envelope=envelope, others=others, stands=stands)


def with_unsubscribe(
    uow: UnitOfWork, site: Site, envelope: Envelope, patient: PatientRow, contact: ContactRow, topic: str
) -> Envelope:
    """An e-mail with where one click ends mail about this topic for this person, where we have https (RFC 8058; EM-21, EM-23)."""
    if envelope.channel is not ChannelKind.EMAIL or not (site.public_url or "").startswith("https:"):
        return envelope
    token = links.make(
        uow,
        kind=LinkKind.UNSUBSCRIBE,
        patient=patient.token,
        expires=uow.now + UNSUBSCRIBE_LASTS,
        address=contact.address,
        communication=envelope.communication,
        channel=ChannelKind.EMAIL.value,
        topic=topic,
    )
    return replace(envelope, unsubscribe=f"{site.public_url}/u/{token}")


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


def envelope_of(
    directory: Directory,
    identity: int,
    clearance: Clearance,
    organization: Organization,
    contact: ContactRow,
    rendered: Rendered,
    *,
    at: Millis,
    until: Millis | None,
    open_allowed: bool = False,
) -> Envelope:
    """What may leave: the address is revealed for this clearance alone. `at` dates it, the same at every try; `until`: as of `Envelope`."""
    domain = organization.sender_email.rpartition("@")[2]
    return Envelope(
        communication=identity,
        channel=ChannelKind(clearance.channel),
        to=contact_point_of(contact),
        sender_name=organization.sender_name,
        sender_address=organization.sender_email,
        message_id=message_id(directory.keyring, clearance.request, domain),
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        language=rendered.language,
        digest=rendered.digest,
        at=at,
        until=until,
        open_allowed=open_allowed,
    )


def message_id(keyring: Keyring, request: int, domain: str) -> str:
    """RFC 5322 Message-ID of a request: every try carries the same, so that who took it after all knows it again (EM-13).

    The digest proves that it is ours, and no rotation changes it.
    """
    return f"<{request}.{keyring.steady('message-id', str(request)).hex()}@{domain}>"


def request_of(keyring: Keyring, told: str) -> int | None:
    """The request of a Message-ID that is ours; None for any other text (EM-25)."""
    local = told.strip().removeprefix("<").partition("@")[0]
    request = local.partition(".")[0]
    if not request.isascii() or not request.isdigit() or len(request) > _LONGEST_ID:
        return None
    ours = message_id(keyring, int(request), "").partition("@")[0].removeprefix("<")
    return int(request) if hmac.compare_digest(ours.encode(), local.encode("utf-8", "replace")) else None


def reopened(directory: Directory, attempt: int) -> Envelope | None:
    """An attempt's envelope as it was offered, of its sealed body; None when body, key or contact point are gone."""
    columns = ("request", "channel", "patient", "address", "sealed_body")
    ((request, channel, token, address, sealed),) = directory.uow.lookup(tables.communication, columns, "id", [attempt])
    directory.load_tokens([token], lock=False)
    try:
        patient = directory.patients[token]
        contacts = directory.contacts(patient)
        body = (
            None if sealed is None else directory.unseal_for(patient, sealed, b"communication.sealed_body:%d" % attempt)
        )
    except KeyringError:
        return None
    contact = next((one for one in contacts if one.address == address), None)
    if body is None or contact is None:
        return None
    subject, text, html, sender = [*_read(body), ""][:4]
    return Envelope(
        communication=attempt, channel=ChannelKind(channel), to=contact_point_of(contact), sender_name="",
        sender_address=sender, message_id=message_id(directory.keyring, request, sender.rpartition("@")[2]),
        subject=subject, text=text, html=html, digest=content_digest(subject, text, html),
    )  # fmt: skip


def record(
    uow: UnitOfWork,
    directory: Directory,
    identity: int,
    clearance: Clearance,
    said: Said,
    patient: PatientRow,
    contact: ContactRow,
    attempt: int,
    envelope: Envelope,
    label: str | None,
    watched: Watched = NOBODY_WAITS,
) -> None:
    """Write one attempt, its body sealed for the patient."""
    body = _json([envelope.subject, envelope.text, envelope.html, envelope.sender_address])
    row = (
        identity,
        clearance.request,
        clearance.channel,
        attempt,
        patient.token,
        contact.address,
        said.topic,
        said.purpose.value,
        said.template,
        clearance.template_digest,
        directory.keyring.digest("content", envelope.digest),
        directory.seal_for(patient, body, b"communication.sealed_body:%d" % identity),
        CommunicationStatus.IN_PROGRESS,
        uow.now,
        label,
        *watched,
    )
    uow.insert(tables.communication, _COLUMNS, [row])
