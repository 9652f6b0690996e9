"""`caregate patient export`, `accounting`, `erase`, and `caregate breach`: what the law lets people ask for, and asks of us."""

from __future__ import annotations

import csv
import dataclasses
import io
import json as json_lib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import identifier, site
from gateway.cli.site import account
from gateway.cli.terminal import emit, fields_of, moment, note, plain, say, table
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.pipeline.rights import Accounting, Assessment, Erasure, Who

Person = Annotated[
    str, typer.Argument(metavar="PERSON", help="`-`: an identifier from standard input; or a patient's number.")
]


def export(
    person: Person,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Writes FILE.html and FILE.json, mode 0600.")],
    reason: site.Reason = None,
    config: site.Config = None,
) -> None:
    """Copy everything held about a person (45 CFR 164.524).

    Who they are, their consents, visits, what was planned and sent with its text, and the same of everybody merged into
    them: once to read, once for programs. The files hold PHI; nothing else does. Files that are there are left alone.

    Example: echo '12345^^^LAKESIDE^MR' | caregate patient export - --reason 'request of 2026-03-02' --out copy
    """
    why, who = site.reason(reason), _who(person)
    from gateway.pipeline import rights

    stem = out.with_suffix("") if out.suffix in (".html", ".json") else out
    pages, facts = stem.with_name(stem.name + ".html"), stem.with_name(stem.name + ".json")
    with site.opened(config) as gateway, _Fresh(pages) as page, _Fresh(facts) as data:
        told = rights.export(gateway, who, reason=why, account=account())
        page.write(rights.page(told))
        data.write(json_lib.dumps(told, ensure_ascii=False, indent=2) + "\n")
    say(f"wrote {pages} and {facts}: they hold PHI, delete them once they were handed over")


