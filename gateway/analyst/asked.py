"""The three questions of `caregate explain`: a file, a stored message, a made-up patient; a look at people is audited first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.analyst.explain import explain
from gateway.analyst.explained import Explanation
from gateway.analyst.scene import CaseScene, Sensitive
from gateway.model.consent import ChannelKind
from gateway.model.errors import CommandError
from gateway.model.event import Fault, RawMessage
from gateway.model.when import Millis
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.scenes import Stage
from gateway.pipeline.inspect.staging import account_look, staged_file, staged_message
from gateway.pipeline.rules import Active
from gateway.ports import Channel, Reader
from gateway.ruleset import RuleSet

if TYPE_CHECKING:
    from gateway.analyst.rule_cases import Case

_ABOUT_SOMEBODY = "this shows what is known about a person: say why with --reason, it is audited"


def explain_case(rules: RuleSet, case: Case, sensitivity: Sensitive) -> Explanation:
    """A made-up patient and event under a rule set; nothing stored is looked at."""
    return Explanation(
        source=None,
        message=None,
        type=None,
        received=None,
        ruleset=rules.digest,
        ignored=None,
        faults=(),
        log=(),
        notes=(),
        events=(explain(rules, CaseScene(case, sensitivity), sensitivity),),
    )


def explain_file(
    gateway: Inspectable,
    channels: Mapping[ChannelKind, Channel],
    rules: Active,
    reader: Reader,
    message: RawMessage,
    *,
    reason: str | None,
    account: str,
    as_of: Millis | None = None,
) -> Explanation:
    """What receiving these bytes would come to now, or `as_of` (Millis UTC); nothing is kept of it.

    CommandError: they are about somebody the gateway knows, and there is no `reason`. Raises StoreError.
    """
    with staged_file(gateway, channels, rules, message, reader, account=account, as_of=as_of) as stage:
        if stage.known and not reason:
            raise CommandError(_ABOUT_SOMEBODY)
        told = _told(stage)
    if stage.known and reason:
        account_look(gateway, stage, reason=reason, account=account)
    return told


def explain_message(
    gateway: Inspectable,
    channels: Mapping[ChannelKind, Channel],
    rules: Active,
    readers: Mapping[str, Reader],
    message: int,
    *,
    reason: str | None,
    account: str,
    at_receipt: bool = False,
) -> Explanation:
    """Why a stored message sends or does not, with its patient as known now; the look is audited (PH-10, AU-05).

    `at_receipt`: with clock, ledger and what had left as when it was received; directory and holds are known only as
    they are. CommandError: there is no such message, or no `reason` for looking at a person. Raises StoreError.
    """
    opened = staged_message(gateway, channels, rules, readers, message, account=account, at_receipt=at_receipt)
    with opened as stage:
        if stage.known and not reason:
            raise CommandError(_ABOUT_SOMEBODY)
        if at_receipt:
            stage.notes.append("as of its receipt: consents and what had left; addresses and holds are as they are now")
        told = _told(stage)
    if stage.known and reason:
        account_look(gateway, stage, reason=reason, account=account)
    return told


def _told(stage: Stage) -> Explanation:
    ruleset = stage.rules.ruleset
    notes = [] if stage.production else ["not production (MSH-11, or a known test patient): nobody is contacted"]
    if stage.body and stage.production and not (stage.ignored or stage.faults or stage.scenes):
        notes.append("about the person only: no rule is asked")
    return Explanation(
        source=stage.source,
        message=stage.message,
        type=stage.type,
        received=stage.received,
        ruleset=ruleset.digest,
        ignored=stage.ignored,
        faults=tuple(map(_fault, stage.faults)),
        log=stage.log,
        notes=(*stage.notes, *notes),
        events=tuple(explain(ruleset, scene, stage.sensitivity) for scene in stage.scenes),
    )


def _fault(fault: Fault) -> str:
    place = "" if fault.place is None else f" at {fault.place}"
    return f"{fault.code}{place}: {fault.rule}"
