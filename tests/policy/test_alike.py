"""A forecast asks the gates once of people who are alike; whatever makes one gate answer otherwise makes them differ."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from gateway.model.consent import ANY, ChannelKind, Consent, ConsentKind, Purpose
from gateway.model.policy import Policy
from gateway.model.verdict import Reason, Verdict
from gateway.model.when import DAY, HOUR
from gateway.policy import Circumstances
from gateway.policy.alike import alike
from gateway.policy.circumstances import Sent
from gateway.policy.decide import decide
from tests.policy.conftest import NOON, circumstances, entry

Given = Callable[..., Circumstances]


def test_two_people_who_differ_in_who_they_are_alone_are_alike(given: Given, policy: Policy) -> None:
    """Another token, request, address, age of an adult and time of a consent: all the same to every gate."""
    one = given(consents=(entry(address=12),))
    other = given(
        request=6, patient=8, contact_point=21, address=22, age=61, expires=NOON + 2 * DAY,
        consents=(entry(id=2, patient=8, address=22, valid_from=5, recorded=9, evidence="form 4"),),
    )  # fmt: skip
    assert alike(one, policy) == alike(other, policy)


@pytest.mark.parametrize(
    "change",
    [
        {"contact_point": None, "address": None},
        {"age": 12},
        {"age": None},
        {"expires": NOON},
        {"consents": ()},
        {"consents": (entry(permit=False),)},
        {"consents": (entry(valid_until=NOON),)},
        {"consents": (entry(valid_from=NOON + 1),)},
        {"consents": (entry(patient=None),)},
        {"consents": (entry(address=99),)},
        {"consents": (entry(kind=ConsentKind.TEXTS),)},
        {"consents": (entry(topic="results"),)},
        {"consents": (entry(remuneration=True),)},
        {"patient_holds": frozenset({Reason.IDENTITY_CONFLICT})},
        {"sent_recently": (Sent(per="patient", purpose="TREAT", topic="appointments", channel="email", at=NOON),)},
        {"channel_stopped": True},
        {"zones": ("Pacific/Honolulu",)},
    ],
)
def test_what_a_gate_looks_at_tells_people_apart(given: Given, policy: Policy, change: dict[str, Any]) -> None:
    """One difference that a gate may answer to is enough."""
    assert alike(given(), policy) != alike(given(**change), policy)


def test_a_yes_after_a_no_is_not_like_one_before_it(given: Given, policy: Policy) -> None:
    """Where something is denied, the times decide which of the two stands."""
    no = entry(permit=False, valid_from=5, recorded=5)
    before, after = entry(id=2, valid_from=1, recorded=1), entry(id=2, valid_from=9, recorded=9)
    assert alike(given(consents=(no, before)), policy) != alike(given(consents=(no, after)), policy)


def test_every_field_but_those_named_tells_people_apart() -> None:
    """A field added to the circumstances is compared until somebody says that no gate looks at it."""
    named = {"request", "patient", "ruleset", "template_digest", "reveals"}
    weighed = {"expires", "age", "contact_point", "address", "consents"}
    policy = Policy(
        version="1", quiet_hours={}, ceilings={}, protected_services=frozenset(), hold_expires=DAY, look_again=HOUR
    )
    kept = alike(circumstances(), policy)
    for one in fields(Circumstances):
        if one.name not in named | weighed:
            assert alike(circumstances(**{one.name: _OTHER}), policy) != kept, one.name


class _Other:
    """Equal to nothing else; as a time it is no later and no earlier than any."""

    def __le__(self, _: object) -> bool:
        return True

    def __lt__(self, _: object) -> bool:
        return False

    def __ge__(self, _: object) -> bool:
        return False


_OTHER = _Other()
_TIMES = st.sampled_from((0, 1, NOON - HOUR, NOON, NOON + HOUR))
_WHOSE = st.sampled_from((None, 7, 8))
_ENTRIES = st.builds(
    Consent,
    id=st.integers(1, 9),
    patient=_WHOSE,
    address=st.sampled_from((None, 12, 13)),
    purpose=st.sampled_from((ANY, Purpose.TREAT.value, Purpose.HMARKT.value)),
    channel=st.sampled_from((ANY, "email", "sms")),
    topic=st.sampled_from((ANY, "appointments")),
    permit=st.booleans(),
    valid_from=_TIMES,
    valid_until=st.none() | _TIMES,
    evidence=st.sampled_from(("form 1", "form 2")),
    recorded=_TIMES,
    kind=st.sampled_from(ConsentKind),
    remuneration=st.booleans(),
)
_VALUES: dict[str, tuple[Any, ...]] = {
    "request": (1, 2),
    "patient": (7, 8),
    "contact_point": (None, 11, 21),
    "address": (None, 12, 13),
    "age": (None, 12, 15, 30, 60),
    "expires": (None, NOON - 1, NOON, NOON + DAY, NOON + 2 * DAY),
    "purpose": (Purpose.TREAT, Purpose.HMARKT),
    "channel": (ChannelKind.EMAIL, ChannelKind.SMS),
}
_LEDGERS = st.lists(_ENTRIES, max_size=3).map(tuple)


def _said(c: Circumstances, policy: Policy) -> list[tuple[type[Verdict], object]]:
    return [(type(one), getattr(one, "reason", None)) for one in decide(c, policy).verdicts]


@settings(max_examples=150, deadline=None)
@drawn(said=_LEDGERS, told=st.data())
def test_of_those_who_are_alike_every_gate_says_the_same(said: tuple[Consent, ...], told: st.DataObject) -> None:
    """Law 3: a forecast that asks once says of each what asking each would say."""
    policy = Policy(
        version="1",
        quiet_hours={ChannelKind.EMAIL: (21 * 60, 8 * 60)},
        ceilings={},
        protected_services=frozenset(),
        hold_expires=DAY,
        look_again=HOUR,
    )
    start = {name: told.draw(st.sampled_from(values), name) for name, values in _VALUES.items()}
    moved = [tuple(replace(one, **{name: told.draw(_TIMES)}) for one in said) for name in ("valid_from", "recorded")]
    people = [circumstances(**{**start, "consents": ledger}) for ledger in (said, *moved)]
    people += [circumstances(**{**start, name: value, "consents": said}) for name in _VALUES for value in _VALUES[name]]
    known: dict[Hashable, list[tuple[type[Verdict], object]]] = {}
    for one in people:
        found = _said(one, policy)
        assert known.setdefault(alike(one, policy), found) == found
