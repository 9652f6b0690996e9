"""What the gateway says of its own accord: answers, log-in codes, notices; each with gates of its own, none without a clearance (law 3).

A kind's words lie in gateway/render/builtin; what they show beside facts (a code, a link) is made at the moment of sending and
stands nowhere but in the sealed body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import gateway.render
from gateway import telemetry
from gateway.model.audit import Action
from gateway.model.consent import ANY, ChannelKind, Purpose
from gateway.model.errors import RenderError
from gateway.model.pace import Pace
from gateway.model.party import Organization
from gateway.model.policy import Policy
from gateway.model.request import CommunicationStatus, Priority, RequestKind, RequestStatus
from gateway.model.verdict import Deny, Hold, Reason
from gateway.model.when import Millis
from gateway.pipeline import representing
from gateway.pipeline.brakes import About
from gateway.pipeline.clearing import Cleared, attempts_of, close, first_try, lost, paced
from gateway.pipeline.directory import Directory
from gateway.pipeline.envelopes import Attempt, envelope_of, record, with_unsubscribe
from gateway.pipeline.rows import PatientRow, RequestRow
from gateway.pipeline.rules import Active
from gateway.pipeline.site import Site
from gateway.pipeline.weighing import Weighing, weigh_built_in
from gateway.policy import legal
from gateway.policy.decide import decide, next_channel_may
from gateway.policy.kinds import rings_until
from gateway.ports import Channel
from gateway.render.rendered import Rendered
from gateway.render.templates import Templates
from gateway.store import tables
from gateway.store.uow import UnitOfWork

_COLUMNS = (
    "id", "kind", "patient", "occurrence", "raw", "rule", "ruleset", "step", "material_version", "material", "recipient",
    "priority", "due", "expires", "state", "reason", "ring_at", "about", "channel", "address",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a built-in message is about, for consents and caps (`envelopes.Said`)."""

    template: str
    topic: str = ANY
    purpose: Purpose = Purpose.TREAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One built-in request that is being sent: what it is `about` is an id whose table its kind says."""

    request: RequestRow
    kind: RequestKind
    about: int
    channel: ChannelKind
    address: int
    patient: PatientRow
    site: Site
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """What a built-in message is about in the end: what a brake asks of it, and why it makes no sense any more, if so."""

    about: About
    over: Reason | None = None


def _itself(_uow: UnitOfWork, asked: Asked) -> Concern:
    return Concern(about=About(asked.kind, None, None))


Given = Callable[[UnitOfWork, Directory, Asked], Mapping[str, str]]
"""Makes what a kind's words show, in the very unit of work that records the attempt. Raises RenderError."""
Concerns = Callable[[UnitOfWork, Asked], Concern]
Topic = Callable[[UnitOfWork, Asked], tuple[str, Purpose]]
Otherwise = Callable[[UnitOfWork, Directory, Asked], object]
"""What else is planned when a message cannot go this way: to another address of the person, say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How one kind is worded. `priority`: its lane. `of`: whose topic and purpose it shares, for consents and caps.

    `open_allowed`: nothing about the person stands in it, so that it may travel unencrypted (EM-10).
    `concerns`: what it is about in the end. `unsubscribes`: its e-mail says where one click ends mail about its topic. `otherwise`: what to do when it cannot go.
    """

    template: str
    open_allowed: bool = False
    unsubscribes: bool = False
    priority: Priority = Priority.CLINICAL
    given: Given = lambda _uow, _directory, _asked: {}
    otherwise: Otherwise | None = None
    of: Topic = lambda _uow, _asked: (ANY, Purpose.TREAT)
    concerns: Concerns = _itself


KINDS: dict[RequestKind, Kind] = {
    RequestKind.OPT_OUT_CONFIRMATION: Kind(template="opt_out_confirmation"),
    RequestKind.HELP_REPLY: Kind(template="help_reply"),
}
"""Every built-in kind; the modules that make codes and links add theirs."""


@cache
def templates() -> Templates:
    """The words of all built-in kinds; read once."""
    return Templates(Path(gateway.render.__file__).parent / "builtin")


def plan(
    uow: UnitOfWork,
    *,
    kind: RequestKind,
    patient: int,
    about: int,
    channel: ChannelKind,
    address: int,
    due: Millis,
    expires: Millis,
    step: str = "",
) -> int | None:
    """Plan one message; its id, or None when there is one already about the same thing (kind, about, step).

    The caller rings it after the commit. Raises StoreError.
    """
    known = uow.lookup(tables.request, ("kind", "step"), "about", [about])
    if (kind, step) in known:
        return None
    identity = uow.new_id()
    row = (
        identity, kind, patient, None, None, kind, 0, step, 0, b"", patient,
        KINDS[kind].priority.lane, due, expires, RequestStatus.ACTIVE, None, due, about, channel, address,
    )  # fmt: skip
    uow.insert(tables.request, _COLUMNS, [row])
    entry = (Action.REQUEST_PLANNED, identity, kind, step, due)
    uow.audit([entry], request=identity, patients=[patient])
    return identity


