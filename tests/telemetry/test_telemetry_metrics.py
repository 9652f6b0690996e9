"""What the operator's graphs are drawn from."""

from __future__ import annotations

import pytest

from gateway import telemetry
from gateway.model.consent import ChannelKind
from gateway.model.event import Result
from gateway.model.request import CommunicationStatus, RequestStatus
from gateway.model.verdict import Reason
from gateway.telemetry import metrics


def _value(line: str) -> float:
    text = telemetry.exposition()[0].decode()
    return next((float(one.rpartition(" ")[2]) for one in text.splitlines() if one.startswith(line + " ")), 0.0)


def test_every_count_is_in_the_exposition() -> None:
    """One call per batch, prefix caregate_, closed label sets."""
    names = {
        'caregate_requests_total{reason="quiet-hours",state="on-hold"}': 2,
        'caregate_requests_total{reason="",state="completed"}': 1,
        'caregate_sends_total{channel="email",status="unknown"}': 1,
        'caregate_doorbells_total{result="rung"}': 5,
        'caregate_doorbells_total{result="lost"}': 1,
        'caregate_deliveries_total{result="done"}': 1,
        'caregate_deliveries_total{result="failed"}': 1,
        "caregate_receive_seconds_count": 1,
        "caregate_batch_messages_sum": 16,
    }
    before = {name: _value(name) for name in names}
    telemetry.count_requests(RequestStatus.ON_HOLD, Reason.QUIET_HOURS, 2)
    telemetry.count_requests(RequestStatus.COMPLETED)
    telemetry.count_sends(ChannelKind.EMAIL, CommunicationStatus.UNKNOWN)
    telemetry.count_doorbells(rung=5, lost=1)
    telemetry.count_deliveries(done=1, failed=1)
    telemetry.observe_receive(0.004, 16)
    telemetry.set_outbox_due(12)
    telemetry.set_quarantine_open(3)
    assert {name: _value(name) - before[name] for name in names} == names
    assert _value("caregate_outbox_due") == 12
    assert _value("caregate_quarantine_open") == 3


def test_sources_beyond_the_hundredth_share_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    """A label set that grows without bound is a leak of memory, and of what it holds."""
    monkeypatch.setattr(metrics, "_sources", set())  # so that the tests that follow still have labels of their own
    for number in range(150):
        telemetry.count_messages(f"feed-{number}", {Result.ACCEPTED: 1})
    text = telemetry.exposition()[0].decode()
    assert text.count('source="feed-') <= 100
    assert 'source="other"' in text
