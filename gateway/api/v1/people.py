"""Consents and preferences of a person, found by an identifier that is in the body and never in a URL."""

from __future__ import annotations

from fastapi import APIRouter

from gateway.api.v1.guard import Guarded, Site, Who, Why, guarded
from gateway.api.v1.shapes import (
    About,
    ConsentIn,
    ConsentOut,
    Page,
    PreferencesOut,
    Recorded,
    RevokeIn,
    StoryLine,
    page,
)
from gateway.model.access import Right
from gateway.pipeline import inspect

routes = APIRouter(route_class=Guarded, tags=["people"])


@routes.post("/consents/search", **guarded(Right.PERSON_READ))
def consents(about: About, who: Who, site: Site, why: Why) -> Page[ConsentOut]:
    """Every ledger entry about a person and their addresses, oldest first."""
    lines = inspect.consent_list(site, about.identifier.identifier, reason=why, account=who.account)
    return page(ConsentOut, lines, about.cursor, about.limit)


@routes.post("/consents", status_code=201, **guarded(Right.CONSENT_WRITE))
def record(told: ConsentIn, who: Who, site: Site) -> Recorded:
    """Record what a person decided. A denial of everything on a channel is an opt-out, for all who share the address."""
    entries = inspect.consent_add(
        site,
        told.identifier.identifier,
        permit=told.permit,
        purpose=told.purpose,
        channel=told.channel,
        topic=told.topic,
        valid_until=told.ends,
        evidence=told.evidence,
        account=who.account,
        kind=told.kind,
        text_version=told.text_version,
        language=told.language,
        elements=told.elements,
        address=told.address,
    )
    return Recorded(entries=[str(one) for one in entries])


@routes.post("/consents/revoke", status_code=201, **guarded(Right.CONSENT_WRITE))
def revoke(told: RevokeIn, who: Who, site: Site) -> Recorded:
    """Record that a person takes something back; entries are added, never changed."""
    entries = inspect.consent_add(
        site,
        told.identifier.identifier,
        permit=False,
        purpose=told.purpose,
        channel=told.channel,
        topic=told.topic,
        evidence=told.evidence,
        account=who.account,
        kind=told.kind,
    )
    return Recorded(entries=[str(one) for one in entries])


@routes.post("/preferences/search", **guarded(Right.PERSON_READ))
def preferences(about: About, who: Who, site: Site, why: Why) -> PreferencesOut:
    """What is in force of every purpose × channel × topic. It is changed by recording a consent."""
    found = inspect.preferences(site, about.identifier.identifier, reason=why, account=who.account)
    return PreferencesOut.model_validate(found)


@routes.post("/people/story/search", **guarded(Right.PERSON_READ))
def story(about: About, who: Who, site: Site, why: Why) -> Page[StoryLine]:
    """All that happened to a person, every message that was not sent with its reason."""
    one = about.identifier.identifier
    lines = inspect.trace_patient(
        site, system=one.system, type=one.type, value=one.value, reason=why, account=who.account
    )
    return page(StoryLine, lines, about.cursor, about.limit)
