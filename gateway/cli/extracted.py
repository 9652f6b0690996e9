"""What a person is told after rows were read: what came of them, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.model.errors import GuardError

_FOUND = ("taken", "unchanged", "gone")


def disbelieved(source: str, error: GuardError, *, dry_run: bool) -> str:
    """A guard stopped it; of a dry run nothing waits."""
    if dry_run:
        return f"caregate: {source}: {error}: it would wait for a person"
    right, wrong = (f"`caregate tables {word} {source} --reason '…'`" for word in ("believe", "give-up"))
    return f"caregate: {source}: {error}: {right} if that is right, and read it again; {wrong} if it is not"


def advice(source: str, counts: Mapping[str, int], *, baseline: bool) -> Iterator[str]:
    """Of rows that went nowhere. `counts`: by what became of each, as `ports.ExtractState` has them."""
    nobodys = counts.get("no-patient", 0)
    if nobodys and not any(counts.get(one) for one in _FOUND):
        yield (
            f"{source}: not one row is about somebody known: load the feed that tells of these people first, and let `identity` "
            "of the mapping name their numbers as that feed does (authority and type of PID-3)"
        )
    if nobodys and baseline:
        yield (
            f"{source}: {nobodys} rows are about nobody known, and are news once somebody is: after loading their feed "
            f"`caregate tables pull {source} --again --baseline` makes them part of the baseline"
        )
    if unreadable := counts.get("unreadable"):
        yield f"{source}: {unreadable} rows do not fit: `caregate quarantine list` names column and reason"
