"""Prometheus metrics: counts under closed sets of labels, added once per batch, so none can name a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from gateway.model.alert import AlertKind, AlertWord, Condition
from gateway.model.consent import ChannelKind
from gateway.model.event import Result
from gateway.model.request import CommunicationStatus, RequestStatus
from gateway.model.verdict import Reason
from gateway.model.when import SECOND, Millis
from gateway.telemetry.fields import DROP, NAME, PARTS

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
_MESSAGES = Counter("caregate_messages", "Messages answered", ["source", "result"], registry=REGISTRY)
_ROWS = Counter("caregate_rows", "Rows of tables by what became of them", ["source", "result"], registry=REGISTRY)
_REQUESTS = Counter("caregate_requests", "Requests that entered a state", ["state", "reason"], registry=REGISTRY)
_SENDS = Counter("caregate_sends", "Attempts settled", ["channel", "status"], registry=REGISTRY)
_DOORBELLS = Counter("caregate_doorbells", "Ids handed to the broker", ["result"], registry=REGISTRY)
_DELIVERIES = Counter("caregate_deliveries", "Doorbells answered by a worker", ["result"], registry=REGISTRY)
_OUTBOX = Gauge("caregate_outbox_due", "Requests due and not yet decided", registry=REGISTRY)
_QUARANTINE = Gauge("caregate_quarantine_open", "Quarantined messages nobody resolved", registry=REGISTRY)
_FETCHES = Gauge("caregate_fetches_open", "Resources not yet read from their server", registry=REGISTRY)
_BATCH = Histogram(
    "caregate_batch_messages", "Messages per receive commit", buckets=(1, 2, 4, 8, 16, 32, 64, 128), registry=REGISTRY
)
_RECEIVE = Histogram(
    "caregate_receive_seconds",
    "Seconds one receive commit took",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
    registry=REGISTRY,
)
_HEARD = Gauge(
    "caregate_feed_last_message_timestamp_seconds", "When a feed spoke last, Unix time", ["source"], registry=REGISTRY
)
_SILENCE = Gauge("caregate_feed_silence_seconds", "How long ago a feed spoke last", ["source"], registry=REGISTRY)
_USUAL = Gauge(
    "caregate_feed_usual_silence_seconds", "The longest silence usual for a feed; 0: not known", ["source"],
    registry=REGISTRY,
)  # fmt: skip
_SILENT = Gauge("caregate_feed_silent", "1 while a feed is silent against its own habit", ["source"], registry=REGISTRY)
_WAITING = Gauge("caregate_queue_waiting", "Messages not settled at a feed's broker", ["source"], registry=REGISTRY)
_OLDEST = Gauge(
    "caregate_queue_oldest_seconds", "How long the oldest of them waits, at least", ["source"], registry=REGISTRY
)
_CONNECTED = Gauge("caregate_queue_connected", "1 while a gateway is connected to it", ["source"], registry=REGISTRY)
_REDELIVERED = Counter("caregate_queue_redelivered", "Messages given out again", ["source"], registry=REGISTRY)
_ALERTS = Gauge("caregate_alert_active", "1 while an alert stands", ["kind", "source"], registry=REGISTRY)
_TOLD = Counter("caregate_alerts_told", "Alerts handed to somebody", ["kind", "word", "result"], registry=REGISTRY)
_READY = Gauge("caregate_part_ready", "1 while a part this process needs is fit for work", ["part"], registry=REGISTRY)

_MOST_SOURCES = 100
_sources: set[str] = set()


def _source_label(source: str) -> str:
    """The configured name, or "other": an open set of label values would leak and grow without bound."""
    if source in _sources:
        return source
    if NAME(source) is DROP or len(_sources) >= _MOST_SOURCES:
        return "other"
    _sources.add(source)
    return source


def count_messages(source: str, results: Mapping[Result, int]) -> None:
    """Add a batch's outcomes of one source; once per batch, not per message."""
    label = _source_label(source)
    for result, count in results.items():
        _MESSAGES.labels(label, Result(result).value).inc(count)


