"""Gathers, fresh and under locks, exactly what the gates may see: derived values, never an address (law 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from gateway.model.consent import ChannelKind, Consent
from gateway.model.event import OccurrenceKind
from gateway.model.facts import UNMAPPED, FactValue, Sensitivity
from gateway.model.party import ContactSystem, ContactUse, Location
from gateway.model.policy import Policy
from gateway.model.rule import Rule, Variant
from gateway.model.when import Millis, Precision, When
from gateway.pipeline import queries
from gateway.pipeline.directory import CONSENT_COLUMNS, Directory
from gateway.pipeline.packing import unpack
from gateway.pipeline.rows import ContactRow, OccurrenceRow, PatientRow, RequestRow, split_reasons
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.policy.circumstances import Circumstances, PlanningCircumstances, SendingCircumstances, Sent
from gateway.ports import Channel
from gateway.ruleset.match import holding, unmapped
from gateway.ruleset.schedule import Planned, certain
from gateway.store import tables
from gateway.store.uow import UnitOfWork

_SYSTEMS = {ChannelKind.EMAIL: (ContactSystem.EMAIL,), ChannelKind.SMS: (ContactSystem.SMS,), ChannelKind.PORTAL: ()}
# What kind of care each kind of occurrence is: the facts that protected services are looked for in (PV-08).
_SERVICES = ("appointment.service", "encounter.service", "result.code", "document.type", "immunization.vaccine")
_OPEN = ("booked", "pending", "in-progress", "planned", "active")
_PLANNING = tuple(name for name in PlanningCircumstances.__slots__ if name != "expires")
_planning = attrgetter(*_PLANNING)
_SENDING = (*PlanningCircumstances.__slots__, *SendingCircumstances.__slots__)
_sending = attrgetter(*_SENDING)
_MAY_HAVE_LEFT = ("in-progress", "completed", "unknown")


@dataclass(frozen=True, slots=True)
class Weighing:
    """What the gates see, and beside it the contact row only `envelopes` may open."""

    circumstances: Circumstances
    contact: ContactRow | None


def planning_circumstances(
    rule: Rule,
    step: Planned | None,
    row: OccurrenceRow,
    patient: PatientRow,
    facts: Mapping[str, FactValue],
    location: Location | None,
    *,
    now: Millis,
    occurred: Millis,
) -> PlanningCircumstances:
    """What is known when a step of a rule is planned. `occurred` is the triggering event's time (X-07)."""
    return PlanningCircumstances(
        now=now,
        expires=step.expires if step else None,
        occurred=occurred,
        max_age=rule.max_age,
        production=True,
        deceased=bool(patient.deceased),
        merged_away=patient.survivor is not None,
        patient_holds=patient.holds,
        visit_holds=split_reasons(row.hold),
        service=service_of(facts),
        location_sensitive=_betrays(location),
        unmapped=unmapped(rule, facts),
        time_certain=certain(rule, facts),
    )


def service_of(facts: Mapping[str, FactValue]) -> str | None:
    """The occurrence's service code, whichever kind of occurrence it is."""
    value = next((facts[name] for name in _SERVICES if name in facts), None)
    return str(value) if value is not None else None


def weigh_facts(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    occurrence: OccurrenceRow,
    patient: PatientRow,
    *,
    rule: Rule | None = None,
) -> dict[str, FactValue]:
    """All facts a condition may ask about at sending; of those that must be looked up only what `rule` names."""
    facts: dict[str, FactValue] = dict(occurrence.facts or {})
    zone = site.zone(site.location(facts, occurrence.facility), occurrence.source)
    facts.update(directory.facts(patient, uow.now, zone))
    facts["event.occurred"] = When(occurrence.occurred, zone, Precision.SECOND)
    if rule is None or "patient.inpatient" in rule.named:
        facts["patient.inpatient"] = is_inpatient(uow, directory, patient)
    if rule is None or "patient.has_email" in rule.named:
        facts["patient.has_email"] = bool(usable(directory.contacts(patient), ChannelKind.EMAIL, uow.now))
    return facts


