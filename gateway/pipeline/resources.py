"""What became of a FHIR resource is found by its type and id alone, for that is all its delete tells (Q-06)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model.when import Millis
from gateway.store import tables
from gateway.store.uow import UnitOfWork

_COLUMNS = ("id", "key", "patient", "occurrence", "version")


@dataclass(slots=True)
class ResourceRow:
    """One row of `resource`. `occurrence`: 0 where it is about the patient alone."""

    id: int
    key: bytes
    patient: int
    occurrence: int
    version: Millis
    new: bool = False
    dirty: bool = False


class Resources:
    """The resources of one unit of work; `flush` writes them back."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow
        self._rows: dict[bytes, list[ResourceRow]] = {}

    def load(self, keys: Sequence[bytes]) -> None:
        """Read what is known of these resources (keyed digests)."""
        for row in self._uow.lookup(tables.resource, _COLUMNS, "key", list(dict.fromkeys(keys))):
            found = ResourceRow(*row)
            found.key = bytes(found.key)
            self._rows.setdefault(found.key, []).append(found)

    def known(self, keys: Sequence[bytes]) -> list[ResourceRow]:
        """What a resource came to; nothing, when it was never told or something else finds it."""
        return [row for key in keys for row in self._rows.get(key, ())]

    def shared(self, keys: Sequence[bytes], occurrence: int, patients: Sequence[int]) -> bool:
        """Whether another resource of these patients came to the same occurrence."""
        stored = self._uow.lookup(tables.resource, ("key", "occurrence"), "patient", patients)
        here = [(row.key, row.occurrence) for some in self._rows.values() for row in some]
        return any(about == occurrence and bytes(key) not in keys for key, about in (*stored, *here))

    def version(self, keys: Sequence[bytes]) -> Millis:
        """When the newest version was recorded; 0 before the first."""
        return max((row.version for row in self.known(keys)), default=0)

    def tell(self, keys: Sequence[bytes], patient: int, occurrence: int, version: Millis) -> None:
        """Remember what this version came to."""
        for row in self.known(keys):
            if (row.patient, row.occurrence) == (patient, occurrence):
                row.dirty = row.dirty or version > row.version
                row.version = max(row.version, version)
                return
        made = ResourceRow(self._uow.new_id(), keys[0], patient, occurrence, version, new=True)
        self._rows.setdefault(keys[0], []).append(made)

    def flush(self) -> None:
        """Write back what is new."""
        rows = [row for some in self._rows.values() for row in some]
        made = [(row.id, row.key, row.patient, row.occurrence, row.version) for row in rows if row.new]
        self._uow.insert_missing(tables.resource, _COLUMNS, made)
        changed = [(row.version, row.id) for row in rows if row.dirty and not row.new]
        self._uow.update(tables.resource, ("id",), ("version",), changed)
