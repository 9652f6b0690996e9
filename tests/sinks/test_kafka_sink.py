"""A batch is told once Kafka has all of it: with its key, type and id, in order, and never half believed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError

from connectors.sinks.events import CONTENT_TYPE, event_of
from connectors.sinks.kafka import KafkaSink
from gateway.model.errors import ConfigError, Refused, Unavailable
from gateway.model.outcome import OutcomeKind, SinkRow
from gateway.ports import SystemClock
from tests.queues.kafka_there import PRODUCE, Kafka, kafka


@pytest.fixture
def broker() -> Iterator[Kafka]:
    with kafka() as made:
        made.topic("outcomes")
        yield made


@pytest.fixture
def sink(broker: Kafka) -> Iterator[KafkaSink]:
    made = made_for(broker)
    yield made
    made.close()


def made_for(broker: Kafka, **more: object) -> KafkaSink:
    told = {"servers": broker.address, "topic": "outcomes", "timeout": 2, "within": 3, **more}
    return KafkaSink("engine", told, SystemClock())


def rows(count: int) -> list[SinkRow]:
    return [
        SinkRow(id=f"{one:05d}", kind=OutcomeKind.SENT, at=1_772_463_600_000 + one, patient=f"T{one % 3}", source="cdp")
        for one in range(count)
    ]


def test_a_batch_is_there_when_it_is_told(broker: Kafka, sink: KafkaSink) -> None:
    """Every event, as it is for everybody; the patient's token is the key, so that each patient's stay in order."""
    told = rows(500)
    sink.write(told)
    found = broker.holds("outcomes", 500)
    assert [one.value() for one in found] == [event_of(one) for one in told]
    assert [one.key().decode() for one in found] == [one.patient for one in told]
    assert {value for one in found for name, value in one.headers() if name == "content-type"} == {
        CONTENT_TYPE.encode()
    }
    assert [json.loads(one.value())["id"] for one in found[:3]] == [one.id for one in told[:3]]


def test_while_kafka_is_away_it_says_so_and_goes_on_later(broker: Kafka, sink: KafkaSink) -> None:
    """On a connection that was there and where none can be made; told again, the ids are the same."""
    sink.write(rows(3))
    broker.goes_away()
    for _ in range(2):
        with pytest.raises(Unavailable):
            sink.write(rows(5))
    broker.comes_back()
    sink.write(rows(5))
    found = [json.loads(one.value())["id"] for one in broker.holds("outcomes", 8)]
    assert found == [one.id for one in (*rows(3), *rows(5))]


def test_what_kafka_refuses_waits_for_a_person(broker: Kafka, sink: KafkaSink) -> None:
    """A topic that is not there is not made; one that we may not write to is told."""
    with pytest.raises(Refused, match="there is no topic"):
        made_for(broker, topic="nowhere").write(rows(1))
    sink.write(rows(1))
    broker.answers(PRODUCE, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(Refused, match="TOPIC_AUTHORIZATION_FAILED"):
        sink.write(rows(2))
    sink.write(rows(2))
    assert len(broker.holds("outcomes", 3)) == 3


def test_what_passes_is_librdkafkas_to_mend(broker: Kafka, sink: KafkaSink) -> None:
    """A leader that moved: tried again within the batch, and nothing is there twice."""
    sink.write(rows(1))
    broker.answers(PRODUCE, KafkaError.NOT_LEADER_FOR_PARTITION)
    sink.write(rows(50))
    assert len(broker.holds("outcomes", 52, 1.0)) == 51


@pytest.mark.parametrize("wrong", [{"servers": "kafka.example:9092"}, {"topic": "a b"}, {"within": 0}, {"acks": 1}])
def test_what_is_not_safe_or_not_known_is_refused_at_start(broker: Kafka, wrong: dict[str, object]) -> None:
    """TL-06: nothing in clear beyond this machine unless it is said."""
    with pytest.raises(ConfigError):
        made_for(broker, **wrong)
