"""Logs and metrics: only what an allow-list names leaves the house, so neither can ever carry PHI (law 4)."""

from gateway.telemetry.failures import own_frames
from gateway.telemetry.fields import FIELDS, keep_allowed
from gateway.telemetry.lines import bound, log
from gateway.telemetry.metrics import (
    REGISTRY,
    count_deliveries,
    count_doorbells,
    count_messages,
    count_redelivered,
    count_requests,
    count_rows,
    count_sends,
    count_told,
    exposition,
    observe_receive,
    set_alerts,
    set_feed,
    set_fetches_open,
    set_outbox_due,
    set_quarantine_open,
    set_queues,
    set_ready,
)
from gateway.telemetry.setup import configure, reset

__all__ = [
    "FIELDS",
    "REGISTRY",
    "bound",
    "configure",
    "count_deliveries",
    "count_doorbells",
    "count_messages",
    "count_redelivered",
    "count_requests",
    "count_rows",
    "count_sends",
    "count_told",
    "exposition",
    "keep_allowed",
    "log",
    "observe_receive",
    "own_frames",
    "reset",
    "set_alerts",
    "set_feed",
    "set_fetches_open",
    "set_outbox_due",
    "set_quarantine_open",
    "set_queues",
    "set_ready",
]
