"""TLS of the API's server: 1.2 at least, and a renewed certificate serves the next connection without a restart."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from gateway.model.errors import ConfigError
from gateway.telemetry import log

_CIPHERS_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20"  # BCP 195 (RFC 9325 §4.2); TLS 1.3 has no others


class Certificates:
    """Our certificate and key (PEM), and whose certificates callers must show, if any (RFC 8446 §4.3.2).

    Another `client_ca` needs a restart: OpenSSL takes that from the context a connection began with. Raises ConfigError when the files cannot be used; never quotes a file's content.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self.context = self._loaded()
        self._current = self.context
        self._seen = self._stamps()
        # called for each handshake, with or without a server name
        self.context.sni_callback = self._next

    def _next(self, connection: Any, _name: str | None, _context: ssl.SSLContext) -> None:
        seen = self._stamps()
        if seen != self._seen:
            self._seen = seen  # told once for each change
            try:
                self._current = self._loaded()
                log().info("api.certificate-loaded")
            except ConfigError:
                log().error("api.certificate-not-loaded")
        connection.context = self._current

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS_1_2)
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
        context.num_tickets = 0  # each connection shows its certificate: a resumed one would outlive its dates
        context.verify_mode = ssl.CERT_REQUIRED if self._client_ca else ssl.CERT_NONE
        try:
            # a passphrase is always given: else OpenSSL would ask for it at the terminal
            context.load_cert_chain(self._certificate, self._key, lambda: "")
        except (OSError, ValueError, TypeError):
            raise ConfigError(
                "api.tls.key: it is not the certificate's key, or one of the two cannot be read"
            ) from None
        if self._client_ca is not None:
            try:
                context.load_verify_locations(self._client_ca)
            except OSError:
                raise ConfigError("api.tls.client_ca: the file holds no certificate in PEM") from None
        return context

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(_stamp(path) for path in (self._certificate, self._key, self._client_ca) if path is not None)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:  # in the middle of being replaced, say
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
