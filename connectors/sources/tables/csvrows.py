"""Rows of a CSV file as it is declared to be written (RFC 4180): a record that cannot be taken apart costs itself, not the file.

What stands within quotes is never a row, however long it is: whoever may write a cell could else write rows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from connectors.sources.tables.columns import Layout
from connectors.sources.tables.lines import Lines
from connectors.sources.tables.options import TablesOptions
from connectors.sources.tables.reading import Place, Told
from gateway.model.errors import Unusable
from gateway.ports import TableShape
from gateway.rowjson import LONGEST, Unfit

_TALLEST = 1_000  # lines of one record that are kept: a quote that is never closed must not take the memory
_OPEN = "a quote is never closed, so that what lies behind it cannot be told apart"
csv.field_size_limit(2 * LONGEST)  # a cell has no other bound than its record: it would end within its quotes


class CsvReading:
    """`reading.Reading` of one file. Raises OSError, and Unusable where its header is not what is declared."""

    expected: int | None = None

    def __init__(self, path: Path, shape: TableShape, options: TablesOptions) -> None:
        self._lines = Lines(path, most=options.max_file)
        self._options = options
        try:
            self._header = self._read_header()
            self.layout = Layout(shape, self._header, may_lack=options.may_lack, nothing=options.nothing)
        except BaseException:
            self._lines.__exit__()
            raise
        self._begin: Place = self._lines.offset, self._feed.line
        self._places = [one.place for one in self.layout.columns]

    @property
    def damage(self) -> str | None:
        """As the port has it."""
        return self._lines.damage

    def consumed(self) -> int:
        """As the port has it."""
        return self._lines.consumed()

    def rows(self, at: Place | None) -> Iterator[Told]:
        """As the port has it."""
        offset, line = at or self._begin
        self._lines.seek(offset)
        self._feed = _Feed(self._lines, self._options.characters, line)
        records = self._reader()
        while True:
            self._feed.begin()
            try:
                found = next(records, None)
            except _TooLong:
                self._feed.close(escaped=self._options.escape is not None)
                yield self._unfit(Unfit.LONG)
                continue
            except csv.Error:
                if self._lines.damage is not None:  # half a record
                    return
                yield self._unfit(Unfit.LINE)
                continue
            if found is None:
                return
            if found:
                yield self._told(found)

    def _told(self, found: list[str]) -> Told:
        if self._feed.spoilt:
            return self._unfit(Unfit.CHARACTERS)
        if len(found) != len(self._header):
            return self._unfit(Unfit.LINE)
        values = [None if place is None else found[place] for place in self._places]
        return Told(self._feed.began, (self._lines.offset, self._feed.line), values)

    def _unfit(self, why: Unfit) -> Told:
        return Told(self._feed.began, (self._lines.offset, self._feed.line), None, why, self._feed.text())

    def _read_header(self) -> list[str]:
        self._feed = _Feed(self._lines, self._options.characters, 0)
        self._feed.begin()
        try:
            found = next(self._reader(), None)
        except (csv.Error, _TooLong):
            raise Unusable("its first line is no header as this source declares it") from None
        if self._lines.damage is not None:
            raise Unusable(self._lines.damage)
        if not found or self._feed.spoilt:
            raise Unusable("it has no header" if not found else "its header is not in the declared characters")
        return [one.strip() for one in found]

    def _reader(self) -> Iterator[list[str]]:
        told = self._options
        return csv.reader(
            self._feed, delimiter=told.delimiter, escapechar=told.escape, doublequote=told.escape is None, strict=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.__exit__()


class _TooLong(Exception):
    """A record beyond any bound."""


class _Feed:
    """Lines as text, and what is known of the record they belong to."""

    def __init__(self, lines: Lines, characters: str, line: int) -> None:
        self._lines = lines
        self._characters = characters
        self.line = line
        self.begin()

    def begin(self) -> None:
        """The next line is the first of a record."""
        self.began = self.line + 1
        self.spoilt = False
        self._size = self._quotes = 0
        self._record: list[str] = []

    def close(self, *, escaped: bool) -> None:
        """Pass over the rest of a record too long to keep: it ends with the line that closes its last quote, or the file does.

        Quotes that are doubled leave it as it is, whether there is an open one; of `escaped` ones nobody could tell.
        """
        while self._quotes % 2 or (escaped and self._quotes):
            raw = b"" if escaped else self._raw()[0]
            if not raw:
                self._lines.damage = self._lines.damage or _OPEN
                return

    def text(self) -> str:
        """What was read of the record."""
        return "".join(self._record)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        raw, whole = self._raw()
        if not raw:
            raise StopIteration
        self._size += len(raw)
        text = self._decoded(raw)
        self._record.append(text)
        if not whole or self._size > LONGEST or len(self._record) > _TALLEST:
            raise _TooLong
        return text

    def _raw(self) -> tuple[bytes, bool]:
        passed = self._lines.passed
        raw, whole = self._lines.line()
        self.line += bool(raw)
        self._quotes += raw.count(b'"') + self._lines.passed - passed
        return raw, whole

    def _decoded(self, raw: bytes) -> str:
        if self.line == 1 and self._characters == "utf-8":
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        try:
            return raw.decode(self._characters)
        except UnicodeDecodeError:
            self.spoilt = True
            return raw.decode(self._characters, "backslashreplace")
