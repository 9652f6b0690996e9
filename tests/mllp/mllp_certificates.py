"""Certificates for the tests, made afresh in a temporary folder: an authority, who it signs, and who it does not."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path
    der: bytes

    @property
    def fingerprint(self) -> str:
        import hashlib

        return hashlib.sha256(self.der).hexdigest()


class Authority:
    """Signs certificates; `path` is its own."""

    def __init__(self, folder: Path, name: str = "Test authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        own = _builder(self._name, self._name, self._key, 3_650, 1)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        signed = own.sign(self._key, hashes.SHA256())
        self.path = folder / f"{name.replace(' ', '-').lower()}.pem"
        self.path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, days: float = 365, passphrase: bytes | None = None, file: str = "") -> Pair:
        """A certificate for CN `name`, DNS `name` and 127.0.0.1, valid for `days` from an hour ago (or ended)."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(_LOOPBACK)])
        builder = _builder(_name(name), self._name, key, days, 400).add_extension(names, critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        stem = file or name
        pair = Pair(
            self._folder / f"{stem}.pem",
            self._folder / f"{stem}.key.pem",
            signed.public_bytes(serialization.Encoding.DER),
        )
        pair.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
        )
        return pair

    def context(self, pair: Pair | None, *, most: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """What a sender connects with."""
        context = ssl.create_default_context(cafile=str(self.path))
        if most is not None:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.maximum_version = most
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: float, back: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=back))
        .not_valid_after(now + timedelta(days=days))
    )


def _loopback():
    from ipaddress import ip_address

    return ip_address("127.0.0.1")


_LOOPBACK = _loopback()