def accounting(
    person: Person,
    since: Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back, like 6y or 90d.")] = "6y",
    everything: Annotated[bool, typer.Option("--all", help="Also what is exempt, each with why.")] = False,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Account for the disclosures about a person (45 CFR 164.528).

    What went to themselves, was for treatment, payment or operations, or had their authorization is exempt, and only
    counted; `--all` lists it too. Erased and merged persons are accounted for. 42 CFR Part 2 items are labelled (2.25).

    Example: echo '12345^^^LAKESIDE^MR' | caregate patient accounting - --since 6y
    """
    who = _who(person)
    from gateway.pipeline import rights

    with site.opened(config) as gateway:
        kept = gateway.settings.retention.attempts
        told = rights.account_for(gateway, who, span=_span(since), kept=kept, everything=everything, account=account())
    if json:
        emit({**fields_of(told), "complete": told.complete})
    else:
        _show_accounting(told, everything=everything)


def erase(
    person: Person,
    reason: site.Why = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be erased.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: for scripts.")] = False,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Erase a person for good, by destroying their keys.

    With them goes everybody merged into them. What waits for them is withdrawn. Opt-outs, consent and the audit log stay,
    without naming anybody. It cannot be undone; backups hold the wrapped keys until they expire. If the hospital's system
    tells of them again they are a new patient, nothing remembered but opt-outs of their addresses.

    Example: echo '12345^^^LAKESIDE^MR' | caregate patient erase - --reason 'court order 12' --dry-run
    """
    why, who = site.why(reason), _who(person)
    from gateway.pipeline import rights

    with site.opened(config) as gateway:
        if not dry_run and not yes:
            _tell_erasure(rights.erase(gateway, who, reason=why, account=account(), dry_run=True), dry_run=True)
            _confirmed()
        done = rights.erase(gateway, who, reason=why, account=account(), dry_run=dry_run)
    if json:
        emit({**fields_of(done), "patients": [str(one) for one in done.patients],
              "withdrawn": [str(one) for one in done.withdrawn]})  # fmt: skip
    else:
        _tell_erasure(done, dry_run=dry_run)


def breach(
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="Like 2026-03-02T09:00-06:00.")],
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Not included.")],
    discovered: Annotated[
        str | None, typer.Option("--discovered", metavar="TIME", help="When somebody first knew; default: now.")
    ] = None,
    channel: Annotated[str | None, typer.Option("--channel", help="Only this channel.")] = None,
    facility: Annotated[str | None, typer.Option("--facility", help="Only this location, and what has none.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="One line for each message and person, as CSV.")
    ] = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Assess a breach: whose PHI left between two times.

    45 CFR 164.402 to 164.414.

    What is not known to have been encrypted the whole way counts as unsecured. People are counted by state of residence,
    with the days that notices are due. Nobody is named: `caregate patient export` of a number tells who it is.

    Example: caregate breach --from 2026-03-02T09:00-06:00 --until 2026-03-02T17:00-06:00 --out breach.csv
    """
    from gateway.pipeline import rights

    with site.opened(config) as gateway:
        told = rights.assess(
            gateway,
            since=_time("--from", since),
            until=_time("--until", until),
            discovered=None if discovered is None else _time("--discovered", discovered),
            channel=channel,
            facility=facility,
            account=account(),
        )
    if out is not None:
        with _Fresh(out) as file:
            file.write(_lines(told))
    if json:
        emit({**fields_of(told), "exposures": len(told.exposures), "individuals": len(told.individuals)})
    else:
        _show_breach(told, out)


def _who(told: str) -> Who:
    """A token is only digits and no PHI; anything else but `-` might be an identifier, and is not repeated."""
    if told.isdigit():
        return int(told)
    identifier.stdin_only("PERSON", told)
    return identifier.read()


class _Fresh:
    """A new file, mode 0600, in place only once everything was written; never over another."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> io.TextIOWrapper:
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            raise CommandError(f"{self._path} is there already; name another file") from None
        except OSError as error:
            raise CommandError(f"{self._path} cannot be written: {error.strerror}") from None
        self._file = os.fdopen(handle, "w", encoding="utf-8", newline="")
        return self._file

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise CommandError(f"{self._path} cannot be written: {error.strerror}") from None
        finally:
            if kind is not None:
                with suppress(OSError):
                    self._path.unlink()


def _span(told: str) -> int:
    from gateway.settings.values import duration

    try:
        return duration(told)
    except ValueError as error:
        raise CommandError(f"--since {error}") from None


def _time(option: str, told: str) -> int:
    from gateway.model.when import to_millis

    try:
        return to_millis(datetime.fromisoformat(told))
    except ValueError:
        raise CommandError(f"{option} must be a time with its offset, like 2026-03-02T09:00-06:00") from None


def _confirmed() -> None:
    if not sys.stdin.isatty():
        raise CommandError("nothing was erased: say --yes where nobody can be asked")
    if typer.prompt("It cannot be undone. Type erase to go on", default="", show_default=False).strip() != "erase":
        raise CommandError("nothing was erased")


def _tell_erasure(done: Erasure, *, dry_run: bool) -> None:
    verb = "would be erased" if dry_run else "erased"
    say(f"{verb}: patient {', merged with '.join(map(str, done.patients))}")
    say(f"{len(done.withdrawn)} waiting requests {'would be ' if dry_run else ''}withdrawn")
    for what, count in done.erased.items():
        say(f"{what}: {count}")
    if done.others:
        note(f"{done.others} of the stored messages tell of other people too; they cannot be replayed any more")
    if not dry_run:
        note(
            "backups of the database hold the wrapped keys until they expire; quarantined messages until they are purged"
        )


def _show_accounting(told: Accounting, *, everything: bool) -> None:
    say(
        f"disclosures since {moment(told.since)}, {told.persons} person(s) merged; to be answered by {moment(told.answer_by)}"
    )
    if not told.complete:
        say(f"evidence here begins {moment(told.complete_from)}: of the time before nothing is known")
    rows = [
        (moment(one.at), one.recipient.value, one.channel, one.address, one.what, one.purpose,
         f"{one.exemption.value} ({one.clause})", one.label, "" if one.certain else "may not have arrived")
        for one in told.disclosures
    ]  # fmt: skip
    if rows:
        table(("when", "to", "by", "address digest", "what", "purpose", "exemption", "label", "note"), rows)
    else:
        say("none that must be accounted for" if not everything else "none")
    if not everything:
        say(f"{told.exempt} exempt disclosures are not listed (--all lists them)")


def _show_breach(told: Assessment, out: Path | None) -> None:
    communications = len({one.communication for one in told.exposures})
    say(
        f"{communications} messages left with PHI of {len(told.individuals)} people; unsecured: {told.unsecured} people"
    )
    for way, count in told.by_protection.items():
        say(f"  {way}: {count} messages")
    for state, count in told.by_state.items():
        say(f"  residents of {state}: {count}{' (media notice, 164.406)' if state in told.media else ''}")
    if told.place_unknown:
        say(f"  of no known facility: {told.place_unknown} messages")
    if told.part_2:
        say(f"  of 42 CFR Part 2 programs: {told.part_2} people (2.16)")
    if told.unsecured:
        say(f"individuals by {moment(told.notify_by)} (164.404), 60 days after discovery {moment(told.discovered)}")
        secretary = f"by {moment(told.notify_by)}" if told.secretary else f"in the yearly log by {moment(told.log_by)}"
        say(f"the Secretary {secretary} (164.408)")
    if out is not None:
        say(f"wrote {out}")


def _lines(told: Assessment) -> str:
    """CSV: a line for each message and person; nothing in it begins like a formula."""
    from gateway.pipeline.rights import Exposure

    made = io.StringIO()
    names = [one.name for one in dataclasses.fields(Exposure)]
    writer = csv.writer(made)
    writer.writerow(names)
    for one in told.exposures:
        found: Any = plain(one)
        writer.writerow([_flat(name, found[name]) for name in names])
    return made.getvalue()


def _flat(name: str, value: Any) -> str:
    if name == "at":
        return moment(value)
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


COMMANDS: tuple[Callable[..., None], ...] = (export, accounting, erase)
