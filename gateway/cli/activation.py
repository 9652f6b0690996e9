"""`caregate rules activate` and its kin: which rules are in force, who stands for them, and the old ones back in one command."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import site
from gateway.cli.terminal import emit, moment, note, say, table
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.pipeline.approval import Signed
    from gateway.pipeline.rules import Activation

Folder = Annotated[Path | None, typer.Option("--rules", metavar="DIR", help="The rule folder; default: the site's.")]
Report = Annotated[str | None, typer.Option("--report", metavar="DIGEST", help="Of the replay that was looked at.")]


def key(out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the private key is written.")]) -> None:
    """Make a key to sign rules with: the private one into a file only you can read, the public one shown.

    Examples: caregate rules key --out anna.key
    """
    from gateway.pipeline.approval import new_key

    private, public = new_key()
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError(f"{out} is there already: a key is never written over") from None
    with os.fdopen(handle, "wb") as file:
        file.write(private)
    note(f"wrote {out}; this goes into `people` of the configuration:")
    say(f"key: {public}")


def sign(
    person: Annotated[str, typer.Option("--by", metavar="NAME", help="Your name in `people`.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Your private key (PEM, Ed25519).")],
    part: Annotated[str, typer.Option("--part", metavar="PART", help="author or approver.")] = "approver",
    rules: Folder = None,
    report: Report = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Default: shown.")] = None,
    config: site.Config = None,
) -> None:
    """Sign a rule folder as it lies there, and the report you looked at.

    Examples: caregate rules sign --by anna --key anna.key --part author --out anna.json
    """
    from gateway.app.activation import digest_of
    from gateway.pipeline import approval

    if part not in set(approval.Part):
        raise CommandError("--part is author or approver")
    digest = digest_of(rules or site.settings(config, secrets=False).rules)
    made = approval.sign(
        key.read_bytes(),
        person=person,
        part=approval.Part(part),
        ruleset=digest,
        report=report or "",
        day=datetime.now(UTC).date(),
    )
    text = approval.dumps([made])
    if out is None:
        say(text)
        return
    out.write_text(text + "\n", encoding="utf-8")
    note(f"{person} signed rule set {digest[:12]} as {part}: {out}")


def activate(
    rules: Folder = None,
    report: Report = None,
    signature: Annotated[
        list[Path] | None, typer.Option("--signature", metavar="FILE", help="From `caregate rules sign`; one each.")
    ] = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Put a rule folder in force, in every process at once; with `approval: signature` as two people signed it.

    Examples: caregate rules activate · caregate rules activate --signature anna.json --signature ben.json
    """
    from gateway.app import activation

    settings = site.settings(config)
    made = activation.activate(
        settings, rules or settings.rules, report=report, signatures=_signatures(signature or ())
    )
    if json:
        emit(made)
        return
    stand = f", by {made.author}, approved by {made.approver}" if made.approver else ""
    say(f"rule set {made.ruleset[:12]} ({made.rules} rules) is in force as activation {made.activation}{stand}")


def status(config: site.Config = None, json: site.Json = False) -> None:
    """Which rules are in force, and whether the folder says the same.

    Examples: caregate rules status · caregate rules status --json
    """
    from gateway.app import activation
    from gateway.model.errors import ConfigError

    settings = site.settings(config)
    rows = activation.history(settings, 1)
    try:
        folder: str | None = activation.digest_of(settings.rules)
    except ConfigError:
        folder = None
    same = bool(rows) and rows[0].digest == folder
    if json:
        emit({"in_force": _shown(rows[0]) if rows else None, "folder": folder, "same": same})
        return
    say(_line(rows[0]) if rows else "no rule set is in force yet")
    if not same:
        say("the folder cannot be read: caregate lint" if folder is None else f"the folder is another: {folder[:12]}")


def history(
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many.")] = 20,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """What was in force, newest first.

    Examples: caregate rules history · caregate rules history --limit 5 --json
    """
    from gateway.app import activation

    rows = activation.history(site.settings(config), limit)
    if json:
        for row in rows:
            emit(_shown(row))
        return
    table(
        ("id", "since", "rule set", "how", "by", "author", "approver"),
        [
            (
                one.id,
                moment(one.activated),
                one.digest[:12],
                one.how or "-",
                one.by,
                one.author or "-",
                one.approver or "-",
            )
            for one in rows
        ],
    )


def show(
    identity: Annotated[int, typer.Argument(metavar="ID", help="From `caregate rules history`.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write its files there.")] = None,
    config: site.Config = None,
) -> None:
    """A rule set that was in force: who stands for it and its files, or the files themselves.

    Examples: caregate rules show 7301 · caregate rules show 7301 --out old-rules
    """
    from gateway.app import activation

    row, files = activation.stored(site.settings(config), identity)
    say(_line(row))
    for name, raw in sorted(files.items()):
        if out is None:
            say(f"  {name}  {len(raw)} bytes")
            continue
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    if out is not None:
        say(f"wrote {len(files)} files to {out}")


def restore(
    identity: Annotated[int, typer.Argument(metavar="ID", help="From `caregate rules history`.")],
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Put a former rule set in force again, in every process at once, under the approval it had.

    Examples: caregate rules restore 7301
    """
    from gateway.app import activation

    made = activation.restore(site.settings(config), identity)
    if json:
        emit(made)
        return
    say(f"rule set {made.ruleset[:12]} ({made.rules} rules) is in force again as activation {made.activation}")


COMMANDS = (activate, restore, status, history, show, sign, key)


def _signatures(files: list[Path] | tuple[()]) -> list[Signed]:
    from gateway.pipeline.approval import loads

    return [one for path in files for one in loads(path.read_bytes())]


def _shown(row: Activation) -> dict[str, object]:
    names = ("id", "digest", "activated", "by", "how", "replaced", "author", "approver", "report")
    return {name: getattr(row, name) for name in names}


def _line(row: Activation) -> str:
    stand = f", author {row.author}, approved by {row.approver}" if row.approver else ""
    report = f", report {row.report[:12]}" if row.report else ""
    return f"rule set {row.digest[:12]} is activation {row.id}, since {moment(row.activated)}, put there by {row.by}{stand}{report}"
