"""A RabbitMQ in a test's hands: one of its own, a wire to it that can be cut, and what lies in its queues."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pika
from mllp_certificates import Pair

_BIN = Path("/usr/lib/rabbitmq/bin")


def options(url: str) -> dict[str, Any]:
    """A URL with credentials as a connector is told it."""
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.hostname}:{parts.port or 5672}{parts.path.rstrip('/')}"
    return {"url": where, "user": unquote(parts.username or ""), "password": unquote(parts.password or "")}


class Queues:
    """What a test does at a broker itself: makes queues, puts messages in, counts what is left."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._made: list[str] = []

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """A channel of its own connection."""
        with closing(pika.BlockingConnection(pika.URLParameters(self._url))) as connection:
            yield connection.channel()

    def make(self, kind: str = "quorum", **arguments: object) -> str:
        """A durable queue; its name."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        with self.channel() as channel:
            channel.queue_declare(name, durable=True, arguments={"x-queue-type": kind, **arguments})
        self._made.append(name)
        return name

    def put(self, queue: str, bodies: Sequence[bytes], **properties: Any) -> None:
        """Each as a persistent message, and the broker has them all."""
        with self.channel() as channel:
            channel.tx_select()
            for body in bodies:
                channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2, **properties))
            channel.tx_commit()

    def left(self, queue: str) -> int:
        """How many messages nobody has in hand."""
        with self.channel() as channel:
            return int(channel.queue_declare(queue, passive=True).method.message_count)

    def all(self, queue: str) -> list[tuple[Any, Any, bytes]]:
        """Everything in it, taken out."""
        with self.channel() as channel:
            found = []
            while (one := channel.basic_get(queue, auto_ack=True))[0] is not None:
                found.append(one)
            return found

    def remove(self, queue: str) -> None:
        """The queue and all in it."""
        with self.channel() as channel:
            channel.queue_delete(queue)

    def close(self) -> None:
        """Whatever it made."""
        with suppress(pika.exceptions.AMQPError, OSError):
            for name in self._made:
                self.remove(name)


def free_port() -> int:
    """Taken by nobody a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class OwnRabbit:
    """A RabbitMQ of this test alone, with TLS that asks for a certificate, which may be ended and started again."""

    def __init__(self, folder: Path, pair: Pair, authority: Path, logins: Sequence[str]) -> None:
        self.port, self.tls = free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self._folder = folder
        (folder / "plugins").write_text("[rabbitmq_auth_mechanism_ssl].")
        (folder / "users.json").write_text(json.dumps(_definitions(logins)))
        (folder / "rabbitmq.conf").write_text(_CONFIG.format(self=self, pair=pair, authority=authority, folder=folder))
        self._environ = {**os.environ, **_environ(folder)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until it takes connections."""
        with (self._folder / "out").open("ab") as out:
            self._process = subprocess.Popen(
                [_BIN / "rabbitmq-server"], env=self._environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        until = time.monotonic() + 90
        while True:
            assert time.monotonic() < until, "RabbitMQ did not start"
            assert self._process.poll() is None, (self._folder / "out").read_text()[-2_000:]
            with suppress(pika.exceptions.AMQPError, OSError):
                pika.BlockingConnection(pika.URLParameters(self.url)).close()
                return
            time.sleep(0.2)

    def stop(self) -> None:
        """As an operator does: SIGTERM."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def close(self) -> None:
        """And the port mapper that outlives it."""
        self.stop()
        with suppress(FileNotFoundError):
            subprocess.run(["epmd", "-kill"], env=self._environ, check=False, capture_output=True)


_CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{self.port}
listeners.ssl.1 = 127.0.0.1:{self.tls}
ssl_options.cacertfile = {authority}
ssl_options.certfile = {pair.certificate}
ssl_options.keyfile = {pair.key}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
ssl_cert_login_from = common_name
load_definitions = {folder}/users.json
"""


def _environ(folder: Path) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(free_port()),
        "RABBITMQ_NODENAME": f"test{uuid.uuid4().hex[:8]}@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }


def _definitions(logins: Sequence[str]) -> Mapping[str, object]:
    salt = b"salt"
    hashed = base64.b64encode(salt + hashlib.sha256(salt + b"guest").digest()).decode()
    names = ("guest", *logins)
    may = {"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    return {
        "vhosts": [{"name": "/"}],
        "users": [{"name": one, "password_hash": hashed, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ""} for one in names],
        "permissions": [{"user": one, **may} for one in names],
    }  # fmt: skip


class Wire:
    """A way to a server that can be cut: what is on it is lost, as when a firewall forgets it."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.made = 0
        self.carries: Callable[[bytes], bool] = lambda _: (
            True
        )  # what the gateway says; False: cut now, before it arrives
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            self.made += 1
            self._open += [near, far]
            for one, other, asks in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._carry, args=(one, other, asks), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, asks: bool) -> None:
        with suppress(OSError):
            while (data := one.recv(65_536)) and (not asks or self.carries(data)):
                other.sendall(data)
        self.cut()

    def cut(self) -> None:
        """Every connection on it, now."""
        while self._open:
            with closing(self._open.pop()) as one, suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """For good."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
