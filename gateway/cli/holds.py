"""`caregate holds`: what waits for a person, and the person's answer: judge it again, or never send it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import site
from gateway.cli.site import account
from gateway.cli.terminal import listed, moment, note, say

if TYPE_CHECKING:
    from gateway.pipeline.inspect import HoldLine

group = typer.Typer(no_args_is_help=True, help="What waits: list, codes, release, withdraw, release-patient.")
Request = Annotated[int, typer.Argument(metavar="REQUEST", help="From `caregate holds list`.")]


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
        for where in sorted({one.where for one in found.codes if one.where.endswith(".yaml")}):
            note(f"{where}: `table: {Path(where).stem}`, then `codes: {{CODE: word}}` with a word of the shipped table")
        note("then: caregate lint, restart `caregate run`, caregate plan --open")
    if found.gone:
        note(f"{found.gone} sends more wait for a code whose message is no longer kept")


@group.command()
def release(request: Request, reason: site.Why = None, config: site.Config = None) -> None:
    """Have a request judged again by every gate.

    Nothing is bypassed. An attempt whose outcome is unknown may reach the patient a second time by this: you say that it did not arrive.

    Example: caregate holds release 8812 --reason 'relay log: never accepted'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        inspect.release_request(gateway, request, reason=why, account=account())
    say(f"request {request}: will be judged again")


@group.command()
def withdraw(request: Request, reason: site.Why = None, config: site.Config = None) -> None:
    """Never send a request that is on hold.

    Example: caregate holds withdraw 8812 --reason 'called the patient'
    """
    why = site.why(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        inspect.withdraw_request(gateway, request, reason=why, account=account())
    say(f"request {request}: withdrawn")


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
