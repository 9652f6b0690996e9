"""`caregate fhir show`: a file an engineer has at hand, resource by resource: what the mapping makes of it, and from where.

Nothing is stored, sent or logged, no server is asked, no database and no secret is needed. Values are shown on a
terminal only, unless they are asked for, as by `caregate hl7 show`.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import site
from gateway.cli.deployment import Deployment, deployment
from gateway.cli.terminal import emit, note, say, table
from gateway.cli.unpack import Piece, patients_first, unpack
from gateway.cli.unpack import files_under as found_under
from gateway.model.errors import CommandError
from gateway.model.event import Fault, Format

if TYPE_CHECKING:
    from gateway.analyst.fhirshown import Row, Shown

_HIDDEN = "•••"
_LONGEST = 160  # characters of a value on one line; --json gives the whole


def show(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Resources, Bundles, NDJSON; folders of them.")],
    index: Annotated[int | None, typer.Option("--index", metavar="N", min=1, help="Only the N-th resource.")] = None,
    source: Annotated[str | None, typer.Option("--source", metavar="NAME", help="The source it is read as.")] = None,
    brief: Annotated[bool, typer.Option("--summary", help="Only the counts: what comes, what is unknown.")] = False,
    values: Annotated[
        bool | None, typer.Option("--reveal/--mask", help="Show or hide values; default: only a terminal shows them.")
    ] = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Show what the mapping makes of resources, and from which path.

    The event, each value that is taken, faults with their place; codes that no table knows, identifier systems that
    `systems` does not name, elements nobody reads. Nothing is stored and no server is asked. Exit code 1 when a
    resource would be refused.

    Examples: caregate fhir show appointment.json · caregate fhir show export/ --summary
    """
    revealed = sys.stdout.isatty() if values is None else values
    if not revealed and values is None:
        note("caregate: values are hidden, because this is no terminal; --reveal shows them")
    lines = _Lines(deployment(config, source, Format.FHIR), brief=brief, revealed=revealed, json=json)
    for piece in _pieces(files, index):
        lines.piece(piece)
    lines.summary()
    if lines.refused:
        raise typer.Exit(1)


def _pieces(files: list[Path], index: int | None) -> Iterator[Piece]:
    """The resources asked for. Raises CommandError where there is none, OSError."""
    found = False
    for file in patients_first(found_under(files)):
        for piece in unpack(file, of=Format.FHIR):
            if isinstance(piece, Piece) and index in (None, piece.index):
                found = True
                yield piece
    if not found:
        raise CommandError(f"there is no resource {index} in that" if index else "there is no resource in that")


