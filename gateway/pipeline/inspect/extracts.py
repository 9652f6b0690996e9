"""How the tables of a site stand, in counts; and what a person says to an extract that a guard stopped, audited (SN-03)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from gateway.model.errors import CommandError
from gateway.model.when import Millis
from gateway.pipeline.extracting import extracts, known, moving
from gateway.pipeline.extracting.extracts import STOPPED, Extract, meaning_of
from gateway.pipeline.extracting.guards import WORDS
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.site import SourceEntry
from gateway.ports import ExtractMode
from gateway.store.uow import Reader, UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractLine:
    """The newest extract of a source: `counts` by what became of its rows, `why` what stopped or ended it, times in Millis.

    `rows`: how many rows of the source are known now, by what each came to. `changed`: its mapping, or what the rules ask
    of it, is not what its rows were taken with. `nobodys`: rows of nobody known that are not looked at again by themselves.
    """

    source: str
    state: str
    mode: str
    baseline: bool
    counts: Mapping[str, int]
    rows: Mapping[str, int]
    started: Millis | None
    ended: Millis | None
    why: str
    changed: bool = False
    nobodys: int = 0


def tables_status(gateway: Inspectable, *, rows: bool = True) -> list[ExtractLine]:
    """The newest extract of every source that ever had one. `rows`: count what is known of each, row by row."""
    with gateway.store.read() as unit:
        return [
            _advised(
                unit, entry, _line(unit, entry, newest[0], count=rows), meaning_of(gateway.readers.get(entry.name))
            )
            for entry in gateway.site.sources.values()
            if (newest := extracts.latest(unit, entry.id, 1))
        ]


def waiting(unit: Reader, sources: Mapping[str, SourceEntry]) -> Iterator[ExtractLine]:
    """Those that wait for a person."""
    stopped = {source for source, _, _ in extracts.stopped(unit)}
    for entry in sources.values():
        going = extracts.going(unit, entry.id) if entry.id in stopped else None
        if going is not None:
            yield _line(unit, entry, going, count=False)


def _advised(unit: Reader, entry: SourceEntry, line: ExtractLine, meaning: str) -> ExtractLine:
    """What reading all of it again would be good for."""
    last = extracts.finished(unit, entry.id)
    whole = line.mode == ExtractMode.SNAPSHOT
    return replace(
        line,
        changed=last is not None and last.meaning != meaning,
        nobodys=0 if whole else sum(line.rows.get(known.WORDS[one], 0) for one in known.UNMATCHED),
    )


def _line(unit: Reader, entry: SourceEntry, one: Extract, *, count: bool = True) -> ExtractLine:
    rows = unit.all(known.BY_STATE, (entry.id,)) if count else []
    return ExtractLine(
        source=entry.name,
        state=one.state,
        mode=one.mode.value,
        baseline=one.baseline,
        counts=one.counts,
        rows=_by_word(rows),
        started=one.started,
        ended=one.ended,
        why=WORDS.get(one.guard, one.guard) if one.state == STOPPED else one.reason or "",
    )


def _by_word(rows: Iterable[tuple[int, int]]) -> Mapping[str, int]:
    """Two states may be one word."""
    counts: Counter[str] = Counter()
    for state, many in sorted(rows):
        counts[known.WORDS[known.RowState(state)]] += many
    return dict(counts)


def tables_believe(gateway: Inspectable, source: str, *, reason: str, account: str) -> str:
    """What the guard saw is right: the extract goes on. Which guard it was. Raises CommandError."""
    entry = _entry(gateway, source)
    with gateway.store.begin(account) as uow:
        stopped = _stopped(uow, entry)
        moving.believe(uow, entry, stopped, why=reason)
        uow.commit()
    return WORDS.get(stopped.guard, stopped.guard)


def tables_give_up(gateway: Inspectable, source: str, *, reason: str, account: str) -> None:
    """Nothing more of the extract that is open or stopped is taken; the next begins anew. Raises CommandError."""
    entry = _entry(gateway, source)
    with gateway.store.begin(account) as uow:
        going = extracts.going(uow, entry.id)
        if going is None:
            raise CommandError(f"no extract of {source} is open")
        moving.give_up(uow, entry, going, "by a person", reason)
        uow.commit()


def _entry(gateway: Inspectable, source: str) -> SourceEntry:
    entry = gateway.site.sources.get(source)
    if entry is None:
        raise CommandError(f"there is no source {source}; `caregate tables status` shows those of tables")
    return entry


def _stopped(uow: UnitOfWork, entry: SourceEntry) -> Extract:
    going = extracts.going(uow, entry.id)
    if going is None or going.state != STOPPED:
        raise CommandError(f"no extract of {entry.name} waits for anybody")
    return going
