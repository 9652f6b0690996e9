"""The provider's own list is told of opt-outs, and what people wrote is heard again from it after a restore."""

from __future__ import annotations

import pytest
from sms_parts import MARISOL, NOW, OURS, Box, Failure, channel, envelope, provider, to

from gateway.model.errors import Refused, StoreUnavailable, Unavailable, Unknown
from gateway.model.party import ContactPoint, ContactSystem
from gateway.model.when import DAY, HOUR, MINUTE
from gateway.ports import Retells, SetClock, SuppressesToo

NORTH, SERVICE = "+13125550199", "MG0123456789abcdef0123456789abcdef"


def here(port: int) -> str:
    """Where its consent API is."""
    return f"http://127.0.0.1:{port}"


def test_an_opt_out_is_told_for_every_sender_of_ours() -> None:
    """47 CFR 64.1200(a)(10); regulations 37 and 41: number, sender and the word; saying it again does nothing."""
    with (
        provider(senders={OURS, NORTH}) as there,
        channel(there.port, consents_url=here(there.port), senders={"north@lakeside.example": NORTH}) as sms,
    ):
        assert isinstance(sms, SuppressesToo)
        assert sms.suppresses
        sms.suppress(to(MARISOL))
        assert there.suppressed == [(MARISOL, OURS), (MARISOL, NORTH)]
        sms.suppress(to(MARISOL))
        with pytest.raises(Refused):
            sms.send(envelope())
    assert not there.stored


def test_a_list_that_no_agreement_covers_is_told_nothing() -> None:
    """Twilio's is no HIPAA-eligible service: it is off until the site turns it on."""
    with provider() as there, channel(there.port) as sms:
        assert not sms.suppresses
        with pytest.raises(Refused):
            sms.suppress(to(MARISOL))
        assert not there.asked


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (Failure(status=429), Unavailable),
        (Failure(status=401), Unavailable),
        (Failure(status=404), Unavailable),
        (Failure(status=503), Unavailable),
        (Failure(status=400, code=20001), Refused),
        (Failure(status=500), Unknown),
        (Failure(status=201, raw=b"{}"), Refused),
        (Failure(status=201, raw=b'{"items": [{"error_code": false}]}'), Refused),
        (Failure(drops=True), Unknown),
    ],
    ids=lambda one: str(getattr(one, "status", getattr(one, "__name__", ""))),
)
def test_only_an_acknowledged_opt_out_counts_as_told(failure: Failure, raised: type[Exception]) -> None:
    """SM-14: what is not acknowledged is said again, or a person sees to it."""
    with provider() as there, channel(there.port, consents_url=here(there.port)) as sms:
        there.will(failure)
        with pytest.raises(raised) as told:
            sms.suppress(to(MARISOL))
        assert MARISOL not in str(told.value)
        assert not there.suppressed


def test_a_number_the_list_does_not_take_is_for_a_person() -> None:
    """Its answer is 201 and an error of the item's own; so is what is no number."""
    with provider(item_code=30646) as there, channel(there.port, consents_url=here(there.port)) as sms:
        with pytest.raises(Refused):
            sms.suppress(to(MARISOL))
        with pytest.raises(Refused):
            sms.suppress(ContactPoint(system=ContactSystem.EMAIL, value="ann@mail.example"))


def test_what_people_wrote_since_is_heard_again_in_its_order() -> None:
    """SM-14; 45 CFR 164.308(a)(7): by page, oldest first, nothing from before, nothing that we wrote."""
    clock = SetClock(NOW - 2 * DAY)
    with provider(now=clock.now, page=2) as there, channel(there.port, clock) as sms:
        assert isinstance(sms, Retells)
        there.keep(MARISOL, "STOP", sid="SMold")
        for number, text in enumerate(("STOP", "START", "stop writing to me", "C", "where do I park?")):
            clock.set(NOW + number * MINUTE)
            there.keep(MARISOL, text, sid=f"SM{number}")
            there.accept({"To": MARISOL, "From": OURS, "Body": "Lakeside"})
        there.keep(MARISOL, "STOP", sid="SMelse", to="+13125550777")
        box = Box()
        assert sms.retell(NOW, box) == 5
        assert [one.text for one in box.replies.values()] == [
            "STOP", "START", "stop writing to me", "C", "where do I park?"
        ]  # fmt: skip
        assert [one.at for one in box.replies.values()] == [NOW + number * MINUTE for number in range(5)]
        sms.retell(NOW, box)
        assert len(box.replies) == 5


def test_a_messaging_service_is_asked_for_whatever_came_in() -> None:
    """Its numbers are known to the provider alone."""
    with provider() as there, channel(there.port, sender=SERVICE) as sms:
        there.keep(MARISOL, "STOP", to="+13125550777")
        box = Box()
        assert sms.retell(NOW - HOUR, box) == 1
        (reply,) = box.replies.values()
        assert (reply.sender, reply.to) == (MARISOL, "+13125550777")


def test_half_a_list_is_none() -> None:
    """What broke off is said to be unknown; a database that is away is no answer either."""
    with provider() as there, channel(there.port) as sms:
        there.keep(MARISOL, "STOP")
        for failure in (Failure(status=500), Failure(status=401)):
            there.will(failure)
            with pytest.raises(Unavailable):
                sms.retell(NOW - HOUR, Box())
        box = Box()
        box.fails = StoreUnavailable("away")
        with pytest.raises(StoreUnavailable):
            sms.retell(NOW - HOUR, box)
