"""One thread that turns offers into batches: what arrives while a commit runs is the next batch, and nobody waits for more."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from typing import Protocol

from gateway import telemetry
from gateway.model.audit import NodeFailure
from gateway.model.event import AckCode, Outcome, RawMessage, Result
from gateway.pipeline.witnessing import Witness
from gateway.ports import ReplyTo

_Offer = tuple[RawMessage, object, ReplyTo]


class Receives(Protocol):
    """What the intake thread hands batches to."""

    def receive(self, batch: Sequence[RawMessage]) -> list[Outcome]:
        """Outcomes in the order of `batch`."""
        ...


class IntakeThread:
    """A `ports.Intake`: bounded queue in, batches through `receive`, outcomes back per source.

    Parsing and the transaction share this one thread on purpose: parsed in the event loop's thread, every
    database step would have to win the interpreter lock back (design: "The hot path, measured").
    """

    def __init__(self, receiver: Receives, witness: Witness, *, max_batch: int = 64, max_queue: int = 4096) -> None:
        self._receiver = receiver
        self._witness = witness
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._offers: queue.SimpleQueue[_Offer | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caregate-intake", daemon=True)

    def start(self) -> None:
        """Begin to take offers."""
        self._witness.start()
        self._thread.start()

    def witness(self, source: str, failure: NodeFailure, host: str) -> None:
        """Have it audited that somebody at `host` was turned away; never blocks (TL-04)."""
        self._witness(source, failure, host)

    def heard(self, source: str) -> None:
        """Its other end lives and had nothing to tell (S-17); never blocks."""
        self._witness.heard(source)

    def offer(self, message: RawMessage, ticket: object, reply_to: ReplyTo) -> bool:
        """Queue one message; False when saturated or closing: nothing was taken (A-04)."""
        if self._closing.is_set() or self._offers.qsize() >= self._max_queue:
            return False
        self._offers.put((message, ticket, reply_to))
        return True

    @property
    def taking(self) -> bool:
        """Whether it takes offers: started, not closing, its thread alive."""
        return self._thread.is_alive() and not self._closing.is_set()

    def close(self, timeout: float = 30.0) -> None:
        """Take nothing new, commit and answer what is in hand, stop (F-16). `timeout` in seconds."""
        self._closing.set()
        self._offers.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)
        self._witness.stop()

    def _run(self) -> None:
        closing = False
        while not closing:
            batch, closing = self._gather()
            if batch:
                self._handle(batch)

    def _gather(self) -> tuple[list[_Offer], bool]:
        """Wait for one offer, then take whatever else is there already."""
        batch: list[_Offer] = []
        item = self._offers.get()
        while item is not None:
            batch.append(item)
            if len(batch) >= self._max_batch:
                return batch, False
            try:
                item = self._offers.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _received(self, batch: list[RawMessage]) -> list[Outcome]:
        """Outcomes whatever happens: without them the senders would wait for ever."""
        try:
            return self._receiver.receive(batch)
        except Exception as error:  # noqa: BLE001
            telemetry.log().error("intake.crashed", error=type(error).__name__, count=len(batch), exc_info=True)
            return [Outcome(result=Result.FAILED, ack=AckCode.AR) for _ in batch]

    def _handle(self, batch: list[_Offer]) -> None:
        outcomes = self._received([message for message, _, _ in batch])
        answers: dict[int, tuple[ReplyTo, list[tuple[object, Outcome]]]] = {}
        for (_, ticket, reply_to), outcome in zip(batch, outcomes, strict=True):
            answers.setdefault(id(reply_to), (reply_to, []))[1].append((ticket, outcome))
        for reply_to, pairs in answers.values():
            try:
                reply_to.answered(pairs)
            except Exception as error:  # noqa: BLE001  # one connector's trouble must not stop the others
                telemetry.log().error("intake.reply-failed", error=type(error).__name__, exc_info=True)
