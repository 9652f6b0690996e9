"""Where sinks stand as people see it, and how one is put back by hand; what it then is told twice has the same ids."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.errors import CommandError
from gateway.model.when import Millis
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.outcomes.gathering import gather, unseen_since
from gateway.pipeline.outcomes.standing import put, standing, standings
from gateway.pipeline.site import SinkEntry
from gateway.store import ids, seal


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkLine:
    """One sink. `told`: rows ever; `unseen`: when the oldest thing was written down that it has not looked at.

    `failed`: refused, unavailable or no-agreement, in vain `tries` times since `since`; it is tried again at `next`. `said`: why.
    """

    name: str
    told: int
    unseen: Millis | None
    failed: str | None
    tries: int
    since: Millis | None
    next: Millis | None
    agreed: bool
    said: str = ""


def sinks(gateway: Inspectable) -> list[SinkLine]:
    """Every configured sink, by name. Raises StoreError."""
    entries = gateway.site.sinks
    with gateway.store.read() as unit:
        known = standings(unit, sorted(entries))
        return [
            SinkLine(
                name=name,
                told=0 if at is None else at.told,
                unseen=unseen_since(unit, 0 if at is None else at.position),
                failed=None if at is None else at.failed,
                tries=0 if at is None else at.tries,
                since=None if at is None else at.failing_since,
                next=None if at is None or at.failed is None else at.next_at,
                agreed=entries[name].agreed(unit.now),
                said="" if at is None else at.said,
            )
            for name, at in ((name, known.get(name)) for name in sorted(entries))
        ]


def sink_rewind(
    gateway: Inspectable, name: str, *, to: Millis, reason: str, account: str, dry_run: bool = False
) -> int:
    """Have a sink told what became of things since `to`, again or not at all; how many rows that is as things stand.

    A dry run counts alone. Raises CommandError, StoreError.
    """
    entry = sink_of(gateway, name)
    position = max(ids.compose(to, 0) - 1, 0)
    count = _count(gateway, entry, position)
    if not dry_run:
        with gateway.store.begin(account) as uow:
            put(uow, standing(uow, name), position, reason=reason)
            uow.commit()
    return count


def sink_again(gateway: Inspectable, name: str, *, reason: str, account: str) -> None:
    """Have a sink that waits be tried at once, from where it stands. Raises CommandError, StoreError."""
    sink_of(gateway, name)
    with gateway.store.begin(account) as uow:
        at = standing(uow, name)
        put(uow, at, at.position, reason=reason)
        uow.commit()


def sink_of(gateway: Inspectable, name: str) -> SinkEntry:
    """A configured sink. Raises CommandError."""
    entry = gateway.site.sinks.get(name)
    if entry is None:
        known = ", ".join(sorted(gateway.site.sinks)) or "none"
        raise CommandError(f"there is no sink {name} in caregate.yaml; it has {known}")
    return entry


def _count(gateway: Inspectable, entry: SinkEntry, after: int) -> int:
    below, rules, count, more = seal.watermark(gateway.store), gateway.rules.current(), 0, True
    while more:
        batch = gather(gateway.store, gateway.site, entry, rules, after=after, below=below)
        after, count, more = batch.position, count + len(batch.rows), batch.more
    return count
