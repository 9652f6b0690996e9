"""What a draft would change, counted: tokens and codes, never a name; the same facts give the same digest."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.app.replay.outcome import Message
from gateway.app.replay.play import Played
from gateway.model.when import HOUR, MINUTE, Millis

EXAMPLES = 10
_MOVED = 10 * MINUTE  # what leaves less late, or less early, has not moved
_GOES = ("completed", "active")  # it left, or would: it waits for its time


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `what`: gain, lose or move; `patient` is a token; times are Millis UTC."""

    what: str
    patient: int
    rule: str
    step: str
    before: Millis | None
    after: Millis | None
    channel_before: str | None
    channel_after: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The comparison of two replays; `digest` is over all of it in canonical form."""

    draft: str
    active: str
    since: Millis
    until: Millis
    messages: int
    counts: Mapping[str, int]
    by_rule: Mapping[str, int]
    sent: Mapping[str, int]
    peak: Mapping[str, int]
    held: Mapping[str, int]
    unanswered: Mapping[str, int]
    changes: tuple[Change, ...]
    digest: str

    @property
    def examples(self) -> tuple[Change, ...]:
        """The first few differences."""
        return self.changes[:EXAMPLES]


def compare(active: Played, draft: Played, since: Millis, until: Millis) -> Report:
    """A draft against what is in force, both replayed over the same window."""
    changes = tuple(sorted(_changes(active, draft), key=_order))
    told = {
        "draft": draft.digest,
        "active": active.digest,
        "since": since,
        "until": until,
        "messages": draft.count,
        "counts": dict(sorted(Counter(one.what for one in changes).items())),
        "by_rule": _counted(f"{one.what} {one.rule} {one.step} {_channel(one)}" for one in changes),
        "sent": {"active": len(_gone(active)), "draft": len(_gone(draft))},
        "peak": {"active": _peak(active), "draft": _peak(draft)},
        "held": _counted(one.reason or "?" for one in draft.messages.values() if one.state == "on-hold"),
        "unanswered": {"purged": draft.purged, "begun-before": draft.begun},
    }
    rows = [[getattr(one, name) for name in Change.__slots__] for one in changes]
    canonical = json.dumps([told, rows], sort_keys=True, separators=(",", ":"))
    return Report(**told, changes=changes, digest=hashlib.sha256(canonical.encode()).hexdigest())  # type: ignore[arg-type]


def _changes(active: Played, draft: Played) -> Iterator[Change]:
    for key in active.messages.keys() | draft.messages.keys():
        before, after = active.messages.get(key), draft.messages.get(key)
        what = _what(before, after)
        if what is not None:
            patient, _, rule, step = key
            yield Change(
                what=what,
                patient=patient,
                rule=rule,
                step=step,
                before=before.at if _goes(before) and before else None,
                after=after.at if _goes(after) and after else None,
                channel_before=before.channel if before else None,
                channel_after=after.channel if after else None,
                reason=after.reason if after and not _goes(after) else None,
            )


def _what(before: Message | None, after: Message | None) -> str | None:
    if _goes(before) != _goes(after):
        return "gain" if _goes(after) else "lose"
    if before is None or after is None or not _goes(after):
        return None
    moved = before.channel != after.channel or abs(before.at - after.at) > _MOVED
    return "move" if moved else None


def _goes(one: Message | None) -> bool:
    return one is not None and one.state in _GOES


def _gone(played: Played) -> list[Message]:
    return [one for one in played.messages.values() if one.state == "completed"]


def _peak(played: Played) -> int:
    """The most messages that left within one hour of the clock."""
    return max(Counter(one.at // HOUR for one in _gone(played)).values(), default=0)


def _channel(one: Change) -> str:
    return (one.channel_after if one.what != "lose" else one.channel_before) or "waiting"


def _order(one: Change) -> tuple[int | str, ...]:
    return (one.after or one.before or 0, one.patient, one.rule, one.step, one.what)


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))
