"""The PHI budget: for every feed field what it becomes, who uses it, where it can go, and what is dropped (law 5).

Made from the mappings, the rules and the policy themselves, so that what is signed is what runs (45 CFR 164.502(b), 164.514(d)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.analyst.phi_standard import BUILT_IN, FIELDS, SEGMENTS
from gateway.mapping.pack import Family, Pack, ResourceFamily
from gateway.mapping.schema import Source
from gateway.mapping.subjects import SUBJECTS
from gateway.mapping.tables.family import RowFamily
from gateway.mapping.tables.schema import EventTold
from gateway.model.facts import REFERENCE, ROW_KEY, VOCABULARY
from gateway.model.rule import Rule
from gateway.render.templates import Templates
from gateway.render.values import allowed_names
from gateway.ruleset import RuleSet

# What each fact that gates look at is looked at for; the keys are model.policy.GATE_FACTS, a test says so.
GATES: Mapping[str, str] = {
    "appointment.service": "protected-service, unmapped-code",
    "appointment.location": "protected-service, unmapped-code; zone and sender",
    "appointment.start": "time-uncertain, expired",
    "encounter.service": "protected-service, unmapped-code",
    "encounter.location": "protected-service, unmapped-code; zone and sender",
    "encounter.class": "patient.inpatient",
    "result.code": "protected-service, unmapped-code",
    "result.location": "protected-service, unmapped-code; zone and sender",
    "prescription.location": "protected-service, unmapped-code; zone and sender",
    "document.type": "protected-service, unmapped-code",
    "document.location": "protected-service, unmapped-code; zone and sender",
    "immunization.vaccine": "protected-service, unmapped-code",
    "observation.code": "protected-service, unmapped-code",
    "order.code": "protected-service, unmapped-code",
    "order.location": "protected-service, unmapped-code; zone and sender",
    "careplan.category": "protected-service, unmapped-code",
    "condition.code": "protected-service, unmapped-code",
    "device.code": "protected-service, unmapped-code",
    "questionnaire.code": "protected-service, unmapped-code",
    "communication.category": "protected-service, unmapped-code",
    "immunization.location": "protected-service, unmapped-code; zone and sender",
    "patient.age": "age-known, minor",
    "patient.state": "quiet-hours",
}
# What the person's part of a message becomes: the fact it is, or what it is for.
_PERSON: Mapping[str, tuple[str, str]] = {
    "identifiers": ("", "identifiers, to find the person"),
    "merged_from": ("", "identifiers of whom is merged, moved or renumbered"),
    "given_name": ("patient.given_name", ""),
    "family_name": ("patient.family_name", ""),
    "birth_date": ("patient.age", "birth date"),
    "language": ("patient.language", ""),
    "state": ("patient.state", ""),
    "postal_code": ("", "time zones the person may be in: quiet-hours"),
    "country": ("", "time zones the person may be in: quiet-hours"),
    "telecom": ("patient.has_email", "addresses a channel writes to"),
    "deceased": ("", "whether deceased: withdraws and withholds"),
}
_DIRECTORY = "sealed, while the person is known"
_DROPPED = "not kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The site's retention windows in words, like "30d"."""

    raw: str
    facts: str
    bodies: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A fact in a rule's message: by which templates it is shown, and which channels it can reach for the purpose.

    `withheld`: channels of the rule whose ceiling is below the fact. `unused`: no template of the rule shows it.
    """

    fact: str
    sensitivity: str
    rule: str
    purpose: str
    templates: tuple[str, ...]
    reaches: tuple[str, ...]
    withheld: tuple[str, ...]
    unused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRead:
    """One feed field as one mapping reads it. `becomes`: a fact, or what else it is for; `kept`: how long, in words.

    `asks`: rules with a condition or schedule on it; `shows`: rules that reveal it; `reaches`: "channel for PURPOSE", "sink NAME".
    """

    field: str
    mapping: str
    becomes: str
    sensitivity: str
    asks: tuple[str, ...]
    shows: tuple[str, ...]
    gates: str
    templates: tuple[str, ...]
    reaches: tuple[str, ...]
    kept: str
    dropped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldTo:
    """A sink of the site: what becomes of `sources` is told there, and `facts` of that. `agreement`: with whom and until when, in words."""

    name: str
    kind: str
    sources: tuple[str, ...]
    rules: tuple[str, ...]
    kinds: tuple[str, ...]
    facts: tuple[str, ...]
    agreement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The whole report; equal inputs give equal reports. `never`: segments and fields nothing reads, with meanings."""

    ruleset: str
    mappings: str
    kept: Kept
    shown: tuple[Shown, ...]
    fields: tuple[FieldRead, ...]
    built_in: tuple[tuple[str, str, str], ...]
    never: tuple[tuple[str, str], ...]
    sinks: tuple[ToldTo, ...] = ()

    @property
    def dropped(self) -> tuple[FieldRead, ...]:
        """What a mapping reads and no rule, template, gate or sink uses: not even extracted (law 5)."""
        return tuple(one for one in self.fields if one.dropped)


