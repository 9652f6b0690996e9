"""Signing in: an API key, shown once, begins a session of this browser; a token of an identity provider does not."""

from __future__ import annotations

from gateway.api.access import Access
from gateway.model.access import Refusal
from gateway.pipeline import inspect


def begin(access: Access, key: str, host: str, name: str) -> str:
    """The new session's token. Raises Denied, StoreError."""
    found = inspect.access_find(access.gateway.store, key) if key.isascii() and len(key) < 200 else Refusal.KEY_UNKNOWN
    if isinstance(found, Refusal):
        raise access.denied(401, found, host, name)
    return inspect.session_begin(access.gateway.store, found)
