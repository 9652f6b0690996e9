"""`caregate migrate`, `audit verify`, `keys rotate`: looking after database, evidence and keys."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import site
from gateway.cli.terminal import emit, note, say

audit = typer.Typer(no_args_is_help=True, help="The audit log: verify.")
keys = typer.Typer(no_args_is_help=True, help="The key file: protect, rotate.")


def migrate(config: site.Config = None) -> None:
    """Bring the database's schema to this version.

    Only ever forward; run it before the new version starts.

    Example: caregate migrate
    """
    from gateway.app import upkeep

    revision = upkeep.migrate(site.settings(config))
    say("the schema is up to date" if revision is None else f"the schema is now {revision}")


@audit.command()
def verify(config: site.Config = None, json: site.Json = False) -> None:
    """Prove the audit log whole.

    Every row in its block, every block in the chain, every head signed and where it was sent.

    Rows that are not sealed yet are counted, and are not called intact: nothing proves those. Exit code 1 when anything
    is wrong, or when sealing has not run for an hour.

    Example: caregate audit verify
    """
    from gateway.app import upkeep

    with site.opened(config) as gateway:
        report = upkeep.verify_audit(gateway)
    if json:
        emit(report)
    else:
        say(report.verdict)
    if not report.ok or report.behind:
        raise typer.Exit(1)


@keys.command()
def protect(config: site.Config = None) -> None:
    """Put the key file under the token or KMS that `keys` names.

    From then on it opens only with that; run it once, with the gateway stopped, then `caregate keys rotate --index`: copies
    of the file from before still hold the old keys. Whatever destroys the key in the token destroys all that was sealed.

    Example: caregate keys protect
    """
    from gateway.app import upkeep

    done = upkeep.protect_keys(site.settings(config))
    say("the key file is guarded now" if done else "the key file was guarded already")


@keys.command()
def rotate(
    index: Annotated[
        bool, typer.Option("--index", help="Also the keys that people and addresses are found with.")
    ] = False,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Make new keys, used from then on.

    What is sealed or indexed under the old ones is re-keyed in batches while the gateway runs; an interrupted rotation is
    finished by the next. Back up the key file before and after, apart from the database.

    Examples: caregate keys rotate · caregate keys rotate --index
    """
    from gateway.app import upkeep

    with site.opened(config) as gateway:
        done = upkeep.rotate_keys(gateway, index=index, progress=lambda what, count: note(f"{what}: {count}"))
    if json:
        emit(done)
        return
    say(
        f"{'finished an earlier rotation' if done.resumed else 'rotated'}: keys {done.kek} and {done.index_key} are in use"
    )
    say(
        f"{done.wrapped} data keys wrapped anew, {done.digests} digests, keys dropped: {', '.join(done.dropped) or 'none'}"
    )
