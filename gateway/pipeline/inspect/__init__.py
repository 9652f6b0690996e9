"""Reading for people and programs, and the few things a person may do by hand; every look at PHI is audited with its reason."""

from gateway.pipeline.inspect.consents import ConsentLine, ImportReport, consent_add, consent_import, consent_list
from gateway.pipeline.inspect.feeds import FeedLine, WouldSend, feeds, hold_source, release_source, would_send
from gateway.pipeline.inspect.holds import HoldLine, holds, release_patient, release_request, withdraw_request
from gateway.pipeline.inspect.opening import OpenPlan, plan_open
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.quarantine import (
    QuarantineLine,
    quarantine_discard,
    quarantine_list,
    quarantine_replay,
    quarantine_show,
)
from gateway.pipeline.inspect.trace import Line, trace_message, trace_patient, trace_request
from gateway.pipeline.inspect.unmerging import unmerge

__all__ = [
    "ConsentLine",
    "FeedLine",
    "HoldLine",
    "ImportReport",
    "Inspectable",
    "Line",
    "OpenPlan",
    "QuarantineLine",
    "WouldSend",
    "consent_add",
    "consent_import",
    "consent_list",
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
    "trace_message",
    "trace_patient",
    "trace_request",
    "unmerge",
    "withdraw_request",
    "would_send",
]
