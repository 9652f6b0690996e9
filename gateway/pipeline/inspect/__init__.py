"""Reading for people and programs, and the few things a person may do by hand; every look at PHI is audited with its reason."""

from gateway.pipeline.inspect import representatives
from gateway.pipeline.inspect.access import (
    IDLE,
    AccessKey,
    Session,
    access_add,
    access_find,
    access_list,
    access_revoke,
    form_token,
    session_begin,
    session_end,
    session_find,
)
from gateway.pipeline.inspect.attempts import AttemptLine, ReceiptLine, attempts, look, look_at_message
from gateway.pipeline.inspect.choosing import Choice, day_of, places_of
from gateway.pipeline.inspect.codes import UnknownCode, UnknownCodes, unknown_codes
from gateway.pipeline.inspect.consents import ConsentLine, consent_add, consent_list
from gateway.pipeline.inspect.decisions import topics
from gateway.pipeline.inspect.extracts import ExtractLine, tables_believe, tables_give_up, tables_status
from gateway.pipeline.inspect.feeds import FeedLine, KindLine, feed_kinds, feed_queue, feeds
from gateway.pipeline.inspect.fetches import FetchLine, fetches, fetches_again, fetches_drop
from gateway.pipeline.inspect.handling import count, hold_requests, release_requests, withdraw_requests
from gateway.pipeline.inspect.heard import (
    ReplyDecision,
    ReplyLine,
    ReplyWords,
    replies_open,
    reply_decide,
    reply_read,
)
from gateway.pipeline.inspect.holding import excuse_source, hold_source, release_source
from gateway.pipeline.inspect.holds import holds, release_patient, release_request, withdraw_request
from gateway.pipeline.inspect.importing import COLUMNS, ImportLine, ImportReport, consent_import
from gateway.pipeline.inspect.once import Said, once_begin, once_end, once_forget
from gateway.pipeline.inspect.opening import OpenPlan, plan_open
from gateway.pipeline.inspect.outbox import HoldLine, OutboxCount, OutboxReport, outbox, patient_of
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.preferences import PreferenceLine, Preferences, preferences
from gateway.pipeline.inspect.quarantine import (
    QuarantineLine,
    quarantine_discard,
    quarantine_list,
    quarantine_replay,
    quarantine_show,
)
from gateway.pipeline.inspect.refusing import Refusals
from gateway.pipeline.inspect.revocations import RevocationLine, revocation_settle, revocations
from gateway.pipeline.inspect.sinks import SinkLine, sink_again, sink_of, sink_rewind, sinks
from gateway.pipeline.inspect.standing import AlertLine, StatusReport, Waiting, silent, status
from gateway.pipeline.inspect.suppression import SuppressedLine, restore_address, suppressed, suppressed_of
from gateway.pipeline.inspect.tapping import Arrival, Tap
from gateway.pipeline.inspect.trace import Line, Unknown, trace_message, trace_patient, trace_request
from gateway.pipeline.inspect.unmerging import Unmerged, unmerge
from gateway.pipeline.inspect.unread import UnreadLine, unread, unread_seen
from gateway.pipeline.inspect.worklist import WorkItem, WorkKind, worklist
from gateway.pipeline.inspect.wouldsend import WouldSend, would_send
from gateway.pipeline.inspect.writebacks import WritebackLine, writebacks, writebacks_again, writebacks_drop

__all__ = [
    "COLUMNS",
    "IDLE",
    "AccessKey",
    "AlertLine",
    "Arrival",
    "AttemptLine",
    "Choice",
    "ConsentLine",
    "ExtractLine",
    "FeedLine",
    "FetchLine",
    "HoldLine",
    "ImportLine",
    "ImportReport",
    "Inspectable",
    "KindLine",
    "Line",
    "OpenPlan",
    "OutboxCount",
    "OutboxReport",
    "PreferenceLine",
    "Preferences",
    "QuarantineLine",
    "ReceiptLine",
    "Refusals",
    "ReplyDecision",
    "ReplyLine",
    "ReplyWords",
    "RevocationLine",
    "Said",
    "Session",
    "SinkLine",
    "StatusReport",
    "SuppressedLine",
    "Tap",
    "Unknown",
    "UnknownCode",
    "UnknownCodes",
    "Unmerged",
    "UnreadLine",
    "Waiting",
    "WorkItem",
    "WorkKind",
    "WouldSend",
    "WritebackLine",
    "access_add",
    "access_find",
    "access_list",
    "access_revoke",
    "attempts",
    "consent_add",
    "consent_import",
    "consent_list",
    "count",
    "day_of",
    "excuse_source",
    "feed_kinds",
    "feed_queue",
    "feeds",
    "fetches",
    "fetches_again",
    "fetches_drop",
    "form_token",
    "hold_requests",
    "hold_source",
    "holds",
    "look",
    "look_at_message",
    "once_begin",
    "once_end",
    "once_forget",
    "outbox",
    "patient_of",
    "places_of",
    "plan_open",
    "preferences",
    "quarantine_discard",
    "quarantine_list",
    "quarantine_replay",
    "quarantine_show",
    "release_patient",
    "release_request",
    "release_requests",
    "release_source",
    "replies_open",
    "reply_decide",
    "reply_read",
    "representatives",
    "restore_address",
    "revocation_settle",
    "revocations",
    "session_begin",
    "session_end",
    "session_find",
    "silent",
    "sink_again",
    "sink_of",
    "sink_rewind",
    "sinks",
    "status",
    "suppressed",
    "suppressed_of",
    "tables_believe",
    "tables_give_up",
    "tables_status",
    "topics",
    "trace_message",
    "trace_patient",
    "trace_request",
    "unknown_codes",
    "unmerge",
    "unread",
    "unread_seen",
    "withdraw_request",
    "withdraw_requests",
    "worklist",
    "would_send",
    "writebacks",
    "writebacks_again",
    "writebacks_drop",
]
