"""Signs every message for its From domain (DKIM, RFC 6376, RFC 8463); one message of one date has one signature (EM-13)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import dkim
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from dkim.canonicalization import CanonicalizationPolicy

from connectors.channels.email.options import DkimOptions
from gateway.model.errors import ConfigError
from gateway.model.when import Millis

_LEAST = 2048  # bits of an RSA key (RFC 8301 §3.2, EM-20)
_CANON = b"relaxed/relaxed"  # relays fold headers and trim blanks
# Once more than they occur, so that a second one that somebody puts on top breaks the signature (RFC 6376 §8.15).
_SEALED = (b"from", b"to", b"subject", b"date", b"message-id", b"reply-to", b"cc", b"mime-version", b"content-type")
_ALSO = (
    b"auto-submitted",
    b"content-language",
    b"content-transfer-encoding",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
)


@dataclass(frozen=True, slots=True)
class _Signature:
    signature: bytes


class _Hand:
    """The private key as dkimpy calls it: its own RSA is Python and takes twenty times as long."""

    def __init__(self, key: RSAPrivateKey | Ed25519PrivateKey) -> None:
        self._key = key

    def sign(self, digest: bytes) -> _Signature:
        if isinstance(self._key, Ed25519PrivateKey):
            return _Signature(self._key.sign(digest))
        return _Signature(self._key.sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA256())))


class Signer:
    """Signs for one domain. Raises ConfigError for a key that cannot be read or is too short; its text has no key in it."""

    def __init__(self, place: str, options: DkimOptions) -> None:
        self.domain = options.domain.lower()
        self._selector = options.selector.encode()
        key = _key(place, options)
        self._hand = _Hand(key)
        self._algorithm = b"ed25519-sha256" if isinstance(key, Ed25519PrivateKey) else b"rsa-sha256"

    def fits(self, domain: str) -> bool:
        """Whether a signature is aligned with a From domain (RFC 7489 §3.1.1, relaxed): the domain or one below ours."""
        return domain == self.domain or domain.endswith(f".{self.domain}")

    def signed(self, content: bytes, at: Millis) -> bytes:
        """`content` (CRLF line ends) with one DKIM-Signature header on top, dated `at`."""
        work = dkim.DKIM(content, signature_algorithm=b"ed25519-sha256")  # so that it calls our hand; a= is told below
        canon = CanonicalizationPolicy.from_c_value(_CANON)
        there = [name.lower() for name, _ in work.headers]
        covered = [name for name in there if name in _SEALED or name in _ALSO]
        covered += [*_SEALED, b"list-unsubscribe", b"list-unsubscribe-post"]
        body = hashlib.sha256(canon.canonicalize_body(work.body)).digest()
        work.hasher = hashlib.sha256
        fields = self._fields(covered, body, at)
        return (
            b"DKIM-Signature: "
            + bytes(work.gen_header(fields, covered, canon, b"DKIM-Signature", self._hand))
            + content
        )

    def _fields(self, covered: Sequence[bytes], body: bytes, at: Millis) -> list[tuple[bytes, bytes]]:
        """RFC 6376 §3.5."""
        return [
            (b"v", b"1"),
            (b"a", self._algorithm),
            (b"c", _CANON),
            (b"d", self.domain.encode()),
            (b"q", b"dns/txt"),
            (b"s", self._selector),
            (b"t", b"%d" % (at // 1000)),
            (b"h", b" : ".join(covered)),
            (b"bh", base64.b64encode(body)),
            (b"b", b"0" * 60),
        ]


class Keys:
    """The site's signers. Raises ConfigError for any key that cannot be used."""

    def __init__(self, place: str, options: Sequence[DkimOptions]) -> None:
        self._signers = [Signer(f"{place}.{at}", one) for at, one in enumerate(options)]

    def of(self, sender: str) -> Signer | None:
        """The one of the nearest domain whose signature is aligned with the From address `sender`, or None."""
        domain = sender.rpartition("@")[2].lower()
        return max((one for one in self._signers if one.fits(domain)), key=lambda one: len(one.domain), default=None)


def _key(place: str, options: DkimOptions) -> RSAPrivateKey | Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(options.key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        raise ConfigError(f"{place}.key: is not a file with an unencrypted private key (PEM)") from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if not isinstance(key, RSAPrivateKey):
        raise ConfigError(f"{place}.key: must be an RSA or an Ed25519 key (RFC 6376, RFC 8463)")
    if key.key_size < _LEAST:
        raise ConfigError(f"{place}.key: must have {_LEAST} bits or more")
    return key
