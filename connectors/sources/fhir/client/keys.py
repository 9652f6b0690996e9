"""Our keys at FHIR servers: a private one signs, and only what is public of them is ever shown (O-03, O-06)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

_PUBLIC = frozenset({"kty", "crv", "x", "y", "n", "e"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """`algorithm`: RS384 or ES384, by what the key is. `jwk`: its public half (RFC 7517)."""

    kid: str
    algorithm: str
    private: RSAPrivateKey | EllipticCurvePrivateKey = field(repr=False)
    jwk: Mapping[str, Any] = field(repr=False)


def key_of(pem: str, kid: str | None = None) -> Key:
    """The key of a PEM text, its thumbprint as `kid` unless told. Raises ValueError, without a word of it."""
    try:
        private = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise ValueError("must be a private key in PEM, not encrypted: name its file as file:PATH") from None
    if isinstance(private, RSAPrivateKey) and private.key_size >= 2048:
        return _key(private, "RS384", RSAAlgorithm.to_jwk(private.public_key(), as_dict=True), kid)
    if isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP384R1):
        return _key(private, "ES384", ECAlgorithm.to_jwk(private.public_key(), as_dict=True), kid)
    raise ValueError("must be an RSA key of 2048 bits or more (RS384), or one on the curve P-384 (ES384)")


def key_set(keys: Sequence[Key]) -> bytes:
    """The key set to publish (RFC 7517 §5): several while keys are changed (O-06)."""
    return json.dumps({"keys": [dict(one.jwk) for one in keys]}).encode()


def _key(
    private: RSAPrivateKey | EllipticCurvePrivateKey, algorithm: str, told: Mapping[str, Any], kid: str | None
) -> Key:
    public = {name: value for name, value in told.items() if name in _PUBLIC}
    kid = kid or _thumbprint(public)
    jwk = {**public, "kid": kid, "alg": algorithm, "use": "sig", "key_ops": ["verify"]}
    return Key(kid=kid, algorithm=algorithm, private=private, jwk=jwk)


def _thumbprint(public: Mapping[str, Any]) -> str:
    """RFC 7638: of the required members alone, in the order of their names."""
    text = json.dumps(dict(sorted(public.items())), separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
