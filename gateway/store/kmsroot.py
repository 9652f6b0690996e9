"""The root key in a KMS that speaks AWS's protocol: it wraps and unwraps 32 bytes, and sees nothing of ours.

Credentials come as botocore finds them (environment, profile, the machine's role); they need kms:Encrypt and kms:Decrypt.
"""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from gateway.model.errors import KeyringError
from gateway.store.kek import CONTEXT, KmsOptions

_BOUND = {"caregate": CONTEXT.decode()}
_SECONDS = 5
_GONE = {
    "NotFoundException": "has no such key",
    "DisabledException": "has this key disabled",
    "KMSInvalidStateException": "has this key disabled, or marked for deletion",
    "AccessDeniedException": "does not let us use this key",
    "InvalidCiphertextException": "did not wrap what lies in the key file",
    "IncorrectKeyException": "wrapped what lies in the key file with another key",
}


class KmsRoot:
    """A symmetric key of a KMS."""

    kind = "kms"

    def __init__(self, options: KmsOptions) -> None:
        self.key = options.key
        self._options = options
        self._client: Any = None

    def __repr__(self) -> str:
        return f"KmsRoot({self.key})"

    def wrap(self, secret: bytes) -> bytes:
        """The KMS's ciphertext blob. Raises KeyringError."""
        told = self._asked("encrypt", KeyId=self.key, Plaintext=secret, EncryptionContext=_BOUND)
        return bytes(told["CiphertextBlob"])

    def unwrap(self, key: str, wrapped: bytes) -> bytes:
        """Inverse of `wrap`; under another key than the named one the KMS refuses. Raises KeyringError."""
        told = self._asked("decrypt", KeyId=key, CiphertextBlob=wrapped, EncryptionContext=_BOUND)
        return bytes(told["Plaintext"])

    def _asked(self, operation: str, **told: object) -> dict[str, Any]:
        """One call. The service's own words are never passed on: they quote accounts and requests."""
        try:
            if self._client is None:
                self._client = self._opened()
            answer: dict[str, Any] = getattr(self._client, operation)(**told)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            raise KeyringError(f"the KMS {_GONE.get(code, f'refused to {operation}')}: {told['KeyId']}") from None
        except (BotoCoreError, ValueError) as error:
            raise KeyringError(
                f"the KMS cannot be asked ({type(error).__name__}); without it nothing can be opened"
            ) from None
        return answer

    def _opened(self) -> Any:
        options = self._options
        config = Config(connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"total_max_attempts": 3})
        return get_session().create_client(
            "kms", region_name=options.region, endpoint_url=options.endpoint, config=config
        )
