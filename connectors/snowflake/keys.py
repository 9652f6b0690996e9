"""Our key at Snowflake: it signs who we are, is never sent, and one that would be refused there is refused here (SN-30)."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

_CURVES = (SECP256R1, SECP384R1, SECP521R1)


def der_of(pem: str, passphrase: str | None) -> bytes:
    """The key of a PEM text as PKCS#8 in DER, for the connector and for nothing else. ValueError, without a word of it."""
    try:
        key = load_pem_private_key(pem.encode(), password=passphrase.encode() if passphrase else None)
    except TypeError:
        wants = (
            "`passphrase` is told, and the key is not encrypted"
            if passphrase
            else "the key is encrypted: tell `passphrase`"
        )
        raise ValueError(wants) from None
    except ValueError:
        raise ValueError("must be a private key in PEM, and `passphrase` the one it is encrypted with") from None
    good = (isinstance(key, RSAPrivateKey) and key.key_size >= 2048) or (
        isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, _CURVES)
    )
    if not good:
        raise ValueError("must be an RSA key of 2048 bits or more, or one on the curve P-256, P-384 or P-521")
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
