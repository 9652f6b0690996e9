"""What a person chose about themselves, sealed with who they are: no feed overwrites it."""

from __future__ import annotations

from collections.abc import Mapping

QUIET, LANGUAGE = "quiet", "speaks"
"""Keys in what is sealed of a person, beside what feeds tell."""


def own_quiet(person: Mapping[str, str]) -> tuple[int, int] | None:
    """The hours a person wants to be left in peace: (from, until) in minutes of their local day."""
    start, _, end = person.get(QUIET, "").partition("-")
    return (int(start), int(end)) if start.isdigit() and end.isdigit() else None
