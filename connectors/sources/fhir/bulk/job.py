"""An export under way is on disk from the moment it was asked for: a restart asks how far it is, never for a second one (K-17)."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from gateway.model.when import Millis
from gateway.ports import Notes

_JOB = "export:job"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`status`: where to ask. `scope`: what was asked for, `since` when; None: all of it.

    `identity`: of the manifest `files` were counted in: so many are through, and of the next one `lines`, whose digest
    is `digest`: a file that is read again from its start is known again by what it says, not by its name (K-12).
    """

    status: str
    scope: str
    begun: Millis
    since: str | None = None
    baseline: bool = False
    identity: str = ""
    files: int = 0
    lines: int = 0
    digest: str = ""


class Desk:
    """What is remembered of one source's exports."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def job(self) -> Job | None:
        """The one under way; None also where the note cannot be read."""
        told = self._notes.get(_JOB)
        try:
            return msgspec.json.decode(told, type=Job) if told else None
        except msgspec.DecodeError:
            return None

    def keep(self, job: Job | None) -> None:
        """Committed when it returns; None: none is under way."""
        self._notes.put(_JOB, "" if job is None else msgspec.json.encode(job).decode())

    def mark(self, scope: str) -> str | None:
        """The transactionTime of the last one that was whole: the next `_since` (K-04)."""
        return self._notes.get(f"export:since:{scope}") or None

    def advance(self, scope: str, at: str) -> None:
        """All up to there is committed."""
        self._notes.put(f"export:since:{scope}", at)

    def last(self) -> Millis:
        """When one was last through, however it ended; 0 before the first."""
        told = self._notes.get("export:last") or ""
        return int(told) if told.isascii() and told.isdigit() else 0

    def ended(self, at: Millis) -> None:
        """One was through."""
        self._notes.put("export:last", str(at))

    def hold(self, until: Millis) -> bool:
        """Of several processes one exports."""
        return self._notes.hold("export", until)
