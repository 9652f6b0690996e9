"""The REST API: every route has one right, every look at a person a reason, and both are in the audit log before the answer."""

from gateway.api.v1.application import PREFIX, application

__all__ = ["PREFIX", "application"]
