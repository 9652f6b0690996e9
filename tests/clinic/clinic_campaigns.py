"""A campaign in the clinic: its rule, the people it is for, its dry run and approval, and what became of its messages."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from clinic_dsl import Clinic
from clinic_site import shipped_rule, write_rules

from gateway.model.comingback import Receipt, ReceiptStatus
from gateway.model.consent import ChannelKind
from gateway.pipeline import receipts
from gateway.pipeline.campaigns import deciding, forecasting, looking
from gateway.store import tables

RULE = "appointment-reminder"
FIRST = "2026-03-20 09:30"
BOUNDS = "campaign: {holdout: 0}"
BY = {"by": "anna", "why": "ticket 12", "account": "test"}


def rules(folder: Path, campaign: str = BOUNDS, *changes: tuple[str, str]) -> Path:
    """The shipped reminder, a week and a day ahead, with these bounds."""
    text = shipped_rule(RULE, *changes)
    return write_rules(folder, {RULE: f"{text}\n{campaign}\n"})


def crowd(clinic: Clinic, count: int, *, name: str = "P", on: str = FIRST) -> list[str]:
    """So many people said yes to mail and are booked."""
    handles = [f"{name}{number}" for number in range(count)]
    for handle in handles:
        clinic.enrols(handle)
        clinic.books(handle, on=on)
    return handles


def planned(clinic: Clinic) -> forecasting.Forecast:
    """A dry run."""
    return forecasting.plan(clinic.gateway, RULE, by="anna", account="test")


def approved(clinic: Clinic) -> forecasting.Forecast:
    """A dry run, and somebody approves it."""
    found = planned(clinic)
    deciding.approve(clinic.gateway, RULE, people=found.people, **BY)
    return found


def why(clinic: Clinic, handles: list[str]) -> Counter[str]:
    """What the requests of these people wait for, or ended with."""
    return Counter(reason for handle in handles for reason in clinic.reasons(handle))


def said(clinic: Clinic) -> str:
    """How the campaign stands."""
    with clinic.gateway.store.read() as unit:
        (line,) = looking.campaigns(unit, clinic.gateway.rules.current())
    return line.said


def bounces(clinic: Clinic, count: int, status: ReceiptStatus = ReceiptStatus.BOUNCED) -> None:
    """The provider tells it of the first so many messages."""
    with clinic.gateway.store.read() as unit:
        sent = sorted(row[0] for row in unit.lookup(tables.communication, ("id",), "status", ["completed"]))
    for one in sent[:count]:
        with clinic.gateway.store.begin("test") as uow:
            told = Receipt(channel=ChannelKind.EMAIL, communication=one, event=f"e{one}", status=status, at=uow.now)
            receipts.record(uow, told)
            uow.commit()
