"""A batch in one frame: its messages go through the intake one after the other, and one reply goes back (F-09, B-03)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from connectors.sources.batches import Fared, offer_batch
from connectors.sources.deliveries import Deliveries, Delivery
from connectors.sources.mllp.port import Port, Ticket
from connectors.sources.mllp.replies import Replier, Reply
from connectors.sources.offering import Offering
from gateway.er7.batch import split_frame
from gateway.model.event import Outcome, RawMessage
from gateway.ports import Intake
from gateway.telemetry import log


class Batches:
    """The batches of one listener in hand; what takes time happens off the event loop."""

    def __init__(self, name: str, port: Port, intake: Intake, replier: Replier) -> None:
        self._name = name
        self._port = port
        self._reply = replier
        self._offering = Offering(name, intake)
        self._deliveries = Deliveries()
        self._running: set[asyncio.Task[None]] = set()

    def take(
        self,
        ticket: Ticket,
        *,
        message: Callable[[bytes], RawMessage],
        refusal: Callable[[bytes], Outcome | None],
        stopping: Callable[[], bool],
    ) -> None:
        """Answer the ticket in time. What was not offered when we stop is answered as trouble of ours (F-16)."""
        ticket.alone = True  # else what follows would overtake messages that are not offered yet
        running = self._port.loop.create_task(self._answer(ticket, message, refusal, stopping))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    def close(self) -> None:
        """Wait for no outcome any more."""
        for one in list(self._running):
            one.cancel()

    async def _answer(
        self,
        ticket: Ticket,
        message: Callable[[bytes], RawMessage],
        refusal: Callable[[bytes], Outcome | None],
        stopping: Callable[[], bool],
    ) -> None:
        body, loop = ticket.body, self._port.loop
        try:
            parts = await loop.run_in_executor(None, split_frame, body)
            fared = await offer_batch(
                body,
                parts,
                self._offering,
                self._deliveries,
                message=message,
                refusal=refusal,
                stopping=stopping,
            )
            self._tell(fared)
            reply = await loop.run_in_executor(None, self._reply.batch, fared)
        except Exception as error:  # noqa: BLE001 – a fault of ours must not leave the connection waiting for ever
            log().error("mllp.reply-failed", source=self._name, exc_info=error)
            reply = Reply(close=True)
        ticket.answer(reply)
        ticket.connection.advance()

    def _tell(self, fared: Fared) -> None:
        if fared.mismatches:
            self._port.tell("mllp.batch-miscounted", fared.mismatches)
        if fared.delivery is not Delivery.NEW:
            self._port.tell(f"mllp.batch-{fared.delivery.value}")
        if not fared.outcomes:
            self._port.tell("mllp.batch-empty")
        if fared.untaken:
            self._port.tell("mllp.intake-saturated", fared.untaken)
