"""`caregate backup` and `caregate restore`: one moment of the database, and its way back, after which nothing leaves unasked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import site
from gateway.cli.terminal import emit, moment, note, say
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.pipeline.restoring import Restored


def backup(
    to: Annotated[Path, typer.Argument(metavar="TO", help="A new folder, on another disk.")],
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Copy the database while it is used, into a new folder.

    What is about a person is sealed in it as in the database; the key file is not in it: keep that apart. The wrapped keys
    lie in a file of their own: keep that one briefly, else erasing somebody means nothing. PostgreSQL: docker/README.md.

    Example: caregate backup /backups/2026-01-20
    """
    from gateway.app import backups

    with site.opened(config) as gateway:
        made = backups.make(gateway, to, progress=_progress())
    if json:
        emit({"folder": to, "digest": made.digest, "made": made.made, "schema": made.schema, "files": made.files})
        return
    say(f"{to}: the database as at {moment(made.made)}, backup {made.digest[:12]}")
    note(f"keep {to}/wrapped-keys.jsonl for days, not for years: whoever was erased since can be read again with it")


def restore(
    from_: Annotated[Path | None, typer.Argument(metavar="FROM", help="The folder of a backup.")] = None,
    keys_from: Annotated[
        Path | None, typer.Option("--keys-from", metavar="DIR", help="Take the wrapped keys of this other backup.")
    ] = None,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Also when signed heads outside prove that something is lost.")
    ] = False,
    already: Annotated[
        bool, typer.Option("--database-already-restored", help="It was restored with its own tools.")
    ] = False,
    release: Annotated[bool, typer.Option("--release", help="Let what the restore stopped leave again.")] = False,
    reason: site.Why = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Put a backup in the place of a lost database, stopped.

    Nothing leaves until you say so.

    It is proven whole first, then everything is stopped, people erased since are erased again, and what may have left since
    becomes a doubt; providers are asked where they can be. Then look at `caregate worklist`, start the gateway so that
    feeds and opt-outs come in, and let go with --release.

    Examples: caregate restore /backups/2026-01-20 --accept-loss · caregate restore --database-already-restored ·
    caregate restore --release --reason 'worklist done'
    """
    if sum((from_ is not None, already, release)) != 1:
        raise CommandError("say one of FROM, --database-already-restored and --release")
    if release:
        _release(config, site.why(reason))
        return
    from gateway.app import backups

    settings = site.settings(config)
    if from_ is None:
        done = backups.adopt(settings, accept_loss=accept_loss)
    else:
        done = backups.restore(settings, from_, keys=keys_from, accept_loss=accept_loss)
    if json:
        emit(done)
    else:
        _tell(done)


def _tell(done: Restored) -> None:
    say(f"restored, as at {moment(done.since)}; everything is stopped")
    if done.lost is not None:
        say(f"lost: blocks {done.lost.size + 1} to {done.lost.known} of the audit log, up to {moment(done.lost.until)}")
    say(f"{done.erased} people who were erased since are erased again")
    say(
        f"{done.doubted} sends may have left since and wait for a person (caregate outbox list --held-for outcome-unknown)"
    )
    say(
        f"providers know {done.arrived} of them, {done.absent} never came there; "
        f"{done.retold} replies and receipts since then were heard again"
    )
    for one in done.asked_in_vain:
        note(f"channel {one}: the provider did not answer, or not for everything; what it knows may be missing here")
    for one in done.not_searched:
        note(
            f"source {one}: neither `subscribe` nor `poll` says what to search its server for; what it told since is missing here"
        )
    note("next: caregate run, caregate worklist, and then caregate restore --release --reason '…'")


def _release(config: Path | None, why: str) -> None:
    from gateway.app import backups

    with site.opened(config) as gateway:
        released, ended = backups.release(gateway, reason=why)
    say(f"{released} requests will be judged again, {ended} were withdrawn: due more than a day ago")


def _progress() -> Callable[[str, int, int], None]:
    """Tells how far it is, now and then."""
    import time

    last = time.monotonic()

    def told(what: str, done: int, whole: int) -> None:
        nonlocal last
        if time.monotonic() - last > 2:
            last = time.monotonic()
            note(f"{what}: {done} of {whole}")

    return told
