"""Gathers, fresh and under locks, exactly what the gates may see: derived values, never an address (law 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any

import msgspec

from gateway.model.authorization import remunerated
from gateway.model.consent import ChannelKind, Consent, ConsentKind, Purpose
from gateway.model.errors import KeyringError
from gateway.model.event import OccurrenceKind
from gateway.model.facts import UNMAPPED, FactValue, Sensitivity
from gateway.model.party import ContactSystem, ContactUse, Location
from gateway.model.policy import SERVICE_FACTS, Policy
from gateway.model.request import RequestKind
from gateway.model.rule import Rule, Variant
from gateway.model.verdict import Deny
from gateway.model.when import Millis, Precision, When
from gateway.pipeline import asking, brakes, campaigns, consenting, queries, representing
from gateway.pipeline.directory import CONSENT_KINDED, Directory
from gateway.pipeline.packing import unpack
from gateway.pipeline.personal import own_quiet
from gateway.pipeline.rows import ContactRow, OccurrenceRow, PatientRow, RequestRow, split_reasons
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.policy.campaigns import is_held_out
from gateway.policy.circumstances import Circumstances, PlanningCircumstances, SendingCircumstances, Sent
from gateway.policy.consents import alternatives
from gateway.policy.decide import decide
from gateway.policy.legal import longest
from gateway.policy.recipients import Recipient, right
from gateway.ports import Channel
from gateway.ruleset.match import holding, unmapped
from gateway.ruleset.schedule import Planned, certain
from gateway.store import tables
from gateway.store.uow import UnitOfWork

_elements = msgspec.json.Decoder(dict[str, str]).decode
_SYSTEMS = {ChannelKind.EMAIL: (ContactSystem.EMAIL,), ChannelKind.SMS: (ContactSystem.SMS,), ChannelKind.PORTAL: ()}
_OPEN = ("booked", "pending", "in-progress", "planned", "active")
_SENDING = tuple(one.name for one in fields(SendingCircumstances))
_sending = attrgetter(*_SENDING)
_TOLD = tables.occurrence.outerjoin(tables.source, tables.source.c.id == tables.occurrence.c.source)
_OF_ITS_SOURCE = ("source_id", "source_held", "source_silent_since")
_TOLD_COLUMNS = (*(f"occurrence_{name}" for name in OccurrenceRow.COLUMNS), *_OF_ITS_SOURCE)
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
    directory: Directory,
    *,
    now: Millis,
    occurred: Millis,
) -> PlanningCircumstances:
    """What is known when a step of a rule is planned. `occurred` is the triggering event's time (X-07)."""
    expires = step.expires if step else None
    known = _known(rule, row, patient, facts, location, directory)
    return PlanningCircumstances(now=now, expires=expires, occurred=occurred, **known)


def _known(
    rule: Rule,
    row: OccurrenceRow,
    patient: PatientRow,
    facts: Mapping[str, FactValue],
    location: Location | None,
    directory: Directory,
) -> dict[str, Any]:
    """What circumstances are, whatever the moment."""
    return {
        "max_age": rule.max_age,
        "production": True,
        "deceased": bool(patient.deceased),
        "merged_away": patient.survivor is not None,
        "patient_holds": patient.holds,
        "visit_holds": split_reasons(row.hold),
        "service": service_of(facts),
        "location_sensitive": _betrays(location),
        "unmapped": unmapped(rule, facts),
        "time_certain": certain(rule, facts),
        "held_out": rule.campaign is not None
        and is_held_out(rule.campaign, _drawn(directory, "holdout", rule, patient)),
    }


def service_of(facts: Mapping[str, FactValue]) -> str | None:
    """The occurrence's service code, whichever kind of occurrence it is."""
    value = next((facts[name] for name in SERVICE_FACTS if name in facts), None)
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
    return rule.variant(_drawn(directory, "variant", rule, patient))