def variant_of(directory: Directory, rule: Rule, patient: PatientRow) -> Variant | None:
    """The wording that this person always gets of the rule; None of a rule without variants."""
    if not rule.variants:
        return None
    drawn = directory.keyring.steady("variant", f"{rule.name}\x1f{patient.token}")
    return rule.variant(int.from_bytes(drawn, "big") % 100)


def is_inpatient(uow: UnitOfWork, directory: Directory, patient: PatientRow) -> bool:
    """Whether an inpatient visit of the person, under any merged token, is open."""
    for owner in directory.family(patient.token):
        for identity, sealed in uow.all(queries.OPEN_VISITS, (owner,)):
            directory.load_tokens([owner])
            facts = unpack(directory.open_facts(directory.patients[owner], sealed, identity))
            if facts.get("encounter.class") in ("inpatient", UNMAPPED, None):  # not knowing is not a no
                return True
    return False


def weigh_send(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    *,
    rule: Rule,
    request: RequestRow,
    patient: PatientRow,
    occurrence: OccurrenceRow,
    facts: Mapping[str, FactValue],
) -> SendingCircumstances:
    """What the gates that ask for no channel need of one request."""
    location = site.location(facts, occurrence.facility)
    planning = planning_circumstances(rule, None, occurrence, patient, facts, location, now=uow.now, occurred=uow.now)
    held, _ = _source(uow, occurrence.source)
    return SendingCircumstances(
        **dict(zip(_PLANNING, _planning(planning), strict=True)),
        expires=request.expires,
        rule=rule.name,
        source_held=held,
        holding=holding(rule, facts),
        age=directory.age(patient, uow.now, site.zone(location, occurrence.source)),
    )


def weigh(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    channels: Mapping[ChannelKind, Channel],
    rules: Active,
    *,
    rule: Rule,
    request: RequestRow,
    patient: PatientRow,
    occurrence: OccurrenceRow,
    facts: Mapping[str, FactValue],
    channel: ChannelKind,
    send: SendingCircumstances | None = None,
) -> Weighing:
    """Everything one decision needs for one channel. Locks the addresses it may use (STOP belongs to a number).

    `send`: what `weigh_send` gave in this very unit.
    """
    now = uow.now
    if send is None:
        send = weigh_send(
            uow, directory, site, rule=rule, request=request, patient=patient, occurrence=occurrence, facts=facts
        )
    location = site.location(facts, occurrence.facility)
    reachable = usable(directory.contacts(patient), channel, now)
    contact = reachable[0] if reachable else None
    _, silent = _source(uow, occurrence.source)
    opted_out = _locked_addresses(uow, reachable)
    family = directory.family(patient.token)
    circumstances = Circumstances(
        **dict(zip(_SENDING, _sending(send), strict=True)),
        request=request.id,
        patient=patient.token,
        ruleset=rules.id,
        template_digest=rules.templates.digest(rule.template),
        reveals=rule.reveals,
        sensitivity=_sensitivity(rule, facts, location, site),
        purpose=rule.purpose,
        topic=rule.topic,
        channel=channel,
        feed_silent=silent and site.holds(occurrence.source) and _may_still_end(occurrence, now),
        channel_configured=channel in channels,
        contact_point=contact.id if contact else None,
        address=contact.address if contact else None,
        address_opted_out=bool(contact and opted_out.get(contact.address)),
        recipient_listed=site.production or bool(contact and contact.value.casefold() in site.allowed),
        consents=_consents(uow, family, contact),
        sent_recently=_sent(uow, family, contact, rules.ruleset.policy),
        zones=tuple(patient.zones.split(",")) if patient.zones else (),
    )
    return Weighing(circumstances, contact)


def usable(contacts: Sequence[ContactRow], channel: ChannelKind, now: Millis) -> list[ContactRow]:
    """Contact points of a channel that are valid now (PI-09), preferred first: rank, home before work, oldest."""
    systems = _SYSTEMS[channel]
    fit = [one for one in contacts if one.system in systems and one.use != ContactUse.OLD and _valid(one, now)]
    return sorted(fit, key=lambda one: (one.rank, one.use == ContactUse.WORK, one.id))


def _valid(one: ContactRow, now: Millis) -> bool:
    return (one.valid_from is None or one.valid_from <= now) and (one.valid_until is None or now < one.valid_until)


