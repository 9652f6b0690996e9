"""What the regulations name: every combination of purpose, channel, consent and recipient is a row, with the number it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given as cases
from hypothesis import strategies as st

from gateway.model.consent import ANY, ChannelKind, Consent, ConsentKind, Purpose
from gateway.model.facts import Sensitivity
from gateway.model.policy import Policy
from gateway.model.request import RequestKind
from gateway.model.verdict import Deny, Hold, Permit, Reason
from gateway.model.when import DAY, to_millis, zone_of
from gateway.policy import Circumstances, Representative, decide
from gateway.policy.consents import Standing, against, amount, open_allowed, standing
from gateway.policy.legal import version
from tests.policy.conftest import NOON, circumstances, entry

Given = Callable[..., Circumstances]
K = ConsentKind
GUARDIAN = Representative(id=1, topics=("*",))
EARLY = to_millis(datetime(2026, 3, 10, 7, 59, tzinfo=zone_of("America/Chicago")))
LATE = to_millis(datetime(2026, 3, 10, 20, 30, tzinfo=zone_of("America/Chicago")))

MESSAGES = entry()
MARKETING = entry(purpose="HMARKT")
TEXTS = entry(kind=K.TEXTS, address=12, channel="sms")
WRITTEN = entry(kind=K.TEXTS, address=12, channel="sms", purpose="HMARKT")
AUTHORIZED = entry(kind=K.AUTHORIZATION, purpose="HMARKT")
PAID_FOR = entry(kind=K.AUTHORIZATION, purpose="HMARKT", remuneration=True)
EVERYTHING = (MESSAGES, MARKETING, TEXTS, WRITTEN, AUTHORIZED)


def no(**more: Any) -> Consent:
    """A denial recorded after everything else."""
    return entry(permit=False, recorded=5, **more)


EMAIL, SMS, PORTAL = ChannelKind.EMAIL, ChannelKind.SMS, ChannelKind.PORTAL
HMARKT = Purpose.HMARKT
PLAIN = [purpose for purpose in Purpose if purpose is not HMARKT]
ALL = set(product(Purpose, ChannelKind))
WRITTEN_TO = set(product(PLAIN, (EMAIL, PORTAL)))  # what messages alone permit

# Consent state → what may leave, and why the rest may not; numbers of the regulations list.
STATES: dict[str, tuple[tuple[Consent, ...], set[tuple[Purpose, ChannelKind]], set[Reason]]] = {
    "35 nothing was said": ((), set(), {Reason.NO_CONSENT}),
    "35, 36 messages alone: no texts, no marketing": ((MESSAGES,), WRITTEN_TO, {Reason.NO_CONSENT}),
    "35 texts alone are no consent to be written to": ((TEXTS,), set(), {Reason.NO_CONSENT}),
    "35 express consent to texts is not a written one": (
        (MESSAGES, MARKETING, TEXTS, AUTHORIZED),
        ALL - {(HMARKT, SMS)},
        {Reason.NO_CONSENT},
    ),
    "1 marketing without an authorization": (
        (MESSAGES, MARKETING, TEXTS, WRITTEN),
        set(product(PLAIN, ChannelKind)),
        {Reason.NO_AUTHORIZATION},
    ),
    "1 an authorization alone is no consent to be written to": ((AUTHORIZED,), set(), {Reason.NO_CONSENT}),
    "1, 35 everything": (EVERYTHING, ALL, set()),
    "5 a revoked authorization": (
        (*EVERYTHING, no(kind=K.AUTHORIZATION, purpose="HMARKT")),
        set(product(PLAIN, ChannelKind)),
        {Reason.CONSENT_DENIED},
    ),
    "5 an authorization that is over": (
        (MESSAGES, MARKETING, TEXTS, WRITTEN, replace(AUTHORIZED, valid_until=NOON)),
        set(product(PLAIN, ChannelKind)),
        {Reason.NO_AUTHORIZATION},
    ),
    "37 no more texts, recorded by hand": (
        (*EVERYTHING, no(kind=K.TEXTS, channel="sms")),
        set(product(Purpose, (EMAIL, PORTAL))),
        {Reason.CONSENT_DENIED},
    ),
    "37, 38 STOP from the number": (
        (*EVERYTHING, no(patient=None, address=12, channel="sms")),
        set(product(Purpose, (EMAIL, PORTAL))),
        {Reason.CONSENT_DENIED},
    ),
    "46 unsubscribed from mail": (
        (*EVERYTHING, no(channel="email")),
        set(product(Purpose, (SMS, PORTAL))),
        {Reason.CONSENT_DENIED},
    ),
    "41 no marketing at all": (
        (*EVERYTHING, no(purpose="HMARKT")),
        set(product(PLAIN, ChannelKind)),
        {Reason.CONSENT_DENIED},
    ),
    "42 the yes was to another number": (
        (MESSAGES, MARKETING, replace(TEXTS, address=99), replace(WRITTEN, address=99), AUTHORIZED),
        set(product(Purpose, (EMAIL, PORTAL))),
        {Reason.NO_CONSENT},
    ),
    "42 a yes to texts that names no number": (
        (MESSAGES, replace(TEXTS, address=None)),
        WRITTEN_TO,
        {Reason.NO_CONSENT},
    ),
    "10 a restriction was agreed to": ((*EVERYTHING, no(kind=K.RESTRICTION)), set(), {Reason.RESTRICTED}),
    "10 a restriction of one purpose": (
        (*EVERYTHING, no(kind=K.RESTRICTION, purpose="HPAYMT")),
        {one for one in ALL if one[0] is not Purpose.HPAYMT},
        {Reason.RESTRICTED},
    ),
    "9 the portal and nothing else": (
        (*EVERYTHING, no(kind=K.ALTERNATIVE, channel="portal")),
        set(product(Purpose, (PORTAL,))),
        {Reason.RESTRICTED},
    ),
    "9 another address than this": (
        (*EVERYTHING, no(kind=K.ALTERNATIVE, channel="email", address=99)),
        set(),
        {Reason.RESTRICTED},
    ),
    "9 this very address": (
        (*EVERYTHING, no(kind=K.ALTERNATIVE, channel="email", address=12)),
        set(product(Purpose, (EMAIL,))),
        {Reason.RESTRICTED},
    ),
    "9 two requests that no send can fit": (
        (*EVERYTHING, no(kind=K.ALTERNATIVE, channel="email"), no(kind=K.ALTERNATIVE, channel="sms")),
        set(),
        {Reason.RESTRICTED},
    ),
    "11 open mail is no consent to be written to": (
        (entry(kind=K.OPEN_EMAIL, address=12),),
        set(),
        {Reason.NO_CONSENT},
    ),
    "31 consent under Part 2 is none to messages": ((entry(kind=K.PART_2),), set(), {Reason.NO_CONSENT}),
}
# Recipient → why nothing at all reaches them; None: what consent permits does.
RECIPIENTS: dict[str, tuple[dict[str, Any], Reason | None]] = {
    "8 the adult": ({}, None),
    "12 a child's representative": ({"age": 9, "representatives": (GUARDIAN,), "recipient": 1}, None),
    "12 a child nobody represents": ({"age": 9}, Reason.NO_REPRESENTATIVE),
    "12 a child with two": (
        {"age": 9, "representatives": (GUARDIAN, Representative(id=2, topics=("*",))), "recipient": 1},
        Reason.REPRESENTATIVE_UNCLEAR,
    ),
    "12 an adolescent's own matter": (
        {"age": 15, "service": "counseling", "representatives": (GUARDIAN,), "recipient": 1},
        Reason.MINOR,
    ),
    "13 somebody who is not the representative": (
        {"age": 9, "representatives": (GUARDIAN,), "recipient": 7},
        Reason.REPRESENTATIVE_UNCLEAR,
    ),
    "14 the dead": ({"deceased": True}, Reason.DECEASED),
    "33 a patient of protected care": ({"service": "hiv-care"}, Reason.PROTECTED_SERVICE),
    "33 a place whose name betrays it": ({"location_sensitive": True}, Reason.PROTECTED_SERVICE),
    "26 by somebody without an agreement": ({"agreement": False}, Reason.NO_AGREEMENT),
    "49 a mailbox that bounced or complained": ({"address_suppressed": True}, Reason.SUPPRESSED),
}


@pytest.fixture
def wide(policy: Policy) -> Policy:
    """What consent permits is not stopped by ceilings or quiet hours."""
    ceilings = dict.fromkeys(product(Purpose, ChannelKind), Sensitivity.PUBLIC)
    return replace(policy, ceilings=ceilings, quiet_hours=dict.fromkeys(ChannelKind, (0, 0)))


@pytest.mark.parametrize("recipient", RECIPIENTS)
@pytest.mark.parametrize("state", STATES)
def test_only_what_is_consented_to_reaches_only_whom_it_may(wide: Policy, state: str, recipient: str) -> None:
    """Regulations 1, 5, 8 to 14, 26, 31, 33, 35 to 38, 41, 42, 46, 49; CN-08, PH-03, PH-09, PH-10, SM-13 to SM-15."""
    entries, leaves, reasons = STATES[state]
    change, never = RECIPIENTS[recipient]
    for purpose, channel in sorted(ALL):
        told = {"sensitivity": Sensitivity.PUBLIC, **change}
        said = decide(circumstances(purpose=purpose, channel=channel, consents=entries, **told), wide)
        where = f"{purpose} by {channel}: {said.against}"
        if never is None and (purpose, channel) in leaves:
            assert said.clearance is not None, where
            continue
        assert said.clearance is None, where
        assert said.against is not None
        allowed = reasons if never is None else {never, *reasons}
        assert said.against.reason in allowed, where


@pytest.mark.parametrize(
    ("paid", "entries", "expected"),
    [
        (True, (MARKETING, AUTHORIZED), Reason.NO_AUTHORIZATION),
        (True, (MARKETING, PAID_FOR), None),
        (False, (MARKETING, AUTHORIZED), None),
        (False, (MARKETING, PAID_FOR), None),
    ],
)
def test_an_authorization_for_a_paid_message_says_so(
    paid: bool, entries: tuple[Consent, ...], expected: Reason | None
) -> None:
    """Regulations 2 and 3; 45 CFR 164.508(a)(3)(ii)."""
    assert against(circumstances(purpose=HMARKT, paid=paid, consents=entries)) is expected


@pytest.mark.parametrize(
    ("entries", "channel", "expected"),
    [
        ((), EMAIL, False),
        ((MESSAGES,), EMAIL, False),
        ((entry(kind=K.OPEN_EMAIL, address=12),), EMAIL, True),
        ((entry(kind=K.OPEN_EMAIL, address=12),), SMS, False),
        ((entry(kind=K.OPEN_EMAIL, address=99),), EMAIL, False),
        ((entry(kind=K.OPEN_EMAIL),), EMAIL, False),
        ((entry(kind=K.OPEN_EMAIL, address=12), no(kind=K.OPEN_EMAIL)), EMAIL, False),
        ((entry(kind=K.OPEN_EMAIL, address=12, valid_until=NOON),), EMAIL, False),
    ],
)
def test_open_mail_only_to_the_mailbox_it_was_chosen_for(
    entries: tuple[Consent, ...], channel: ChannelKind, expected: bool
) -> None:
    """Regulation 11; PH-01, PH-02, PH-07: after the warning, for this address, not revoked."""
    assert open_allowed(circumstances(channel=channel, consents=entries)) is expected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"now": EARLY}, Reason.LEGAL_LIMIT),
        ({"now": LATE}, None),
        ({"now": LATE, "state": "FL"}, Reason.LEGAL_LIMIT),
        ({"now": LATE, "state": None}, Reason.LEGAL_LIMIT),
    ],
)
def test_a_solicitation_waits_for_the_hours_of_the_law(
    wide: Policy, change: dict[str, Any], reason: Reason | None
) -> None:
    """Regulations 40 and 44; SM-17: whatever the site's own hours are; an unknown state is every state."""
    told = {"purpose": HMARKT, "channel": SMS, "consents": EVERYTHING, "sensitivity": Sensitivity.PUBLIC, **change}
    found = decide(circumstances(**{"expires": None, **told}), wide).against
    assert (None if found is None else found.reason) is reason


