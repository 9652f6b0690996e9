"""Who may speak on a TLS link: both sides show a certificate, and ours may change while connections stay (TL-01 to TL-05)."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from connectors.sources.mllp.options import PeerOptions, TlsOptions
from gateway.er7.header import Header
from gateway.model.audit import NodeFailure
from gateway.model.errors import ConfigError
from gateway.model.when import Millis
from gateway.ports import Clock
from gateway.telemetry import log

WARN_AHEAD: Millis = 30 * 86_400_000
_CIPHERS_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20"  # BCP 195 (RFC 9325 §4.2); TLS 1.3 has no others
_DATES = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_FAILURES = {  # OpenSSL's reasons
    "WRONG_VERSION_NUMBER": NodeFailure.NOT_TLS,
    "HTTP_REQUEST": NodeFailure.NOT_TLS,
    "UNKNOWN_PROTOCOL": NodeFailure.NOT_TLS,
    "RECORD_LAYER_FAILURE": NodeFailure.NOT_TLS,
    "PACKET_LENGTH_TOO_LONG": NodeFailure.NOT_TLS,
    "UNSUPPORTED_PROTOCOL": NodeFailure.TLS_TOO_OLD,
    "VERSION_TOO_LOW": NodeFailure.TLS_TOO_OLD,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": NodeFailure.CERTIFICATE_MISSING,
}
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class Peer:
    """The certificate the other side showed: `fingerprint` SHA-256 in hex, `names` its CN and SANs in lower case."""

    fingerprint: str
    names: frozenset[str]
    expires: Millis


class Credentials:
    """The certificates of one link. Raises ConfigError when they cannot be used; never quotes a file's content."""

    def __init__(self, name: str, options: TlsOptions, clock: Clock) -> None:
        self._name = name
        self._options = options
        self._clock = clock
        self._bound = _Bound(options.peers)
        self._seen: tuple[tuple[int, int, int], ...] = ()
        self._load()

    @property
    def context(self) -> ssl.SSLContext:
        """For the next connection we accept; those that stand keep what they were made with (TL-05)."""
        return self._server

    @property
    def client_context(self) -> ssl.SSLContext:
        """For a connection we open with the same certificate; the other side's name is checked (TL-02)."""
        return self._client

    @property
    def ends(self) -> Millis | None:
        """When the first certificate of our files ends; None: they hold none."""
        return min(self._expiries.values(), default=None)

    @property
    def binds(self) -> bool:
        """Whether certificates are bound to MSH-3/4 here."""
        return bool(self._options.peers)

    def refresh(self) -> bool:
        """Load the files anew if one has changed. What cannot be used is logged, and the old stays (TL-05)."""
        seen = self._stamps()
        if seen == self._seen:
            return False
        try:
            self._load()
        except ConfigError:
            self._seen = seen  # told once for each change
            log().error("mllp.certificate-not-loaded", source=self._name)
            return False
        log().info("mllp.certificate-loaded", source=self._name, until=min(self._expiries.values(), default=0))
        return True

    def warn(self) -> list[Path]:
        """The files with a certificate that ends within 30 days or has ended; each is logged (TL-05)."""
        soon = self._clock.now() + WARN_AHEAD
        ending = [path for path, expires in self._expiries.items() if expires <= soon]
        for path in ending:
            log().warning("mllp.certificate-expiring", source=self._name, path=path, until=self._expiries[path])
        return ending

    def ends_soon(self, peer: Peer) -> bool:
        """Whether a peer's certificate ends within 30 days (TL-05)."""
        return peer.expires <= self._clock.now() + WARN_AHEAD

    def peer(self, connection: ssl.SSLObject) -> Peer | None:
        """Who is at the other end, after the handshake; None if it may not speak here.

        OpenSSL has checked the chain and the dates. Where certificates are listed, the very one must be (TL-02):
        a listed one that could sign others must not let those in. With `peers:`, one of them must match (TL-03).
        """
        der = connection.getpeercert(binary_form=True)
        if not der:
            return None
        found = _peer(der, connection.getpeercert() or {})
        if self._listed and found.fingerprint not in self._listed:
            return None
        return found if self._bound.knows(found) else None

    def speaks_for(self, peer: Peer, header: Header | None) -> bool:
        """Whether MSH-3 and MSH-4 belong to the certificate's owner (TL-03); no header belongs to nobody bound."""
        return self._bound.allows(peer, header)

    # within

    def _load(self) -> None:
        stamps = self._stamps()
        expiries = {path: _expires(self._name, setting, path) for setting, path in self._watched()}
        server, client = self._context(ssl.PROTOCOL_TLS_SERVER), self._context(ssl.PROTOCOL_TLS_CLIENT)
        self._listed = frozenset(
            fingerprint for path in self._options.client_certificates for fingerprint in _fingerprints(path)
        )
        self._server, self._client, self._expiries, self._seen = server, client, expiries, stamps

    def _context(self, protocol: ssl._SSLMethod) -> ssl.SSLContext:
        options = self._options
        context = ssl.SSLContext(protocol)
        context.minimum_version = _VERSIONS[options.minimum]
        context.set_ciphers(_CIPHERS_1_2)
        context.verify_mode = ssl.CERT_REQUIRED  # a server that does not ask is not ITI-19 (TL-01)
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
        if protocol is ssl.PROTOCOL_TLS_SERVER:
            context.num_tickets = 0  # each connection shows its certificate: a resumed one would outlive its dates
        secret = options.passphrase or ""  # always given: else OpenSSL would ask for it at the terminal
        try:
            context.load_cert_chain(options.certificate, options.key, lambda: secret)
        except (OSError, ValueError, TypeError):
            raise _wrong(
                self._name, "key", "it is not the certificate's key, or its passphrase is missing or wrong"
            ) from None
        self._trust(context)
        return context

    def _trust(self, context: ssl.SSLContext) -> None:
        if self._options.client_certificates:  # direct comparison: each is its own anchor, whoever signed it (TL-02)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        for setting, path in self._anchors():
            try:
                context.load_verify_locations(path)
            except OSError:
                raise _wrong(self._name, setting, "the file holds no certificate in PEM") from None

    def _anchors(self) -> Iterator[tuple[str, Path]]:
        if self._options.client_ca is not None:
            yield "client_ca", self._options.client_ca
        for path in self._options.client_certificates:
            yield "client_certificates", path

    def _watched(self) -> tuple[tuple[str, Path], ...]:
        return (("certificate", self._options.certificate), *self._anchors())

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(_stamp(path) for path in (*(path for _, path in self._watched()), self._options.key))


