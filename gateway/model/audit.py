"""What was done, to which token, because of what: the closed list of audit actions (FHIR AuditEvent, IHE BALP)."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """Past tense, dotted; never renamed once shipped."""

    MESSAGE_RECEIVED = "message.received"
    MESSAGE_IGNORED = "message.ignored"
    MESSAGE_REPEATED = "message.repeated"
    MESSAGE_QUARANTINED = "message.quarantined"
    MESSAGE_INCOMPLETE = "message.incomplete"  # a part of one, kept until the rest comes
    MESSAGE_JOINED = "message.joined"
    MESSAGE_RELEASED = "message.released"  # a quarantine entry resolved or discarded
    FETCH_WANTED = "fetch.wanted"  # a resource must be read from its server (S-02, S-33)
    FETCH_ENDED = "fetch.ended"  # it was, or never will be
    EXTRACT_BEGUN = "extract.begun"  # of a table (SN-03)
    EXTRACT_MOVED = "extract.moved"  # rows were taken, and the cursor with them (SN-11)
    EXTRACT_STOPPED = "extract.stopped"  # by a guard: it waits for a person
    EXTRACT_BELIEVED = "extract.believed"  # a person says that what the guard saw is right
    EXTRACT_FINISHED = "extract.finished"
    EXTRACT_GIVEN_UP = "extract.given-up"
    CURSOR_MOVED = "cursor.moved"  # what a source remembers of where it stands
    SEQUENCE_STARTED = "sequence.started"
    SEQUENCE_RESET = "sequence.reset"
    SEQUENCE_REFUSED = "sequence.refused"  # not the expected number: not stored, not processed
    NODE_REFUSED = "node.refused"  # somebody at the door was not who may come in (ITI-19; BALP)
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
    REPRESENTATIVE_RECORDED = "representative.recorded"
    REPRESENTATIVE_ENDED = "representative.ended"
    UNREAD_SEEN = "communication.unread-seen"  # it lies in the portal unread, and a person saw to it
    REVOCATION_SETTLED = "revocation.settled"  # one that failed, by a person who told them
    WRITEBACK_WANTED = "writeback.wanted"  # a server is to be told of messages (W-01)
    WRITEBACK_TOLD = "writeback.told"  # it was, or could not be, or need not be
    WRITEBACK_SETTLED = "writeback.settled"  # what failed was tried again or dropped, by a person
    OUTCOMES_TOLD = "outcomes.told"  # another system was told what became of things (SN-39)
    OUTCOMES_REWOUND = "outcomes.rewound"  # it is told again from an earlier place, or no more up to a later one
    REVOCATION_PUSHED = "revocation.pushed"  # an opt-out was told to another system, or could not be
    ADDRESS_SUPPRESSED = "address.suppressed"
    ADDRESS_RESTORED = "address.restored"
    RULE_UNMATCHED = "rule.unmatched"
    REQUEST_PLANNED = "request.planned"
    REQUEST_WITHHELD = "request.withheld"
    REQUEST_FELL_BACK = "request.fell-back"  # silence: the next channel may
    FALLBACK_ENDED = "request.fallback-ended"  # it may not after all; the first message stands
    REQUEST_WITHDRAWN = "request.withdrawn"
    REQUEST_HELD = "request.held"
    REQUEST_RELEASED = "request.released"
    REQUEST_MOVED = "request.moved"
    COMMUNICATION_CLEARED = "communication.cleared"
    COMMUNICATION_SETTLED = "communication.settled"
    RECEIPT_RECORDED = "receipt.recorded"
    REPLY_RECEIVED = "reply.received"
    REPLY_DECIDED = "reply.decided"  # a person said what a reply means
    LINK_MADE = "link.made"
    LINK_ENDED = "link.ended"
    PORTAL_STARTED = "portal.started"  # somebody followed a link
    PORTAL_LEFT = "portal.left"
    PORTAL_ENTERED = "portal.entered"  # a reader proved who they are
    PORTAL_REFUSED = "portal.refused"
    PORTAL_READ = "portal.read"  # a message was picked up
    OUTBOX_STOPPED = "outbox.stopped"
    OUTBOX_RESUMED = "outbox.resumed"
    CAMPAIGN_FORECAST = "campaign.forecast"  # a dry run
    CAMPAIGN_APPROVED = "campaign.approved"
    CAMPAIGN_STOPPED = "campaign.stopped"  # by itself, at what `stop_when` says, or by a person
    CAMPAIGN_RESUMED = "campaign.resumed"
    CAMPAIGN_ENDED = "campaign.ended"
    ACCESS_GRANTED = "access.granted"
    ACCESS_REVOKED = "access.revoked"
    ACCESS_REFUSED = "access.refused"
    PATIENT_EXPORTED = "patient.exported"  # 45 CFR 164.524
    DISCLOSURES_ACCOUNTED = "disclosures.accounted"  # 45 CFR 164.528
    PATIENT_ERASED = "patient.erased"
    BREACH_ASSESSED = "breach.assessed"  # 45 CFR 164.402
    BACKUP_MADE = "backup.made"
    BACKUP_RESTORED = "backup.restored"
    CONTENT_READ = "content.read"  # PHI was shown to a person, with the reason given
    RULESET_ACTIVATED = "ruleset.activated"
    RULESET_REPLAYED = "ruleset.replayed"  # a draft was tried on stored messages
    SOURCE_RELEASED = "source.released"
    SOURCE_HELD = "source.held"
    FEED_SILENT = "feed.silent"  # against its own habit
    FEED_HEARD = "feed.heard"  # again, after a silence; or a person excused it
    FEED_EXCUSED = "feed.excused"  # a person expects its silence for a while
    ALERT_RAISED = "alert.raised"
    ALERT_RESOLVED = "alert.resolved"
    ALERT_TOLD = "alert.told"  # handed to a webhook or relay, or not
    KEYS_BOUND = "keys.bound"  # a new database was bound to its key file
    KEYS_ROTATED = "keys.rotated"
    KEYS_PROTECTED = "keys.protected"  # the key file was put under a token or a KMS
    KEY_DESTROYED = "key.destroyed"
    CONTENT_PURGED = "content.purged"  # raw bytes whose key was destroyed
    CONTENT_FORGOTTEN = "content.forgotten"  # a retention window closed
    CONFIGURATION_READ = "configuration.read"
    SCHEMA_MIGRATED = "schema.migrated"


class NodeFailure(StrEnum):
    """Why somebody was turned away at the door of a source, before or beside any message (TL-04; DICOM 110113)."""

    NOT_TLS = "not-tls"  # plain text where a link is encrypted
    TLS_TOO_OLD = "tls-too-old"
    HANDSHAKE = "handshake-failed"
    CERTIFICATE_MISSING = "certificate-missing"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_UNKNOWN = "certificate-unknown"
    SENDER_UNKNOWN = "sender-unknown"  # MSH-3/4 do not belong to the certificate (TL-03)
    ADDRESS_UNKNOWN = "address-unknown"  # not in the link's list (TL-06)
    CREDENTIALS_WRONG = "credentials-wrong"  # a password or token (H-06), or a signature (S-32)
    CREDENTIALS_MISSING = "credentials-missing"  # where every call must be proven (S-32)
    REPLAYED = "replayed"  # a signed call for the second time, or long after it was signed
    NOT_ENTITLED = "not-entitled"  # a subscription or topic that its key does not stand for (S-35)
    BODY_TOO_LARGE = "body-too-large"  # nothing of it is kept
    BODY_LATE = "body-late"
    BODY_UNREADABLE = "body-unreadable"  # nested too deep, no JSON, half of it