class _Lines:
    """Tells one resource after the other, and what they come to."""

    def __init__(self, one: Deployment, *, brief: bool, revealed: bool, json: bool) -> None:
        from gateway.analyst.fhirshown import Showing
        from gateway.ports import SystemClock

        self._showing, self._clock = Showing(one.pack, one.feed, one.facts), SystemClock()
        self._brief, self._revealed, self._json = brief, revealed, json
        self._pack = one.pack
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self.refused = 0

    def piece(self, piece: Piece) -> None:
        """One resource, or why it is none."""
        if piece.body is None:
            self.refused += 1
            self._counts["", "refused", piece.problem or ""] += 1
            self._unread(piece)
            return
        shown = self._showing.shown(piece.body, self._clock.now())
        self.refused += shown.reading.ack != "AA"
        self._count(shown)
        if self._brief:
            return
        if self._json:
            emit(self._plain(piece, shown))
        else:
            self._print(piece, shown)

    def _unread(self, piece: Piece) -> None:
        if self._json and not self._brief:
            emit({"file": piece.file, "index": piece.index, "unreadable": piece.problem})
        elif not self._brief:
            say(f"{piece.file}:{piece.index}  cannot be read: {piece.problem}")

    def _count(self, shown: Shown) -> None:
        told = self._counts
        told[shown.reading.type, "read as", _outcome(shown)] += 1
        for fault in shown.faults:
            told[shown.reading.type, "fault", _fault(fault)] += 1
        for fact, place, code in self._codes(shown):
            told[shown.reading.type, "unknown code", f"{place}: {code} ({fact}: {self._where(fact)})"] += 1
        for place, system in shown.systems:
            told[shown.reading.type, "unknown system", f"{place}: {system} (`systems` in caregate.yaml)"] += 1
        for name in shown.unread:
            told[shown.reading.type, "not read", name] += 1

    def _codes(self, shown: Shown) -> Iterator[tuple[str, str, str]]:
        """A code may be the name of a ward, or tell what is treated: as much a value as any."""
        for fact, place, code in shown.codes:
            yield fact, place, code if self._revealed else _HIDDEN

    def _where(self, fact: str) -> str:
        from gateway.pipeline.inspect.codes import where_to_add

        return where_to_add(self._pack, fact)

    def _print(self, piece: Piece, shown: Shown) -> None:
        say(f"{piece.file}:{piece.index}  {_named(shown)}  {_outcome(shown)}")
        if shown.rows:
            table(("name", "value", "from"), [self._row(row) for row in shown.rows])
        for fault in shown.faults:
            say(f"  {fault.severity.name.lower()}: {_fault(fault)}")
        for fact, place, code in self._codes(shown):
            say(f"  unknown code: {place}: {code}: {fact} waits for it; add it to {self._where(fact)}")
        for place, system in shown.systems:
            say(
                f"  unknown system: {place}: {system}: its numbers are no other feed's; name it in `systems` of the source"
            )
        if shown.unread:
            say(f"  not read, hence dropped: {', '.join(shown.unread)}")
        say()

    def _row(self, row: Row) -> tuple[str, str, str]:
        value = row.value if self._revealed else _HIDDEN
        if len(value) > _LONGEST:
            value = f"{value[:_LONGEST]}… ({len(value)} characters)"
        place = ", ".join(row.places) or "the resource as a whole"
        return row.name, value, place if row.used else f"{place}: no rule uses it, dropped"

    def _plain(self, piece: Piece, shown: Shown) -> dict[str, object]:
        hidden = not self._revealed
        return {
            "file": piece.file,
            "index": piece.index,
            "resource": _named(shown),
            "outcome": _outcome(shown),
            "ack": shown.reading.ack,
            "events": [event.kind for event in shown.reading.events],
            "taken": [
                {"name": row.name, "value": _HIDDEN if hidden else row.value, "places": row.places, "used": row.used}
                for row in shown.rows
            ],
            "faults": [
                {"code": one.code, "severity": one.severity, "place": str(one.place or ""), "rule": one.rule}
                for one in shown.faults
            ],
            "unknown_codes": [
                {"fact": fact, "place": place, "code": code, "where": self._where(fact)}
                for fact, place, code in self._codes(shown)
            ],
            "unknown_systems": [{"place": place, "system": system} for place, system in shown.systems],
            "not_read": shown.unread,
        }

    def summary(self) -> None:
        """The counts, most frequent first, when they were asked for."""
        if not self._brief:
            return
        order = ("refused", "read as", "fault", "unknown code", "unknown system", "not read")
        lines = sorted(self._counts.items(), key=lambda one: (order.index(one[0][1]), one[0][0], -one[1], one[0][2]))
        if self._json:
            for (type_, what, which), count in lines:
                emit({"type": type_, "what": what, "which": which, "count": count})
            return
        table(("resource", "what", "which", "count"), [(*which, count) for which, count in lines])


def _named(shown: Shown) -> str:
    return shown.reading.control_id.partition("/_history/")[0] or shown.reading.type or "-"


def _outcome(shown: Shown) -> str:
    """What becomes of it when it is received, in a sentence."""
    reading = shown.reading
    if reading.events:
        return ", ".join(event.kind.value for event in reading.events)
    return f"ignored: {reading.ignored}" if reading.ignored is not None else f"refused: {reading.ack.value}"


def _fault(fault: Fault) -> str:
    return f"{fault.code} {fault.place or '-'}: {fault.rule}"
