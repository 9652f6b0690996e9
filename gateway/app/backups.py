"""Backup and restore of a site: nothing is overwritten, nothing leaves before a person says so, and a kill loses neither."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.app.assembly import Gateway, account, assemble, settler_of
from gateway.app.servers import ask_again
from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.when import Millis
from gateway.pipeline import restoring
from gateway.pipeline.restoring import Restored
from gateway.ports import SystemClock
from gateway.settings import Settings
from gateway.store import backup, migrations, seal
from gateway.store.backup import Manifest, Progress
from gateway.store.engine import parsed, sqlite_path
from gateway.store.keyring import Keyring


def make(gateway: Gateway, to: Path, *, progress: Progress) -> Manifest:
    """Seal the audit log, copy the database as it is now into a new folder, and say so in the log.

    CommandError: there is something at `to`, or the database is not embedded. Raises StoreError.
    """
    seal.seal(gateway.store, heads_file=gateway.settings.audit_heads)
    made = backup.make(gateway.store, to, progress=progress)
    with gateway.store.begin(account()) as uow:
        uow.audit([(Action.BACKUP_MADE, made.digest, made.schema, made.head.size if made.head else 0)])
        uow.commit()
    return made


def restore(settings: Settings, folder: Path, *, keys: Path | None, accept_loss: bool) -> Restored:
    """Put a backup in the place of a database that is gone, stopped and reconciled; it is there whole, or not at all.

    `keys`: the backup whose wrapped keys to take, a later one's say. CommandError: there is a database, the backup is
    not whole, or it is older than what was witnessed outside and nobody accepted that. KeyringError, StoreError.
    """
    url = parsed(settings.database_url)
    if url.get_backend_name() != "sqlite":
        raise CommandError(
            "a PostgreSQL database is restored with pg_restore; then say `caregate restore --database-already-restored`"
        )
    target = sqlite_path(url)
    if (there := backup.in_the_way(target)) is not None:
        raise CommandError(f"{there} is there: stop the gateway and move it away first; a restore overwrites nothing")
    keyring = Keyring.load(settings.keys)
    manifest = backup.read(folder, keyring, files=(backup.DATABASE,) if keys else (backup.DATABASE, backup.KEYS))
    if keys is not None:
        backup.read(keys, keyring, files=(backup.KEYS,))
    made = target.with_name(target.name + ".restoring")
    backup.place(folder, (keys or folder) / backup.KEYS, made, now=SystemClock().now())
    done = _reconciled(
        replace(settings, database_url=f"sqlite:///{made}"),
        digest=manifest.digest, since=manifest.made, accept_loss=accept_loss,
    )  # fmt: skip
    backup.finish(made, target)
    return done


def adopt(settings: Settings, *, accept_loss: bool) -> Restored:
    """Stop and reconcile a database that was restored with its own tools. CommandError, KeyringError, StoreError."""
    return _reconciled(settings, digest="", since=None, accept_loss=accept_loss)


def _reconciled(settings: Settings, *, digest: str, since: Millis | None, accept_loss: bool) -> Restored:
    migrations.migrate(settings.database_url, actor=account())
    gateway = assemble(settings, activates=False)
    try:
        store, outside = gateway.store, settings.audit_heads
        known = since if since is not None else _last(gateway)
        lost = restoring.begin(store, outside, digest=digest, since=known, accept_loss=accept_loss, account=account())
        done = restoring.reconcile(gateway, settler_of(gateway), outside, lost, since=known, account=account())
        return replace(done, not_searched=tuple(ask_again(gateway, known)))
    finally:
        gateway.close()


def _last(gateway: Gateway) -> Millis:
    """When the log was sealed last: what happened later is not in it, or nothing proves it."""
    with gateway.store.read() as unit:
        head = seal.head(unit)
        return head.at if head is not None else unit.now


def release(gateway: Gateway, *, reason: str) -> tuple[int, int]:
    """Let what the restore stopped leave again. CommandError: no restore stopped anything."""
    return restoring.release(gateway, reason=reason, account=account())
