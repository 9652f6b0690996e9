"""A person's consents: looked at with a reason, added to, taken back; entries are never changed."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.api.staff.pages import Answer, Page
from gateway.api.staff.visit import Shown, Visit
from gateway.model.access import Right
from gateway.model.authorization import CORE, OTHERS
from gateway.model.consent import ChannelKind, ConsentKind, Purpose
from gateway.model.errors import CommandError
from gateway.model.when import Millis, to_millis
from gateway.pipeline import inspect

KINDS = {
    ConsentKind.MESSAGES: "to be written to",
    ConsentKind.TEXTS: "automated texts, to the numbers known now",
    ConsentKind.OPEN_EMAIL: "unencrypted e-mail after the warning, to the mailboxes known now",
    ConsentKind.AUTHORIZATION: "marketing authorization, complete in its elements",
    ConsentKind.RESTRICTION: "a restriction the site agreed to (denied)",
    ConsentKind.ALTERNATIVE: "to be written to by this channel only (denied elsewhere)",
    ConsentKind.PART_2: "42 CFR Part 2 consent",
}
"""What can be recorded here, as the page says it."""


def _ask(_visit: Visit) -> Answer:
    return Shown(template="consents.html", given={"found": None})


def _list(visit: Visit) -> Answer:
    return _found(visit, "")


def _found(visit: Visit, told: str) -> Answer:
    who, why = visit.person(), visit.reason()
    lines = inspect.consent_list(visit.gateway, who, reason=why, account=visit.account)
    given = {
        "found": lines,
        "who": who,
        "why": why,
        "told": told,
        "writes": visit.may(Right.CONSENT_WRITE),
        "purposes": list(Purpose),
        "channels": list(ChannelKind),
        "kinds": KINDS,
        "core": CORE,
        "others": OTHERS,
        "topics": sorted(inspect.topics(visit.gateway)),
    }
    return Shown(template="consents.html", given=given)


def _add(visit: Visit) -> Answer:
    decision = visit.told("decision")
    if decision not in ("permit", "deny"):
        raise CommandError("say whether they permit or deny")
    return _record(visit, permit=decision == "permit", until=_day(visit.told("until")))


def _revoke(visit: Visit) -> Answer:
    return _record(visit, permit=False, until=None)


def _record(visit: Visit, *, permit: bool, until: Millis | None) -> Answer:
    visit.reason()  # the list that follows asks for one: nothing is written when it would not be shown
    told = visit.told("kind") or ConsentKind.MESSAGES
    if told not in KINDS:
        raise CommandError("choose what it is consent to from the list")
    entries = inspect.consent_add(
        visit.gateway,
        visit.person(),
        permit=permit,
        purpose=visit.told("purpose") or "*",
        channel=visit.told("channel") or "*",
        topic=visit.told("topic") or "*",
        valid_until=until,
        evidence=visit.needed("evidence", "the evidence"),
        account=visit.account,
        kind=ConsentKind(told),
        text_version=visit.told("text_version") or None,
        language=visit.told("language") or None,
        elements={name: text for name in (*CORE, *OTHERS) if (text := visit.told(f"element_{name}"))},
    )
    return _found(visit, f"Recorded: {', '.join(map(str, entries))}")


def _day(text: str) -> Millis | None:
    try:
        return to_millis(datetime.fromisoformat(text).replace(tzinfo=UTC)) if text else None
    except ValueError:
        raise CommandError("the end is a date like 2027-03-01") from None


PAGES = (
    Page(method="GET", path="/consents", right=Right.PERSON_READ, answer=_ask, title="Consents"),
    Page(method="POST", path="/consents", right=Right.PERSON_READ, answer=_list),
    Page(method="POST", path="/consents/add", right=Right.CONSENT_WRITE, answer=_add),
    Page(method="POST", path="/consents/revoke", right=Right.CONSENT_WRITE, answer=_revoke),
)
