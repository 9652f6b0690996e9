"""What a reader answers in the portal: to this very message and its visit, kept sealed, acted on as a reply by text is (SM-09)."""

from __future__ import annotations

import msgspec

from gateway.model.audit import Action
from gateway.model.comingback import ReceiptStatus, ReplyMeaning
from gateway.model.consent import ANY, ChannelKind
from gateway.pipeline import answers, preferences
from gateway.pipeline.answers import ANSWERS, Answered, is_answerable
from gateway.pipeline.directory import Directory
from gateway.pipeline.pickups import Opened, occurrence_of, told
from gateway.pipeline.rows import PatientRow
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.store import tables
from gateway.store.datakeys import feed_key
from gateway.store.keyring import seal
from gateway.store.uow import UnitOfWork

LONGEST = 2_000
"""Characters of what a reader may write."""
_INBOUND = (
    "id", "channel", "provider_event", "address", "sender", "received", "feed_key", "sealed", "meaning", "state",
    "patient", "request", "decided",
)  # fmt: skip
_MOST = 20  # answers to one message
_json = msgspec.json.Encoder().encode


def answer(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    rules: Active,
    patient: PatientRow,
    opened: Opened,
    meaning: ReplyMeaning,
    text: str,
) -> tuple[int, ...] | None:
    """Keep an answer and act on it; what to ring, None for one too many. `opened`: what may be read now. Audited.

    Raises StoreError, KeyringError.
    """
    ((request, address),) = uow.lookup(tables.communication, ("request", "address"), "id", [opened.communication])
    if len(_answers(uow, opened.communication)) >= _MOST:
        return None
    done = _act(uow, directory, site, rules, patient, request, meaning)
    state = "open" if done is None else done.state
    identity = uow.new_id()
    key = feed_key(uow, 0)
    sealed = seal(key.plain, _json(["portal", text]), b"inbound.sealed:%d" % identity)
    row = (
        identity, ChannelKind.PORTAL, f"portal:{identity}", address, "portal", uow.now, key.id, sealed, meaning, state,
        patient.token, request, uow.now if state == "done" else None,
    )  # fmt: skip
    uow.insert(tables.inbound, _INBOUND, [row])
    uow.audit(
        [(Action.REPLY_RECEIVED, row[0], ChannelKind.PORTAL, meaning, state)], request=request, patients=[patient.token]
    )
    told(uow, opened.communication, f"replied:{row[0]}", ReceiptStatus.REPLIED)
    return () if done is None else done.rings


def _act(
    uow: UnitOfWork,
    directory: Directory,
    site: Site,
    rules: Active,
    patient: PatientRow,
    request: int,
    meaning: ReplyMeaning,
) -> Answered | None:
    if meaning is ReplyMeaning.STOP:  # a revocation counts by any reasonable means (47 CFR 64.1200(a)(10))
        preferences.say(uow, patient, permit=False, scope=(ANY, ANY, ANY), evidence=f"portal, answer to {request}")
        return Answered(state="open", request=request)
    if meaning not in ANSWERS:
        return None
    ((occurrence,),) = uow.lookup(tables.request, ("occurrence",), "id", [request])
    visit = occurrence_of(uow, occurrence)
    if visit is None or not is_answerable(visit, uow.now):
        return None
    return answers.apply_to(uow, directory, site, rules, request, visit, meaning)


def _answers(uow: UnitOfWork, communication: int) -> list[str]:
    rows = uow.lookup(tables.receipt, ("provider_event",), "communication", [communication])
    return [event for (event,) in rows if event.startswith("portal:replied:")]
