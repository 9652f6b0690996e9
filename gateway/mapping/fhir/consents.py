"""What a Consent says of being written to: only what is understood permits; R4 and R5 tell the base in opposite ways (CN-01 to CN-08)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from gateway.er7.bounds import MOST_GROUPS
from gateway.mapping.codes import NOTHING, CodeTable
from gateway.mapping.computed import Gives
from gateway.mapping.consents import RESTRICTION, kinded
from gateway.mapping.fhir.codings import codes_of, word_of
from gateway.mapping.fhir.provisions import NotUnderstood, Rule, base_of, listed, verdict
from gateway.mapping.fhir.register import resource_computed
from gateway.mapping.fhir.scope import Resource, Scope
from gateway.mapping.fhir.states import communication_state
from gateway.model.consent import ANY, ConsentKind, ConsentStatement, Purpose
from gateway.model.facts import UNMAPPED
from gateway.model.when import Millis, When

_ELSEWHERE = frozenset({"research", "adr", "treatment"})  # consentscope: not about being written to (CN-02, CN-08)

Told = tuple[tuple[ConsentStatement, ...], bool]


@resource_computed(Gives.CONSENTS)
def consent(scope: Scope, told: list[Any], *, codes: CodeTable) -> Told:
    """Ledger entries to be, and whether a person must look; `codes` is `consent`: category to "PURPOSE/channel/topic".

    Draft, proposed and rejected say nothing, and so do scopes of research and of treatment itself; whoever knows what an
    earlier version permitted must see to it. What is no longer in
    force takes back what it permitted and never what it denied. A dimension that is not understood denies and waits for a
    person, and so does a scan without provisions, a base that nothing tells, and who is not the patient consenting (CN-07).
    """
    resource = told[0]
    status = resource.get("status")
    if status in ("draft", "proposed", "rejected", "not-done", "unknown") or _is_elsewhere(resource):
        return (), False
    words = _words(resource, codes)
    try:
        base = _base(scope, resource, words)
    except NotUnderstood:
        return (_denials(words), True) if status == "active" else ((), False)
    found, unclear = _judged(base, words, scope.moment, active=status == "active")
    said = scope.when(resource.get("dateTime") or resource.get("date"))  # R4, R5
    return tuple(_dated(one, said) for one in found), unclear


def _dated(one: ConsentStatement, said: When | None) -> ConsentStatement:
    """A yes counts from when it was said: one that its server only stores anew undoes no later no (CN-06)."""
    if said is None or not one.permit:
        return one
    return replace(one, valid_from=max(said.utc, one.valid_from or said.utc))


def _judged(base: Rule, words: Mapping[str, bool], moment: Millis, *, active: bool) -> Told:
    """The verdict for each purpose, by the deepest provision that matches."""
    verdicts = {one: verdict(base, one, moment) for one in Purpose if one in (base.purposes or Purpose)}
    scopes = [word for word in words if word not in (NOTHING, UNMAPPED)]
    if not active:  # CN-04
        gone = [scope for scope in scopes if any(rule.permit for rule in _of(scope, verdicts).values())]
        return tuple(_statement(scope, purpose=None, rule=None) for scope in gone), False
    found = [one for scope in scopes for one in _statements(scope, verdicts)]
    if not scopes:  # about no messages we know of: it permits nothing; what it denies by purpose it denies
        denied = [] if not base.permit else [purpose for purpose, rule in verdicts.items() if not rule.permit]
        found = [_statement(f"{purpose}/*/*", purpose=None, rule=None) for purpose in denied]
        return tuple(found), not base.permit and UNMAPPED in words
    return tuple(found), False


def _statements(scope: str, verdicts: Mapping[Purpose, Rule]) -> Iterator[ConsentStatement]:
    about = _of(scope, verdicts)
    if len(about) == len(Purpose) and len(set(about.values())) == 1:
        yield _statement(scope, purpose=None, rule=next(iter(about.values())))
    else:  # the scope is for one purpose, or the purposes differ, or some are not spoken of
        for purpose, rule in about.items():
            yield _statement(scope, purpose=purpose, rule=rule)


def _of(scope: str, verdicts: Mapping[Purpose, Rule]) -> Mapping[Purpose, Rule]:
    purpose = kinded(scope)[1].partition("/")[0]
    return {one: rule for one, rule in verdicts.items() if purpose in (ANY, one)}


def _statement(scope: str, *, purpose: Purpose | None, rule: Rule | None) -> ConsentStatement:
    """One entry; without a rule a denial. A refusal is in force at once and does not end by itself (PV-06)."""
    kind, scoped = kinded(scope)
    told, channel, topic = scoped.split("/", 2)
    permits = rule is not None and rule.permit
    return ConsentStatement(
        permit=permits,
        purpose=purpose or told,
        channel=channel,
        topic=topic,
        valid_from=rule.since if permits and rule is not None else None,
        valid_until=rule.until if permits and rule is not None else None,
        kind=kind,
    )


def _denials(words: Iterable[str]) -> tuple[ConsentStatement, ...]:
    scopes = [word for word in words if word not in (NOTHING, UNMAPPED, RESTRICTION)]
    return tuple(_statement(scope, purpose=None, rule=None) for scope in scopes)


# -- what is written


def _base(scope: Scope, resource: Resource, words: Iterable[str]) -> Rule:
    """The patient's own rule for messages, told whole: of a part (K-10) its exceptions may be what is missing. Raises NotUnderstood."""
    if RESTRICTION in words or _is_by_another(resource) or not scope.whole:
        raise NotUnderstood
    return base_of(scope, resource)


