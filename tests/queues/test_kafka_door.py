"""Whoever is at the other end must be who we mean, and we must be believed: TLS, certificates, SASL; and a wire that is cut in the middle."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka_door import Door, door
from kafka_there import Kafka, kafka
from test_pump import Intake, until

sys.path.append(str(Path(__file__).parent.parent / "mllp"))
from mllp_certificates import Authority, Pair

from connectors.brokers.kafka import KafkaAddress, Watch, has_topics
from connectors.sources.kafka import KafkaSource
from gateway.model.errors import Denied
from gateway.ports import SystemClock

LOGIN = ("caregate", "correct-horse")
MESSAGES = [b"MSH|^~\\&|%d\r" % one for one in range(200)]


@pytest.fixture
def broker() -> Iterator[Kafka]:
    with kafka() as made:
        made.topic("feed")
        yield made


@contextmanager
def reading(before: Door, intake: Intake, **more: Any) -> Iterator[KafkaSource]:
    told = {"servers": before.address, "topics": "feed", "group": "g", "session_timeout": 2, "reconnect": 0.3, "timeout": 2, "stop_timeout": 3}  # fmt: skip
    source = KafkaSource("engine", {**told, **more}, SystemClock())
    asyncio.run(source.start(intake))
    try:
        yield source
    finally:
        asyncio.run(source.stop())


def asking(authority: Authority, pair: Pair) -> ssl.SSLContext:
    """A server's: it shows `pair`, and wants a certificate that the authority signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_a_wire_that_is_cut_loses_nothing_and_keeps_the_order(broker: Kafka) -> None:
    """Cut again and again while much is in hand: it is connected again, and whatever came twice was taken once before."""
    intake = Intake()
    with door(broker.port) as before, reading(before, intake, batch=5, prefetch=20) as source:
        for at in range(0, 200, 40):
            broker.gets("feed", *MESSAGES[at : at + 40])
            until(lambda: len(intake.seen) > at)  # noqa: B023 - called at once
            before.cut()
        until(lambda: broker.committed("g", "feed") == [200])
        assert list(dict.fromkeys(intake.seen)) == MESSAGES
        assert source.queue.taken == len(intake.seen)


def test_tls_with_a_certificate_of_ours(broker: Kafka, tmp_path: Path) -> None:
    """TL-01, TL-02: what is shown on both sides is signed by whom the other knows."""
    authority = Authority(tmp_path)
    ours, theirs = authority.issue("caregate.example", passphrase=b"secret words"), authority.issue("kafka.example")
    broker.gets("feed", *MESSAGES[:5])
    intake = Intake()
    files = {"ca": authority.path, "certificate": ours.certificate, "key": ours.key, "passphrase": "secret words"}
    with door(broker.port, context=asking(authority, theirs)) as before, reading(before, intake, tls=True, **files):
        until(lambda: intake.seen == MESSAGES[:5])


@pytest.mark.parametrize("wrong", ["authority", "name", "none"])
def test_who_cannot_be_believed_is_given_nothing(broker: Kafka, tmp_path: Path, wrong: str) -> None:
    """TL-02, TL-04: a certificate of somebody else, of another name, or none of ours: nobody is connected, a person is told."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "Stranger")
    theirs = authority.issue("kafka.example")
    ours = authority.issue("caregate.example")
    told: dict[str, Any] = {"tls": True, "ca": stranger.path if wrong == "authority" else authority.path}
    if wrong != "none":
        told |= {"certificate": ours.certificate, "key": ours.key}
    intake = Intake()
    with door(broker.port, context=asking(authority, theirs)) as before:
        if wrong == "name":
            told["servers"] = f"localhost:{before.port}"  # the certificate is for kafka.example and 127.0.0.1
        with reading(before, intake, **told) as source:
            event = "queue.lost" if wrong == "none" else "queue.denied"  # TLS 1.3: who asks in vain just hangs up
            until(lambda: source.counts.get(event, 0) > 0)
            assert not source.queue.connected
            assert before.made == 0


class Elsewhere:
    """A client whose bootstrap broker is here, and names one elsewhere."""

    def list_topics(self, timeout: float) -> Any:
        assert timeout
        return SimpleNamespace(
            topics={"feed": SimpleNamespace(error=None)}, brokers={1: SimpleNamespace(host="kafka.example")}
        )


def test_a_broker_here_that_names_one_elsewhere_is_not_followed_unencrypted() -> None:
    """TL-01: what is said in plain words stays on this machine, unless that was allowed."""
    told = {"servers": "127.0.0.1:9092"}
    with pytest.raises(Denied, match="beyond loopback"):
        has_topics(Elsewhere(), ("feed",), Watch("q"), KafkaAddress.model_validate(told))
    for safe in ("tls", "plaintext"):
        has_topics(Elsewhere(), ("feed",), Watch("q"), KafkaAddress.model_validate({**told, safe: True}))


def test_a_user_and_password(broker: Kafka) -> None:
    """SASL PLAIN, here on loopback; elsewhere only within TLS."""
    broker.gets("feed", *MESSAGES[:5])
    intake = Intake()
    told = {"user": LOGIN[0], "password": LOGIN[1], "mechanism": "PLAIN"}
    with door(broker.port, login=LOGIN) as before, reading(before, intake, **told):
        until(lambda: intake.seen == MESSAGES[:5])


def test_a_wrong_password_is_told_and_never_shown(broker: Kafka, capfd: pytest.CaptureFixture[str]) -> None:
    """SN-30 in spirit: a person must look, the log says what at, and quotes nothing."""
    told = {"user": LOGIN[0], "password": "wrong-battery", "mechanism": "PLAIN"}
    with door(broker.port, login=LOGIN) as before, reading(before, Intake(), **told) as source:
        until(lambda: source.counts.get("queue.denied", 0) > 0)
        assert not source.queue.connected
    said = "".join(capfd.readouterr())
    assert "look at `user`, `password` and `mechanism`" in said
    assert "librdkafka-fail" in said
    assert "wrong-battery" not in said