def count_rows(source: str, counts: Mapping[str, int]) -> None:
    """Add what became of a chunk's rows, in closed words; once per chunk."""
    label = _source_label(source)
    for word, count in counts.items():
        _ROWS.labels(label, word).inc(count)


def observe_receive(seconds: float, messages: int) -> None:
    """One receive commit of `messages` messages took `seconds`."""
    _RECEIVE.observe(seconds)
    _BATCH.observe(messages)


def count_requests(state: RequestStatus, reason: Reason | None = None, count: int = 1) -> None:
    """`count` requests entered `state` because of `reason`."""
    _REQUESTS.labels(RequestStatus(state).value, Reason(reason).value if reason else "").inc(count)


@cache
def _one(counter: Counter, *labels: str) -> Counter:
    """The counter of these labels, looked up once: each look-up takes longer than the counting."""
    return counter.labels(*labels)


def count_sends(channel: ChannelKind, status: CommunicationStatus, count: int = 1) -> None:
    """`count` attempts on `channel` ended as `status`."""
    _one(_SENDS, ChannelKind(channel).value, CommunicationStatus(status).value).inc(count)


def count_doorbells(*, rung: int = 0, lost: int = 0) -> None:
    """Ids handed to the broker, and ids it did not take (dispatch rings them again)."""
    _one(_DOORBELLS, "rung").inc(rung)
    _one(_DOORBELLS, "lost").inc(lost)


def count_deliveries(*, done: int = 0, failed: int = 0) -> None:
    """Doorbells a worker answered, and those whose handling raised."""
    _one(_DELIVERIES, "done").inc(done)
    _one(_DELIVERIES, "failed").inc(failed)


def set_outbox_due(count: int) -> None:
    """How many requests are due now."""
    _OUTBOX.set(count)


def set_quarantine_open(count: int) -> None:
    """How many quarantine entries are open now."""
    _QUARANTINE.set(count)


def set_fetches_open(count: int) -> None:
    """How many resources must still be read from their server now."""
    _FETCHES.set(count)


def set_feed(source: str, *, now: Millis, last: Millis | None, usual: Millis, silent: bool) -> None:
    """How a feed stands: when it was heard last and its longest usual silence, Millis. Never heard: no time is told."""
    label = _source_label(source)
    _SILENT.labels(label).set(int(silent))
    _USUAL.labels(label).set(usual / SECOND)
    if last is not None:
        _HEARD.labels(label).set(last / SECOND)
        _SILENCE.labels(label).set(max(0, now - last) / SECOND)


def set_queues(standing: Iterable[tuple[str, int | None, Millis | None, bool]]) -> None:
    """By source how many messages wait, since how many Millis the oldest does, whether it is read; others are gone."""
    for gauge in (_WAITING, _OLDEST, _CONNECTED):
        gauge.clear()
    for source, waiting, oldest, connected in standing:
        label = _source_label(source)
        _CONNECTED.labels(label).set(int(connected))
        if waiting is not None:
            _WAITING.labels(label).set(waiting)
            _OLDEST.labels(label).set(max(0, oldest or 0) / SECOND)


def count_redelivered(source: str, count: int) -> None:
    """So many more messages of a source's queue were given out again."""
    _REDELIVERED.labels(_source_label(source)).inc(max(0, count))


def set_alerts(standing: Iterable[Condition]) -> None:
    """The alerts that stand now; what stood before and is not among them is gone."""
    _ALERTS.clear()
    for one in standing:
        _ALERTS.labels(AlertKind(one.kind).value, _source_label(one.source) if one.source else "").set(1)


def count_told(kind: AlertKind, word: AlertWord, *, ok: bool) -> None:
    """An alert was handed to a webhook or relay, or was not."""
    _TOLD.labels(AlertKind(kind).value, AlertWord(word).value, "ok" if ok else "failed").inc()


def set_ready(part: str, *, ready: bool) -> None:
    """Whether a part ("database", "broker", "intake") is fit for work; any other word is dropped."""
    if part in PARTS:
        _READY.labels(part).set(int(ready))


def exposition() -> tuple[bytes, str]:
    """All metrics in Prometheus text format, and its content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
