"""What a Bundle calls its entries by leads nowhere outside it: a `urn:` becomes the type and id of the entry it stands for.

R4 bundle.html#references. In a Bundle that is too large to be held at once, an entry is known from its turn on.
"""

from __future__ import annotations

import re

_URN = re.compile(rb'("reference"\s*:\s*")(urn:[^"\\]{1,100})(?=")')
_PART = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)  # R4 datatypes.html#id; a type is no longer
_MOST = 100_000  # entries by a `urn:`; whoever refers to a later one is refused


class Links:
    """The entries of one Bundle."""

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}

    def learn(self, url: object, kind: object, own: object) -> None:
        """An entry's fullUrl, and the resourceType and id within it; anything but a `urn:` and two names is passed over."""
        if not (isinstance(url, str) and url.startswith("urn:") and len(self._known) < _MOST):
            return
        if all(isinstance(one, str) and _PART.fullmatch(one) for one in (kind, own)):
            self._known[url.encode("utf-8", "replace")] = f"{kind}/{own}".encode()

    def literal(self, body: bytes) -> bytes:
        """A resource of the Bundle whose references to known entries are `Type/id`; all others stay as they are."""
        return _URN.sub(self._literal, body) if self._known else body

    def _literal(self, told: re.Match[bytes]) -> bytes:
        return told[1] + self._known.get(told[2], told[2])
