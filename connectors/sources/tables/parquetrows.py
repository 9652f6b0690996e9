"""Rows of a Parquet file, a batch in memory at a time: the types it declares must be able to be ours before a row is read (SN-02)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from connectors.sources.arrowvalues import values_of
from connectors.sources.tables.columns import Layout
from connectors.sources.tables.lines import TOO_LONG, opened
from connectors.sources.tables.options import TablesOptions
from connectors.sources.tables.parquettypes import FITS, kind_of
from connectors.sources.tables.reading import Place, Told
from gateway.model.errors import Unusable
from gateway.ports import TableShape

_ROWS, _BYTES = 1_000, 16 << 20  # of a batch
_LARGEST = (
    256 << 20
)  # bytes of one column in one row group, unpacked: it may be a single page, and a page is unpacked whole
_DAMAGED = "it is damaged, or no Parquet file"


class ParquetReading:
    """`reading.Reading` of one file. Raises OSError, and Unusable where its columns are not what is declared."""

    def __init__(self, path: Path, shape: TableShape, options: TablesOptions) -> None:
        import pyarrow as pa  # loaded by a process that has such files alone

        self._arrow = pa
        self._file = opened(path)
        self.damage: str | None = None
        try:
            self._open(shape, options)
        except (self._arrow.ArrowException, OSError, ValueError):
            self._file.close()
            raise Unusable(_DAMAGED) from None
        except BaseException:
            self._file.close()
            raise
        self.expected: int | None = self._metadata.num_rows
        self._done = 0

    def _open(self, shape: TableShape, options: TablesOptions) -> None:
        from pyarrow import parquet

        first = parquet.ParquetFile(self._file, pre_buffer=False)
        schema, self._metadata = first.schema_arrow, first.metadata
        self.layout = Layout(shape, schema.names, may_lack=options.may_lack, nothing=options.nothing)
        self._fits(shape, schema)
        self._names = [schema.names[place] for place in self._places()]
        self._batch = self._bounded(options.max_file)
        # a word that many rows share is in memory once, as it is in the file
        words = [name for name in self._names if kind_of(schema.field(name).type) == "text"]
        self._table = parquet.ParquetFile(
            self._file, metadata=self._metadata, read_dictionary=words, pre_buffer=False, buffer_size=1 << 20
        )

    def _bounded(self, most: int) -> int:
        """How many rows are read at a time. Raises Unusable for more than `most` bytes: a few may be packed from many."""
        unpacked, widest = self._metadata.num_rows * len(self._names), 1  # a value is a byte at least
        for group in map(self._metadata.row_group, range(self._metadata.num_row_groups)):
            columns = map(group.column, range(group.num_columns))
            sizes = [one.total_uncompressed_size for one in columns if one.path_in_schema in self._names]
            unpacked += sum(sizes)
            widest = max(widest, sum(sizes) // max(group.num_rows, 1))
            if unpacked > most or max(sizes, default=0) > _LARGEST:
                raise Unusable(TOO_LONG)
        return max(1, min(_ROWS, _BYTES // widest))

    def consumed(self) -> int:
        """As the port has it; its parts lie anywhere in the file, so by its rows."""
        size = self._file.seek(0, 2)
        return size * self._done // self.expected if self.expected else size

    def rows(self, at: Place | None) -> Iterator[Told]:
        """As the port has it."""
        self._done = (at or (0, 0))[0]
        groups, skip = self._left(self._done)
        try:
            for batch in self._table.iter_batches(
                self._batch, row_groups=groups, columns=self._names, use_threads=False
            ):
                found = self._values(batch)
                for values in found[skip:]:
                    self._done += 1
                    yield Told(self._done, (self._done, self._done), values)
                skip = max(0, skip - len(found))
        except (self._arrow.ArrowException, OSError, ValueError):
            self.damage = _DAMAGED
        if self._done != self.expected:  # its footer counts other rows than there are
            self.damage = _DAMAGED

    def _left(self, done: int) -> tuple[list[int], int]:
        """The row groups that are not through, and how many rows of the first of them are."""
        for group in range(self._metadata.num_row_groups):
            rows = self._metadata.row_group(group).num_rows
            if done < rows:
                return list(range(group, self._metadata.num_row_groups)), done
            done -= rows
        return [], 0

    def _places(self) -> list[int]:
        return [one.place for one in self.layout.columns if one.place is not None]

    def _values(self, batch: Any) -> Sequence[Sequence[object]]:
        there = dict(zip(self._places(), map(values_of, batch.columns), strict=True))
        nothing = [None] * batch.num_rows
        return list(
            zip(*(nothing if one.place is None else there[one.place] for one in self.layout.columns), strict=True)
        )

    def _fits(self, shape: TableShape, schema: Any) -> None:
        problems = [
            f"{one.name} is {kind} and cannot be {one.type.value}"
            for one in self.layout.columns
            if one.place is not None and one.type not in FITS[kind := kind_of(schema.field(one.place).type)]
        ]
        if problems:
            raise Unusable(f"the file is not what mapping {shape.mapping} reads: {'; '.join(problems)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._table.close(force=True)
        self._file.close()
