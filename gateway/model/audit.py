"""What was done, to which token, because of what: the closed list of audit actions (FHIR AuditEvent, IHE BALP)."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """Past tense, dotted; never renamed once shipped."""

    MESSAGE_RECEIVED = "message.received"
    MESSAGE_IGNORED = "message.ignored"
    MESSAGE_REPEATED = "message.repeated"
    MESSAGE_QUARANTINED = "message.quarantined"
    MESSAGE_RELEASED = "message.released"  # a quarantine entry resolved or discarded
    EVENT_APPLIED = "event.applied"
    EVENT_UNCHANGED = "event.unchanged"
    EVENT_STALE = "event.stale"
    PATIENT_CREATED = "patient.created"
    PATIENT_CHANGED = "patient.changed"
    PATIENT_MERGED = "patient.merged"
    PATIENT_UNMERGED = "patient.unmerged"
    OCCURRENCE_REPLACED = "occurrence.replaced"  # another number, or a newer version, stands in its place
    PATIENT_HELD = "patient.held"
    PATIENT_RELEASED = "patient.released"
    VISIT_RELEASED = "visit.released"
    CONSENT_RECORDED = "consent.recorded"
    RULE_UNMATCHED = "rule.unmatched"
    REQUEST_PLANNED = "request.planned"
    REQUEST_WITHHELD = "request.withheld"
    REQUEST_WITHDRAWN = "request.withdrawn"
    REQUEST_HELD = "request.held"
    REQUEST_RELEASED = "request.released"
    REQUEST_MOVED = "request.moved"
    COMMUNICATION_CLEARED = "communication.cleared"
    COMMUNICATION_SETTLED = "communication.settled"
    CONTENT_READ = "content.read"  # PHI was shown to a person, with the reason given
    RULESET_ACTIVATED = "ruleset.activated"
    SOURCE_RELEASED = "source.released"
    SOURCE_HELD = "source.held"
    KEYS_BOUND = "keys.bound"  # a new database was bound to its key file
    KEYS_ROTATED = "keys.rotated"
    KEY_DESTROYED = "key.destroyed"
    CONTENT_PURGED = "content.purged"  # raw bytes whose key was destroyed
    CONTENT_FORGOTTEN = "content.forgotten"  # a retention window closed
    CONFIGURATION_READ = "configuration.read"
    SCHEMA_MIGRATED = "schema.migrated"
