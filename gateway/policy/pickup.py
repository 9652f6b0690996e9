"""Whether a message that lies in the portal may be read now: asked afresh at every reading, with gates of its own (law 3).

That it was once cleared says nothing: a merge, a death, a retraction or a restriction may have come since.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.model.verdict import Deny, Hold, Permit, Reason, Verdict
from gateway.model.when import Millis
from gateway.policy.gates import RELEASED_BY, named, permit, refuse_if


@dataclass(frozen=True, slots=True, kw_only=True)
class PickUp:
    """What the gates may see. `until`: Millis UTC from which it can be picked up no more.

    `stopped`: a person stopped the portal, the rule, the facility's day or everything. `erased`: the patient's key is gone.
    `moved`: what it is about belongs to another patient now. `holds`: reasons on the person (whom they were merged into)
    and on the visit. `retracted`: what it is about was entered in error or called off. `withdrawn`: it was taken back
    before or after it was put there. `forgotten`: its retention is over.
    """

    now: Millis
    until: Millis
    stopped: bool
    erased: bool
    deceased: bool
    moved: bool
    holds: frozenset[Reason]
    retracted: bool
    withdrawn: bool
    forgotten: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PickUpGate:
    """One gate of the list, its reasons and where they are written."""

    judge: Callable[[PickUp], Verdict]
    denies: tuple[Reason, ...] = ()
    holds: tuple[Reason, ...] = ()
    cites: str

    @property
    def name(self) -> str:
        """That of its function, in kebab-case."""
        return named(self.judge)


def brake(c: PickUp) -> Verdict:
    """Hold while a person has stopped it."""
    if not c.stopped:
        return permit(brake)
    return Hold(gate=named(brake), reason=Reason.STOPPED, released_by="a person who lets it go again")


def erased(c: PickUp) -> Verdict:
    """Deny once the patient's key is destroyed: there is nothing to read any more."""
    return refuse_if(c.erased, erased, Reason.PATIENT_ERASED)


def over(c: PickUp) -> Verdict:
    """Deny after its time, and when its text was forgotten (EM-11)."""
    return refuse_if(c.now >= c.until or c.forgotten, over, Reason.EXPIRED)


def reader_deceased(c: PickUp) -> Verdict:
    """Deny when the patient is known to have died: somebody else is reading (PI-12; 45 CFR 164.502(f))."""
    return refuse_if(c.deceased, reader_deceased, Reason.DECEASED)


def still_theirs(c: PickUp) -> Verdict:
    """Deny when what it is about is another patient's now (AD-18, AD-31)."""
    return refuse_if(c.moved, still_theirs, Reason.IDENTITY_CONFLICT)


def restriction(c: PickUp) -> Verdict:
    """Hold for every reason set on the person or the visit, known to this list or not (PV-01 to PV-04; 45 CFR 164.522(a))."""
    if not c.holds:
        return permit(restriction)
    reason = min(c.holds)
    return Hold(gate=named(restriction), reason=reason, released_by=RELEASED_BY.get(reason, "a person"))


def retraction(c: PickUp) -> Verdict:
    """Deny what was entered in error or called off since (OR-05; SI-25)."""
    return refuse_if(c.retracted, retraction, Reason.NOT_AS_ANNOUNCED)


def withdrawal(c: PickUp) -> Verdict:
    """Deny what was taken back."""
    return refuse_if(c.withdrawn, withdrawal, Reason.WITHDRAWN_BY_HAND)


PICK_UP: tuple[PickUpGate, ...] = (
    PickUpGate(judge=brake, holds=(Reason.STOPPED,), cites="the operator"),
    PickUpGate(judge=erased, denies=(Reason.PATIENT_ERASED,), cites="45 CFR 164.526; state law"),
    PickUpGate(judge=over, denies=(Reason.EXPIRED,), cites="EM-11"),
    PickUpGate(judge=reader_deceased, denies=(Reason.DECEASED,), cites="PI-12; 45 CFR 164.502(f)"),
    PickUpGate(judge=still_theirs, denies=(Reason.IDENTITY_CONFLICT,), cites="AD-18, AD-31"),
    PickUpGate(
        judge=restriction,
        holds=(
            Reason.IDENTITY_CONFLICT,
            Reason.IDENTITY_DOUBTFUL,
            Reason.CONFIDENTIAL_VISIT,
            Reason.PROTECTION_INDICATOR,
            Reason.ACCESS_RESTRICTION,
        ),
        cites="PV-01 to PV-04; 45 CFR 164.522(a)",
    ),
    PickUpGate(judge=retraction, denies=(Reason.NOT_AS_ANNOUNCED,), cites="OR-05; SI-25"),
    PickUpGate(judge=withdrawal, denies=(Reason.WITHDRAWN_BY_HAND,), cites="the operator"),
)
"""Every gate, in order."""


def decide_pick_up(c: PickUp) -> Hold | Deny | None:
    """The first gate that is against it; None: it may be read."""
    verdicts = (gate.judge(c) for gate in PICK_UP)
    return next((verdict for verdict in verdicts if not isinstance(verdict, Permit)), None)


def pick_up_table() -> str:
    """A Markdown table of the list, one line a reason; README.md holds exactly this."""
    head = "| # | gate | reason | answer | citation |\n|---|---|---|---|---|\n"
    rows = []
    for number, gate in enumerate(PICK_UP, start=1):
        for answer, reasons in (("deny", gate.denies), ("hold", gate.holds)):
            rows += [f"| {number} | `{gate.name}` | `{reason}` | {answer} | {gate.cites} |\n" for reason in reasons]
    return head + "".join(rows)
