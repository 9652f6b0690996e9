"""The FHIR reader: one resource as bytes in, a Reading out, whatever the bytes are; pure, and it never raises on foreign input."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from gateway.fhirjson import parse
from gateway.mapping.feed import Feed
from gateway.mapping.fhir.family import ResourceFamily
from gateway.mapping.fhir.plan import Plan
from gateway.mapping.fhir.scope import Scope
from gateway.mapping.fhir.times import when_of
from gateway.mapping.fhir.validation import prepare, validate
from gateway.mapping.pack import Pack
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, PatientEvent, Place, RawMessage, Reading, Release
from gateway.model.when import Millis

OURS: Final = "urn:caregate"
"""Identifier system of what we wrote into the record ourselves: read again, it says nothing (W-01)."""
_WRITTEN_BY_US = "written by this gateway"
_LONGEST = 64  # of an id (R4 datatypes.html#id)
_TYPE = re.compile(r"[A-Z][A-Za-z]{2,40}", re.ASCII)
_DELETED = re.compile(r"(?:https?://[^ ]{1,512}/)?([A-Z][A-Za-z]{2,40})/([A-Za-z0-9.\-]{1,64})", re.ASCII)


class _Named(NamedTuple):
    """What is known of a message so far; a refusal keeps it, so that the answer can name the resource."""

    type: str = ""
    name: str = ""


class FhirReader:
    """Reads and maps the resources of one feed under one pack; parameters as of `Hl7v2Reader`.

    A message is one resource, or a Bundle of type history with one entry, `DELETE Type/id`: that says neither whose it was
    nor what it told (Q-06), which whoever keeps what resources came to must know.
    """

    def __init__(self, pack: Pack, feed: Feed, *, facts: frozenset[str] | None = None) -> None:
        self._pack, self._feed, self._facts = pack, feed, feed.keeps(facts)
        self._mapped: dict[str, ResourceFamily] = {one.resource: one for one in pack.resources.values()}
        self._plans: dict[str, Plan] = {}

    def compile(self) -> None:
        """Compile every plan now, and load what checks structure: no message waits for it."""
        for type_ in self._mapped.keys() - self._plans.keys():
            self._compiled(type_)
        prepare(self._feed.release, self._mapped)

    def __call__(self, message: RawMessage) -> Reading:
        """Read one message: understood, ignored for a reason, or refused with AE (AR: a type this feed refuses) and the faults."""
        named = _Named()
        try:
            told = parse(message.body)
            if not _TYPE.fullmatch(told["resourceType"]):  # it is named in answers, and no sender's text is
                raise _refusal("the type is none of FHIR's", "resourceType")
            gone = _gone(told)
            named = _named(told if gone is None else gone, message.body)
            if gone is None:
                _check(told, self._feed.release)
            return self._read(told if gone is None else gone, named, message, deleted=gone is not None)
        except Unreadable as refusal:
            return _reading(named, message, faults=(refusal.fault,), ack=refusal.ack)
        except _Refused as refusal:
            return _reading(named, message, faults=refusal.faults, ack=AckCode.AE)

    def _read(self, told: dict[str, Any], named: _Named, message: RawMessage, *, deleted: bool) -> Reading:
        plan = self._plans.get(named.type) or self._compiled(named.type)
        if plan is None:
            return self._unused(named, message)
        if _is_ours(told):
            return _reading(named, message, ignored=_WRITTEN_BY_US)
        scope = Scope(told, self._feed, self._moment(told, message.received))
        events, ignored = plan.gone(scope) if deleted else plan.read(scope)
        rest = None if deleted else plan.rest(scope)
        return _reading(named, message, events=events, rest=rest, ignored=ignored, faults=tuple(scope.faults))

    def _compiled(self, type_: str) -> Plan | None:
        """The plan of a type that comes for the first time; None when nothing maps it."""
        if type_ not in self._mapped:
            return None
        plan = self._plans[type_] = Plan(self._mapped[type_], self._pack, self._facts)
        return plan

    def _unused(self, named: _Named, message: RawMessage) -> Reading:
        """A resource nothing here uses: ignored so that the sender goes on, unless strict (A-06)."""
        if self._feed.strict_types:
            fault = Fault(code=200, rule="this feed refuses what it does not map", place=Place(named.type))
            raise Unreadable(fault, AckCode.AR)
        return _reading(named, message, ignored=f"{named.type} is not mapped")

    def _moment(self, told: Mapping[str, Any], received: Millis) -> Millis:
        """When the server recorded it (meta.lastUpdated), which orders versions (S-21), at the latest when it came.

        What claims to be of a later time would outlive all that follow it, and what it says is in force until then be over.
        """
        meta = told.get("meta")
        when = when_of(meta.get("lastUpdated"), self._feed.zone) if isinstance(meta, dict) else None
        return received if when is None else min(when.utc, received)


class _Refused(Exception):
    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__()
        self.faults = faults


def _check(told: dict[str, Any], release: Release) -> None:
    if told["resourceType"] == "Bundle":
        raise _refusal(
            "a Bundle is taken apart before it is read: it holds a history of one DELETE, or nothing of ours", "Bundle"
        )
    faults = validate(told, release)
    if faults:
        raise _Refused(faults)


def _refusal(rule: str, place: str) -> Unreadable:
    return Unreadable(Fault(code=200, rule=rule, place=Place(place)), AckCode.AE)


def _gone(told: Mapping[str, Any]) -> dict[str, Any] | None:
    """Type, id and what is known of the version of a deleted resource, as a resource of its own; None of anything else."""
    entries = told.get("entry") if told["resourceType"] == "Bundle" and told.get("type") == "history" else None
    entry = entries[0] if isinstance(entries, list) and len(entries) == 1 else None
    entry = entry if isinstance(entry, dict) else {}
    request = entry.get("request")
    if not isinstance(request, dict) or request.get("method") != "DELETE":
        return None
    match = _DELETED.fullmatch(str(request.get("url", "")))
    if match is None:
        raise _refusal("the DELETE does not say which resource", "Bundle")
    response, meta = entry.get("response"), told.get("meta")
    response = response if isinstance(response, dict) else {}
    meta = meta if isinstance(meta, dict) else {}
    when = response.get("lastModified") or meta.get("lastUpdated") or told.get("timestamp")
    version = response.get("etag")
    found = {"lastUpdated": when, "versionId": version.strip('W/"') if isinstance(version, str) else None}
    return {
        "resourceType": match[1],
        "id": match[2],
        "meta": {name: value for name, value in found.items() if value},
    }


def _is_ours(told: Mapping[str, Any]) -> bool:
    identifiers = told.get("identifier")
    every = identifiers if isinstance(identifiers, list) else [identifiers]
    return any(isinstance(one, dict) and one.get("system") == OURS for one in every)


def _named(told: Mapping[str, Any], body: bytes) -> _Named:
    """How one version of a resource is known: `Type/id/_history/version`, without a version by its time or its bytes (Q-09)."""
    meta = told.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    version = meta.get("versionId") or meta.get("lastUpdated")
    id_ = told.get("id")
    whole = isinstance(id_, str) and isinstance(version, str) and len(id_) <= _LONGEST and len(version) <= _LONGEST
    version = version if whole else sha256(body).hexdigest()
    name = f"{told['resourceType']}/{id_ if isinstance(id_, str) and len(id_) <= _LONGEST else ''}/_history/{version}"
    return _Named(type=told["resourceType"], name=name)


def _reading(
    named: _Named,
    message: RawMessage,
    *,
    events: tuple[PatientEvent, ...] = (),
    rest: PatientEvent | None = None,
    ignored: str | None = None,
    faults: tuple[Fault, ...] = (),
    ack: AckCode = AckCode.AA,
) -> Reading:
    return Reading(
        type=named.type,
        control_id=named.name,
        control_key=named.name or None,
        body_key=message.body,
        events=events,
        rest=rest,
        ignored=ignored,
        noticed=faults,
        ack=ack,
    )
