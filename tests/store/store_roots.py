"""A token and a KMS for the tests: softhsm2 in a folder of the test's own, moto on a port of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PIN, SO_PIN = "273914", "99887766"
_MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
            "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so")  # fmt: skip


def softhsm() -> Path | None:
    """The library of softhsm2, where it is installed."""
    return next((Path(one) for one in _MODULES if Path(one).is_file()), None)


class Token:
    """A softhsm2 token with AES keys that are made and destroyed by label, as an officer would with the maker's tool."""

    def __init__(self, folder: Path, module: Path, label: str = "lakeside") -> None:
        self.module, self.label, self.pin = module, label, PIN
        store = folder / "tokens"
        store.mkdir(parents=True)
        self.config = folder / "softhsm2.conf"
        self.config.write_text(f"directories.tokendir = {store}\nobjectstore.backend = file\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(self.config)
        command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN]
        subprocess.run(command, check=True, capture_output=True)
        self._library().reinitialize()

    def _library(self):  # type: ignore[no-untyped-def]
        import pkcs11

        return pkcs11.lib(str(self.module))

    @contextmanager
    def _open(self) -> Iterator[object]:
        with self._library().get_token(token_label=self.label).open(user_pin=PIN, rw=True) as session:
            yield session

    def makes(self, key: str) -> None:
        """A 256-bit AES key that never leaves the token."""
        import pkcs11

        with self._open() as session:
            session.generate_key(  # type: ignore[attr-defined]
                pkcs11.KeyType.AES, 256, label=key, store=True,
                template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
            )  # fmt: skip

    def destroys(self, key: str) -> None:
        """Destroy it: C_DestroyObject."""
        import pkcs11

        with self._open() as session:
            session.get_key(object_class=pkcs11.ObjectClass.SECRET_KEY, label=key).destroy()  # type: ignore[attr-defined]