def _drawn(directory: Directory, what: str, rule: Rule, patient: PatientRow) -> int:
    """A number of 0 to 99 that this person always draws of the rule."""
    return int.from_bytes(directory.keyring.steady(what, f"{rule.name}\x1f{patient.token}"), "big") % 100


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
    rules: Active,
    *,
    rule: Rule,
    request: RequestRow,
    patient: PatientRow,
    occurrence: OccurrenceRow,
    facts: Mapping[str, FactValue],
    at: Millis | None = None,
    released: bool = False,
    approved: bool = False,
) -> SendingCircumstances:
    """What the gates that ask for no channel need of one request.

    Of one that is only forecast `at` is when it is due, and `released`, `approved` are as of `forecast.Ahead`.
    """
    location = site.location(facts, occurrence.facility)
    held, _ = _source(uow, occurrence.source)
    return SendingCircumstances(
        **_known(rule, occurrence, patient, facts, location, directory),
        now=uow.now if at is None else at,
        occurred=uow.now,
        expires=request.expires,
        rule=rule.name,
        stopped=_stopped(uow, site, rule, occurrence, None),
        source_held=held and not released,
        holding=holding(rule, facts),
        age=directory.age(patient, uow.now, site.zone(location, occurrence.source)),
        campaign=None if approved else campaigns.standing(uow, site, rules, rule),
    )