class _Bound:
    """Certificate to MSH-3/4, as configured; empty binds nothing."""

    def __init__(self, peers: tuple[PeerOptions, ...]) -> None:
        self._peers = peers

    def knows(self, peer: Peer) -> bool:
        return not self._peers or any(one.matches(peer.fingerprint, peer.names) for one in self._peers)

    def allows(self, peer: Peer, header: Header | None) -> bool:
        mine = [one for one in self._peers if one.matches(peer.fingerprint, peer.names)]
        if not self._peers or any(not one.applications for one in mine):
            return True
        if header is None:
            return False
        told = [
            (application, facility)
            for application in (header.sending_application, header.get(3))
            for facility in (header.sending_facility, header.get(4))
        ]
        return any(pair in told or (pair[1] is None and pair[0] in dict(told)) for one in mine for pair in one.pairs)


def failure_of(error: OSError) -> NodeFailure | None:
    """What a handshake that failed says of the other side (TL-04); None for one that only broke off or took too long."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return NodeFailure.CERTIFICATE_EXPIRED if error.verify_code in _DATES else NodeFailure.CERTIFICATE_UNKNOWN
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return None
    return _FAILURES.get(getattr(error, "reason", None) or "", NodeFailure.HANDSHAKE)


def _peer(der: bytes, parsed: Mapping[str, object]) -> Peer:
    subject, alternative = parsed.get("subject", ()), parsed.get("subjectAltName", ())
    assert isinstance(subject, tuple)
    assert isinstance(alternative, tuple)
    names = [value for relative in subject for key, value in relative if key == "commonName"]
    names += [value for _, value in alternative if isinstance(value, str)]
    expires = ssl.cert_time_to_seconds(str(parsed["notAfter"])) * 1000 if "notAfter" in parsed else 0
    return Peer(hashlib.sha256(der).hexdigest(), frozenset(name.casefold() for name in names), expires)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:  # in the middle of being replaced, say
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _certificates(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def _expires(name: str, setting: str, path: Path) -> Millis:
    # The first to end of a file's certificates, as Millis.
    try:
        ends: list[datetime] = [one.not_valid_after_utc for one in _certificates(path)]
    except OSError:
        raise _wrong(name, setting, "the file cannot be read") from None
    except ValueError:
        raise _wrong(name, setting, "the file holds no certificate in PEM") from None
    return min(int(end.timestamp() * 1000) for end in ends)


def _fingerprints(path: Path) -> list[str]:
    from cryptography.hazmat.primitives.hashes import SHA256

    return [one.fingerprint(SHA256()).hex() for one in _certificates(path)]


def _wrong(name: str, setting: str, what: str) -> ConfigError:
    return ConfigError(f"source {name}: tls: {setting}: {what}")
