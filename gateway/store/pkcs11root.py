"""The root key in a PKCS#11 token: used there and never read out; once it is destroyed, what it wrapped stays shut.

AES-GCM inside the token (PKCS #11 v2.40 §2.13.4, NIST SP 800-38D). Each call opens a session of its own and closes it:
it is asked so seldom that nothing is gained by keeping one, and a token that was pulled and put back works again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pkcs11
from pkcs11 import KeyType, Mechanism, ObjectClass

from gateway.model.errors import KeyringError
from gateway.store.kek import CONTEXT, Pkcs11Options

NONCE_BYTES = 12


class Pkcs11Root:
    """An AES key of a token, found by its label."""

    kind = "pkcs11"

    def __init__(self, options: Pkcs11Options) -> None:
        self._options = options
        self.key = options.key

    def __repr__(self) -> str:
        return f"Pkcs11Root({self._options.token}/{self.key})"

    def wrap(self, secret: bytes) -> bytes:
        """Nonce (12 bytes), ciphertext, tag (16). Raises KeyringError."""
        nonce = os.urandom(NONCE_BYTES)
        with self._found(self.key) as key:
            return nonce + bytes(key.encrypt(secret, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce)))

    def unwrap(self, key: str, wrapped: bytes) -> bytes:
        """Inverse of `wrap`. Raises KeyringError."""
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        with self._found(key) as found:
            return bytes(found.decrypt(sealed, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce)))

    @contextmanager
    def _found(self, label: str) -> Iterator[Any]:
        """The key in a session of its own. What the library says is never passed on: it may quote the PIN or a path."""
        token = self._options.token
        try:
            slot = pkcs11.lib(str(self._options.module)).get_token(token_label=token)
            with slot.open(user_pin=self._options.pin) as session:
                yield session.get_key(object_class=ObjectClass.SECRET_KEY, key_type=KeyType.AES, label=label)
        except pkcs11.NoSuchKey:
            raise KeyringError(
                f"the token {token} has no key {label}: what this site sealed cannot be opened without it"
            ) from None
        except pkcs11.MultipleObjectsReturned:
            raise KeyringError(f"the token {token} has several keys {label}: labels must be unique") from None
        except pkcs11.NoSuchToken:
            raise KeyringError(f"there is no token {token}; is it plugged in, is `module` the right one?") from None
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
            raise KeyringError(f"the token {token} does not take this PIN; it locks after a few") from None
        except pkcs11.PinLocked:
            raise KeyringError(f"the token {token} has locked its PIN") from None
        except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
            raise KeyringError(f"the token {token} failed ({type(error).__name__})") from None


def _gcm(nonce: bytes) -> Any:
    return pkcs11.GCMParams(nonce, CONTEXT, 128)