def budget(rules: RuleSet, pack: Pack, templates: Templates, kept: Kept, sinks: Iterable[ToldTo] = ()) -> Budget:
    """The report of a rule set under mappings, and of a site's sinks. Raises RenderError for a template that does not compile."""
    shown, sinks = tuple(_shown(rules, templates)), tuple(sinks)
    fields = tuple(sorted(set(_fields(rules, pack, shown, kept, sinks)), key=_place))
    read = frozenset(path for one in fields for path in (one.field, one.field.partition(".")[0]))
    segments = {field.partition("-")[0] for field in read} | {
        part.strip()[:3] for told in BUILT_IN for part in told.split(",")
    }
    never = [(name, meaning) for name, meaning in SEGMENTS.items() if name not in segments]
    never += [(name, meaning) for name, meaning in FIELDS.items() if name not in read]
    return Budget(
        ruleset=rules.digest,
        mappings=pack.digest,
        kept=kept,
        shown=shown,
        fields=fields,
        built_in=tuple((field, what, how) for field, (what, how) in BUILT_IN.items()),
        never=tuple(sorted(never, key=lambda one: _numbered(one[0]))),
        sinks=sinks,
    )


def unused_reveals(rule: Rule, templates: Templates) -> tuple[str, ...]:
    """Facts the rule reveals that none of its templates, in no language, reads. Raises RenderError."""
    used = frozenset().union(*(templates.uses(name) for name in rule.templates))
    return tuple(fact for fact in rule.reveals if not used & _names(fact))


def _names(fact: str) -> frozenset[str]:
    """The names under which templates read one fact; naming a place of any kind is reading the place."""
    return (allowed_names((fact,)) - allowed_names(())) | {fact}


def _shown(rules: RuleSet, templates: Templates) -> Iterator[Shown]:
    for rule in rules.rules.values():
        unused = unused_reveals(rule, templates)
        for fact in rule.reveals:
            level = VOCABULARY[fact].sensitivity
            channels = {
                channel.value: rules.policy.ceiling(rule.purpose, channel) >= level for channel in rule.channels
            }
            yield Shown(
                fact=fact,
                sensitivity=level.name.lower(),
                rule=rule.name,
                purpose=rule.purpose.value,
                templates=tuple(name for name in rule.templates if templates.uses(name) & _names(fact)),
                reaches=tuple(name for name, may in channels.items() if may),
                withheld=tuple(name for name, may in channels.items() if not may),
                unused=fact in unused,
            )


def _fields(
    rules: RuleSet, pack: Pack, shown: tuple[Shown, ...], kept: Kept, sinks: tuple[ToldTo, ...]
) -> Iterator[FieldRead]:
    told = _Told(rules, pack, shown, kept, sinks)
    for one in pack.every:
        for slot, source in one.person.items():
            yield from told.person(slot, source)
        for hold, source in one.flags.items():
            yield from told.other(
                "person", source, f"hold of the person: {hold}", "the reason, while the person is known"
            )
        for slot, source in one.resource_person.items():
            yield from told.person(slot, within(source, "Patient"))
        for hold, source in one.resource_flags.items():
            what = f"hold of the person: {hold}"
            yield from told.other("person", within(source, "Patient"), what, "the reason, while the person is known")
        for family in one.families.values():
            yield from told.family(family)
        for resource in one.resources.values():
            yield from told.resource(resource)
        for rows in one.rows.values():
            yield from told.rows(rows)


