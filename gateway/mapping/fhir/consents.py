"""What a Consent says of being written to: only what is understood permits; R4 and R5 tell the base in opposite ways (CN-01 to CN-08)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from gateway.er7.bounds import MOST_GROUPS
from gateway.mapping.codes import NOTHING, CodeTable
from gateway.mapping.computed import Gives
from gateway.mapping.consents import RESTRICTION, kinded
from gateway.mapping.fhir.codings import codes_of, word_of
from gateway.mapping.fhir.register import resource_computed
from gateway.mapping.fhir.scope import Resource, Scope
from gateway.mapping.fhir.states import communication_state
from gateway.mapping.fhir.times import ends
from gateway.model.consent import ANY, ConsentKind, ConsentStatement, Purpose
from gateway.model.event import Release
from gateway.model.facts import UNMAPPED
from gateway.model.when import Millis, When

_ELSEWHERE = frozenset({"research", "adr", "treatment"})  # consentscope: not about being written to (CN-02, CN-08)
_BASE = {"OPTIN": True, "OPTINR": True, "OPTOUT": False, "OPTOUTE": False}  # v3-ActCode, of R4 policyRule
_UNDERSTOOD = frozenset({"type", "period", "purpose", "provision", "id", "action"})
_OURS = frozenset({"use", "disclose"})  # consentaction: what writing to somebody is
_DEEPEST = 8

Told = tuple[tuple[ConsentStatement, ...], bool]


class _Rule(NamedTuple):
    """One provision, or the base: whether it permits, for which purposes (none: all), until when, and its exceptions."""

    permit: bool
    purposes: frozenset[str]
    since: Millis | None
    until: Millis | None
    exceptions: tuple[_Rule, ...]


class _NotUnderstood(Exception):
    """Something that narrows the consent in a way nothing here evaluates (CN-05)."""


@resource_computed(Gives.CONSENTS)
def consent(scope: Scope, told: list[Any], *, codes: CodeTable) -> Told:
    """Ledger entries to be, and whether a person must look; `codes` is `consent`: category to "PURPOSE/channel/topic".

    Draft, proposed and rejected say nothing, and so do scopes of research and of treatment itself. What is no longer in
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
    except _NotUnderstood:
        return (_denials(words), True) if status == "active" else ((), False)
    found, unclear = _judged(base, words, scope.moment, active=status == "active")
    said = scope.when(resource.get("dateTime") or resource.get("date"))  # R4, R5
    return tuple(_dated(one, said) for one in found), unclear


def _dated(one: ConsentStatement, said: When | None) -> ConsentStatement:
    """A yes counts from when it was said: one that its server only stores anew undoes no later no (CN-06)."""
    if said is None or not one.permit:
        return one
    return replace(one, valid_from=max(said.utc, one.valid_from or said.utc))


def _judged(base: _Rule, words: Mapping[str, bool], moment: Millis, *, active: bool) -> Told:
    """The verdict for each purpose, by the deepest provision that matches."""
    verdicts = {purpose: _verdict(base, purpose, moment) for purpose in Purpose}
    scopes = [word for word in words if word not in (NOTHING, UNMAPPED)]
    if not active:  # CN-04
        gone = [scope for scope in scopes if any(rule.permit for rule in _of(scope, verdicts))]
        return tuple(_statement(scope, purpose=None, rule=None) for scope in gone), False
    found = [one for scope in scopes for one in _statements(scope, verdicts)]
    if not scopes:  # about no messages we know of: it permits nothing; what it denies by purpose it denies
        denied = [] if not base.permit else [purpose for purpose, rule in verdicts.items() if not rule.permit]
        found = [_statement(f"{purpose}/*/*", purpose=None, rule=None) for purpose in denied]
        return tuple(found), not base.permit and UNMAPPED in words
    return tuple(found), False


def _statements(scope: str, verdicts: Mapping[Purpose, _Rule]) -> Iterator[ConsentStatement]:
    rules = _of(scope, verdicts)
    if all(rule == rules[0] for rule in rules):
        yield _statement(scope, purpose=None, rule=rules[0])
    else:  # the scope is for any purpose, and the purposes differ
        for purpose, rule in verdicts.items():
            yield _statement(scope, purpose=purpose, rule=rule)


def _of(scope: str, verdicts: Mapping[Purpose, _Rule]) -> list[_Rule]:
    purpose = kinded(scope)[1].partition("/")[0]
    return [rule for one, rule in verdicts.items() if purpose in (ANY, one)]


