"""What stands around the resource a path is read in: where references lead, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Resource: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """`resource` holds what is contained; `entries`: other resources given with it, by reference (`Patient/12`) or URL.

    `bases`: the server's addresses; a reference that begins with one is as good as a relative one, any other host is not.
    """

    resource: Resource = field(repr=False)
    entries: Mapping[str, Resource] = field(default_factory=dict, repr=False)
    bases: tuple[str, ...] = ()

    def resolve(self, reference: str) -> Resource | None:
        """The resource a reference leads to, if it is contained or was given; nothing is ever fetched (S-33)."""
        if reference.startswith("#"):
            return self._contained(reference[1:])
        told = self.relative(reference).partition("/_history/")[0]
        found = self.entries.get(told)
        return self.entries.get(reference) if found is None else found

    def relative(self, reference: str) -> str:
        """`Patient/12` of a reference into our own server; anything else as it is."""
        for base in self.bases:
            if reference.startswith(f"{base}/"):
                return reference[len(base) + 1 :].lstrip("/")
        return reference

    def key(self, reference: str) -> tuple[str, str] | None:
        """Type and id of a reference into our own server (R4 references.html); None of any other."""
        parts = self.relative(reference).partition("/_history/")[0].split("/")
        return (parts[0], parts[1]) if len(parts) == 2 and all(parts) and parts[0].isalpha() else None

    def _contained(self, name: str) -> Resource | None:
        if not name:
            return self.resource
        contained = self.resource.get("contained")
        if not isinstance(contained, list):
            return None
        return next((one for one in contained if isinstance(one, dict) and one.get("id") == name), None)
