"""One order group becomes at most one event: what it is, a word decides, and what tells nobody is ignored for a reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from gateway.er7.bounds import check_groups
from gateway.er7.paths import Path
from gateway.er7.reader import Message
from gateway.mapping.events import Heard, Moments, Plan
from gateway.mapping.feed import Feed
from gateway.mapping.fields import Fields
from gateway.mapping.pack import Family, Pack
from gateway.mapping.schema import OTHERWISE, Trigger
from gateway.mapping.scope import Scope, warning
from gateway.mapping.sources import compile_source, paths_of
from gateway.model.event import EventKind
from gateway.model.facts import UNMAPPED, FactType

NOTHING_TOLD = "no order in the message"
_OPENS = "ORC"  # the common order segment begins a group wherever one is there (C4 ORDER_OBSERVATION, ORDER)


def order_groups(message: Message, anchors: Sequence[str]) -> list[Message]:
    """The order groups of one PATIENT group, each with the segments before the first; only those with an anchor.

    A group begins at ORC, or at an anchor when the group at hand has one of its kind already (OR-07: never
    mixed, because a final report beside a preliminary one must not lend it its status). Raises Unreadable
    (AE 198) when there are too many.
    """
    if not anchors:
        return [message]
    shared: list[str] = []
    groups: list[list[str]] = []
    for line in message.lines:
        name = line[:3]
        opens = name in anchors and (not groups or any(one[:3] == name for one in groups[-1]))
        if name == _OPENS or opens:
            groups.append([])
        (groups[-1] if groups else shared).append(line)
    told = [group for group in groups if any(line[:3] in anchors for line in group)]
    check_groups(anchors[0], len(told), len(shared))
    return [Message(message.header, [*shared, *group], message.codec) for group in told]


class DecidedPlan:
    """How a message becomes events whose kind its content decides; the same face as `Plan`."""

    def __init__(self, family: Family, trigger: Trigger, pack: Pack, facts: frozenset[str] | None) -> None:
        assert family.decide is not None
        self._anchors = family.each
        self._fields = self._picking(paths_of(family.decide))
        first = paths_of(family.decide)[0]
        self._decider = (first.segment, first.field)
        self._decide = compile_source(family.decide, FactType.CODE, pack.tables, self._fields)
        self._plans: dict[str, Plan] = {}
        self._told = {word: one for word, one in trigger.when.items() if one.event is not None}
        self._compile = partial(self._plan, family, pack=pack, facts=facts)
        self._ignored = {word: one.ignored for word, one in trigger.when.items() if one.ignored is not None}

    def _picking(self, paths: Iterable[Path]) -> Fields:
        return Fields(paths)

    def _plan(self, family: Family, trigger: Trigger, pack: Pack, facts: frozenset[str] | None) -> Plan:
        return Plan(family, trigger, pack, facts)

    def _compiled(self, word: str) -> Plan | None:
        """The plan of a word that decides for the first time; None when what it says is ignored."""
        if word not in self._told:
            return None
        plan = self._plans[word] = self._compile(self._told[word])
        return plan

    def read(
        self, message: Message, feed: Feed, moments: Moments, told: Heard, *, zone: str, place: int, several: bool
    ) -> None:
        """Add the events of one PATIENT group to `told`, or the reasons why there are none."""
        groups = order_groups(message, self._anchors)
        for group in groups:
            word = self._word(group, feed, moments, told, zone=zone, place=place)
            plan = self._plans.get(word) or self._compiled(word)
            if plan is not None:
                plan.read(group, feed, moments, told, zone=zone, place=place, several=several)
            else:
                told.reasons.append(self._ignored[word])
        if not groups:
            told.reasons.append(self._ignored.get(OTHERWISE, NOTHING_TOLD))

    def read_without_patient(self, message: Message, feed: Feed, moments: Moments, told: Heard, *, zone: str) -> None:
        """Nothing: an order of nobody tells nobody."""

    def _word(self, group: Message, feed: Feed, moments: Moments, told: Heard, *, zone: str, place: int) -> str:
        """The word that decides, or "otherwise"; a code that no table knows is warned of."""
        raws = self._fields.pick(group)
        kind = EventKind.PATIENT_UPDATED  # nothing is decided yet; no `decide` asks
        scope = Scope(group, feed, kind=kind, zone=zone, moment=moments.recorded, place=place, raws=raws)
        word = self._decide(scope)
        told.faults += scope.faults
        if word == UNMAPPED:
            told.faults.append(warning(103, *self._decider, "the code that decides is not in its table"))
        return word if word in self._told or word in self._ignored else OTHERWISE