def _stopped(uow: UnitOfWork, site: Site, rule: Rule, occurrence: OccurrenceRow, channel: ChannelKind | None) -> bool:
    """Whether a person stopped what a rule sends about an occurrence by this channel (None: whichever)."""
    on = brakes.on(uow)
    return bool(on) and brakes.stops(on, brakes.About.of(site, rule.name, occurrence), channel)


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

    `send`: what `weigh_send` gave in this very unit; the moment it tells is that which the gates judge.
    """
    now = uow.now
    if send is None:
        send = weigh_send(
            uow, directory, site, rules, rule=rule, request=request, patient=patient, occurrence=occurrence, facts=facts
        )
    policy = rules.ruleset.policy
    stands_in = representing.in_force(uow, directory, patient) if _a_child(send.age, policy) else ()
    who = right(policy, age=send.age, topic=rule.topic, service=send.service, representatives=stands_in)
    known = _contacts(uow, directory, patient, who)
    reachable = usable(known, channel, now)
    family = directory.family(patient.token)
    said = _said(uow, directory, family, rule.purpose)
    contact = _asked_for(reachable, alternatives(said, purpose=rule.purpose, topic=rule.topic, now=now))
    _, silent = _source(uow, occurrence.source)
    # of every channel: the next one's come too late to be locked in order of id
    barred = asking.barred(uow, [one.address for one in known])
    opted_out, suppressed = barred.get(contact.address, (False, False)) if contact else (False, False)
    circumstances = Circumstances(
        **dict(zip(_SENDING, _sending(send), strict=True)),
        request=request.id,
        patient=patient.token,
        ruleset=rules.id,
        template_digest=rules.templates.digest(rule.template),
        reveals=rule.reveals,
        sensitivity=_sensitivity(rule, facts, send, site),
        purpose=rule.purpose,
        topic=rule.topic,
        channel=channel,
        channel_stopped=_stopped(uow, site, rule, occurrence, channel),
        feed_silent=silent and site.holds(occurrence.source) and _may_still_end(occurrence, now),
        channel_configured=channel in channels,
        contact_point=contact.id if contact else None,
        address=contact.address if contact else None,
        address_opted_out=opted_out,
        address_suppressed=suppressed,
        recipient_listed=site.production or bool(contact and contact.value.casefold() in site.allowed),
        consents=(*said, *_said_at(uow, contact)),
        sent_recently=_sent(uow, family, contact, policy),
        zones=tuple(patient.zones.split(",")) if patient.zones else (),
        state=patient.state,
        paid=rule.remuneration != "none",
        agreement=site.agreed(channel, now),
        representatives=stands_in,
        recipient=who.representative,
        own_quiet=own_quiet(directory.person(patient)),
    )
    weighing = Weighing(circumstances, contact)
    if channel is ChannelKind.PORTAL:
        return _with_a_notice(uow, site, channels, rules, weighing, known, barred, said, family)
    return weighing


def _with_a_notice(
    uow: UnitOfWork,
    site: Site,
    channels: Mapping[ChannelKind, Channel],
    rules: Active,
    weighing: Weighing,
    known: Sequence[ContactRow],
    barred: Mapping[int, tuple[bool, bool]],
    said: Sequence[Consent],
    family: Sequence[int],
) -> Weighing:
    """What lies in the portal is reached by its notice: the first address that may get one, e-mail before text (EM-10).

    Without one the message has no address. The notice asks its own gates again when it leaves.
    """
    c, policy = weighing.circumstances, rules.ruleset.policy
    if site.public_url is None:
        return Weighing(replace(c, channel_configured=False), None)
    ways = [(way, one) for way in (ChannelKind.EMAIL, ChannelKind.SMS) for one in usable(known, way, uow.now)]
    for way, contact in ways:
        opted_out, suppressed = barred.get(contact.address, (False, False))
        reached = replace(
            c,
            contact_point=contact.id,
            address=contact.address,
            recipient_listed=site.production or contact.value.casefold() in site.allowed,
            consents=(*said, *_said_at(uow, contact)),
            sent_recently=_sent(uow, family, contact, policy),
        )
        notice = replace(
            reached,
            channel=way,
            channel_configured=way in channels,
            agreement=site.agreed(way, uow.now),
            address_opted_out=opted_out,
            address_suppressed=suppressed,
        )
        if not isinstance(decide(notice, policy, RequestKind.PICK_UP_NOTICE).against, Deny):
            return Weighing(reached, contact)
    return weighing


def preferred(directory: Directory, patient: PatientRow, channel: ChannelKind, now: Millis) -> ContactRow | None:
    """The contact point a message by this channel would go to now; None: there is none."""
    return next(iter(usable(directory.contacts(patient), channel, now)), None)


def code_ways(
    uow: UnitOfWork, directory: Directory, site: Site, channels: Mapping[ChannelKind, Channel], patient: PatientRow
) -> list[tuple[ChannelKind, int]]:
    """Addresses a log-in code might go to, preferred first within a channel; its gates ask again when it leaves."""
    known = directory.contacts(patient)
    ways = [(way, one) for way in (ChannelKind.SMS, ChannelKind.EMAIL) for one in usable(known, way, uow.now)]
    barred = asking.barred(uow, [contact.address for _, contact in ways])
    return [
        (way, contact.address)
        for way, contact in ways
        if way in channels
        and not any(barred.get(contact.address, (False, False)))
        and (site.production or contact.value.casefold() in site.allowed)
    ]


def weigh_built_in(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    channels: Mapping[ChannelKind, Channel],
    rules: Active,
    *,
    request: RequestRow,
    patient: PatientRow,
    channel: ChannelKind,
    address: int,
    purpose: Purpose,
    topic: str,
    template_digest: str,
    about: brakes.About,
) -> Weighing:
    """What the gates of a built-in kind may see; it tells of no visit, shows no fact and goes to one address only.

    `about`: what a brake asks of it.
    """
    now = uow.now
    family = directory.family(patient.token)
    contact = _at(uow, directory, patient, family, channel, address)
    stopped, suppressed = asking.barred(uow, [address]).get(address, (False, False)) if contact else (False, False)
    circumstances = Circumstances(
        now=now,
        expires=request.expires,
        occurred=now,
        max_age=None,
        production=True,
        deceased=bool(patient.deceased),
        merged_away=patient.survivor is not None,
        patient_holds=patient.holds,
        visit_holds=frozenset(),
        service=None,
        location_sensitive=False,
        unmapped=(),
        time_certain=True,
        held_out=False,
        request=request.id,
        patient=patient.token,
        rule=request.kind,
        stopped=brakes.stops(brakes.on(uow), about, None),
        ruleset=rules.id,
        template_digest=template_digest,
        reveals=(),
        sensitivity=Sensitivity.PUBLIC,
        purpose=purpose,
        topic=topic,
        channel=channel,
        channel_stopped=brakes.stops(brakes.on(uow), about, channel),
        source_held=False,
        feed_silent=False,
        holding=None,
        age=None,
        campaign=None,
        channel_configured=channel in channels,
        contact_point=contact.id if contact else None,
        address=address if contact else None,
        address_opted_out=stopped,
        address_suppressed=suppressed,
        recipient_listed=site.production or bool(contact and contact.value.casefold() in site.allowed),
        consents=(*_said(uow, directory, family, purpose), *_said_at(uow, contact)),
        sent_recently=_sent(uow, family, contact, rules.ruleset.policy),
        zones=tuple(patient.zones.split(",")) if patient.zones else (),
        state=patient.state,
        agreement=site.agreed(channel, now),
        recipient=contact.patient if contact and contact.patient not in family else None,
        own_quiet=own_quiet(directory.person(patient)),
    )
    return Weighing(circumstances, contact)


def usable(contacts: Sequence[ContactRow], channel: ChannelKind, now: Millis) -> list[ContactRow]:
    """Contact points of a channel that are valid now (PI-09), preferred first: rank, home before work, oldest."""
    systems = _SYSTEMS[channel]
    fit = [one for one in contacts if one.system in systems and one.use != ContactUse.OLD and _valid(one, now)]
    return sorted(fit, key=lambda one: (one.rank, one.use == ContactUse.WORK, one.id))


def _valid(one: ContactRow, now: Millis) -> bool:
    return (one.valid_from is None or one.valid_from <= now) and (one.valid_until is None or now < one.valid_until)


def told(uow: UnitOfWork, identity: int) -> OccurrenceRow:
    """One occurrence, asked for together with what its source is to `weigh`."""
    ((*row, known, held, silent),) = uow.lookup(_TOLD, _TOLD_COLUMNS, "occurrence_id", [identity])
    found = OccurrenceRow(*row)
    uow.memo["source", found.source] = (bool(held), silent is not None) if known is not None else (True, True)
    return found


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


def _a_child(age: int | None, policy: Policy) -> bool:
    return age is not None and age < policy.minimum_age


def _contacts(uow: UnitOfWork, directory: Directory, patient: PatientRow, who: Recipient) -> Sequence[ContactRow]:
    """The contact points of the right recipient; nobody's, where there is none."""
    if who.representative is not None:
        return representing.contacts(uow, directory, who.representative)
    return directory.contacts(patient) if who.why_not is None else ()