def test_the_exemption_for_health_care_texts_is_relied_on_nowhere(given: Given, wide: Policy) -> None:
    """Regulations 36 and 43; SM-13: the stricter reading, consent, whoever sends and however short it is."""
    said = decide(given(channel=SMS, sensitivity=Sensitivity.PUBLIC), wide).against
    assert said == Deny(gate="consent", reason=Reason.NO_CONSENT)


def test_a_request_for_another_way_beats_the_order_of_the_rule(given: Given, wide: Policy) -> None:
    """Regulation 9; PH-03: the denial is of this channel, so the one asked for is tried next, whatever comes first."""
    asked = (MESSAGES, TEXTS, no(kind=K.ALTERNATIVE, channel="sms"))
    told = {"consents": asked, "sensitivity": Sensitivity.PUBLIC}
    assert against(given(**told)) is Reason.RESTRICTED
    assert decide(given(**told, channel=SMS), wide).clearance is not None
    taken_back = entry(kind=K.ALTERNATIVE, channel="sms", recorded=6)
    assert against(given(consents=(*asked, taken_back))) is None


@pytest.mark.parametrize("kind", [one for one in RequestKind if one is not RequestKind.RULE])
def test_what_the_gateway_says_of_its_own_accord_needs_an_agreement_too(
    given: Given, wide: Policy, kind: RequestKind
) -> None:
    """Regulations 26 and 39; 45 CFR 164.308(b): an answer is handed to the same provider."""
    assert decide(given(agreement=False), wide, kind).clearance is None
    assert decide(given(), wide, kind).clearance is not None


