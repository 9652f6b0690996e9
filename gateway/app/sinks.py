"""Sinks outside a running gateway: made to be asked what they need, never connected."""

from __future__ import annotations

from gateway.app.sections import made
from gateway.model.errors import CommandError
from gateway.ports import Lays, SystemClock
from gateway.settings import Settings


def ddl_of(settings: Settings, name: str) -> str:
    """The statements that make a sink's other end. Raises CommandError, ConfigError."""
    found = settings.sinks.get(name)
    if found is None:
        raise CommandError(f"there is no sink {name} in caregate.yaml; it has {', '.join(settings.sinks) or 'none'}")
    sink = made(found.section, SystemClock())
    try:
        if not isinstance(sink, Lays):
            raise CommandError(f"sink {name}: nothing must be made for one of kind {found.section.kind}")
        return sink.ddl()
    finally:
        sink.close()
