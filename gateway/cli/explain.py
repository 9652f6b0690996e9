"""`caregate explain`: why a message, stored or in a file, or a made-up event, leads to a send or does not."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import site
from gateway.cli.terminal import emit, say
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.analyst.explained import Explanation
    from gateway.app import Gateway
    from gateway.model.event import RawMessage
    from gateway.model.when import Millis

RECEIVED = "received"


def explain(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A file of HL7 v2; nothing of it is kept.")
    ] = None,
    index: Annotated[int, typer.Option("--index", metavar="N", help="Which message of the file.")] = 1,
    source: Annotated[str | None, typer.Option("--source", metavar="NAME", help="The source it is read as.")] = None,
    message: Annotated[int | None, typer.Option("--message", metavar="ID", help="A stored message.")] = None,
    event: Annotated[
        str | None, typer.Option("--event", metavar="KIND", help="A made-up event, like appointment.booked.")
    ] = None,
    fact: Annotated[list[str] | None, typer.Option("--fact", metavar="NAME=VALUE", help="What it told.")] = None,
    patient_fact: Annotated[
        list[str] | None,
        typer.Option("--patient-fact", metavar="NAME=VALUE", help="age, zone, reachable, opted_out, holds, …"),
    ] = None,
    consent: Annotated[
        list[str] | None, typer.Option("--consent", metavar="ENTRY", help="Like 'deny * sms *'; else all permitted.")
    ] = None,
    sent: Annotated[list[str] | None, typer.Option("--sent", metavar="TIME", help="An earlier message left.")] = None,
    now: Annotated[
        str | None, typer.Option("--now", metavar="TIME", help="When it reaches us, like 2026-03-02 10:00.")
    ] = None,
    zone: Annotated[str | None, typer.Option("--zone", metavar="ZONE", help="Where it takes place.")] = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", metavar="DIR", help="A draft rule folder, instead of the active one.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="TIME", help="`received` for --message; 2026-03-02T16:00Z for a file."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every condition and every gate.")] = False,
    reason: site.Reason = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Say why something is sent or not, rule by rule.

    Every condition and every gate, by the code that decides it. Nothing is stored or sent; a look at what is known about a person is audited.

    Examples: caregate explain adt.hl7 · caregate explain --message 7301 --reason 'ticket 88' · caregate explain
    --event appointment.booked --fact appointment.start='2026-03-20 09:30' --patient-fact age=40
    """
    if sum(one is not None for one in (file, message, event)) != 1:
        raise CommandError("say one of FILE, --message ID and --event KIND")
    if event is not None:
        from gateway.analyst.hypothesis import hypothesis

        case = hypothesis(
            event,
            now=now or _clock(zone),
            facts=fact or (),
            patient=patient_fact or (),
            consents=consent,
            sent=sent or (),
            zone=zone,
        )
        told = _made_up(case, rules, config)
    elif message is not None:
        told = _stored(message, rules, config, as_of, reason)
    else:
        assert file is not None
        told = _file(file, index, source, rules, config, as_of, reason)
    show(told, verbose=verbose, json=json)


def _clock(zone: str | None) -> str:
    """Now on the clock of a zone; the question itself is refused where there is no such zone."""
    from gateway.analyst.rule_cases import DEFAULT_ZONE
    from gateway.model.when import zone_of

    try:
        place = zone_of(zone or DEFAULT_ZONE)
    except ValueError:
        raise CommandError("--zone is no time zone: write one like America/Chicago") from None
    return datetime.now(place).strftime("%Y-%m-%d %H:%M")


def show(told: Explanation, *, verbose: bool, json: bool) -> None:
    """One screen, or one JSON object."""
    if json:
        emit(told)
        return
    from gateway.analyst.explain_words import lines

    for line in lines(told, verbose=verbose):
        say(line)


def _made_up(case: object, rules: Path | None, config: Path | None) -> Explanation:
    from gateway.analyst.asked import explain_case
    from gateway.analyst.rule_cases import Case
    from gateway.cli.analyst import _packs
    from gateway.mapping.pack import load_pack
    from gateway.ruleset import load

    assert isinstance(case, Case)
    packs = _packs(None, config, secrets=False)
    return explain_case(load(rules or packs.rules), case, load_pack(packs.mappings).sensitivity)


def _stored(
    message: int, rules: Path | None, config: Path | None, as_of: str | None, reason: str | None
) -> Explanation:
    from gateway.analyst.asked import explain_message
    from gateway.app.asking import under

    if as_of not in (None, RECEIVED):
        raise CommandError("--as-of of a stored message is `received`: what was known then")
    with site.opened(config) as gateway:
        active, readers = under(gateway, rules)
        return explain_message(
            gateway,
            gateway.channels,
            active,
            readers,
            message,
            reason=reason and reason.strip(),
            account=site.account(),
            at_receipt=as_of is not None,
        )


def _file(
    file: Path,
    index: int,
    source: str | None,
    rules: Path | None,
    config: Path | None,
    as_of: str | None,
    reason: str | None,
) -> Explanation:
    from gateway.analyst.asked import explain_file
    from gateway.app.asking import under
    from gateway.cli.load import _gateway, _source

    moment = None if as_of is None else _moment(as_of)
    with _gateway(config, activates=False) as gateway:
        active, readers = under(gateway, rules)
        name = _source(gateway, source)
        raw = _message(gateway, file, index, name, moment)
        return explain_file(
            gateway,
            gateway.channels,
            active,
            readers[name],
            raw,
            reason=reason and reason.strip(),
            account=site.account(),
            as_of=moment,
        )


def _message(gateway: Gateway, file: Path, index: int, source: str, moment: Millis | None) -> RawMessage:
    """The `index`-th message of a file. Raises CommandError, OSError."""
    from gateway.cli.unpack import Piece, files_under, unpack
    from gateway.model.event import RawMessage

    (path, *_) = files_under([file]) or [file]
    for piece in unpack(path, of=gateway.feeds[source].format):
        if isinstance(piece, Piece) and piece.index == index:
            if piece.body is None:
                raise CommandError(f"{path}:{index}: {piece.problem}")
            received = gateway.clock.now() if moment is None else moment
            return RawMessage(source=source, format=gateway.feeds[source].format, body=piece.body, received=received)
    raise CommandError(f"{path}: there is no message {index}")


def _moment(text: str) -> Millis:
    """An instant in ISO 8601 with an offset. Raises CommandError."""
    from gateway.model.when import to_millis

    try:
        return to_millis(datetime.fromisoformat(text))
    except ValueError:
        raise CommandError("--as-of of a file is an instant like 2026-03-02T16:00Z") from None