def _asked_for(usable: Sequence[ContactRow], asked: Sequence[Consent]) -> ContactRow | None:
    """The preferred contact point; one the person asked for instead (45 CFR 164.522(b)), where they named an address."""
    named = {one.address for one in asked}
    return next((one for one in usable if one.address in named), usable[0] if usable else None)


def _at(
    uow: UnitOfWork,
    directory: Directory,
    patient: PatientRow,
    family: Sequence[int],
    channel: ChannelKind,
    address: int,
) -> ContactRow | None:
    """The contact point with this address: the person's own, or that of somebody who represents them."""
    own = usable(directory.contacts(patient), channel, uow.now)
    found = next((one for one in own if one.address == address), None)
    if found is not None:
        return found
    stand_ins = [one.id for one in representing.known(uow, family) if one.in_force(uow.now)]
    theirs = [one for rep in stand_ins for one in representing.contacts(uow, directory, rep)]
    return next((one for one in usable(theirs, channel, uow.now) if one.address == address), None)


def _said(uow: UnitOfWork, directory: Directory, family: Sequence[int], purpose: Purpose) -> tuple[Consent, ...]:
    """Every ledger entry of the person; of merged-away tokens only the denials count."""
    rows = consenting.in_words(asking.said(uow, "patient", family), uow.now)
    merged = {loser: at for loser, at, undone in _merges(uow, family[1:]) if undone is None}
    read = (
        _consent(row[:-1], family[0], merged, remuneration=_remunerated(directory, row, purpose))
        for row in rows
        if row[1] == family[0] or not row[6]
    )
    return tuple(one for one in read if one is not None)