def within(source: Source, resource: str) -> Source:
    """The same with its paths written from the type of the resource: `Appointment.start`."""
    paths = [path if path.startswith(resource) else f"{resource}.{path}" for path in source.every_path]
    return source.model_copy(update={"path": None, "paths": paths})


class _Told:
    """Lines of the report for the sources of mappings."""

    def __init__(
        self, rules: RuleSet, pack: Pack, shown: tuple[Shown, ...], kept: Kept, sinks: tuple[ToldTo, ...]
    ) -> None:
        self._rules, self._pack, self._shown, self._kept, self._sinks = rules, pack, shown, kept, sinks

    def person(self, slot: str, source: Source) -> Iterator[FieldRead]:
        """What becomes part of the directory: read of every message, whatever the rules (PI-01 to PI-12)."""
        fact, purpose = _PERSON[slot]
        if not fact:
            yield from self.other("person", source, purpose, _DIRECTORY)
            return
        becomes = f"`{fact}`" + (f" ({purpose})" if purpose else "")
        for path in source.every_path:
            yield self._line(path, "person", becomes, fact, _DIRECTORY)

    def family(self, family: Family) -> Iterator[FieldRead]:
        """What one mapping reads of its messages."""
        yield from self._occurrence(family, lambda source: source)
        if family.named is not None:
            yield from self.other(family.name, family.named, "its parts, which go when it goes", _DROPPED)

    def resource(self, family: ResourceFamily) -> Iterator[FieldRead]:
        """What one mapping reads of its resources."""

        def whole(source: Source) -> Source:
            return within(source, family.resource)

        yield from self._occurrence(family, whole)
        if family.about != "Patient":
            kept = f"sealed, of a source with `write_back`; {self._kept.facts} after it is over"
            yield self._line(f"{family.resource}.id", family.name, f"`{REFERENCE}`", REFERENCE, kept)
        singles: Iterable[tuple[Source | None, str, str]] = (
            (family.patient, "whom it is about", "identifiers, to find the person"),
            (family.survivor, "into whom the person was merged", "identifiers, to find the person"),
            (family.consents, "consent or refusal, without its text", "6y: evidence"),
            (family.representatives, "who receives in the patient's stead", "sealed, while they represent"),
        )
        for single, becomes, how in singles:
            if single is not None:
                yield from self.other(family.name, whole(single), becomes, how)

    def rows(self, family: RowFamily) -> Iterator[FieldRead]:
        """What one mapping reads of the rows of its table; columns it does not name are never read (SN-02)."""

        def line(column: str, becomes: str, kept: str, fact: str | None = None) -> FieldRead:
            return self._line(f"{family.name}.{column}", family.name, becomes, fact, kept)

        structural = SUBJECTS[family.about].structural
        for fact, told in family.facts.items():
            paths = [f"{family.name}.{path}" for path in told.every_path]
            yield from self._fact(family.name, fact, Source(paths=paths, codes=told.codes), structural)
        for one in family.identity:
            yield line(one.column, "identifiers, to find the person", "not kept")
        for slot, column in family.contact.items():
            yield line(column, f"`patient.has_email` ({slot}: addresses a channel writes to)", _DIRECTORY)
        for column in family.key:
            kept = f"sealed; {self._kept.facts} after it is over; a keyed digest, while the row is there"
            yield line(column, f"`{ROW_KEY}`", kept, ROW_KEY)
        event = (family.event.column,) if isinstance(family.event, EventTold) else ()
        gone = () if family.gone is None else (family.gone.column,)
        for column in (*event, *gone):
            yield line(column, "which event it is", _DROPPED)
        if family.at is not None:
            yield line(family.at, "when it last changed", "with the occurrence")
        if family.occurred is not None:
            yield line(family.occurred, "when it happened", "with the occurrence")

    def _occurrence(self, family: Family | ResourceFamily, whole: Callable[[Source], Source]) -> Iterator[FieldRead]:
        """What becomes an occurrence; `whole`: a source with its paths as the page writes them."""
        structural = SUBJECTS[family.about].structural if family.about != "Patient" else ()
        for fact, source in family.facts.items():
            yield from self._fact(family.name, fact, whole(source), structural)
        for hold, source in family.visit_flags.items():
            becomes = f"hold of the occurrence: {hold}"
            yield from self.other(family.name, whole(source), becomes, "the reason, with the occurrence")
        what = f"identity of the {family.about}"
        singles: Iterable[tuple[Source | None, str, str]] = (
            (family.key, what, "a keyed digest, with the occurrence"),
            (family.replaces, f"{what} it replaces", "a keyed digest, with the occurrence"),
            (family.parent, f"{what} it is a part of", "a keyed digest, with the occurrence"),
            (family.changed, "when it last changed", "with the occurrence"),
            (family.decide, "which event it is", _DROPPED),
        )
        for single, becomes, how in singles:
            if single is not None:
                yield from self.other(family.name, whole(single), becomes, how)

    def other(self, mapping: str, source: Source, becomes: str, kept: str) -> Iterator[FieldRead]:
        """What becomes no fact."""
        for path in source.every_path:
            yield self._line(path, mapping, becomes, None, kept)

    def _fact(self, mapping: str, fact: str, source: Source, structural: tuple[str, ...]) -> Iterator[FieldRead]:
        told = any(fact in one.facts for one in self._sinks)
        used, column = told or fact in self._rules.facts_used, fact in structural
        kept = f"sealed; {self._kept.facts} after it is over" if used else "as a column of the occurrence"
        for path in source.every_path:
            kept_so = kept if used or column else _DROPPED
            yield self._line(path, mapping, f"`{fact}`", fact, kept_so, dropped=not (used or column))

    def _line(
        self, path: str, mapping: str, becomes: str, fact: str | None, kept: str, *, dropped: bool = False
    ) -> FieldRead:
        shown = [one for one in self._shown if one.fact == fact]
        sinks = [f"sink {one.name}" for one in self._sinks if fact in one.facts]
        texts = f"; in sealed texts {self._kept.bodies}" if shown else ""
        return FieldRead(
            field=path,
            mapping=mapping,
            becomes=becomes,
            sensitivity="" if fact is None else self._level(fact),
            asks=() if fact is None else tuple(_asking(self._rules.rules.values(), fact)),
            shows=tuple(one.rule for one in shown),
            gates=GATES.get(fact or "", ""),
            templates=tuple(sorted({name for one in shown for name in one.templates})),
            reaches=(*sorted({f"{channel} for {one.purpose}" for one in shown for channel in one.reaches}), *sinks),
            kept=f"{kept}{texts}",
            dropped=dropped,
        )

    def _level(self, fact: str) -> str:
        """The fact's own sensitivity, and how high its code tables raise single values (PV-08)."""
        own = VOCABULARY[fact].sensitivity
        words = (
            self._pack.sensitivity(fact, word)
            for pack in self._pack.every
            for family in pack.mapped
            if fact in family.facts and (table := family.facts[fact].codes) is not None
            for word in pack.tables[table].words
        )
        most = max((own, *words))
        return own.name.lower() if most == own else f"{own.name.lower()}, values up to {most.name.lower()}"


def _asking(rules: Iterable[Rule], fact: str) -> Iterator[str]:
    """Rules that ask about a fact or count from it."""
    for rule in rules:
        cancelling = rule.cancel.where if rule.cancel is not None else ()
        asked = {one.fact for one in (*rule.where, *rule.unless, *rule.hold, *cancelling)}
        if fact in asked or fact in (rule.schedule.anchor, rule.expires, *rule.alike):
            yield rule.name


def _place(line: FieldRead) -> tuple[object, ...]:
    return *_numbered(line.field), line.mapping, line.becomes


def _numbered(field: str) -> tuple[str, list[int], str]:
    """By segment, then by field number, as the standard counts them."""
    segment, _, rest = field.partition("-")
    digits = "".join(char if char.isdigit() else " " for char in rest).split()
    return segment, [int(one) for one in digits], field