ENTRIES = st.builds(
    entry,
    kind=st.sampled_from(list(ConsentKind)),
    patient=st.sampled_from([7, 7, 7, None]),
    address=st.sampled_from([None, 12, 12, 99]),
    purpose=st.sampled_from([ANY, "TREAT", "HMARKT"]),
    channel=st.sampled_from([ANY, "email", "sms", "portal"]),
    topic=st.sampled_from([ANY, "appointments", "billing"]),
    permit=st.booleans(),
    valid_from=st.sampled_from([0, 0, NOON + DAY]),
    valid_until=st.sampled_from([None, None, NOON, NOON + 2 * DAY]),
    recorded=st.integers(1, 5),
    remuneration=st.booleans(),
)


@cases(
    st.lists(st.one_of(ENTRIES, st.sampled_from(EVERYTHING)), max_size=9),
    ENTRIES,
    st.integers(0, 9),
    st.sampled_from(list(ChannelKind)),
    st.sampled_from([Purpose.TREAT, Purpose.HMARKT]),
    st.integers(0, 3),
)
def test_adding_a_denial_of_any_kind_never_makes_anything_leave(
    before: list[Consent], extra: Consent, place: int, channel: ChannelKind, purpose: Purpose, days: int
) -> None:
    """Of consent, restriction or another way; nor does it open the mail. Whatever the ledger holds (law 6)."""
    denial = replace(extra, permit=False)
    after = [*before[:place], denial, *before[place:]]
    said: dict[str, Any] = {"channel": channel, "purpose": purpose, "now": NOON + days * DAY}
    held, more = circumstances(**said, consents=tuple(before)), circumstances(**said, consents=tuple(after))
    assert against(held) is None or against(more) is not None
    assert open_allowed(held) or not open_allowed(more)


