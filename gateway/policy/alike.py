"""People who differ in nothing that a gate looks at are judged once: the gates are pure, and who somebody is is none of their business."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields
from operator import attrgetter

from gateway.model.consent import Consent
from gateway.model.policy import Policy
from gateway.policy.circumstances import Circumstances

# Whose it is, for an audit entry or a clearance; of these below only what the gates ask of them is compared.
_NOBODYS = frozenset({"request", "patient", "ruleset", "template_digest", "reveals"})
_APART = frozenset({"expires", "age", "contact_point", "address", "consents"})
_OWN = "own"
_said_of_all = attrgetter(*(one.name for one in fields(Circumstances) if one.name not in _NOBODYS | _APART))


def alike(c: Circumstances, policy: Policy) -> Hashable:
    """Equal where, under this policy, every gate gives a verdict of the same kind and reason; how long it holds may differ.

    A field that is added to the circumstances tells people apart until it is named here.
    """
    return (
        _said_of_all(c),
        c.expires is not None and c.now >= c.expires,
        c.age if c.age is None else min(c.age, policy.minimum_age),  # of those who are of age nobody asks how old
        c.contact_point is None,
        c.address is None,
        _consents(c),
    )


def _consents(c: Circumstances) -> Hashable:
    """Entries without their ids; while nothing is denied, of their times only whether they speak now."""
    if all(one.permit for one in c.consents):
        return tuple([(*_scope(one, c), *_in_force(one, c)) for one in c.consents])
    return tuple([(*_scope(one, c), one.valid_from, one.valid_until, one.recorded) for one in c.consents])


def _scope(one: Consent, c: Circumstances) -> tuple[object, ...]:
    whose = one.patient if one.patient != c.patient else _OWN
    where = one.address if one.address != c.address else _OWN
    return whose, where, one.purpose, one.channel, one.topic, one.permit, one.kind, one.remuneration


def _in_force(one: Consent, c: Circumstances) -> tuple[bool, bool]:
    return one.valid_from <= c.now, one.valid_until is None or c.now < one.valid_until
