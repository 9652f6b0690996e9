"""Where a Kafka is and who we are there, and what its errors come to: not a word of librdkafka's is kept but its codes."""

from __future__ import annotations

import logging
import re
import time
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, model_validator

from connectors.brokers.proof import Proof, client, loopback, revealed
from gateway.model.errors import Busy, Denied, Missing, ServerError, Unusable
from gateway.telemetry import log

_SERVER = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]{1,253})):(\d{1,5})")
_FORBIDDEN: Final = frozenset(
    {"TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"}
)
_UNBELIEVED: Final = frozenset(
    {"_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED", "UNSUPPORTED_SASL_MECHANISM", "ILLEGAL_SASL_STATE"}
)
_NO_TOPIC: Final = frozenset({"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"})
_AWAY: Final = frozenset(
    {"_TRANSPORT", "_ALL_BROKERS_DOWN", "_TIMED_OUT", "_RESOLVE", "_WAIT_COORD", "_MSG_TIMED_OUT", "_TIMED_OUT_QUEUE"}
)

_TOLD: Final = 10  # callbacks that may wait for a poll, each for one


def _servers(value: object) -> tuple[str, ...]:
    told = tuple(map(str, value)) if isinstance(value, (list, tuple)) else (str(value),)
    if not told or any(not _SERVER.fullmatch(one) for one in told):
        raise ValueError("write each broker as host:port")
    return told


def _topic(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) or value in (".", ".."):
        raise ValueError("write a topic's name: letters, digits, dots, underscores and hyphens")
    return value


Topic = Annotated[str, AfterValidator(_topic)]


class KafkaAddress(Proof):
    """The options of a way to a cluster; a source and a sink add theirs. `user`, `password`, `mechanism`: SASL."""

    at = "tls"
    encrypting = "tls: yes"

    servers: Annotated[tuple[str, ...], BeforeValidator(_servers)]
    tls: bool = False
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"

    @property
    def encrypted(self) -> bool:
        """See `Proof`."""
        return self.tls

    @property
    def here(self) -> bool:
        """See `Proof`."""
        return all(map(_is_here, self.servers))

    @model_validator(mode="after")
    def _hidden(self) -> Self:
        if self.user and self.mechanism == "PLAIN" and not self.tls and not self.here:
            raise ValueError("mechanism: PLAIN shows the password to the network; use `tls`, or SCRAM")
        return self

    def told(self, name: str) -> dict[str, Any]:
        """The options in librdkafka's words. `name`: as the brokers list the client; no PHI."""
        return {
            "bootstrap.servers": ",".join(self.servers),
            "client.id": name,
            "security.protocol": ("SASL_" if self.user else "") + ("SSL" if self.tls else "PLAINTEXT"),
            "socket.keepalive.enable": True,
            "reconnect.backoff.max.ms": 5_000,
            "log.connection.close": False,
            "enable.metrics.push": False,  # what we do is nobody's to gather (KIP-714)
            **(self._sasl() if self.user else {}),
            **(self._tls() if self.tls else {}),
        }

    def _sasl(self) -> dict[str, Any]:
        return {
            "sasl.mechanism": self.mechanism,
            "sasl.username": self.user,
            "sasl.password": revealed(self.password),
        }

    def _tls(self) -> dict[str, Any]:
        """The brokers' certificates and names are always checked; nothing switches that off."""
        words = {
            "enable.ssl.certificate.verification": True,
            "ssl.endpoint.identification.algorithm": "https",
            "ssl.ca.location": str(self.ca) if self.ca else "probe",
            "ssl.certificate.location": str(self.certificate) if self.certificate else None,
            "ssl.key.location": str(self.key) if self.key else None,
            "ssl.key.password": revealed(self.passphrase),
        }
        return {word: value for word, value in words.items() if value is not None}


def _is_here(server: str) -> bool:
    match = _SERVER.fullmatch(server)
    assert match
    return loopback(match[1] or match[2])


def fault_of(error: Any) -> ServerError:
    """Ours for a `KafkaError`, by its code alone."""
    name = str(error.name())
    if name in _UNBELIEVED:
        return Denied("Kafka does not believe who we are: look at `user`, `password` and `mechanism`", 401)
    if name in _FORBIDDEN:
        return Denied(f"Kafka does not let us ({name})", 403)
    if name == "_SSL":
        return Denied("no TLS with Kafka: a certificate is not believed, or not shown", 401)
    if name in _NO_TOPIC:
        return Missing("there is no such topic, or we may not see it")
    if name in _AWAY:
        return Busy(f"Kafka cannot be reached ({name})")
    return Busy(f"Kafka: not now ({name})") if error.retriable() else Unusable(f"Kafka refuses ({name})")


class Watch:
    """What a client says by itself: its log by code alone, its errors kept until `check`. `name`: of source or sink."""

    _TELLING = frozenset({"_ALL_BROKERS_DOWN", "_SSL"}) | _UNBELIEVED

    def __init__(self, name: str) -> None:
        self._name = name
        self._worst: ServerError | None = None
        self._told: dict[str, float] = {}

    def made(self, kind: Literal["Consumer", "Producer"], words: dict[str, Any]) -> Any:
        """One that is watched. Raises Unusable where it is not installed, a file cannot be read or a word is none of its."""
        kafka = client("confluent_kafka", "kafka")
        try:
            return getattr(kafka, kind)({**words, "error_cb": self.error}, logger=self)
        except (kafka.KafkaException, ValueError, TypeError):  # it quotes what it was given
            raise Unusable("librdkafka cannot be set up so: look at the files of `tls`") from None

    def log(self, level: int, _form: str, code: str = "", *_quoting: object) -> None:
        """The log of librdkafka, called as a `logging.Logger` is: codes like FAIL or SESSTMOUT, each once a minute."""
        now = time.monotonic()
        if level >= logging.WARNING and now >= self._told.get(code, now):
            self._told[code] = now + 60.0
            log().warning("kafka.client", name=self._name, library=f"librdkafka-{code.lower()}")

    def error(self, error: Any) -> None:
        """Remember the worst; what passes is librdkafka's own to mend."""
        if (error.fatal() or error.name() in self._TELLING) and not isinstance(self._worst, Denied):
            self._worst = fault_of(error)

    def check(self) -> None:
        """Raise what was told since the start."""
        if self._worst is not None:
            raise self._worst


def has_topics(client: Any, topics: tuple[str, ...], watch: Watch, address: KafkaAddress) -> None:
    """Connect, and see that every topic is there; none is made. Raises ServerError, also where the brokers lie elsewhere.

    A cluster tells where its brokers are: one on this machine (a tunnel, say) may name others, and what is not encrypted
    leaves it only where that was said.
    """
    from confluent_kafka import KafkaException

    try:
        found = client.list_topics(timeout=address.timeout)  # all: to ask by name would have some brokers make it
    except KafkaException as error:
        for _ in range(_TOLD):  # a wrong password is otherwise a broker that is away
            client.poll(0)
        watch.check()
        raise fault_of(error.args[0]) from None
    here = all(loopback(one.host) for one in found.brokers.values())
    if not (address.tls or address.plaintext or here):
        raise Denied("a broker beyond loopback without TLS: say tls: yes, or plaintext: yes where the network is safe")
    told = found.topics
    for topic in topics:
        fault = told[topic].error if topic in told else None
        if topic not in told or (fault is not None and fault.name() in _NO_TOPIC):
            raise Missing(f"there is no topic {topic}, or we may not see it")
        if fault is not None:
            raise fault_of(fault)
