"""Every entry of the merged mappings of tables can work: no unknown column, fact, code table or event survives this."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from gateway.mapping.check import a
from gateway.mapping.codes import CodeTable
from gateway.mapping.identifiers import NEVER_MATCHES
from gateway.mapping.merge import Tables
from gateway.mapping.schema import OTHERWISE
from gateway.mapping.subjects import SUBJECTS
from gateway.mapping.tables.family import kinds_of
from gateway.mapping.tables.kinds import CONTACT, about_of
from gateway.mapping.tables.merge import RowDraft, RowDrafts, told_of
from gateway.mapping.tables.schema import ColumnTold, EventTold
from gateway.model.facts import VOCABULARY, FactType
from gateway.model.when import zone_of
from gateway.rowcells import ColumnType, word_of
from gateway.yamlfile import like

_NOBODY = (
    "an e-mail address or a telephone number identifies nobody, for people share them; name a column with a number of the"
    " person's that another feed tells too"
)
_TIMES: Final = frozenset({ColumnType.DATE, ColumnType.DATETIME})
_WORDS: Final = frozenset({ColumnType.TEXT, ColumnType.INTEGER, ColumnType.YESNO})
_NUMBERS: Final = frozenset({ColumnType.TEXT, ColumnType.INTEGER})
_FITS: Final[Mapping[FactType, frozenset[ColumnType]]] = {FactType.CODE: _WORDS, FactType.DATETIME: _TIMES}


def check_rows(drafts: RowDrafts, tables: Tables) -> Iterator[str]:
    """Every problem of the mappings of tables as "file:line:column: sentence"."""
    finished = {name: table.table() for name, table in tables.items()}
    for draft in drafts.values():
        if draft.lacks("columns"):
            yield f"{draft.place}: mapping `{draft.name}` names no `columns`, and nothing below it does{like(draft.name, drafts.keys() - {draft.name})}"
        else:
            yield from _Check(draft, finished).problems()


class _Check:
    def __init__(self, draft: RowDraft, tables: Mapping[str, CodeTable]) -> None:
        self._draft, self._tables = draft, tables
        self._columns: dict[str, ColumnType] = draft.values("columns")

    def problems(self) -> Iterator[str]:
        yield from self._key()
        yield from self._times()
        yield from self._identity()
        yield from self._event()
        yield from self._contact()
        if (gone := self._draft.single("gone")) is not None:
            yield from self._used(self._draft.where("gone"), gone.column, _WORDS, "a word")

    def _used(self, place: str, column: str, types: Iterable[ColumnType], what: str) -> Iterator[str]:
        """What is wrong with naming a column where something of these types is meant."""
        if column not in self._columns:
            yield f"{place}: there is no column `{column[:60]}` under `columns`{like(column, self._columns)}"
        elif self._columns[column] not in types:
            yield f"{place}: column `{column[:60]}` holds {self._columns[column].value}, and here {what} is meant"

    def _key(self) -> Iterator[str]:
        place = self._draft.where("key")
        if self._draft.lacks("key"):
            yield f"{place}: `key` must name the columns that tell one row from another"
        for column in self._draft.single("key") or ():
            yield from self._used(place, column, ColumnType, "a key")

    def _times(self) -> Iterator[str]:
        for name in ("at", "occurred"):
            if (column := self._draft.single(name)) is not None:
                yield from self._used(self._draft.where(name), column, _TIMES, "a time")
        if (zone := self._draft.single("zone")) is not None:
            try:
                zone_of(zone)
            except ValueError:
                yield f"{self._draft.where('zone')}: there is no time zone `{zone[:40]}`; write one like America/Chicago"

    def _identity(self) -> Iterator[str]:
        place = self._draft.where("identity")
        if self._draft.lacks("identity"):
            yield f"{place}: `identity` must say who a row is about: {_NOBODY}"
        shared = set(self._draft.values("contact").values())
        for one in self._draft.single("identity") or ():
            yield from self._used(place, one.column, _NUMBERS, "a number of the person's")
            if one.column in shared:
                yield f"{place}: column `{one.column[:60]}` is a `contact` too: {_NOBODY}"
            if one.type.upper() in NEVER_MATCHES:
                yield f"{place}: a number of type {one.type} identifies nobody, whatever a mapping says"

    def _event(self) -> Iterator[str]:
        place, event = self._draft.where("event"), self._draft.single("event")
        if self._draft.lacks("event"):
            yield f"{place}: `event` must say what a row tells"
        if event is None:
            return
        if isinstance(event, EventTold):
            yield from self._used(place, event.column, _WORDS, "a word")
            yield from self._words(place, event)
        kinds = kinds_of(event)
        about = about_of(kinds)
        if about is None:
            yield (
                f"{place}: the events of one table must all be about one thing"
                if kinds
                else f"{place}: no word means an event"
            )
        else:
            yield from self._facts(about)

    def _words(self, place: str, event: EventTold) -> Iterator[str]:
        if self._columns.get(event.column) is ColumnType.YESNO:
            for word in event.codes:
                if word_of(word) not in ("true", "false", OTHERWISE):
                    yield f"{place}: column `{event.column[:60]}` is `true` or `false`, never `{word[:40]}`"

    def _facts(self, about: str) -> Iterator[str]:
        for name, (written, place) in self._draft.entries["facts"].items():
            fact, told = VOCABULARY.get(name), told_of(written)
            if fact is None:
                yield f"{place}: there is no fact `{name[:60]}`{like(name, VOCABULARY)}"
            elif about == "Patient" or not name.startswith(f"{SUBJECTS[about].prefix}."):
                yield f"{place}: `{name}` is not a fact about {a(about)}"
            elif name.endswith(".status"):
                yield f"{place}: the status of {a(about)} is told by its `event`, not by a column"
            else:
                yield from self._fact(place, fact.type, told)

    def _fact(self, place: str, type_: FactType, told: ColumnTold) -> Iterator[str]:
        if (told.column is None) is (told.word is None):
            yield f"{place}: a fact takes either a `column` or a `word`"
        elif told.column is not None:
            yield from self._used(place, told.column, _FITS[type_], f"a {type_.value}")
        if (type_ is FactType.CODE) is not (told.codes is not None):
            needs = "needs a" if type_ is FactType.CODE else "takes no"
            yield f"{place}: a {type_.value} {needs} code table (`codes`)"
        elif told.codes is not None:
            yield from self._coded(place, told.codes, told.word)

    def _coded(self, place: str, codes: str, word: str | None) -> Iterator[str]:
        if codes not in self._tables:
            yield f"{place}: there is no code table `{codes[:40]}`{like(codes, self._tables)}"
        elif word is not None and word not in self._tables[codes].words:
            yield f"{place}: `{word[:40]}` is not among the `words` of table `{codes}`{like(word, self._tables[codes].words)}"

    def _contact(self) -> Iterator[str]:
        entries = self._draft.entries["contact"]
        for column, place in entries.values():
            yield from self._used(place, column, _NUMBERS, "an address or a number")
        if self._draft.single("event") == CONTACT and not entries:
            yield f"{self._draft.where('event')}: a table that tells no event must tell a `contact`"
