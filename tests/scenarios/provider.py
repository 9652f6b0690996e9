"""The other side: takes messages, or not, says so, or not, and keeps a list of its own of what really left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gateway.model.comingback import Receipt, ReceiptStatus, Reply
from gateway.model.consent import ChannelKind
from gateway.model.errors import Refused, Unavailable, Unknown
from gateway.model.when import DAY, HOUR, Millis
from gateway.ports import Clock, Envelope, Handover, Inbox
from tests.scenarios.failing import Death, Fates


class Fate(StrEnum):
    """What becomes of one message that is offered."""

    TAKE = "taken"
    SILENT = "taken, no answer"
    LOSE = "lost, no answer"
    REFUSE = "refused"
    AWAY = "away"
    DIE_BEFORE = "died before-send"
    DIE_AFTER = "died after-acceptance"
    CRASH = "taken, then a bug"
    PAUSE = "taken, then the clock jumped past the lease"


_FATES = [(Fate.SILENT, 20), (Fate.LOSE, 20), (Fate.REFUSE, 20), (Fate.AWAY, 60), (Fate.DIE_BEFORE, 10),
          (Fate.DIE_AFTER, 15), (Fate.CRASH, 5), (Fate.PAUSE, 3)]  # fmt: skip
_OF = 1_000  # the rest is taken
_TOLD = [(ReceiptStatus.DELIVERED, 60), (ReceiptStatus.HANDED_OVER, 15), (ReceiptStatus.UNDELIVERED, 5),
         (ReceiptStatus.FAILED, 5), (ReceiptStatus.BOUNCED, 3), (ReceiptStatus.COMPLAINED, 1)]  # fmt: skip
_BAD = (ReceiptStatus.UNDELIVERED, ReceiptStatus.FAILED, ReceiptStatus.BOUNCED)


@dataclass(frozen=True, slots=True)
class Left:
    """One message that really left, in the order of `seq`."""

    seq: int
    at: Millis
    channel: ChannelKind
    to: str
    message_id: str
    communication: int
    text: str


class Provider:
    """What both channels share: the list, what is still to be told, and what happens to whom."""

    def __init__(self, clock: Clock, fates: Fates) -> None:
        self.clock, self.fates = clock, fates
        self.left: list[Left] = []
        self.offered = 0
        self.receipts: list[tuple[Millis, Receipt, str]] = []
        self.leaves: Callable[[Left], None] = lambda _left: None
        self.opted_out: list[str] = []
        self.heard: list[Reply] = []
        self.pause: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._events = 0

    def channels(self) -> dict[ChannelKind, Line]:
        """The text channel, which can be asked, and the mail channel, which cannot."""
        return {ChannelKind.SMS: Asked(self, ChannelKind.SMS), ChannelKind.EMAIL: Line(self, ChannelKind.EMAIL)}

    @property
    def now(self) -> int:
        """How many messages have left; what leaves later has this `seq` or a higher one."""
        return len(self.left)

    def fate(self) -> Fate:
        """Drawn anew for every offer."""
        with self._lock:
            self.offered += 1
            draw = self.fates.chance.randrange(_OF) if self.fates.rate else _OF
        for fate, share in _FATES:
            draw -= share
            if draw < 0 and (fate is not Fate.PAUSE or self.fates.mortal):
                return fate
        return Fate.TAKE

    def take(self, envelope: Envelope) -> None:
        """From here on it has left; what becomes of it is told later, perhaps doubled."""
        with self._lock:
            one = Left(len(self.left), self.clock.now(), envelope.channel, envelope.to.value, envelope.message_id,
                       envelope.communication, envelope.text)  # fmt: skip
            self.left.append(one)
            self.leaves(one)
            draw = self.fates.chance.randrange(100) if self.fates.rate else 100
        for status, share in _TOLD:
            draw -= share
            if draw < 0:
                self.tell(envelope, status)
                return

    def tell(self, envelope: Envelope, status: ReceiptStatus) -> None:
        """Plan a receipt, and perhaps another that contradicts or repeats it: late, doubled, out of order."""
        chance = self.fates.chance
        with self._lock:
            draws = [chance.random() for _ in range(4)]
            self._events += 1
            event = f"e{self._events}"
        named: dict[str, object] = {"provider_id": f"p{envelope.communication}"}
        if draws[0] < 0.3:
            named = {"communication": envelope.communication}
        elif draws[0] < 0.4:
            named = {"message_id": envelope.message_id}
        one = Receipt(channel=envelope.channel, event=event, status=status, at=self.clock.now(),
                      address_bad=status in _BAD and draws[1] < 0.3, **named)  # type: ignore[arg-type]  # fmt: skip
        after = self.clock.now() + int(draws[2] ** 3 * 3 * DAY)
        with self._lock:
            self.receipts.append((after, one, envelope.to.value))
            if draws[3] < 0.3:
                self.receipts.append((after + int(draws[1] * DAY), one, envelope.to.value))
                self.fates.counts["receipt doubled"] += 1
            if draws[3] < 0.1:
                self.receipts.append((max(0, after - HOUR), _earlier(one), envelope.to.value))
                self.fates.counts["receipt out of order"] += 1

    def due(self) -> list[tuple[Receipt, str]]:
        """What is told by now, in no order, each with the address it is about."""
        with self._lock:
            now = self.clock.now()
            found = [(one, to) for at, one, to in self.receipts if at <= now]
            self.receipts = [one for one in self.receipts if one[0] > now]
            self.fates.chance.shuffle(found)
        return found

    def has(self, communication: int) -> bool:
        """Whether it was taken."""
        with self._lock:
            return any(one.communication == communication for one in reversed(self.left))


def _earlier(one: Receipt) -> Receipt:
    from dataclasses import replace

    return replace(one, event=one.event + "h", status=ReceiptStatus.HANDED_OVER, address_bad=False)


class Line:
    """`ports.Channel` of one kind to the provider."""

    timeout = 1.0

    def __init__(self, provider: Provider, kind: ChannelKind) -> None:
        self.name, self.kind, self._provider = kind.value, kind, provider

    def send(self, envelope: Envelope) -> Handover:
        """Hand over; what happens is drawn. Raises what a channel may, and Death."""
        envelope.verify()
        provider = self._provider
        fate = provider.fate()
        provider.fates.note(f"offer {fate}")
        if fate is Fate.DIE_BEFORE:
            self._die(fate)
        if fate in (Fate.REFUSE, Fate.AWAY):
            raise (Refused("answered 550") if fate is Fate.REFUSE else Unavailable("no connection"))
        if fate is Fate.LOSE:
            if provider.fates.happens(0.2, "receipt of what was lost"):
                provider.tell(envelope, ReceiptStatus.FAILED)
            raise Unknown("the line was lost")
        provider.take(envelope)
        return self._answer(fate, envelope)

    def _answer(self, fate: Fate, envelope: Envelope) -> Handover:
        self._provider.fates.here.sent = True
        if fate is Fate.SILENT:
            raise Unknown("the line was lost after the final dot")
        if fate is Fate.CRASH:
            raise RuntimeError("a bug of the channel")
        if fate is Fate.DIE_AFTER:
            self._die(fate)
        if fate is Fate.PAUSE:
            self._provider.pause()
        return Handover(provider_id=f"p{envelope.communication}")

    def _die(self, fate: Fate) -> None:
        if self._provider.fates.mortal:
            raise Death(fate)
        raise Unavailable("no connection") if fate is Fate.DIE_BEFORE else Unknown("the line was lost")

    def close(self) -> None:
        """Nothing is held open."""


class Asked(Line):
    """A channel whose provider can be asked (`ports.LooksUp`), and keeps what people wrote (`ports.Retells`)."""

    def look_up(self, communication: int, since: Millis) -> Handover | None:
        """As `ports.LooksUp`; now and then nobody answers."""
        if self._provider.fates.happens(0.2, "look-up unanswered"):
            raise Unavailable("no answer")
        self._provider.fates.note("look-up")
        return Handover(provider_id=f"p{communication}") if self._provider.has(communication) else None

    def retell(self, since: Millis, inbox: Inbox) -> int:
        """As `ports.Retells`."""
        kept = [one for one in self._provider.heard if one.at >= since]
        for one in kept:
            inbox.reply(one)
        return len(kept)
