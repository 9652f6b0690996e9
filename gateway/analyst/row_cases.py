"""A row as an analyst writes it in a test becomes what a source of rows would tell."""

from __future__ import annotations

from gateway import rowjson
from gateway.analyst.mapping_cases import MappingCase
from gateway.mapping.tables.family import RowFamily
from gateway.rowcells import ColumnType, cell
from gateway.yamlfile import like


def body_of(family: RowFamily | None, case: MappingCase) -> bytes:
    """The raw message of a row, or of one that is gone. Raises ValueError, a sentence, when no source could tell it."""
    if family is None:
        raise ValueError("a row needs the `mapping` it is read by: name it under `feed`")
    if case.row is None:
        return rowjson.gone(case.gone or "")
    strange = sorted(case.row.keys() - family.columns.keys())
    if strange:
        raise ValueError(f"the mapping names no column `{strange[0][:60]}`{like(strange[0], family.columns)}")
    row = {name: _cell(name, type_, case.row.get(name)) for name, type_ in family.columns.items()}
    return rowjson.told(rowjson.key_of([row[name] for name in family.key]), row)


def _cell(name: str, type_: ColumnType, text: str | None) -> rowjson.Cell:
    try:
        return cell(type_, text)
    except ValueError as error:
        raise ValueError(f"column {name}: {error}") from None
