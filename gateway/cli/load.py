"""`caregate load`: files through the very same receive as a feed; every message of every file is answered for."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from gateway.cli import newsite, site
from gateway.cli.loadbar import bar_of
from gateway.cli.loadrows import Pouring
from gateway.cli.terminal import emit, note, say
from gateway.cli.unpack import Mismatch, Piece, files_under, patients_first, unpack
from gateway.model.errors import CommandError
from gateway.model.event import Format, Outcome, RawMessage, Result

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.cli.ahead import Ahead
    from gateway.pipeline.preparing import Readings

_JSON = frozenset({".json", ".ndjson"})
_TOGETHER, _BYTES = 256, 8 << 20
# messages and bytes of one commit: a feed that runs beside waits no longer than it takes
Batch: TypeAlias = list[tuple[Piece, RawMessage]]
RESULTS = tuple(result for result in Result if result is not Result.FAILED)


def load(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Files or folders of HL7 v2, FHIR or rows.")],
    config: site.Config = None,
    source: Annotated[str | None, typer.Option("--source", metavar="NAME", help="The source they are read as.")] = None,
    baseline: Annotated[
        bool | None, typer.Option("--baseline/--no-baseline", help="Store state, plan nothing: go-live day.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Of rows: only say what would come of them.")] = False,
    json: site.Json = False,
) -> None:
    """Read files as if a feed sent them; a line a message. Of FHIR: NDJSON, resources, and Bundles of any size.

    Of rows (a source of `kind: tables`): one file, or one folder whose files are one table; a line for each row that does
    not fit. The first table is a baseline unless `--no-baseline`; who is missing from a later whole table has left.

    Without any configuration a site is made for the occasion and thrown away; files that are all `.json` or `.ndjson` are
    FHIR R4 there. Exit code 1 when anything was not taken: a file, a message that was rejected or quarantined, a batch whose count is wrong. Interrupted, it is said again: what
    was taken is a duplicate then, and has no second effect.

    Examples: caregate load messages/ · caregate load --json day.hl7 · caregate load --baseline booked.hl7 · caregate load --source cdp --dry-run members.csv
    """
    files = files_under(paths)
    resources = all(_JSON & set(file.suffixes) for file in files)
    with (
        _gateway(config, activates=not dry_run, resources=resources) as gateway,
        bar_of(files, wanted=not json) as (show, read),
    ):
        name = _source(gateway, source)
        if gateway.feeds[name].format is Format.TABLE:
            pouring = Pouring(gateway, name, baseline=baseline, dry_run=dry_run, json=json, show=show, read=read)
            if not pouring.all(paths):
                raise typer.Exit(1)
            return
        if dry_run:
            raise CommandError(
                "--dry-run is for files of rows: messages are looked at by `caregate hl7` and `caregate fhir show`"
            )
        from gateway.cli.ahead import reading_ahead  # heavy: `--help` is there at once

        with reading_ahead(gateway, name, sum(file.stat().st_size for file in files)) as ahead:
            loading = Loading(gateway, name, baseline=bool(baseline), json=json, show=show, ahead=ahead)
            for file in loading.ordered(files):
                loading.file(file, read)
            loading.flush()
    loading.summary()
    if not loading.whole:
        raise typer.Exit(1)


class Loading:
    """Batches the messages of many files, and says of each what became of it, in order."""

    def __init__(
        self,
        gateway: Gateway,
        source: str,
        *,
        baseline: bool,
        json: bool,
        show: Callable[[str], None],
        ahead: Ahead | None = None,
    ) -> None:
        self._gateway = gateway
        self._source = source
        self._format = gateway.feeds[source].format
        self._baseline = baseline
        self._json = json
        self._show = show
        self._waiting: Batch = []
        self._bytes = 0
        self._ahead = ahead
        self._asked: Batch = []  # what is being read ahead
        self._files = 0
        self._counts: Counter[Result] = Counter()
        self._problems: list[dict[str, str]] = []
        self.failed = 0  # files that could not be read, and messages of which that was our fault

    @property
    def whole(self) -> bool:
        """Whether everything was taken: no file unread, no message refused or quarantined, no count that is wrong."""
        return not (self.failed or self._problems or self._counts[Result.REJECTED] or self._counts[Result.QUARANTINED])

    def ordered(self, files: Sequence[Path]) -> Sequence[Path]:
        """As they were named; of FHIR patients before what refers to them."""
        return patients_first(files) if self._format is Format.FHIR else files

    def file(self, path: Path, read: Callable[[int], None]) -> None:
        """Feed one file; one that cannot be read is a problem of the summary, the others go on."""
        self._files += 1
        pieces = unpack(path, of=self._format, read=read)
        while True:
            try:
                piece = next(pieces, None)
            except OSError as error:  # of the file; a reader of ours that went away must end this
                self.failed += 1
                self._problem(str(path), error.strerror or type(error).__name__)
                return
            if piece is None:
                return
            self._offer(piece)

    def _offer(self, piece: Piece | Mismatch) -> None:
        if isinstance(piece, Mismatch):
            self._problem(piece.file, f"count-mismatch: {piece}")
        elif piece.body is None:
            self.flush()  # lines keep the order of the files
            self._line(piece, Result.REJECTED, None)
        else:
            now = self._gateway.clock.now()
            raw = RawMessage(source=self._source, format=self._format, body=piece.body, received=now)
            self._waiting.append((piece, raw))
            self._bytes += len(piece.body)
            if len(self._waiting) >= _TOGETHER or self._bytes >= _BYTES:
                self._next()

    def flush(self) -> None:
        """Receive everything that waits, each batch in one commit, then its lines."""
        self._next()
        self._next()

    def _next(self) -> None:
        """Receive what waits; with somebody who reads ahead, what waited before, while that is being read."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if self._ahead is None:
            self._receive(waiting, None)
            return
        readings = self._ahead.take() if self._asked else None
        self._ahead.ask([raw for _, raw in waiting])
        asked, self._asked = self._asked, waiting
        self._receive(asked, readings)

    def _receive(self, batch: Batch, readings: Readings | None) -> None:
        if batch:
            receive, messages = self._gateway.receiver.receive, [raw for _, raw in batch]
            outcomes = receive(messages, baseline=self._baseline, readings=readings)
            for (piece, _), outcome in zip(batch, outcomes, strict=True):
                self._outcome(piece, outcome)

    def _outcome(self, piece: Piece, outcome: Outcome) -> None:
        """Trouble of our own is AR to a sender (A-04): counted as rejected, and a reason for exit code 1."""
        ours = outcome.result is Result.FAILED
        self.failed += ours
        self._line(piece, Result.REJECTED if ours else outcome.result, outcome)

    def _line(self, piece: Piece, result: Result, outcome: Outcome | None) -> None:
        self._counts[result] += 1
        line = _line(piece, result, outcome)
        if self._json:
            emit(line)
        else:
            self._show(_words(line, outcome.message if outcome else None))

    def _problem(self, file: str, reason: str) -> None:
        self._problems.append({"file": file, "reason": reason})
        note(f"caregate: {file}: {reason}")

    def summary(self) -> None:
        """The last line: how many files and messages, and what became of them."""
        counts = {result.value: self._counts[result] for result in RESULTS}
        head = {"files": self._files, "messages": sum(counts.values())}
        if self._json:
            emit({"summary": {**head, **counts, "problems": self._problems}})
            return
        told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        say(f"{head['files']} files, {head['messages']} messages{': ' if told else ''}{told}")


