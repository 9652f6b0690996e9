"""Every entry of the merged mappings can work: no unknown fact, path, table, computation or status survives this."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from gateway.mapping.codes import NOTHING, CodeTable
from gateway.mapping.computed import Gives
from gateway.mapping.consents import RESTRICTION, is_scope
from gateway.mapping.merge import Draft, Drafts, Tables
from gateway.mapping.schema import OTHERWISE, Source, Trigger
from gateway.mapping.sources import compile_source, mistakes
from gateway.mapping.subjects import SUBJECTS
from gateway.model.event import EventKind
from gateway.model.facts import UNMAPPED, VOCABULARY, FactType
from gateway.yamlfile import like

_TYPE = re.compile(r"[A-Z][A-Z0-9]{2}\^[A-Z][A-Z0-9]{2}")

SLOTS: Mapping[str, Gives] = {
    "identifiers": Gives.IDENTIFIERS,
    "merged_from": Gives.IDENTIFIERS,
    "given_name": Gives.NAME,
    "family_name": Gives.NAME,
    "birth_date": Gives.BIRTH_DATE,
    "language": Gives.LANGUAGE,
    "state": Gives.STATE,
    "postal_code": Gives.POSTAL_CODE,
    "country": Gives.COUNTRY,
    "telecom": Gives.TELECOM,
    "deceased": Gives.DECEASED,
}

Judge = Callable[[Source, "FactType | Gives", Mapping[str, CodeTable], str], Iterator[str]]
"""What is wrong with a source that must give something; of messages and of resources each its own."""

_SINGLES: Mapping[str, FactType | Gives] = {
    "replaces": Gives.KEY,
    "decide": FactType.CODE,
    "changed": FactType.DATETIME,
    "parent": Gives.KEY,
    "named": Gives.KEYS,
}


def check(drafts: Drafts, tables: Tables) -> Iterator[str]:
    """Every problem of the mappings of messages as "file:line:column: sentence"."""
    finished = {name: draft.table() for name, draft in tables.items()}
    yield from told_twice(drafts, ("messages", "person", "flags", "facts"))
    yield from slots_told(drafts)
    for draft in drafts.values():
        if draft.about is None:
            yield without_about(draft, drafts)
        else:
            yield from _messages(draft, draft.about)
            yield from check_facts(draft, draft.about, finished, _source)
            yield from check_others(draft, draft.about, finished, _SINGLES, _source)


def slots_told(drafts: Drafts) -> Iterator[str]:
    """The slots of the person that no mapping tells and some mapping must; where there are none (only code tables, or only the other standard's), nothing."""
    if not drafts:
        return
    for slot in ("identifiers", "merged_from"):
        if slot not in drafts.collected("person"):
            yield f"{next(iter(drafts.values())).place}: no mapping tells a person's `{slot}`"


def without_about(draft: Draft, drafts: Drafts) -> str:
    """The sentence about a mapping that no file says the subject of."""
    return f"{draft.place}: mapping `{draft.name}` does not say what it is `about`, and nothing below it does{like(draft.name, drafts.keys() - {draft.name})}"


def check_tables(tables: Tables) -> Iterator[str]:
    """Every problem of the code tables."""
    for table in tables.values():
        for word, (_, place) in table.words.items():
            if table.name == "consent" and word != RESTRICTION and not is_scope(word):
                yield f"{place}: `{word[:40]}` is neither `{RESTRICTION}` nor like TREAT/email/*"
            if word in (UNMAPPED, NOTHING):
                yield f"{place}: `{word}` has a meaning of its own and cannot be a word of a table"
        for word, place in table.codes.values():
            if word != NOTHING and word not in table.words:
                yield f"{place}: `{word}` is not among the `words` of table `{table.name}`{like(word, table.words)}"


def told_twice(drafts: Drafts, sections: tuple[str, ...]) -> Iterator[str]:
    """Entries of these sections that two mappings tell."""
    for section in sections:
        seen: dict[str, str] = {}
        for draft in drafts.values():
            for name, (_, place) in draft.entries[section].items():
                told = f"{draft.about} {name}" if section == "facts" else name  # two kinds may share a fact
                if told in seen:
                    yield f"{place}: `{name}` is already told by mapping `{seen[told]}`"
                seen[told] = draft.name


def _messages(draft: Draft, about: str) -> Iterator[str]:
    for type_, (trigger, place) in draft.entries["messages"].items():
        assert isinstance(trigger, Trigger)
        if not _TYPE.fullmatch(type_):
            yield f"{place}: `{type_[:40]}` is not a message type like ADT^A01"
        yield from check_trigger(type_, trigger, about, place)
        replaces = any(one.replaces == "yes" for one in (trigger, *trigger.when.values()))
        if replaces and draft.single("replaces") is None:
            yield f"{place}: `{type_}` replaces something, but the mapping has no `replaces`"
        if trigger.when:
            yield from _decided(draft, type_, trigger, about, place)


def check_trigger(type_: str, trigger: Trigger, about: str, place: str, *, person: bool = False) -> Iterator[str]:
    """What is wrong with what a message type, or a word that decides, means. `person`: it may update the person alone."""
    told = [trigger.event is not None, trigger.ignored is not None, bool(trigger.when)]
    if sum(told) != 1:
        yield f"{place}: `{type_}` needs either an `event` or the reason why it is `ignored`, or `when`"
    alone = person and trigger.event is EventKind.PATIENT_UPDATED
    if trigger.event is not None and not alone and not _fits(trigger.event, about):
        yield f"{place}: `{trigger.event.value}` is not an event about {a(about)}"
    if trigger.status is not None and trigger.status not in SUBJECTS[about].statuses:
        yield f"{place}: `{trigger.status[:40]}` is not a FHIR status of {a(about)}"


def _decided(draft: Draft, type_: str, trigger: Trigger, about: str, place: str) -> Iterator[str]:
    if draft.single("decide") is None:
        yield f"{place}: `{type_}` has a `when`, but the mapping has no `decide`"
    if OTHERWISE not in trigger.when:
        yield f"{place}: `{type_}` does not say what any other word means: write `{OTHERWISE}`"
    for one in trigger.when.values():
        yield from check_trigger(type_, one, about, place)
        if one.when:
            yield f"{place}: a `when` of `{type_}` has another `when` in it"


def _fits(event: EventKind, about: str) -> bool:
    return event.value.startswith(f"{SUBJECTS[about].prefix}.")


def check_facts(draft: Draft, about: str, tables: Mapping[str, CodeTable], judge: Judge) -> Iterator[str]:
    """What is wrong with the facts of a mapping."""
    for name, (source, place) in draft.entries["facts"].items():
        fact = VOCABULARY.get(name)
        if fact is None:
            yield f"{place}: there is no fact `{name[:60]}`{like(name, VOCABULARY)}"
        elif not name.startswith(f"{SUBJECTS[about].prefix}."):
            yield f"{place}: `{name}` is not a fact about {a(about)}"
        elif name.endswith(".status") and about != "Appointment":
            what = "a visit" if about == "Encounter" else f"a {about}"
            yield f"{place}: the status of {what} is told by `messages`, not by a path"
        else:
            yield from judge(source, fact.type, tables, place)
            yield from _statuses(name, source, tables, place)


def _statuses(name: str, source: Source, tables: Mapping[str, CodeTable], place: str) -> Iterator[str]:
    if name == "appointment.status" and source.codes is not None and source.codes in tables:
        strange = sorted(set(tables[source.codes].words) - SUBJECTS["Appointment"].statuses)
        if strange:
            yield f"{place}: `{strange[0]}` of table `{source.codes}` is not a FHIR status of an Appointment"


def check_others(
    draft: Draft,
    about: str,
    tables: Mapping[str, CodeTable],
    singles: Mapping[str, FactType | Gives],
    judge: Judge,
) -> Iterator[str]:
    """What is wrong with the person, the flags, the key and what else stands alone; `singles`: what each of those gives."""
    for slot, (source, place) in draft.entries["person"].items():
        yield from judge(source, SLOTS[slot], tables, place)
    for section in ("flags", "visit_flags"):
        for source, place in draft.entries[section].values():
            yield from judge(source, Gives.FLAG, tables, place)
    if about == "Patient" and draft.entries["visit_flags"]:
        yield f"{draft.place}: a mapping about a Patient has no `visit_flags`"
    if about != "Patient" and draft.key is None:
        yield f"{draft.place}: a mapping about {a(about)} needs a `key`"
    if draft.key is not None:
        yield from judge(draft.key, Gives.KEY, tables, draft.key_place)
    for name, (source, place) in draft.singles.items():
        if name in singles:
            yield from judge(source, singles[name], tables, place)


def _source(source: Source, gives: FactType | Gives, tables: Mapping[str, CodeTable], place: str) -> Iterator[str]:
    told = list(mistakes(source, tables))
    if not told:
        try:
            compile_source(source, gives, tables)
        except ValueError as error:
            told.append(str(error))
    yield from (f"{place}: {one}" for one in told)


def a(about: str) -> str:
    """With its article."""
    return f"an {about}" if about[0] in "AEI" else f"a {about}"
