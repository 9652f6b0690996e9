"""`caregate holds`: what waits for a person, and the person's answer: judge it again, or never send it."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import site
from gateway.cli.site import account
from gateway.cli.terminal import emit, moment, say, table

group = typer.Typer(no_args_is_help=True, help="Sends that wait for a person: list, release, withdraw.")
Request = Annotated[int, typer.Argument(metavar="REQUEST", help="From `caregate holds list`.")]


@group.command("list")
def list_(config: site.Config = None, json: site.Json = False) -> None:
    """List every request on hold and why, due first on top.

    Example: caregate holds list
    """
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        lines = inspect.holds(gateway)
    if json:
        for line in lines:
            emit(line)
        return
    rows = [
        (one.request, one.patient, one.rule, one.step, one.reason, moment(one.due), moment(one.expires))
        for one in lines
    ]
    table(("request", "patient", "rule", "step", "reason", "due", "expires"), rows)


@group.command()
def release(request: Request, reason: site.Reason = None, config: site.Config = None) -> None:
    """Have a request judged again by every gate; nothing is bypassed.

    An attempt whose outcome is unknown may reach the patient a second time by this: you say that it did not arrive.

    Example: caregate holds release 8812 --reason 'relay log: never accepted'
    """
    why = site.reason(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        inspect.release_request(gateway, request, reason=why, account=account())
    say(f"request {request}: will be judged again")


@group.command()
def withdraw(request: Request, reason: site.Reason = None, config: site.Config = None) -> None:
    """Never send a request that is on hold.

    Example: caregate holds withdraw 8812 --reason 'called the patient'
    """
    why = site.reason(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        inspect.withdraw_request(gateway, request, reason=why, account=account())
    say(f"request {request}: withdrawn")


@group.command("release-patient")
def release_patient(
    patient: Annotated[int, typer.Argument(metavar="PATIENT", help="The token, from `caregate holds list`.")],
    hold: Annotated[str, typer.Argument(metavar="HOLD", help="The hold to lift, like identity-doubtful.")],
    reason: site.Reason = None,
    config: site.Config = None,
) -> None:
    """Lift one hold of a patient.

    What waited for it is judged again.

    Example: caregate holds release-patient 4711 identity-doubtful --reason 'chart checked, one person'
    """
    why = site.reason(reason)
    from gateway.pipeline import inspect

    with site.opened(config) as gateway:
        count = inspect.release_patient(gateway, patient, hold, reason=why, account=account())
    say(f"patient {patient}: {hold} lifted, {count} requests will be judged again")
