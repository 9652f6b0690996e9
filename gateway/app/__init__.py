"""Puts the parts together, once: the only place where settings, store, rules, connectors and broker meet."""

from gateway.app.assembly import ROLES, Gateway, account, assemble, feed_of

__all__ = ["ROLES", "Gateway", "account", "assemble", "feed_of"]
