"""Reading for people and programs, and the few things a person may do by hand; every look at PHI is audited with its reason."""

from gateway.pipeline.inspect.codes import UnknownCode, UnknownCodes, unknown_codes
from gateway.pipeline.inspect.consents import ConsentLine, consent_add, consent_list
from gateway.pipeline.inspect.feeds import FeedLine, KindLine, feed_kinds, feeds
from gateway.pipeline.inspect.holding import excuse_source, hold_source, release_source
from gateway.pipeline.inspect.holds import HoldLine, holds, release_patient, release_request, withdraw_request
from gateway.pipeline.inspect.importing import COLUMNS, ImportLine, ImportReport, consent_import
from gateway.pipeline.inspect.opening import OpenPlan, plan_open
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.quarantine import (
    QuarantineLine,
    quarantine_discard,
    quarantine_list,
    quarantine_replay,
    quarantine_show,
)
from gateway.pipeline.inspect.standing import AlertLine, StatusReport, Waiting, status
from gateway.pipeline.inspect.trace import Line, trace_message, trace_patient, trace_request
from gateway.pipeline.inspect.unmerging import Unmerged, unmerge
from gateway.pipeline.inspect.wouldsend import WouldSend, would_send

__all__ = [
    "COLUMNS",
    "AlertLine",
    "ConsentLine",
    "FeedLine",
    "HoldLine",
    "ImportLine",
    "ImportReport",
    "Inspectable",
    "KindLine",
    "Line",
    "OpenPlan",
    "QuarantineLine",
    "StatusReport",
    "UnknownCode",
    "UnknownCodes",
    "Unmerged",
    "Waiting",
    "WouldSend",
    "consent_add",
    "consent_import",
    "consent_list",
    "excuse_source",
    "feed_kinds",
    "feeds",
    "hold_source",
    "holds",
    "plan_open",
    "quarantine_discard",
    "quarantine_list",
    "quarantine_replay",
    "quarantine_show",
    "release_patient",
    "release_request",
    "release_source",
    "status",
    "trace_message",
    "trace_patient",
    "trace_request",
    "unknown_codes",
    "unmerge",
    "withdraw_request",
    "would_send",
]
