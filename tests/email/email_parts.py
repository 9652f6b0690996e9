"""Envelopes, certificates and relays that behave, or misbehave, each in one way; all real, all on loopback."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.channels.email import EmailChannel
from gateway.model.consent import ChannelKind
from gateway.model.party import ContactPoint, ContactSystem
from gateway.ports import Envelope, SetClock, content_digest

NOW = 1_772_566_200_000  # 2026-03-03T19:30Z
WORDS = "Zyxxel-Quarrelmonger"  # what a server says must never be repeated


def envelope(**changes: Any) -> Envelope:
    """A reminder to Marisol, with what the test changes; the digest is right unless told."""
    told: dict[str, Any] = {
        "communication": 7,
        "channel": ChannelKind.EMAIL,
        "to": ContactPoint(system=ContactSystem.EMAIL, value="marisol@patients.example"),
        "sender_name": "Lakeside Health",
        "sender_address": "no-reply@lakeside.example",
        "message_id": "<7.1@lakeside.example>",
        "subject": "Your visit",
        "text": "Hello Marisol\n.\n..two\n",
        "html": "<p>Hello Marisol</p>\n",
        "language": "en-US",
        **changes,
    }
    told.setdefault("digest", content_digest(told["subject"], told["text"], told["html"]))
    return Envelope(**told)


def to(address: str) -> ContactPoint:
    """An e-mail contact point."""
    return ContactPoint(system=ContactSystem.EMAIL, value=address)


# ---------------------------------------------------------------- certificates


@dataclass(frozen=True)
class Authority:
    """A certificate authority of this test run, and the server contexts it vouches for."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def file(self) -> Path:
        """The authority's certificate, as `ca_file`."""
        return self.folder / "ca.pem"

    def server(
        self, names: Sequence[str], *, days: tuple[int, int] = (-1, 30), self_signed: bool = False
    ) -> ssl.SSLContext:
        """A server context with a certificate for `names`, valid from and to `days` from today."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(names[0], key, days, issuer=None if self_signed else self, names=names)
        path = self.folder / f"server-{made.serial_number}.pem"
        path.write_bytes(_private(key) + made.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def authority(folder: Path) -> Authority:
    """A fresh authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate("Test authority", key, (-30, 30), issuer=None, names=())
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(folder, key, certificate)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    days: tuple[int, int],
    *,
    issuer: Authority | None,
    names: Sequence[str],
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    today = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today + dt.timedelta(days=days[0]))
        .not_valid_after(today + dt.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(one) for one in names]), critical=False)
    return builder.sign(issuer.key if issuer else key, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


# ---------------------------------------------------------------- relays by aiosmtpd


@dataclass
class Post:
    """What a relay took, and the answers it gives: "250 …", a refusal, or None to say nothing and hang up."""

    mail: str = "250 OK"
    rcpt: str = "250 OK"
    data: str = "250 2.0.0 OK: queued as 4F3C9A7B21"
    taken: list[Any] = field(default_factory=list)
    users: list[tuple[bytes, bytes]] = field(default_factory=list)
    peers: set[Any] = field(default_factory=set)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        """Answer MAIL."""
        self.peers.add(session.peer)
        if self.mail.startswith("2"):
            envelope.mail_from, envelope.mail_options = address, list(options)
        return self.mail

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        """Answer RCPT."""
        if self.rcpt.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Answer the final dot."""
        if self.data.startswith("2"):
            self.taken.append(envelope)
        return self.data

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, told: LoginPassword) -> AuthResult:
        """Let "relay" in with "sesame"."""
        self.users.append((told.login, told.password))
        return AuthResult(success=(told.login, told.password) == (b"relay", b"sesame"), handled=False)


@contextmanager
def relay(
    post: Post, *, starttls: ssl.SSLContext | None = None, implicit: ssl.SSLContext | None = None, **options: Any
) -> Iterator[int]:
    """A real SMTP server on a free loopback port; yields the port."""
    controller = Controller(
        post,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=starttls,
        ssl_context=implicit,
        ready_timeout=10,
        **options,
    )
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


# ---------------------------------------------------------------- relays by hand


@contextmanager
def script(play: Callable[[Any, Any], None]) -> Iterator[int]:
    """A listener whose every connection runs `play(reader, sock)` and then closes; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def one(sock: socket.socket) -> None:
        with sock, sock.makefile("rb") as reader:
            try:
                play(reader, sock)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=one, args=(sock,), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for thread in threads:
            thread.join(5)


def until_dot(reader: Any, sock: Any) -> list[bytes]:
    """Play a plain relay up to and including the final dot; returns the lines of the message."""
    sock.sendall(b"220 hello\r\n")
    while line := reader.readline():
        verb = line[:4].upper()
        if verb == b"DATA":
            sock.sendall(b"354 go on\r\n")
            lines = []
            while (line := reader.readline()) not in (b".\r\n", b""):
                lines.append(line)
            return lines
        sock.sendall(b"250 OK\r\n")
    return []


# ---------------------------------------------------------------- the channel


@contextmanager
def channel(port: int, **options: Any) -> Iterator[EmailChannel]:
    """An e-mail channel to 127.0.0.1:`port`, unencrypted unless told; closed at the end."""
    told = {"host": "127.0.0.1", "port": port, "tls": "off", "timeout": 5, "relay_enforces_tls": True, **options}
    made = EmailChannel("email", told, SetClock(NOW))
    try:
        yield made
    finally:
        made.close()
