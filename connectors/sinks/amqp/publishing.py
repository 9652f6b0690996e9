"""One batch over one connection: published without waiting for each, over when the broker confirmed or gave back every one of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from connectors.brokers.amqp import fault_of, ours
from gateway.model.errors import Busy, Missing, ServerError

Event = tuple[str, bytes, Any]
"""Routing key, body, properties."""
_GOODBYE: Final = 2.0  # seconds for the broker to answer our closing


class Publishing:
    """Used once, by one thread. Pika calls back; `_done` ends its loop, for better or worse."""

    def __init__(self, parameters: Any, exchange: str, events: Sequence[Event]) -> None:
        self._parameters, self._exchange, self._events = parameters, exchange, events
        self._unconfirmed = set(range(1, len(events) + 1))
        self._unrouted: set[str] = set()
        self._over = False
        self._fault: ServerError | None = None
        self._connection: Any = None
        self._channel: Any = None

    def run(self, seconds: float) -> set[str]:
        """Routing keys that no queue is bound for; everything else is in a queue, on disk. Raises ServerError."""
        with ours():
            import pika

            self._connection = pika.SelectConnection(
                self._parameters,
                on_open_callback=self._when_open,
                on_open_error_callback=self._when_lost,
                on_close_callback=self._when_lost,
            )
            limit = self._connection.ioloop.call_later(seconds, self._when_late)
            try:
                self._connection.ioloop.start()
                self._connection.ioloop.remove_timeout(limit)
            finally:
                self._close()
        if self._fault is not None:
            raise self._fault
        return self._unrouted

    def _done(self, fault: ServerError | None = None) -> None:
        """The first word counts: what is told later, also of our own goodbye, follows from it."""
        if not self._over:
            self._over, self._fault = True, fault
            self._connection.ioloop.stop()

    # called by pika, in this order

    def _when_open(self, connection: Any) -> None:
        connection.channel(on_open_callback=self._when_channel)

    def _when_channel(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._when_refused)
        channel.add_on_return_callback(self._when_returned)
        channel.confirm_delivery(self._when_answered, callback=self._when_confirming)

    def _when_confirming(self, _frame: Any) -> None:
        for key, body, properties in self._events:
            self._channel.basic_publish(self._exchange, key, body, properties, mandatory=True)

    def _when_returned(self, _channel: Any, told: Any, _properties: Any, _body: bytes) -> None:
        self._unrouted.add(told.routing_key)  # its confirmation follows

    def _when_answered(self, frame: Any) -> None:
        """`multiple`: all up to this one. A nack is of a broker that could not keep it."""
        told = frame.method
        self._unconfirmed -= _up_to(told.delivery_tag, self._unconfirmed) if told.multiple else {told.delivery_tag}
        if type(told).__name__ == "Nack":
            self._done(Busy("it could not keep an event"))
        elif not self._unconfirmed:
            self._done()

    def _when_refused(self, _channel: Any, error: BaseException) -> None:
        fault = fault_of(error)
        missing = isinstance(fault, Missing)
        self._done(Missing("the exchange is not there: make it, or look at `exchange`") if missing else fault)

    def _when_lost(self, connection: Any, error: BaseException) -> None:
        self._done(fault_of(error))
        connection.ioloop.stop()  # after our goodbye, too

    def _when_late(self) -> None:
        self._done(Busy("it did not confirm everything in time"))

    def _close(self) -> None:
        """Say goodbye; one that does not answer is left. Whichever it is, `_when_lost` ends the loop."""
        connection = self._connection
        if connection.is_open:
            connection.close()
            connection.ioloop.call_later(_GOODBYE, self._leave)
        elif not connection.is_closed:
            self._leave()
        if not connection.is_closed:
            connection.ioloop.start()
        connection.ioloop.close()

    def _leave(self) -> None:
        self._connection._terminate_stream(TimeoutError())  # noqa: SLF001 - pika has no other way to let go of a socket


def _up_to(tag: int, open_: set[int]) -> set[int]:
    return {one for one in open_ if one <= tag}