class BuiltInClearing:
    """A built-in send. `run` returns what may leave, or None when it waits or ended, which is written and audited."""

    def __init__(
        self,
        uow: UnitOfWork,
        directory: Directory,
        site: Site,
        channels: Mapping[ChannelKind, Channel],
        paces: Mapping[ChannelKind, Pace],
        rules: Active,
        row: RequestRow,
    ) -> None:
        self.paces = paces
        self.uow = uow
        self.directory = directory
        self.site = site
        self.channels = channels
        self.rules = rules
        self.row = row

    def run(self) -> Cleared | None:
        """Decide one doorbell. Raises KeyringError when something cannot be opened, StoreError."""
        row, uow = self.row, self.uow
        self.directory.load_tokens([row.patient])
        tried = attempts_of(uow, row)
        if lost(uow, row, tried):
            return None
        asked = self._asked()
        kind = KINDS[asked.kind]
        if any(status == CommunicationStatus.STOPPED for _, _, _, status, _ in tried):
            self._end(Reason.REFUSED)
            self._otherwise(kind, asked)
            return None
        concern = kind.concerns(uow, asked)
        if concern.over is not None:
            self._end(concern.over)
            return None
        topic, purpose = kind.of(uow, asked)
        said = Said(template=kind.template, topic=topic, purpose=purpose)
        weighing = self._weigh(asked, said, concern.about)
        decision = decide(weighing.circumstances, self.rules.ruleset.policy, asked.kind)
        against = decision.against
        if decision.clearance is None:
            assert against is not None
            self._refuse(against)
            if next_channel_may(against):
                self._otherwise(kind, asked)
            return None
        if paced(uow, row, self.paces.get(asked.channel), asked.channel):
            return None
        try:
            given = kind.given(uow, self.directory, asked)
            rendered, organization = self._rendered(asked, said, given)
        except RenderError as error:
            telemetry.log().error(
                "render.failed", request=row.id, kind=row.kind, error=type(error).__name__, said=error
            )
            close(uow, row, RequestStatus.ON_HOLD, Reason.RENDER_FAILED, Action.REQUEST_HELD)
            return None
        contact = weighing.contact
        assert contact is not None  # the address gate permitted
        identity = uow.new_id()
        envelope = envelope_of(
            self.directory, identity, decision.clearance, organization, contact, rendered, at=first_try(tried, uow.now),
            until=rings_until(weighing.circumstances, self.rules.ruleset.policy, asked.kind),
        )  # fmt: skip
        envelope = replace(envelope, open_allowed=kind.open_allowed)
        if kind.unsubscribes:
            envelope = with_unsubscribe(uow, self.site, envelope, asked.patient, contact, topic)
        record(
            uow,
            self.directory,
            identity,
            decision.clearance,
            said,
            asked.patient,
            contact,
            len(tried) + 1,
            envelope,
            None,
        )
        by = (asked.channel, decision.clearance.template_digest, "", f"legal.csv {legal.version()}")
        stands_in = representing.in_words(weighing.circumstances.recipient)
        entry = (Action.COMMUNICATION_CLEARED, identity, row.kind, *by, *stands_in)
        uow.audit([entry], request=row.id, patients=[asked.patient.token], ruleset=self.rules.id)
        others = kind.otherwise is not None
        return Cleared(row, row.fence, Attempt(id=identity, envelope=envelope, others=others), concern.about)

    def _otherwise(self, kind: Kind, asked: Asked) -> None:
        if kind.otherwise is not None:
            kind.otherwise(self.uow, self.directory, asked)

    def _asked(self) -> Asked:
        ((about, channel, address),) = self.uow.lookup(
            tables.request, ("about", "channel", "address"), "id", [self.row.id]
        )
        return Asked(
            request=self.row,
            kind=RequestKind(self.row.kind),
            about=about,
            channel=ChannelKind(channel),
            address=address,
            patient=self.directory.root(self.row.patient),
            site=self.site,
            policy=self.rules.ruleset.policy,
        )

    def _weigh(self, asked: Asked, said: Said, about: About) -> Weighing:
        return weigh_built_in(
            self.uow, self.directory, self.site, self.channels, self.rules,
            request=self.row, patient=asked.patient, channel=asked.channel, address=asked.address,
            purpose=said.purpose, topic=said.topic, template_digest=templates().digest(said.template), about=about,
        )  # fmt: skip

    def _rendered(self, asked: Asked, said: Said, given: Mapping[str, str]) -> tuple[Rendered, Organization]:
        organization = next(iter(self.site.organizations.values()))
        rendered = templates().render(
            said.template,
            language=asked.patient.language or self.rules.ruleset.policy.language,
            values={},
            organization=organization,
            location=None,
            reveals=(),
            zone=organization.zone,
            channel=asked.channel,
            given=given,
        )
        return rendered, organization

    def _refuse(self, against: Hold | Deny) -> None:
        row = self.row
        if isinstance(against, Hold) and against.until is not None:
            if row.expires is not None and against.until >= row.expires:
                self._end(Reason.EXPIRED, against.gate, against.reason)
                return
            self.uow.update(
                tables.request,
                ("id",),
                ("reason", "ring_at", "lease_until"),
                [(against.reason, against.until, None, row.id)],
            )
            entry = (Action.REQUEST_HELD, row.id, against.reason, against.gate, against.until)
            self.uow.audit([entry], request=row.id, patients=[row.patient])
        elif isinstance(against, Hold):
            close(self.uow, row, RequestStatus.ON_HOLD, against.reason, Action.REQUEST_HELD, against.gate)
        else:
            self._end(against.reason, against.gate)

    def _end(self, reason: Reason, *more: object) -> None:
        close(self.uow, self.row, RequestStatus.REVOKED, reason, Action.REQUEST_WITHDRAWN, *more)


__all__ = ["KINDS", "Asked", "BuiltInClearing", "Concern", "Given", "Kind", "Said", "plan", "templates"]
