"""Which codes of a row no table knows, where they decided a fact; looked for when a person asks, never on the way in."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from gateway.mapping.feed import Feed
from gateway.mapping.pack import Pack
from gateway.mapping.tables.values import text_of
from gateway.model.errors import Unreadable
from gateway.rowjson import parse

Found = tuple[str, str, str]
"""Fact, column, code as it was told."""


def unknown(pack: Pack, feed: Feed, body: bytes, wanted: AbstractSet[str]) -> Iterator[Found]:
    """Of the facts that are wanted, each code that keeps one from a word; nothing of what cannot be read."""
    family = pack.rows.get(feed.mapping)
    try:
        row = parse(body).row
    except Unreadable:
        return
    for fact, told in family.facts.items() if family is not None and row else ():
        cell = row.get(told.column) if row and told.column else None
        if fact in wanted and told.codes and cell is not None:
            code = text_of(cell)
            if pack.tables[told.codes].known(code) is None:
                yield fact, str(told.column), code
