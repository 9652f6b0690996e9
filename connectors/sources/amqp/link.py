"""One channel with one consumer: RabbitMQ sends ahead, in the queue's order, and forgets only what is acknowledged.

Whatever was not acknowledged when the channel ends goes back to its place in the queue and comes again, as redelivered.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, Final

from connectors.brokers.amqp import ours, parameters
from connectors.brokers.headers import forgiving
from connectors.sources.amqp.options import AmqpOptions
from connectors.sources.queues import Delivery, Waiting
from gateway.model.errors import Busy, Missing, ServerError, Unusable

_AHEAD = 64 << 20  # bytes sent ahead that wait here, about: beyond them nothing is read from the connection
_QUEUES_ONLY: Final = {"x-priority": 0}
"""As it is anyhow; a stream refuses it (406). Streams keep no account of us: what came while we were away would be left out."""


class AmqpLink:
    """See `Link`."""

    def __init__(self, name: str, options: AmqpOptions) -> None:
        self._name, self._options = name, options
        self._connection: Any = None
        self._channel: Any = None
        self._ready: deque[Delivery] = deque()
        self._bytes = 0
        self._longest = 0  # bytes of one message, so far
        self._held = 0  # taken, and not settled
        self._settled = 0  # all up to this tag are; tags count up from 1 on a channel
        self._cancelled = False

    def open(self) -> None:
        """See `Link`."""
        told = parameters(self._options, f"caregate source {self._name}")
        forgiving()
        with ours():
            import pika  # here: only a process that has such a source pays for it

            self._connection = pika.BlockingConnection(told)
            self._channel = self._connection.channel()
            self._channel.add_on_cancel_callback(self._when_cancelled)
            self._channel.basic_qos(prefetch_count=self._options.prefetch)
        if self._options.declare:
            self._declare()
        self.waiting()
        self._consume()

    def _declare(self) -> None:
        try:
            with ours():
                kind = {"x-queue-type": self._options.queue_type.value}
                self._channel.queue_declare(self._options.queue, durable=True, arguments=kind)
        except Unusable:
            raise Unusable("the queue is there, and made otherwise: remove `declare`, or tell its queue_type") from None

    def _consume(self) -> None:
        try:
            with ours():
                self._channel.basic_consume(self._options.queue, self._when_given, arguments=_QUEUES_ONLY)
        except Unusable:
            raise Unusable("`queue` is a stream, which forgets nothing: name a queue that its exchange feeds") from None

    def take(self, most: int, seconds: float) -> Sequence[Delivery]:
        """See `Link`. What the broker sent ahead is given first."""
        self._serve(0.0 if self._ready else seconds)
        found = [self._ready.popleft() for _ in range(min(most, len(self._ready)))]
        if found:
            self._bytes -= sum(len(one.body) for one in found)
            self._held += len(found)
        elif self._cancelled:
            raise Busy("the broker ended our subscription: the queue was removed, or moved to another node")
        return found

    def settle(self, deliveries: Sequence[Delivery]) -> None:
        """See `Link`. In one word (`multiple`) where everything before them was settled."""
        tags = [_tag(one) for one in deliveries]
        with ours():
            if tags and tags == list(range(self._settled + 1, self._settled + 1 + len(tags))):
                self._channel.basic_ack(tags[-1], multiple=True)
                self._settled = tags[-1]
            else:
                for tag in tags:
                    self._channel.basic_ack(tag)
        self._held -= len(tags)

    def idle(self, seconds: float) -> None:
        """See `Link`."""
        self._serve(seconds)

    def waiting(self) -> Waiting:
        """What is in the queue, and what it gave to us; RabbitMQ does not tell since when."""
        try:
            with self._asking() as channel:
                told = channel.queue_declare(self._options.queue, passive=True)
        except Missing:
            raise Missing("the queue is not there: make it, or say declare: yes") from None
        return Waiting(messages=told.method.message_count + len(self._ready) + self._held)

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        """A channel to ask on. The answer stands behind all that was sent ahead: where that may be too much, another connection's."""
        with ours():
            if self._longest * self._options.prefetch <= _AHEAD:
                yield self._channel
                return
            import pika

            with closing(pika.BlockingConnection(parameters(self._options, f"caregate source {self._name}"))) as other:
                yield other.channel()

    def close(self) -> None:
        """See `Link`."""
        connection, self._connection = self._connection, None
        if connection is None or connection.is_closed:
            return
        with suppress(ServerError), ours():
            connection.close()

    def _serve(self, seconds: float) -> None:
        """Whatever comes and must be answered, for about so long: deliveries, heartbeats, the end of the subscription."""
        if self._bytes > _AHEAD:
            time.sleep(seconds)
            return
        with ours():
            self._connection.process_data_events(time_limit=seconds)
            if not self._channel.is_open:
                raise Busy("the broker closed the channel")

    def _when_given(self, _channel: Any, told: Any, properties: Any, body: bytes) -> None:
        self._bytes += len(body)
        self._longest = max(self._longest, len(body))
        self._ready.append(
            Delivery(
                tag=told.delivery_tag,
                body=body,
                content_type=_text(properties.content_type),
                encoding=_text(properties.content_encoding),
                again=told.redelivered,
            )
        )

    def _when_cancelled(self, _told: Any) -> None:
        self._cancelled = True


def _tag(one: Delivery) -> int:
    assert isinstance(one.tag, int)
    return one.tag


def _text(told: str | bytes | None) -> str:
    """Pika leaves as bytes what is no UTF-8."""
    return told if isinstance(told, str) else ""
