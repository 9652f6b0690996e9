"""Two units that need the same people wait for each other in one order, never in a circle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from clinic_canary import Overheard
from clinic_dsl import Clinic, Postbox

from gateway.model.comingback import Reply, ReplyMeaning
from gateway.model.consent import ChannelKind
from gateway.model.event import Format, RawMessage, Result
from gateway.pipeline import answers
from gateway.pipeline.comingback import Settler

NUMBER = "3125550177"
VISIT = "2026-03-20 09:30"


@pytest.fixture
def sharing(clinic: Clinic) -> Clinic:
    """Ann and Ben share a number; the newest text there was Ben's, whose visit is off: an answer is about Ann's."""
    clinic.texts = Postbox(clinic.clock)  # type: ignore[attr-defined]
    clinic.texts.kind = ChannelKind.SMS  # type: ignore[attr-defined]
    clinic.gateway.channels[ChannelKind.SMS] = clinic.texts  # type: ignore[index, attr-defined]
    for handle, start in (("Ann", VISIT), ("Ben", "2026-03-20 10:30")):
        clinic.person(handle, pid={13: f"^PRN^CP^^1^{NUMBER[:3]}^{NUMBER[3:]}"})
        clinic.adds(handle)
        clinic.consents(handle, to="sms")
        clinic.books(handle, on=start)
    clinic.until("2026-03-13 12:00")
    assert len(clinic.texts.envelopes) == 2  # type: ignore[attr-defined]
    clinic.cancels("Ben")
    return clinic


def test_an_answer_and_a_batch_about_the_same_people_do_not_wait_in_a_circle(
    sharing: Clinic, overheard: Overheard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SM-14, law 4: patients in token order. Ben is found first and Ann is needed later; the batch wants Ann, then Ben."""
    assert sharing.token("Ann") < sharing.token("Ben")
    inside = threading.Event()
    apply_to: Callable[..., Any] = answers.apply_to

    def slowly(*told: Any, **more: Any) -> Any:
        inside.set()
        time.sleep(0.5)  # the batch has begun, and waits for whom we hold
        return apply_to(*told, **more)

    monkeypatch.setattr(answers, "apply_to", slowly)
    now = sharing.clock.now()
    bodies = [
        sharing.schedules("S14", "Ann", start=VISIT, appointment="A1"),
        sharing.schedules("S12", "Ben", start="2026-04-20 10:30", appointment="B9"),
    ]
    raw = [RawMessage(source="ehr", format=Format.HL7V2, body=one, received=now) for one in bodies]
    gateway = sharing.gateway
    settler = Settler(
        store=gateway.store, site=gateway.site, rules=gateway.rules, meaning=lambda _text: ReplyMeaning.CONFIRM
    )
    reply = Reply(channel=ChannelKind.SMS, event="SM1", at=now, sender=f"+1{NUMBER}", to="+13125550100", text="C")
    quiet = list(overheard.errors)
    failed: list[BaseException] = []

    def answering() -> None:
        try:
            settler.reply(reply)
        except BaseException as error:  # told by the test
            failed.append(error)

    thread = threading.Thread(target=answering)
    thread.start()
    assert inside.wait(10), failed
    outcomes = gateway.receiver.receive(raw)
    thread.join(30)
    assert [one.result for one in outcomes] == [Result.ACCEPTED] * 2
    assert failed == []
    assert overheard.errors == quiet, "one of them was given up and tried again"