def _said_at(uow: UnitOfWork, contact: ContactRow | None) -> tuple[Consent, ...]:
    """Every ledger entry that is about the address alone."""
    if contact is None:
        return ()
    rows = asking.said(uow, "address", [contact.address])
    return tuple(one for row in rows if row[1] is None and (one := _consent(row[:-1], None, {})) is not None)


def _remunerated(directory: Directory, row: Sequence[Any], purpose: Purpose) -> bool | None:
    """Whether an authorization says that the site is paid; None of one that cannot be read: it authorizes nothing."""
    if row[11] != ConsentKind.AUTHORIZATION or not row[6] or purpose is not Purpose.HMARKT:
        return False
    try:
        plain = directory.unseal_for(directory.patients[row[1]], row[-1] or b"", b"consent.sealed:%d" % row[0])
        return remunerated(_elements(plain))
    except (KeyringError, msgspec.DecodeError):
        return None


def _merges(uow: UnitOfWork, losers: Sequence[int]) -> list[tuple[Any, ...]]:
    return uow.lookup(tables.merge, ("loser", "at", "undone"), "loser", list(losers)) if losers else []


def _consent(
    row: Sequence[Any], root: int | None, merged: Mapping[int, Millis], *, remuneration: bool | None = False
) -> Consent | None:
    """A ledger entry about the person; a merged-away token's denial speaks anew at the merge (AD-31).

    So only what the person permits after the merge lifts it: the stricter wins. None of what cannot be read.
    """
    if remuneration is None:
        return None
    entry = dict(zip(CONSENT_KINDED, row, strict=True))
    entry["permit"] = bool(entry["permit"])
    entry["kind"] = ConsentKind(entry["kind"])
    entry["remuneration"] = remuneration
    loser = entry["patient"]
    if loser not in (None, root):
        entry["patient"] = root
        entry["recorded"] = max(entry["recorded"], merged.get(loser, 0))
    return Consent(**entry)


def _sent(uow: UnitOfWork, family: Sequence[int], contact: ContactRow | None, policy: Policy) -> tuple[Sent, ...]:
    """What may have left within the longest cap or legal limit: what is older counts for nothing, and patients grow old."""
    asked = [("patient", token) for token in family]
    if contact is not None:
        asked.append(("address", contact.address))
    since = sent_since(uow.now, policy)
    return tuple(
        Sent(per=per, purpose=purpose, topic=topic, channel=channel, at=at)
        for per, whom in asked
        for purpose, topic, channel, at, status in asking.sent(uow, per, whom, since)
        if status in _MAY_HAVE_LEFT
    )


def sent_since(now: Millis, policy: Policy) -> Millis:
    """From when on what has left may count."""
    return now - max((longest(), *(cap.within for cap in policy.caps)))


def _sensitivity(rule: Rule, facts: Mapping[str, FactValue], send: SendingCircumstances, site: Site) -> Sensitivity:
    """The highest of all revealed facts and of their values (design: sensitivity is of a fact and of its value)."""
    if send.location_sensitive:
        return Sensitivity.PROTECTED
    shown = [(name, facts[name]) for name in rule.reveals if name in facts]
    return max(
        (Sensitivity.PROTECTED if value == UNMAPPED else site.sensitivity(name, value) for name, value in shown),
        default=Sensitivity.PUBLIC,
    )


def _betrays(location: Location | None) -> bool:
    """Whether the place's very name tells what care is given there (PV-08); its call-back number stands in every text."""
    return location is not None and location.sensitive