def _statement(scope: str, *, purpose: Purpose | None, rule: _Rule | None) -> ConsentStatement:
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


def _verdict(rule: _Rule, purpose: Purpose, moment: Millis) -> _Rule:
    """The deepest provision about the purpose: of several beside one another a denial, and what is over counts no more."""
    matching = [one for one in rule.exceptions if purpose in (one.purposes or (purpose,)) and _counts(one, moment)]
    deeper = [_verdict(one, purpose, moment) for one in matching]
    found = next((one for one in deeper if not one.permit), deeper[0]) if deeper else rule
    return found._replace(exceptions=(), purposes=frozenset())


def _counts(rule: _Rule, moment: Millis) -> bool:
    return rule.until is None or moment < rule.until


# -- what is written


def _is_elsewhere(resource: Resource) -> bool:
    """Of a scope that has nothing to do with messages: R4 `scope`, in R5 one of the categories."""
    codes = codes_of([resource.get("scope"), *_listed(resource.get("category"))])
    return bool(_ELSEWHERE.intersection(codes)) and "patient-privacy" not in codes


def _is_by_another(resource: Resource) -> bool:
    """Whether somebody else consents: R4 `performer`, R5 `grantor` (CN-07)."""
    who = [
        *_listed(resource.get("performer")),
        *_listed(resource.get("grantor")),
        *_listed(resource.get("consentingParty")),
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
    root = next(iter(_listed(resource.get("provision"))), None) if "decision" not in resource else None
    coded = [*_listed(resource.get("category")), *(_listed(root.get("code")) if isinstance(root, dict) else ())]
    return {word: True for one in coded[:MOST_GROUPS] if (word := word_of(one, table)) is not None}


def _base(scope: Scope, resource: Resource, words: Iterable[str]) -> _Rule:
    """The base and its exceptions; raises _NotUnderstood."""
    if RESTRICTION in words or _is_by_another(resource):
        raise _NotUnderstood
    if scope.feed.release is Release.STU3:
        raise _NotUnderstood  # `except` of STU3 is yet another model
    if scope.feed.release is Release.R5:
        permit = {"permit": True, "deny": False}.get(str(resource.get("decision")))
        provisions, period = _listed(resource.get("provision")), resource.get("period")
    else:
        bases = {_BASE[code] for code in codes_of([resource.get("policyRule")]) if code in _BASE}
        permit = None if len(bases) != 1 else True in bases
        root = resource.get("provision")
        if not isinstance(root, dict) or root.keys() - _UNDERSTOOD - {"code"}:
            raise _NotUnderstood  # a scan, or a root rule that is narrowed
        if root.get("type") not in (None, "permit" if permit else "deny"):
            raise _NotUnderstood
        provisions, period = _listed(root.get("provision")), root.get("period")
    if permit is None or (not provisions and _is_scan(resource)):
        raise _NotUnderstood
    exceptions = tuple(_exception(scope, one, permit=not permit, depth=1) for one in provisions)
    since, until = _period(scope, period)
    return _Rule(permit, frozenset(), since, until, exceptions)


def _exception(scope: Scope, told: Any, *, permit: bool, depth: int) -> _Rule:
    """One provision: in R5 the reverse of what is above it, in R4 as its type says."""
    if not isinstance(told, dict) or told.keys() - _UNDERSTOOD or depth > _DEEPEST:
        raise _NotUnderstood
    if scope.feed.release is not Release.R5:
        if told.get("type") not in ("permit", "deny"):
            raise _NotUnderstood
        permit = told["type"] == "permit"
    actions = codes_of(_listed(told.get("action")))
    purposes = codes_of(_listed(told.get("purpose")))
    if (actions and not _OURS.intersection(actions)) or any(one not in list(Purpose) for one in purposes):
        raise _NotUnderstood
    inner = tuple(_exception(scope, one, permit=not permit, depth=depth + 1) for one in _listed(told.get("provision")))
    since, until = _period(scope, told.get("period"))
    return _Rule(permit, frozenset(purposes), since, until, inner)


def _period(scope: Scope, told: Any) -> tuple[Millis | None, Millis | None]:
    start, end = (scope.when(told.get(part)) for part in ("start", "end")) if isinstance(told, dict) else (None, None)
    return None if start is None else start.utc, None if end is None else ends(end)


def _is_scan(resource: Resource) -> bool:
    return any(key.startswith(("sourceAttachment", "sourceReference")) for key in resource)


def _listed(told: Any) -> list[Any]:
    return told if isinstance(told, list) else [] if told is None else [told]


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
