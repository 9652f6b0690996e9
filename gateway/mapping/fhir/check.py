"""Every entry of the merged mappings of resources can work, as `gateway.mapping.check` has it for messages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from gateway.mapping.check import check_facts, check_others, check_trigger, slots_told, told_twice, without_about
from gateway.mapping.codes import CodeTable
from gateway.mapping.computed import Gives
from gateway.mapping.fhir.sources import compile_source, mistakes
from gateway.mapping.merge import Draft, Drafts, Tables
from gateway.mapping.schema import OTHERWISE, Source, Trigger
from gateway.model.facts import FactType

_TYPE = re.compile(r"[A-Z][A-Za-z]{2,40}")
_SINGLES: Mapping[str, FactType | Gives] = {
    "decide": FactType.CODE,
    "replaces": Gives.KEY,
    "parent": Gives.KEY,
    "changed": FactType.DATETIME,
    "survivor": Gives.IDENTIFIERS,
    "consents": Gives.CONSENTS,
    "representatives": Gives.REPRESENTATIVES,
}


def check_resources(drafts: Drafts, tables: Tables) -> Iterator[str]:
    """Every problem of the mappings of resources as "file:line:column: sentence"."""
    if not drafts:
        return
    finished = {name: draft.table() for name, draft in tables.items()}
    yield from told_twice(drafts, ("person", "flags", "facts"))
    yield from slots_told(drafts)
    yield from _types(drafts)
    for draft in drafts.values():
        if draft.about is None:
            yield without_about(draft, drafts)
        else:
            yield from _whose(draft)
            yield from _when(draft, draft.about)
            yield from check_facts(draft, draft.about, finished, _source)
            yield from check_others(draft, draft.about, finished, _SINGLES, _source)


def _types(drafts: Drafts) -> Iterator[str]:
    """One mapping for each type: what a resource means is not told twice."""
    seen: dict[str, str] = {}
    for draft in drafts.values():
        if draft.resource is None or not _TYPE.fullmatch(draft.resource):
            yield f"{draft.place}: mapping `{draft.name}` does not say which `resource` it reads, such as Appointment"
        elif draft.resource in seen:
            yield f"{draft.place}: `{draft.resource}` is already read by mapping `{seen[draft.resource]}`"
        else:
            seen[draft.resource] = draft.name


def _whose(draft: Draft) -> Iterator[str]:
    """Where the patient is told: references, so that no code table or computation reads them."""
    patient = draft.single("patient")
    if patient is None and draft.resource != "Patient":
        yield f"{draft.place}: mapping `{draft.name}` does not say where the `patient` is"
    elif patient is not None:
        place = draft.singles["patient"][1]
        yield from (f"{place}: {one}" for one in mistakes(patient, ()))
        if patient.compute or patient.codes or not patient.every_path:
            yield f"{place}: `patient` takes a path to references, and nothing else"


def _when(draft: Draft, about: str) -> Iterator[str]:
    entries = draft.entries["when"]
    if OTHERWISE not in entries:
        yield f"{draft.place}: mapping `{draft.name}` does not say what any other word means: write `{OTHERWISE}` under `when`"
    if draft.single("decide") is None and entries.keys() - {OTHERWISE, "deleted"}:
        yield f"{draft.place}: mapping `{draft.name}` has a `when`, but no `decide`"
    for word, (trigger, place) in entries.items():
        assert isinstance(trigger, Trigger)
        yield from check_trigger(word, trigger, about, place, person=True)
        if trigger.when or trigger.stays == "yes":
            yield f"{place}: `{word}` takes neither `when` nor `stays`: they are for messages"
        if trigger.replaces == "yes" and draft.single("replaces") is None:
            yield f"{place}: `{word}` replaces something, but the mapping has no `replaces`"


def _source(source: Source, gives: FactType | Gives, tables: Mapping[str, CodeTable], place: str) -> Iterator[str]:
    told = list(mistakes(source, tables))
    if not told:
        try:
            compile_source(source, gives, tables)
        except ValueError as error:
            told.append(str(error))
    yield from (f"{place}: {one}" for one in told)