def _line(piece: Piece, result: Result, outcome: Outcome | None) -> dict[str, object]:
    return {
        "file": piece.file,
        "index": piece.index,
        "type": outcome.type if outcome else "",
        "control_id": outcome.control_id if outcome else "",
        "outcome": result.value,
        "ack": outcome.ack.value if outcome else None,
        "events": list(outcome.events) if outcome else [],
        "reason": outcome.reason if outcome else piece.problem,
        "rules": list(outcome.rules) if outcome else [],
        "message": outcome.message if outcome else None,
    }


def _words(line: Mapping[str, Any], message: int | None) -> str:
    number = f"  message {message}" if message else ""
    rules = f"  rules: {', '.join(line['rules'])}" if line["rules"] else ""
    what = "  ".join(part for part in (", ".join(line["events"]), line["reason"]) if part)
    return f"{line['file']}:{line['index']}  {line['control_id'] or '-'}  {line['ack'] or '--'}  {line['outcome']}  {what}{rules}{number}"


def _source(gateway: Gateway, named: str | None) -> str:
    """The source files are read as: the one named, else the only one."""
    known = sorted(gateway.settings.sources)
    if named is None and len(known) == 1:
        return known[0]
    if named is None or named not in known:
        trouble = f"there is no source {named}" if named else "the site has several sources, or none"
        raise CommandError(f"{trouble}: say --source with one of {', '.join(known) or '(none)'}")
    return named


@contextmanager
def _gateway(config: Path | None, *, activates: bool = True, resources: bool = False) -> Iterator[Gateway]:
    """The site's gateway; where there is no site, one for the occasion, in a folder that is removed afterwards.

    `activates`: as `site.opened`; what only looks leaves the site's rules as they are. `resources`: one for the occasion
    reads FHIR R4 instead of HL7 v2.
    """
    if site.find(config) is not None:
        with site.opened(config, activates=activates) as gateway:
            yield gateway
        return
    from gateway.app.upkeep import create_keys

    with tempfile.TemporaryDirectory(prefix="caregate-") as folder:
        here = Path(folder, "site")
        newsite.write(here, create_keys, edited=False)
        if resources:
            newsite.hear_fhir(here)
        kind = "FHIR R4" if resources else "HL7 v2"
        note(
            f"caregate: no {site.NAME} here: reading {kind} into a site for the occasion (shipped rules, nobody is contacted)"
        )
        with site.opened(here / site.NAME, activates=True) as gateway:
            yield gateway
