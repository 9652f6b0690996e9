"""What a bounce is recognised by: the communication's id and a digest only we can make, so that a forged one is nobody's (EM-25)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

from pydantic import SecretStr

_DIGEST = 10  # bytes: eighty bits, of which a guess costs a message
_TOKEN = re.compile(r"[a-z2-7]{29}", re.IGNORECASE).fullmatch  # 18 bytes in base 32, without its padding


class Tokens:
    """Makes and reads tokens under a secret of the site; `address` is where bounces go, as "local@domain"."""

    def __init__(self, address: str, secret: SecretStr) -> None:
        self._local, _, self._domain = address.lower().rpartition("@")
        self._secret = secret.get_secret_value().encode()

    def of(self, communication: int) -> str:
        """29 letters and digits; mail systems may change their case."""
        raw = communication.to_bytes(8, "big", signed=True)
        return base64.b32encode(raw + self._digest(raw)).decode().rstrip("=").lower()

    def path(self, communication: int) -> str:
        """The return path of one message (VERP)."""
        return f"{self._local}+{self.of(communication)}@{self._domain}"

    def read(self, token: str) -> int | None:
        """The communication's id, or None for what we did not make. Never raises."""
        if not _TOKEN(token):
            return None
        try:
            raw = base64.b32decode(token.upper() + "===")
        except binascii.Error:
            return None
        found, digest = raw[:8], raw[8:]
        return int.from_bytes(found, "big", signed=True) if hmac.compare_digest(digest, self._digest(found)) else None

    def read_path(self, address: str) -> int | None:
        """As `read`, for an address that may be one of our return paths."""
        local, _, domain = address.strip().lower().rpartition("@")
        base, plus, token = local.rpartition("+")
        return self.read(token) if plus and base == self._local and domain == self._domain else None

    def ours(self, address: str) -> bool:
        """Whether bounces and complaints come in at this address: our own, or a return path we made."""
        return address.strip().lower() == f"{self._local}@{self._domain}" or self.read_path(address) is not None

    def _digest(self, raw: bytes) -> bytes:
        return hmac.digest(self._secret, b"caregate return path" + raw, hashlib.sha256)[:_DIGEST]