@pytest.mark.parametrize(
    ("entries", "amounts"),
    [
        (EVERYTHING, Standing.PERMITTED),
        ((*EVERYTHING, no()), Standing.DENIED),
        ((), Standing.SILENT),
    ],
)
def test_all_kinds_together_amount_to_what_the_gate_says(entries: tuple[Consent, ...], amounts: Standing) -> None:
    """CN-08: permitted when everything is on file, denied where anything says no, else silent."""
    assert amount(circumstances(channel=SMS, consents=tuple(entries))) is amounts


@cases(st.lists(ENTRIES, max_size=8), st.sampled_from([one for one in ConsentKind if one is not K.MESSAGES]))
def test_no_kind_ever_stands_in_for_another(entries: list[Consent], kind: ConsentKind) -> None:
    """CN-08: what entries of the others say changes nothing about one kind."""
    alone = tuple(one for one in entries if one.kind is kind)
    assert standing(circumstances(consents=tuple(entries)), kind) is standing(circumstances(consents=alone), kind)


def test_every_verdict_of_a_clearance_is_a_permit(wide: Policy) -> None:
    """Regulation 43: the basis is every gate, by name; none is skipped."""
    told = circumstances(purpose=HMARKT, channel=SMS, consents=EVERYTHING, sensitivity=Sensitivity.PUBLIC)
    said = decide(told, wide)
    assert said.clearance is not None
    assert {"consent", "legal-limit", "agreement", "recipient"} <= {
        one.gate for one in said.verdicts if isinstance(one, Permit)
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"now": EARLY}, Reason.LEGAL_LIMIT), ({"now": LATE}, None), ({"now": LATE, "state": "FL"}, Reason.LEGAL_LIMIT)],
)
def test_the_notice_of_marketing_in_the_portal_keeps_the_hours_of_the_law(
    wide: Policy, change: dict[str, Any], reason: Reason | None
) -> None:
    """Regulations 40 and 44: the text that says that something waits is a solicitation when what waits is one."""
    told = {"purpose": HMARKT, "channel": SMS, "consents": EVERYTHING, "sensitivity": Sensitivity.PUBLIC, **change}
    found = decide(circumstances(**{"expires": None, **told}), wide, RequestKind.PICK_UP_NOTICE).against
    assert (None if found is None else found.reason) is reason


def test_a_hold_of_the_law_names_the_version_of_the_table(wide: Policy) -> None:
    """Regulation 44: each decision records which version it used, also where no hour is open within a week."""
    told = {"purpose": HMARKT, "channel": SMS, "consents": EVERYTHING, "sensitivity": Sensitivity.PUBLIC, "now": EARLY}
    found = decide(circumstances(**{"expires": None, **told}), wide).against
    assert isinstance(found, Hold)
    assert found.detail == f"legal.csv {version()}"
