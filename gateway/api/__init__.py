"""HTTP: whether the gateway lives, is ready, and how it fares; no answer and no log of it ever holds PHI."""

from gateway.api.readiness import Readiness
from gateway.api.serving import Server, serve
from gateway.api.site import create

__all__ = ["Readiness", "Server", "create", "serve"]
