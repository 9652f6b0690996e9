"""`caregate holds`: what waits for a person, and the person's answer: judge it again, or never send it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import outbox, site
from gateway.cli.site import account
from gateway.cli.terminal import listed, moment, note, say

if TYPE_CHECKING:
    from gateway.pipeline.inspect import HoldLine

group = typer.Typer(no_args_is_help=True, help="What waits: list, codes, release, withdraw, release-patient.")


@group.command("list")
def list_(config: site.Config = None, json: site.Json = False) -> None:
    """List every request on hold and why, due first on top.

    Example: caregate holds list
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.holds(gateway)
    columns = ("request", "patient", "rule", "step", "reason", "due", "expires", "released by")
    listed(lines, columns, _row, json=json, none="nothing waits for a person")
    if not json and any(one.reason == "unmapped-code" for one in lines):
        note("codes that no table knows, as the feed wrote them: caregate holds codes --reason '…'")


def _row(one: HoldLine) -> tuple[object, ...]:
    due, expires = moment(one.due), moment(one.expires)
    return one.request, one.patient, one.rule, one.step, one.reason, due, expires, one.waits_for


@group.command()
def codes(reason: site.Reason = None, config: site.Config = None, json: site.Json = False) -> None:
    """List codes that no table knows; audited.

    For each: the fact, the field it stands in, how many sends wait for it, and the file that lacks it. Once it is
    there, and a running gateway was restarted, `caregate plan --open` reads the messages again and releases what waited.

    Example: caregate holds codes --reason 'new cardiology clinic'
    """
    why = site.reason(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        found = inspect.unknown_codes(gateway, reason=why, account=account())
    columns = ("code", "fact", "field", "sends", "add it to")
    listed(
        found.codes,
        columns,
        lambda one: (one.code, one.fact, one.place, one.requests, one.where),
        json=json,
        none="no code is unknown",
    )
    if found.codes and not json:
        for where in sorted({one.where for one in found.codes if one.where.startswith("mappings/")}):
            note(f"{where}: `table: {Path(where).stem}`, then `codes: {{CODE: word}}` with a word of the shipped table")
        note("then: caregate lint, restart `caregate run`, caregate plan --open")
    if found.gone:
        note(f"{found.gone} sends more wait for a code whose message is no longer kept")


# the outbox's own: a held request is one of those that wait
group.command("release")(outbox.release)
group.command("withdraw")(outbox.withdraw)


@group.command("release-patient")
def release_patient(
    patient: Annotated[int, typer.Argument(metavar="PATIENT", help="The token, from `caregate holds list`.")],
    hold: Annotated[str, typer.Argument(metavar="HOLD", help="The hold to lift, like identity-doubtful.")],
    reason: site.Why = None,
    config: site.Config = None,
) -> None:
    """Lift one hold of a patient.

    What waited for it is judged again.

    Example: caregate holds release-patient 4711 identity-doubtful --reason 'chart checked, one person'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        count = inspect.release_patient(gateway, patient, hold, reason=why, account=account())
    say(f"patient {patient}: {hold} lifted, {count} requests will be judged again")
