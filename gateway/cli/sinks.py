"""`caregate sinks`: where other systems stand that are told what became of things, trying or putting one back, and what its owner must make."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import site
from gateway.cli.site import account
from gateway.cli.terminal import listed, moment, say
from gateway.model.errors import CommandError
from gateway.model.when import to_millis

group = typer.Typer(no_args_is_help=True, help="Who else is told: status, again, rewind, ddl, schemas.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The sink, as caregate.yaml names it.")]


@group.command()
def status(config: site.Config = None, json: site.Json = False) -> None:
    """Show what each sink was told, and what keeps it.

    Example: caregate sinks status
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.sinks(gateway)
    listed(
        lines,
        ("sink", "rows told", "not looked at since", "fails", "tries", "since", "next try", "why"),
        lambda one: (
            one.name,
            one.told,
            _shown(one.unseen),
            one.failed or ("" if one.agreed else "no-agreement"),
            one.tries or "",
            _shown(one.since),
            _shown(one.next),
            one.said,
        ),
        json=json,
        none="nobody is told: caregate.yaml has no `sinks`",
    )


@group.command()
def again(name: Name, reason: site.Why = None, config: site.Config = None) -> None:
    """Try a sink that waits at once: what kept it is mended.

    Example: caregate sinks again warehouse --reason 'the stream is there now'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        inspect.sink_again(gateway, name, reason=why, account=account())
    say(f"{name} is tried at its next round, from where it stands")


@group.command()
def rewind(
    name: Name,
    to: Annotated[str, typer.Option("--to", metavar="WHEN", help="A time with its offset, `beginning`, or `now`.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be told.")] = False,
    reason: site.Why = None,
    config: site.Config = None,
) -> None:
    """Tell a sink again what became of things since then; what it has already, it knows by its id.

    Example: caregate sinks rewind warehouse --to 2026-03-01T00:00Z --dry-run
    """
    why = "a dry run" if dry_run else site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        since = gateway.clock.now() if to == "now" else _instant(to)
        count = inspect.sink_rewind(gateway, name, to=since, reason=why, account=account(), dry_run=dry_run)
    say(f"{count} rows {'would be' if dry_run else 'are'} told to {name}")


@group.command()
def ddl(name: Name, config: site.Config = None) -> None:
    """Print what the owner of the other end must run there once; nothing is connected to.

    Example: caregate sinks ddl warehouse
    """
    from gateway.app.sinks import ddl_of

    say(ddl_of(site.settings(config), name).rstrip())


@group.command()
def schemas(
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write one file for each type there.")] = None,
) -> None:
    """JSON Schemas (2020-12) of the `data` of each type of CloudEvents that sinks are told.

    Without --out: all of them as one JSON object by file name.

    Examples: caregate sinks schemas --out schemas · caregate sinks schemas
    """
    from gateway.analyst.outcome_schemas import files as schema_files

    files = schema_files()
    if out is None:
        say("{" + ",\n".join(f'"{name}": {text.rstrip()}' for name, text in files.items()) + "}")
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")
    say(f"wrote {len(files)} schemas to {out}")


def _instant(text: str) -> int:
    if text == "beginning":
        return 0
    try:
        return to_millis(datetime.fromisoformat(text))
    except ValueError:
        raise CommandError(
            "--to is `beginning`, `now`, or an instant with its offset, like 2026-03-02T16:00Z"
        ) from None


def _shown(at: int | None) -> str:
    return "" if at is None else moment(at)