def _is_elsewhere(resource: Resource) -> bool:
    """Of a scope that has nothing to do with messages: R4 `scope`, in R5 one of the categories."""
    codes = codes_of([resource.get("scope"), *listed(resource.get("category"))])
    return bool(_ELSEWHERE.intersection(codes)) and "patient-privacy" not in codes


def _is_by_another(resource: Resource) -> bool:
    """Whether somebody else consents: R4 `performer`, R5 `grantor` (CN-07)."""
    who = [
        *listed(resource.get("performer")),
        *listed(resource.get("grantor")),
        *listed(resource.get("consentingParty")),
    ]
    patient = resource.get("patient") or resource.get("subject")
    return any(not _is_same(one, patient) for one in who)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two References say the same of whom they mean: by the literal one, else by the identifier, else by nothing."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    told = [(each.get("reference"), each.get("identifier")) for each in (one, other)]
    (literal, number), (theirs, number_of_theirs) = told
    return literal == theirs if literal or theirs else bool(number) and number == number_of_theirs


def _words(resource: Resource, table: CodeTable) -> dict[str, bool]:
    """What the categories and the root's codes are about, each once."""
    root = next(iter(listed(resource.get("provision"))), None) if "decision" not in resource else None
    coded = [*listed(resource.get("category")), *(listed(root.get("code")) if isinstance(root, dict) else ())]
    return {word: True for one in coded[:MOST_GROUPS] if (word := word_of(one, table)) is not None}


@resource_computed(Gives.CONSENTS)
def communication_denial(
    _: Scope, statuses: list[Any], prohibited: list[Any], categories: list[Any], media: list[Any], *, codes: CodeTable
) -> Told:
    """An active request not to write: a denial of what its categories are about and of its media, else of everything (W-02)."""
    if communication_state(_, statuses, prohibited) != "prohibited":
        return (), False
    words = [
        word
        for one in (*categories, *media)
        if (word := word_of(one, codes)) not in (None, NOTHING, UNMAPPED, RESTRICTION)
    ]
    scopes = [str(word) for word in dict.fromkeys(words)] or ["*/*/*"]
    denials = [_statement(one, purpose=None, rule=None) for one in scopes]
    return tuple(one for one in denials if one.kind is ConsentKind.MESSAGES), False
