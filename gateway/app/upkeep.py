"""Looking after a site from outside its running gateway: keys, schema, evidence; each audited where it changes anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.app.assembly import Gateway, _channels, account, sources_of
from gateway.model.errors import ConfigError
from gateway.ports import SystemClock
from gateway.settings import ChannelSettings, Settings, SourceSettings
from gateway.store import migrations, rotate, verify
from gateway.store.keyring import Keyring


def create_keys(path: Path) -> None:
    """Write a new key file, mode 0600. Raises KeyringError when one is there already."""
    Keyring.create(path)


def check_connectors(settings: Settings) -> None:
    """Have every configured connector check its options, without opening anything.

    Raises ConfigError with all problems, each at the place of its section.
    """
    problems: list[str] = []
    sections: list[SourceSettings | ChannelSettings] = [*settings.channels.values(), *settings.sources.values()]
    for section in sections:
        try:
            _check_one(settings, section)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)


def _check_one(settings: Settings, section: SourceSettings | ChannelSettings) -> None:
    if isinstance(section, SourceSettings):
        sources_of(replace(settings, sources={section.name: section}), SystemClock())
        return
    for channel in _channels(replace(settings, channels={section.name: section}), SystemClock()).values():
        channel.close()


def migrate(settings: Settings) -> str | None:
    """Bring the database's schema to this version, audited; the new revision, or None when nothing was to do.

    Raises SchemaError (it is newer), StoreUnavailable, StoreError.
    """
    return migrations.migrate(settings.database_url, actor=account())


def verify_audit(gateway: Gateway) -> verify.Verification:
    """Recompute the audit chain and compare it with the signed heads, here and outside. Raises StoreError."""
    return verify.verify(gateway.store, gateway.settings.audit_heads)


def rotate_keys(gateway: Gateway, *, index: bool, progress: rotate.Progress) -> rotate.Rotation:
    """New key-encryption and signing keys, with `index` also for the blind index. Raises KeyringError, StoreError."""
    return rotate.rotate(gateway.store, index=index, progress=progress)
