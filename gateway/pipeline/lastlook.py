"""The last look before the network: what a person stopped meanwhile stays here, and so does what is no longer ours to send.

A process that stood still (a machine that was suspended, SIGSTOP) may have been taken for dead: its attempt was given up
as unknown, looked up, and made again elsewhere. It must not make its own after all.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from gateway import telemetry
from gateway.model.errors import StoreError
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.pipeline import brakes, campaigns
from gateway.pipeline.clearing import Cleared
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.uow import Reader


class Overtaken(Enum):
    """Somebody else decided what becomes of the request: there is nothing to send and nothing to settle."""

    IT = "overtaken"


OVERTAKEN: Final = Overtaken.IT


def against(store: Store, cleared: Cleared, timeout: Millis) -> Reason | Overtaken | None:
    """Why nothing may leave now; None lets it. `timeout`: what the channel may take, Millis.

    STOPPED by a brake, CAMPAIGN_STOPPED with its campaign. CHANNEL_UNAVAILABLE, that is provably not sent and tried again, where nobody can say, or where the
    lease may end before the channel answers. OVERTAKEN when another holds the request.
    """
    try:
        with store.read() as unit:
            return _not_ours(unit, cleared, timeout) or _stopped(unit, cleared) or _ended(unit, cleared)
    except StoreError as error:
        telemetry.log().error("last-look.unavailable", request=cleared.request.id, error=type(error).__name__)
        return Reason.CHANNEL_UNAVAILABLE


def _not_ours(unit: Reader, cleared: Cleared, timeout: Millis) -> Reason | Overtaken | None:
    """Whoever gives an attempt up raises the fence of its request, in the same commit."""
    ((fence, lease),) = unit.lookup(tables.request, ("fence", "lease_until"), "id", [cleared.request.id])
    if fence != cleared.fence:
        telemetry.log().warning("deliver.overtaken", request=cleared.request.id)
        return OVERTAKEN
    late = lease is None or unit.now + timeout > lease
    return Reason.CHANNEL_UNAVAILABLE if late else None


def _stopped(unit: Reader, cleared: Cleared) -> Reason | None:
    about = cleared.about
    return brakes.standing(
        unit,
        channel=cleared.attempt.envelope.channel,
        rule=about.rule,
        facility=about.facility,
        start_utc=about.start_utc,
    )


def _ended(unit: Reader, cleared: Cleared) -> Reason | None:
    """A campaign that was stopped or ended since the clearance, by a person or by itself."""
    if not cleared.in_campaign or cleared.about.rule is None:
        return None
    return Reason.CAMPAIGN_STOPPED if campaigns.is_off(unit, cleared.about.rule) else None
