"""What became of one file, written beside it: it names messages by index and control id, places and rules, never a value."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from connectors.sources.deliveries import Delivery, Identity
from connectors.sources.drops.report import instant
from connectors.sources.refusals import refused
from gateway.er7.batch import Envelope, Mismatch, Piece
from gateway.model.event import Fault, Outcome, Result
from gateway.model.when import Millis

_LISTED = 10_000  # refused messages that are listed; beyond, they are counted


class Report:
    """Gathers what is found while a file is read. `reference` is what the log calls it: a name may tell a patient."""

    def __init__(self, source: str, name: str, reference: str, now: Millis) -> None:
        self.name = name
        self.reference = reference
        self.identity: Identity | None = None
        self.delivery = Delivery.NEW
        self.digest = b""
        self.messages = 0
        self._source = source
        self._began = now
        self._outcomes: Counter[str] = Counter()
        self._refused: list[dict[str, Any]] = []
        self._unlisted = 0
        self._problems: list[str] = []
        self._enveloped = False

    @property
    def whole(self) -> bool:
        """Whether every message was taken and nothing is wrong with the file: `done`, else `failed`."""
        return not (self._problems or self._refused)

    def problem(self, sentence: str) -> None:
        """Something is wrong with the file as a whole."""
        if len(self._problems) < 1_000:
            self._problems.append(sentence)

    def envelope(self, part: Envelope) -> None:
        """The first FHS or BHS with a control id names the file (B-05)."""
        self._enveloped = True
        if self.identity is None and part.segment in ("FHS", "BHS") and part.identity[2]:
            self.identity = part.identity

    def mismatch(self, part: Mismatch) -> None:
        """A count that is wrong puts the file before a person (B-02)."""
        self.problem(str(part))

    def message(self, part: Piece, outcome: Outcome) -> None:
        """What became of one message (B-04)."""
        self.messages += 1
        self._outcomes[outcome.result.value] += 1
        if refused(outcome) or outcome.result in (Result.QUARANTINED, Result.REJECTED):
            self._unlisted += len(self._refused) >= _LISTED
            if not self._unlisted:
                self._refused.append(_line(part, outcome))

    def ended(self) -> None:
        """The file was read to its end; an empty batch is one, an empty file is not."""
        if not (self.messages or self._enveloped or self._problems):
            self.problem("there is no message in it")

    def told(self, now: Millis) -> dict[str, Any]:
        """The whole, as JSON takes it."""
        return {
            "file": self.name,
            "reference": self.reference,
            "source": self._source,
            "began": instant(self._began),
            "ended": instant(now),
            "digest": self.digest.hex(),
            "batch": list(self.identity) if self.identity else None,
            "delivery": self.delivery.value,
            "messages": self.messages,
            "outcomes": dict(self._outcomes),
            "problems": self._problems,
            "refused": self._refused,
            "refused_not_listed": self._unlisted,
        }


def remembered(raw: bytes) -> tuple[bytes, Identity | None] | None:
    """Digest and identity of the file of an earlier report; None where it tells none."""
    try:
        told = json.loads(raw)
        digest, batch = bytes.fromhex(told["digest"]), told["batch"]
    except (ValueError, KeyError, TypeError):
        return None
    identity = (str(batch[0]), str(batch[1]), str(batch[2])) if isinstance(batch, list) and len(batch) == 3 else None
    return (digest, identity) if digest else None


def _line(part: Piece, outcome: Outcome) -> dict[str, Any]:
    return {
        "index": part.index,
        "control_id": outcome.control_id,
        "type": outcome.type,
        "outcome": outcome.result.value,
        "ack": outcome.ack.value,
        "message": None if outcome.message is None else str(outcome.message),
        "problem": part.problem,
        "faults": [_fault(one) for one in outcome.faults],
    }


def _fault(fault: Fault) -> dict[str, Any]:
    place = None if fault.place is None else str(fault.place)
    return {"code": fault.code, "place": place, "rule": fault.rule, "severity": fault.severity.value}
