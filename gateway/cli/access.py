"""`caregate access`: keys to the API and the staff pages; a key is shown once, and what is kept of it opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import site
from gateway.cli.site import account
from gateway.cli.terminal import emit, listed, moment, note, say
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.pipeline.inspect import AccessKey

group = typer.Typer(no_args_is_help=True, help="Keys to the API and the staff pages: add, list, revoke.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose it is: a person or a system, one key each.")]


@group.command()
def add(
    name: Name,
    role: Annotated[
        list[str], typer.Option("--role", metavar="ROLE", help="analyst, operator, privacy-officer or auditor.")
    ],
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="SPAN", help="Like 90d; none: until revoked.")
    ] = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Make a key and show it, once.

    Hand it over on a way nobody else reads. It opens the API and the staff pages with the rights of its roles.

    Example: caregate access add maria --role privacy-officer --expires 90d
    """
    from gateway.pipeline import inspect

    lasts = _span(expires)
    with site.opened(config) as gateway:
        key, secret = inspect.access_add(gateway.store, name=name, roles=role, lasts=lasts, account=account())
    if json:
        emit({"id": key.id, "name": key.name, "roles": key.roles, "expires": key.expires, "key": secret})
        return
    say(secret)
    until = f", until {moment(key.expires)}" if key.expires else ""
    note(f"key {key.name} for {', '.join(key.roles)}{until}; it is not shown again")


def _span(told: str | None) -> int | None:
    from gateway.settings.values import duration

    try:
        found = None if told is None else duration(told)
    except ValueError as error:
        raise CommandError(f"--expires {error}") from None
    if found is not None and found <= 0:
        raise CommandError("--expires must be longer than nothing")
    return found


@group.command("list")
def list_(config: site.Config = None, json: site.Json = False) -> None:
    """Show every key there ever was, never what opens.

    Example: caregate access list
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.access_list(gateway.store)
    columns = ("key", "name", "roles", "made", "by", "expires", "revoked")
    listed(lines, columns, _row, json=json, none="there is no key: caregate access add NAME --role …")


def _row(one: AccessKey) -> tuple[object, ...]:
    return one.id, one.name, " ".join(one.roles), moment(one.created), one.by, moment(one.expires), moment(one.revoked)


@group.command()
def revoke(name: Name, reason: site.Why = None, config: site.Config = None) -> None:
    """End a key, and every session begun with it, at once.

    Example: caregate access revoke maria --reason 'left on 2026-03-01'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        key = inspect.access_revoke(gateway.store, name, reason=why, account=account())
    say(f"key {key.name}: revoked")
