"""Looking after a site from outside its running gateway: keys, schema, evidence; each audited where it changes anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from gateway.app.assembly import Gateway, _open, account, guard_of, keyring_of
from gateway.app.sections import connector, made, too_slow, unfit, wrong
from gateway.model.audit import Action
from gateway.model.errors import CommandError, ConfigError
from gateway.model.when import Millis
from gateway.ports import SystemClock
from gateway.settings import Section, Settings
from gateway.settings.references import kinds
from gateway.settings.secrets import references
from gateway.store import keyfile, migrations, rotate, verify
from gateway.store.kek import root_of
from gateway.store.keyring import Keyring


def create_keys(path: Path) -> None:
    """Write a new key file, mode 0600. Raises KeyringError when one is there already."""
    Keyring.create(path)


def protect_keys(settings: Settings) -> bool:
    """Put the key file under the token or KMS that the configuration names; False: it is already.

    Raises CommandError when none is named, KeyringError, StoreError.
    """
    root = root_of(guard_of(settings))
    if root is None:
        raise CommandError(
            "`keys` in caregate.yaml names no pkcs11 and no kms: say there what shall guard the key file"
        )
    if not keyfile.protect(settings.keys, root):
        return False
    with closing(_open(settings, keyring_of(settings), SystemClock())) as store, store.begin(account()) as uow:
        uow.audit([(Action.KEYS_PROTECTED, root.kind, root.key)])
        uow.commit()
    return True


def wrong_sections(sections: Iterable[Section], time_limit: Millis, senders: Sequence[str] = ()) -> list[str]:
    """Have every configured connector check its options, without starting anything.

    Every problem as "file:line:column: sentence". What depends on a reference that was not looked up is not judged,
    and neither is a kind that nothing installed offers: that is told of the file. `time_limit`: the worker's, Millis;
    `senders`: every organisation's e-mail address, which a channel that signs must have a key for (EM-20).
    """
    problems: list[str] = []
    for section in sections:
        if section.kind in kinds(f"gateway.{section.group}"):
            try:
                problems += _wrong(section, time_limit, senders)
            except ConfigError as error:
                problems += error.problems
    return problems


def _wrong(section: Section, time_limit: Millis, senders: Sequence[str]) -> tuple[str, ...]:
    problems = wrong(section, connector(section))
    if problems or any(references(section.options)):
        return problems
    one = made(section, SystemClock())
    if section.group != "channels":
        return ()
    one.close()
    return too_slow(section, one, time_limit) + unfit(section, one, senders)


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
