"""Who is at both ends of a broker is asked alike of every kind: source and sink, RabbitMQ, Kafka and Redis."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent.parent / "mllp"))
from mllp_certificates import Authority

from connectors.sinks.amqp import AmqpSink
from connectors.sinks.kafka import KafkaSink
from connectors.sinks.redis_stream import RedisStreamSink
from connectors.sources.amqp import AmqpSource
from connectors.sources.kafka import KafkaSource
from connectors.sources.queues import QueueSource
from connectors.sources.redis_stream import RedisStreamSource
from gateway.model.errors import ConfigError, Refused, Unusable
from gateway.model.outcome import OutcomeKind, SinkRow
from gateway.model.when import DAY
from gateway.ports import Sink, SystemClock

ROW = SinkRow(id="1", kind=OutcomeKind.SENT, at=0, patient="7", source="ehr")
LOGIN = {"user": "caregate", "password": "correct-horse"}
KINDS: dict[str, tuple[type[QueueSource[Any]], dict[str, Any], type[Any], dict[str, Any]]] = {
    "amqp": (AmqpSource, {"queue": "q"}, AmqpSink, {"exchange": "e"}),
    "kafka": (KafkaSource, {"topics": "t", "group": "g"}, KafkaSink, {"topic": "t"}),
    "redis-stream": (RedisStreamSource, {"streams": "s"}, RedisStreamSink, {"stream": "s"}),
}


def at(kind: str, host: str, *, tls: bool) -> dict[str, Any]:
    """Where it is, as this kind writes it."""
    if kind == "kafka":
        return {"servers": f"{host}:9092", "tls": tls}
    scheme = {"amqp": "amqp", "redis-stream": "redis"}[kind]
    return {"url": f"{scheme}{'s' if tls else ''}://{host}"}


def source(kind: str, told: Mapping[str, Any]) -> QueueSource[Any]:
    """One that reads from there."""
    made, own, _, _ = KINDS[kind]
    return made("engine", {**own, **told}, SystemClock())


def sink(kind: str, told: Mapping[str, Any]) -> Sink:
    """One that tells there."""
    _, _, made, own = KINDS[kind]
    found: Sink = made("told", {**own, **told}, SystemClock())
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("host", "tls", "told", "words"),
    [
        ("engine.example", False, LOGIN, "say plaintext: yes where the network itself is safe"),
        ("engine.example", True, {**LOGIN, "plaintext": True}, "remove one of the two"),
        ("127.0.0.1", False, {"ca": "ca.pem"}, "ca, certificate: they belong to"),
        ("127.0.0.1", True, {"certificate": "our.pem"}, "certificate and key belong together"),
        ("127.0.0.1", True, {"user": "a"}, "user and password belong together"),
        ("127.0.0.1", False, {"checks": "no"}, "no such setting"),
    ],
)
def test_what_is_unsafe_or_half_told_starts_nowhere(
    kind: str, host: str, tls: bool, told: dict[str, Any], words: str
) -> None:
    """TL-01. Of a source with what is to be done; a sink is refused too, and no value is quoted."""
    address = at(kind, host, tls=tls)
    with pytest.raises(ConfigError, match=words):
        source(kind, {**address, **told})
    with pytest.raises(ConfigError) as found:
        sink(kind, {**address, **told})
    assert "correct-horse" not in str(found.value)


@pytest.mark.parametrize("kind", KINDS)
def test_before_our_certificate_ends_staff_are_told(kind: str, tmp_path: Path) -> None:
    """TL-05. Whatever the broker; of none, nothing."""
    pair = Authority(tmp_path).issue("caregate")
    here = at(kind, "127.0.0.1", tls=True)
    ends = source(kind, {**here, "certificate": pair.certificate, "key": pair.key}).certificate_ends
    assert ends is not None
    assert abs(ends - SystemClock().now() - 365 * DAY) < DAY
    assert source(kind, here).certificate_ends is None


@pytest.mark.parametrize(("kind", "module"), [("amqp", "pika"), ("kafka", "confluent_kafka")])
def test_a_client_that_is_not_installed_is_told_with_what_to_do(
    kind: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It belongs to an extra, which a plain install lacks."""
    for name in [one for one in sys.modules if one.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    here = at(kind, "127.0.0.1", tls=False)
    with pytest.raises(Unusable, match=rf"pip install 'caregate\[{kind}\]'"):
        source(kind, here).link().open()
    with pytest.raises(Refused, match=rf"pip install 'caregate\[{kind}\]'"):
        sink(kind, here).write([ROW])