def _locked_addresses(uow: UnitOfWork, usable: Sequence[ContactRow]) -> dict[int, bool]:
    ids = sorted({one.address for one in usable})
    rows = uow.lookup(tables.address, ("id", "opted_out_at"), "id", ids, lock=True) if ids else []
    return {identity: at is not None for identity, at in rows}


def _source(uow: UnitOfWork, source: int) -> tuple[bool, bool]:
    """Whether a source is held, and whether it is silent against its own habit; of one that is not there, both."""
    found: tuple[bool, bool] | None = uow.memo.get(("source", source))
    if found is None:
        rows = uow.lookup(tables.source, ("held", "silent_since"), "id", [source])
        found = (bool(rows[0][0]), rows[0][1] is not None) if rows else (True, True)
        uow.memo["source", source] = found
    return found


def _may_still_end(occurrence: OccurrenceRow, now: Millis) -> bool:
    """Whether a message could still cancel or move it: it lies ahead or, having no start of its own, is open."""
    if occurrence.start_utc is not None and occurrence.kind == OccurrenceKind.APPOINTMENT:
        return occurrence.start_utc > now
    return occurrence.status in _OPEN or (occurrence.start_utc or 0) > now


def _consents(uow: UnitOfWork, family: Sequence[int], contact: ContactRow | None) -> tuple[Consent, ...]:
    """Every ledger entry of the person and of the address; of merged-away tokens only the denials count."""
    rows = uow.lookup(tables.consent, CONSENT_COLUMNS, "patient", list(family))
    if contact is not None:
        about = uow.lookup(tables.consent, CONSENT_COLUMNS, "address", [contact.address])
        rows += [row for row in about if row[1] is None]
    merged = {loser: at for loser, at, undone in _merges(uow, family[1:]) if undone is None}
    own = (None, family[0])
    return tuple(_consent(row, family[0], merged) for row in rows if row[1] in own or not row[6])


def _merges(uow: UnitOfWork, losers: Sequence[int]) -> list[tuple[Any, ...]]:
    return uow.lookup(tables.merge, ("loser", "at", "undone"), "loser", list(losers)) if losers else []


def _consent(row: Sequence[Any], root: int, merged: Mapping[int, Millis]) -> Consent:
    """A ledger entry about the person; a merged-away token's denial speaks anew at the merge (AD-31).

    So only what the person permits after the merge lifts it: the stricter wins.
    """
    fields = dict(zip(CONSENT_COLUMNS, row, strict=True))
    fields["permit"] = bool(fields["permit"])
    loser = fields["patient"]
    if loser not in (None, root):
        fields["patient"] = root
        fields["recorded"] = max(fields["recorded"], merged.get(loser, 0))
    return Consent(**fields)


def _sent(uow: UnitOfWork, family: Sequence[int], contact: ContactRow | None, policy: Policy) -> tuple[Sent, ...]:
    """What may have left within the longest cap: what is older counts for nothing, and patients grow old."""
    since = uow.now - max((cap.within for cap in policy.caps), default=0)
    asked = [("patient", queries.SENT_TO_PATIENT, token) for token in family]
    if contact is not None:
        asked.append(("address", queries.SENT_TO_ADDRESS, contact.address))
    return tuple(
        Sent(per=per, purpose=purpose, topic=topic, channel=channel, at=at)
        for per, statement, whom in asked
        for purpose, topic, channel, at, status in uow.all(statement, (whom, since))
        if status in _MAY_HAVE_LEFT
    )


def _sensitivity(rule: Rule, facts: Mapping[str, FactValue], location: Location | None, site: Site) -> Sensitivity:
    """The highest of all revealed facts and of their values (design: sensitivity is of a fact and of its value)."""
    if _betrays(location):
        return Sensitivity.PROTECTED
    shown = [(name, facts[name]) for name in rule.reveals if name in facts]
    return max(
        (Sensitivity.PROTECTED if value == UNMAPPED else site.sensitivity(name, value) for name, value in shown),
        default=Sensitivity.PUBLIC,
    )


def _betrays(location: Location | None) -> bool:
    """Whether the place's very name tells what care is given there (PV-08); its call-back number stands in every text."""
    return location is not None and location.sensitive
