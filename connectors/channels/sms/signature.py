"""Who called a webhook is proven by X-Twilio-Signature over the public URL and all that came, or it is not (SM-04, SM-05).

Base64 of HMAC-SHA1 with the account's token over the URL as the provider called it, followed by every form parameter's
name and value in order of name. A JSON body is covered by its SHA-256, told in the URL as `bodySHA256`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl, urlsplit

Pairs = Sequence[tuple[str, str]]


def signature(token: str, url: str, pairs: Pairs) -> str:
    """What the provider would say for `url` and the form's `pairs`; a value told twice under one name counts once."""
    told = url + "".join(name + value for name, value in sorted(set(pairs)))
    # SHA-1 is the provider's choice; as HMAC it is not broken
    return base64.b64encode(hmac.new(token.encode(), told.encode(), hashlib.sha1).digest()).decode()


def is_signed(shown: str, tokens: Iterable[str], url: str, pairs: Pairs) -> bool:
    """Whether `shown` is the signature of one of the tokens, with the port in the URL or without.

    Everything is compared, in constant time; nothing is trimmed.
    """
    raw = shown.encode("utf-8", "replace")
    urls = _with_and_without_port(url)
    fits = [hmac.compare_digest(raw, signature(token, one, pairs).encode()) for token in tokens for one in urls]
    return True in fits


def covers_body(url: str, body: bytes) -> bool:
    """Whether the URL tells the SHA-256 of exactly this body, once. Without it a JSON body would be anybody's (SM-05)."""
    told = [value for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True) if name == "bodySHA256"]
    found = hashlib.sha256(body).hexdigest().encode()
    return len(told) == 1 and hmac.compare_digest(told[0].encode("utf-8", "replace"), found)


def _with_and_without_port(url: str) -> tuple[str, str]:
    """The provider signs now one, now the other."""
    parts = urlsplit(url)
    host, colon, port = parts.netloc.rpartition(":")
    if colon and port.isdigit():
        return url, parts._replace(netloc=host).geturl()
    default = 443 if parts.scheme == "https" else 80
    return url, parts._replace(netloc=f"{parts.netloc}:{default}").geturl()
