"""The provisions of a Consent as rules, each an exception of the one it stands in; what narrows one in a way nothing here evaluates is not understood (CN-05)."""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.mapping.fhir.codings import codes_of
from gateway.mapping.fhir.scope import Resource, Scope
from gateway.mapping.fhir.times import ends
from gateway.model.consent import Purpose
from gateway.model.event import Release
from gateway.model.when import Millis

_BASE = {"OPTIN": True, "OPTINR": True, "OPTOUT": False, "OPTOUTE": False}  # v3-ActCode, of R4 policyRule
_UNDERSTOOD = frozenset({"type", "period", "purpose", "provision", "id", "action"})
_OURS = frozenset({"use", "disclose"})  # consentaction: what writing to somebody is
_DEEPEST = 8


class Rule(NamedTuple):
    """One provision, or the base: whether it permits, for which purposes (none: all), until when, and its exceptions."""

    permit: bool
    purposes: frozenset[str]
    since: Millis | None
    until: Millis | None
    exceptions: tuple[Rule, ...]


class NotUnderstood(Exception):
    """Something that narrows the consent in a way nothing here evaluates (CN-05)."""


def base_of(scope: Scope, resource: Resource) -> Rule:
    """The base of a Consent and its exceptions (CN-01, CN-03). Raises NotUnderstood."""
    if scope.feed.release is Release.STU3:
        raise NotUnderstood  # `except` of STU3 is yet another model
    if scope.feed.release is Release.R5:
        permit = {"permit": True, "deny": False}.get(str(resource.get("decision")))
        root: Resource = {"period": resource.get("period"), "provision": resource.get("provision")}
    else:
        permit, root = _root(resource)
    provisions = listed(root.get("provision"))
    if permit is None or (not provisions and _is_scan(resource)):
        raise NotUnderstood
    exceptions = tuple(_exception(scope, one, permit=not permit, depth=1) for one in provisions)
    since, until = _period(scope, root.get("period"))
    return Rule(permit, _purposes(root), since, until, exceptions)


def verdict(rule: Rule, purpose: Purpose, moment: Millis) -> Rule:
    """The deepest provision about the purpose: of several beside one another a denial, and what is over counts no more."""
    matching = [one for one in rule.exceptions if purpose in (one.purposes or (purpose,)) and _counts(one, moment)]
    deeper = [verdict(one, purpose, moment) for one in matching]
    found = next((one for one in deeper if not one.permit), deeper[0]) if deeper else rule
    return _within(rule, found)._replace(exceptions=(), purposes=frozenset())


def listed(told: Any) -> list[Any]:
    """What is told once or several times, as a list."""
    return told if isinstance(told, list) else [] if told is None else [told]


def _within(rule: Rule, found: Rule) -> Rule:
    """What is found inside a rule holds no longer than the rule itself (CN-04)."""
    since = max((at for at in (rule.since, found.since) if at is not None), default=None)
    until = min((at for at in (rule.until, found.until) if at is not None), default=None)
    return found._replace(since=since, until=until)


def _counts(rule: Rule, moment: Millis) -> bool:
    return rule.until is None or moment < rule.until


def _root(resource: Resource) -> tuple[bool | None, Resource]:
    """R4: what its policy says, None where it says nothing, and the root provision."""
    bases = {_BASE[code] for code in codes_of([resource.get("policyRule")]) if code in _BASE}
    permit = None if len(bases) != 1 else True in bases
    root = resource.get("provision")
    if not isinstance(root, dict) or root.keys() - _UNDERSTOOD - {"code"} or not _is_ours(root):
        raise NotUnderstood  # a scan, or a root rule that is narrowed
    if root.get("type") not in (None, "permit" if permit else "deny"):
        raise NotUnderstood
    return permit, root


def _exception(scope: Scope, told: Any, *, permit: bool, depth: int) -> Rule:
    """One provision: in R5 the reverse of what is above it, in R4 as its type says."""
    if not isinstance(told, dict) or told.keys() - _UNDERSTOOD or depth > _DEEPEST or not _is_ours(told):
        raise NotUnderstood
    if scope.feed.release is not Release.R5:
        if told.get("type") not in ("permit", "deny"):
            raise NotUnderstood
        permit = told["type"] == "permit"
    inner = tuple(_exception(scope, one, permit=not permit, depth=depth + 1) for one in listed(told.get("provision")))
    since, until = _period(scope, told.get("period"))
    return Rule(permit, _purposes(told), since, until, inner)


def _is_ours(told: Resource) -> bool:
    """Whether a provision is about any action, or about one that writing to somebody is."""
    actions = listed(told.get("action"))
    return not actions or bool(_OURS.intersection(codes_of(actions)))


def _purposes(told: Resource) -> frozenset[str]:
    """Those a provision is narrowed to; one that is none of ours, or has no code, cannot be evaluated."""
    purposes = [(codes_of([one]) or [""])[0] for one in listed(told.get("purpose"))]
    if any(one not in list(Purpose) for one in purposes):
        raise NotUnderstood
    return frozenset(purposes)


def _period(scope: Scope, told: Any) -> tuple[Millis | None, Millis | None]:
    start, end = (scope.when(told.get(part)) for part in ("start", "end")) if isinstance(told, dict) else (None, None)
    return None if start is None else start.utc, None if end is None else ends(end)


def _is_scan(resource: Resource) -> bool:
    return any(key.startswith(("sourceAttachment", "sourceReference")) for key in resource)
