"""`caregate load` of rows: the same extract as of the watched folder, from a file that a person names and that stays where it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.extracted import advice, disbelieved
from gateway.cli.terminal import emit, note, say
from gateway.model.errors import CommandError, GuardError, ServerError
from gateway.ports import ExtractState, Poured, PoursFiles

if TYPE_CHECKING:
    from gateway.app import Gateway


class Pouring:
    """One file, or one folder, into one source. `show`: a line for a person; `read`: told of more bytes that were read."""

    def __init__(
        self,
        gateway: Gateway,
        source: str,
        *,
        baseline: bool | None,
        dry_run: bool,
        json: bool,
        show: Callable[[str], None],
        read: Callable[[int], None],
    ) -> None:
        self._gateway = gateway
        self._source = source
        self._baseline = baseline
        self._dry_run = dry_run
        self._json = json
        self._show = show
        self._read = read
        self._seen = 0

    def all(self, paths: Sequence[Path]) -> bool:
        """Whether every row fitted and the whole was taken. Raises CommandError where there is nothing to begin with."""
        if len(paths) != 1:
            raise CommandError(
                "name one file of rows, or one folder whose files are one table: each is an extract of its own"
            )
        try:
            poured = self._poured(paths[0])
        except GuardError as error:
            note(disbelieved(self._source, error, dry_run=self._dry_run))
            return False
        except ServerError as error:
            raise CommandError(f"{paths[0]}: {error}") from None
        except OSError as error:
            raise CommandError(f"{paths[0]}: {error.strerror or type(error).__name__}") from None
        self._tell(poured)
        return not (poured.problems or poured.unfit_rows)

    def _poured(self, path: Path) -> Poured:
        from gateway.app.extracts import extracts_of

        with extracts_of(self._gateway, self._source, dry=self._dry_run) as source:
            if not isinstance(source, PoursFiles):
                raise CommandError(f"source {self._source} reads no files")
            return source.pour(path, self._progress, baseline=self._baseline, dry_run=self._dry_run)

    def _progress(self, _: ExtractState, read: int) -> None:
        self._read(read - self._seen)
        self._seen = read

    def _tell(self, poured: Poured) -> None:
        for one in poured.unfit:
            if self._json:
                emit({"file": one.file, "line": one.line, "column": one.column, "problem": one.problem})
            else:
                column = f"  column {one.column}" if one.column else ""
                self._show(f"{one.file}:{one.line}{column}  {one.problem}")
        if self._json:
            emit({"summary": self._summary(poured)})
            return
        for problem in poured.problems:
            note(f"caregate: {poured.name}: {problem}")
        counts = {} if poured.state is None else poured.state.counts
        for told in advice(self._source, counts, baseline=poured.state is not None and poured.state.baseline):
            note(told)
        what = (
            "would come of it" if self._dry_run else "baseline" if poured.state and poured.state.baseline else "taken"
        )
        came = ", ".join(f"{count} {name}" for name, count in counts.items() if name != "rows")
        say(f"{poured.rows} rows, {poured.unfit_rows} that do not fit{': ' if came else ''}{came} ({what})")

    def _summary(self, poured: Poured) -> dict[str, object]:
        state = poured.state
        return {
            "file": poured.name,
            "rows": poured.rows,
            "unfit_rows": poured.unfit_rows,
            "counts": {} if state is None else dict(state.counts),
            "baseline": None if state is None else state.baseline,
            "finished": poured.finished,
            "dry_run": self._dry_run,
            "problems": list(poured.problems),
        }
