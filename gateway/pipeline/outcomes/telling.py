"""What was found becomes rows for one sink: only about what its own sources told, and of people who are not forgotten."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.model.audit import Action
from gateway.model.errors import KeyringError
from gateway.model.facts import ROW_KEY, FactValue
from gateway.model.outcome import NOT_TOLD, TOLD, OutcomeKind, SinkRow, Told
from gateway.model.request import RequestKind
from gateway.pipeline.directory import Directory
from gateway.pipeline.outcomes.finding import Found
from gateway.pipeline.outcomes.revealing import Revealing
from gateway.pipeline.packing import unpack
from gateway.pipeline.rules import Active
from gateway.pipeline.site import SinkEntry, Site
from gateway.policy.disclosures import label_of
from gateway.store import tables
from gateway.store.uow import UnitOfWork

Placed = tuple[int, SinkRow]
"""A row, and which of the things found it comes from: a batch is told in that order, however far it goes."""
_entries = msgspec.json.Decoder(list[list[Any]]).decode
_OCCURRENCE = ("id", "patient", "source", "sealed_facts", "raw", "facility", "hold")
_REQUEST = ("id", "kind", "patient", "occurrence", "rule", "step")
_ATTEMPT = ("id", "request", "channel", "topic", "label")


@dataclass(frozen=True, slots=True)
class About:
    """A row of a source, as far as others are told: who it is about, its own key, and the facts that are named.

    `facts`: None where it may not be known there that there is such a thing. `forgotten`: nothing is left to judge it by.
    `protected`: its service or place betrays what care it is: of it nothing is told, but to a platform whose own row it is
    that the person wants no messages (SN-39).
    """

    occurrence: int
    token: int
    source: str
    row_key: str
    facts: Mapping[str, Told] | None
    forgotten: bool = False
    protected: bool = False


class Telling:
    """One unit's look-ups for one sink; nothing is locked and nothing written."""

    def __init__(self, uow: UnitOfWork, site: Site, sink: SinkEntry, rules: Active) -> None:
        self.uow, self.sink, self.rules = uow, sink, rules.ruleset
        self.directory = Directory(uow, uow.store.keyring, self.rules.policy)
        self._revealing = Revealing(uow, site, sink, self.rules.policy)
        self._sources = {entry.id: name for name, entry in site.sources.items() if name in sink.sources}

    def rows(self, found: Sequence[Found]) -> Iterator[Placed]:
        """Of what was found; entries about other sources, or about nobody any more, give none."""
        attempts = self._attempts({one.attempt for one in found if one.attempt is not None})
        requests = self._requests({one.request for one in found if one.request} | {one[1] for one in attempts.values()})
        told = {one.occurrence for one in found if self._wants(one) and one.occurrence is not None}
        abouts = self.abouts({one[3] for one in requests.values()} | told)
        variants = self._variants(attempts)
        for place, one in enumerate(found):
            if not self._wants(one) or one.consent is not None:
                continue
            attempt = attempts.get(one.attempt or 0)
            request = requests.get(one.request or (attempt[1] if attempt else 0))
            about = abouts.get(request[3] if request else one.occurrence or 0)
            if about is None or about.protected:  # silence must look the same whatever became of it
                continue
            if one.kind is OutcomeKind.EVENT:
                if about.facts is not None:
                    yield place, _happened(one, about)
            elif about.forgotten and attempt is None:
                continue  # it may have been of a Part 2 programme: only attempts were labelled while that was known
            elif request is not None or (one.rule and self._tells(one.rule)):
                yield place, self._row(one, about, request, attempt, variants)

    def _row(
        self,
        one: Found,
        about: About,
        request: tuple[Any, ...] | None,
        attempt: tuple[Any, ...] | None,
        variants: Mapping[int, str],
    ) -> SinkRow:
        assert one.kind is not None
        rule, step = (request[4], request[5]) if request is not None else (one.rule, one.step)
        known = self.rules.rules.get(rule)
        return SinkRow(
            id=one.id,
            kind=one.kind,
            at=one.at,
            patient=str(about.token),
            source=about.source,
            rule=rule,
            variant="" if attempt is None else variants.get(attempt[0], ""),
            channel="" if attempt is None else attempt[2],
            topic=attempt[3] if attempt is not None else "" if known is None else known.topic,
            reason=one.reason if one.reason in TOLD or not one.reason else NOT_TOLD,
            step=step,
            row_key=about.row_key,
            occurrence=str(about.occurrence),
            facts=about.facts or {},
        )

    def abouts(self, occurrences: Collection[int]) -> dict[int, About]:
        """By occurrence what may be told of it; of another source, of somebody erased, or of a Part 2 programme, nothing.

        42 CFR 2.12(d)(2), 2.13: not even that a message about it was planned or withheld.
        """
        return self.opened(self.uow.lookup(tables.occurrence, _OCCURRENCE, "id", sorted(occurrences)))

    def opened(self, rows: Sequence[tuple[Any, ...]]) -> dict[int, About]:
        """As `abouts`, of occurrences that were looked up (`_OCCURRENCE`)."""
        ours = [row for row in rows if row[2] in self._sources]
        self.directory.load_tokens({row[1] for row in ours}, lock=False)
        roots = {row[1]: self.directory.root(row[1]) for row in ours}
        revealing = self._revealing
        restricted = revealing.restricted({one.token for one in roots.values()}) if revealing.asked else set()
        found = {}
        for identity, patient, source, sealed, raw, facility, hold in ours:
            root = roots[patient]
            if root.data_key is not None:
                facts = self._facts(identity, patient, sealed)
                if label_of(facts or {}) is not None:
                    continue
                key = str((facts or {}).get(ROW_KEY) or "")
                withheld = not revealing.asked or not raw or root.token in restricted
                shown = None if withheld else revealing.of(facts, facility, (hold, root.hold))
                protected = revealing.protected(facts or {}, facility)
                found[identity] = About(
                    identity, root.token, self._sources[source], key, shown, forgotten=not facts, protected=protected
                )
        return found

    def of_people(self, tokens: Collection[int]) -> list[About]:
        """All that this sink's sources told of these people (every token of theirs)."""
        rows = self.uow.lookup(tables.occurrence, _OCCURRENCE, "patient", sorted(tokens))
        return sorted(self.opened(rows).values(), key=lambda one: one.occurrence)

    def _facts(self, occurrence: int, patient: int, sealed: bytes) -> dict[str, FactValue] | None:
        """While they are kept; None once they cannot be opened any more."""
        try:
            return unpack(self.directory.open_facts(self.directory.patients[patient], sealed, occurrence))
        except KeyringError:  # erased
            return None

    def _attempts(self, attempts: Collection[int]) -> dict[int, tuple[Any, ...]]:
        """Without what 42 CFR 2.32 protects: its record is disclosed to nobody else."""
        rows = self.uow.lookup(tables.communication, _ATTEMPT, "id", sorted(attempts))
        return {row[0]: row for row in rows if row[4] is None}

    def _requests(self, requests: Collection[int]) -> dict[int, tuple[Any, ...]]:
        """Those that a rule planned, of the rules this sink is told of."""
        rows = self.uow.lookup(tables.request, _REQUEST, "id", sorted(requests))
        return {row[0]: row for row in rows if row[1] == RequestKind.RULE and row[3] and self._tells(row[4])}

    def _wants(self, one: Found) -> bool:
        return one.kind is not None and self.sink.tells(one.kind)

    def _tells(self, rule: str) -> bool:
        return not self.sink.rules or rule in self.sink.rules

    def _variants(self, attempts: Mapping[int, tuple[Any, ...]]) -> dict[int, str]:
        """By attempt the wording that was drawn for it; only its clearance names that."""
        requests = sorted({row[1] for row in attempts.values()})
        rows = self.uow.lookup(tables.audit, ("entries",), "request", requests)
        cleared = (one for (blob,) in rows for one in _entries(blob) if one[0] == Action.COMMUNICATION_CLEARED)
        return {one[1]: one[5] for one in cleared if len(one) > 5}


def _happened(one: Found, about: About) -> SinkRow:
    """An event: of no rule, request or topic."""
    assert one.kind is not None
    return SinkRow(
        id=one.id,
        kind=one.kind,
        at=one.at,
        patient=str(about.token),
        source=about.source,
        topic="",
        row_key=about.row_key,
        event=one.event,
        occurrence=str(about.occurrence),
        facts=about.facts or {},
    )
