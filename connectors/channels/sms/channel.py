"""The SMS channel: hands over exactly the cleared text, says how that ended, and asks before anything is sent twice."""

from __future__ import annotations

from collections.abc import Callable

from connectors.channels.sms.codes import Meaning, meaning_of
from connectors.channels.sms.exchange import Answer, Line
from connectors.channels.sms.lookup import Memory, Search, Sent, sid_of, words_of
from connectors.channels.sms.numbers import dialable
from connectors.channels.sms.options import SmsOptions, is_service, read_options
from connectors.channels.sms.rests import Rests
from connectors.channels.sms.suppressing import opt_out
from connectors.channels.sms.webhooks import Webhooks
from connectors.channels.sms.written import written_since
from gateway.model.comingback import Receipt, ReceiptStatus
from gateway.model.consent import ChannelKind
from gateway.model.errors import CaregateError, DeliveryError, Refused, Unavailable, Unknown
from gateway.model.party import ContactPoint, ContactSystem
from gateway.model.when import SECOND, Millis
from gateway.ports import Clock, Door, Envelope, Handover, Inbox, Options, Routes
from gateway.telemetry import log

LONGEST = 1600  # characters: beyond, the provider refuses (21617)
# RFC 9110: understood by nobody, or to be tried again. A login that fails says nothing about the message.
_NOT_TAKEN = frozenset({301, 307, 308, 401, 403, 404, 407, 408, 425, 429, 501, 503, 505})
_SHORTEST = 5  # seconds; with less the provider gives up before it has tried
_OURS = frozenset({401, 403, 404})


class SmsChannel:
    """`ports.Channel`, `Hears`, `LooksUp`, `Recognises`, `Retells`, `Serves` and `SuppressesToo`. Raises ConfigError for bad options."""

    kind = ChannelKind.SMS
    section = SmsOptions  # what the gateway checks our section against, so that each mistake has its line

    def __init__(self, name: str, options: Options, clock: Clock) -> None:
        self.name = name
        self._clock = clock
        self._options = read_options(name, options)
        self.timeout = self._options.timeout
        self._line = Line(name, self._options)
        self._path = f"/2010-04-01/Accounts/{self._options.account}/Messages.json"
        self._rests = Rests(clock)
        self._memory = Memory()
        self._inbox: Inbox | None = None
        self._hooks = Webhooks(name, self._options, clock, known=self._memory.known, stopped=self._stopped)

    # -- ports.Channel

    def send(self, envelope: Envelope) -> Handover:
        """Hand over exactly `envelope` within `timeout` seconds, and record an opt-out the provider answers with.

        Raises ClearanceError if the content is not what was cleared (law 3); Refused, Unavailable or Unknown as
        `ports.Channel` says.
        """
        envelope.verify()
        sent = self._sent(envelope)
        self._rests.check(sent.sender)
        try:
            answer = self._line.post(self._path, self._form(envelope, sent))
        except Unknown:
            self._memory.lost(envelope.communication, sent)
            raise
        failure = self._judged(answer, envelope.communication, sent.sender)
        if failure is None:
            return self._handed_over(answer, envelope.communication)
        if isinstance(failure, Unknown):
            self._memory.lost(envelope.communication, sent)
        raise failure

    def close(self) -> None:
        """Give back connections and threads."""
        self._hooks.close()
        self._line.close()

    # -- what comes back

    def hear(self, inbox: Inbox) -> None:
        """Take the inbox: webhooks tell it, and so does a send that is refused because of a STOP."""
        self._inbox = inbox
        self._hooks.hear(inbox)

    def routes(self, door: Door) -> Routes:
        """`/sms/<name>/status` and `/sms/<name>/inbound`. Raises ConfigError when messages would travel in clear."""
        return self._hooks.routes(door)

    def look_up(self, communication: int, since: Millis) -> Handover | None:
        """What became of an attempt of this process made at `since`; see `recognise`. Raises Unavailable.

        After a restart only what a status callback told is known: then ask `recognise`.
        """
        sid = self._memory.id_of(communication)
        if sid is not None:
            return Handover(provider_id=sid)
        sent = self._memory.sent(communication)
        if sent is None:
            raise Unavailable("looking up: not an attempt of this process")
        return self._find(communication, sent, since)

    def recognise(self, envelope: Envelope, since: Millis) -> Handover | None:
        """The hand-over of what was offered as `envelope` at `since`; None when it provably never came (SM-07).

        Raises Unavailable while it cannot be told; it may never be.
        """
        sid = self._memory.id_of(envelope.communication)
        if sid is not None:
            return Handover(provider_id=sid)
        try:
            sent = self._sent(envelope)
        except Refused:
            return None  # such a one is refused before anything is sent
        return self._find(envelope.communication, sent, since)

    def retell(self, since: Millis, inbox: Inbox) -> int:
        """`ports.Retells`: what people wrote since then, STOP among it. Raises Unavailable, StoreError."""
        found = written_since(self._line, self._path, self._options.all_senders, since)
        for reply in found:
            inbox.reply(reply)
        return len(found)

    # -- ports.SuppressesToo

    @property
    def suppresses(self) -> bool:
        """Whether the provider's own list is told of opt-outs (`consents_url`)."""
        return self._options.consents_url is not None

    def suppress(self, to: ContactPoint) -> None:
        """Have the provider's list know it, for every sender of ours. Raises Refused, Unavailable or Unknown."""
        if self._options.consents_url is None or to.system not in (ContactSystem.SMS, ContactSystem.PHONE):
            raise Refused("the provider's list is told of numbers only, and only where `consents_url` is set")
        opt_out(self._line, self._options.consents_url, to.value, self._options.all_senders)

    def _find(self, communication: int, sent: Sent, since: Millis) -> Handover | None:
        settle = int(self._options.settle * SECOND)
        search = Search(line=self._line, path=self._path, memory=self._memory, settle=settle)
        return search.find(communication, sent, since=since, now=self._clock.now())

    # -- one message

    def _sent(self, envelope: Envelope) -> Sent:
        if envelope.channel is not ChannelKind.SMS or envelope.to.system is not ContactSystem.SMS:
            raise Refused("the envelope is not for a text message")
        if not envelope.text.strip() or len(envelope.text) > LONGEST:
            raise Refused(f"the text is empty or longer than {LONGEST} characters")
        return Sent(
            to=dialable(envelope.to.value),
            sender=self._options.sender_for(envelope.sender_address),
            words=words_of(envelope.text),
        )

    def _form(self, envelope: Envelope, sent: Sent) -> dict[str, str]:
        return {
            "To": sent.to,
            "MessagingServiceSid" if is_service(sent.sender) else "From": sent.sender,
            "Body": envelope.text,
            # an id of ours that means nothing elsewhere: it finds the attempt whatever became of this answer (SM-07)
            "StatusCallback": f"{self._hooks.status_url}?c={envelope.communication}",
            "ValidityPeriod": str(self._validity(envelope)),
            "SmartEncoded": "false",  # the words that were cleared, not others that look alike (law 3)
            "ShortenUrls": "false",  # links stay on their own domain (SM-19)
        }

    def _validity(self, envelope: Envelope) -> int:
        """Seconds the provider may keep trying: not into the night, nor until what it is about is over (SM-17)."""
        longest = int(self._options.validity)
        if envelope.until is None:
            return longest
        return max(_SHORTEST, min(longest, (envelope.until - self._clock.now()) // SECOND))

    def _handed_over(self, answer: Answer, communication: int) -> Handover:
        sid = sid_of(answer.told)
        if sid is None:
            log().warning("sms.accepted-without-id", channel="sms", communication=communication)
        else:
            self._memory.known(communication, sid)
        return Handover(provider_id=sid)

    def _judged(self, answer: Answer, communication: int, sender: str) -> DeliveryError | None:
        """How an answer counts; None when it was accepted. 500, 502, 504 do not say that nothing was taken."""
        if 200 <= answer.status < 300:
            return None
        said = f"answered {answer.status}" + (f", code {answer.code}" if answer.code else "")
        known = _KNOWN.get(meaning_of(answer.code)) if 400 <= answer.status < 500 else None
        if known is not None:
            return known(self, answer, communication, sender, said)
        if answer.status in _OURS:
            self._stopped(sender, answer.code or answer.status)
        if answer.status in (429, 503):
            self._rests.pause(answer.retry_after)
        if answer.status in _NOT_TAKEN:
            return Unavailable(said)
        return Refused(said) if 400 <= answer.status < 500 else Unknown(said)

    def _opted_out(self, answer: Answer, communication: int, _sender: str, said: str) -> DeliveryError:
        self._tell(answer, communication, opted_out=True)
        return Refused(said)

    def _address_bad(self, answer: Answer, communication: int, _sender: str, said: str) -> DeliveryError:
        self._tell(answer, communication, address_bad=True)
        return Refused(said)

    def _sender_stopped(self, answer: Answer, _communication: int, sender: str, said: str) -> DeliveryError:
        self._stopped(sender, answer.code or answer.status)
        return Unavailable(said)

    def _later(self, answer: Answer, _communication: int, _sender: str, said: str) -> DeliveryError:
        self._rests.pause(answer.retry_after)
        return Unavailable(said)

    def _stopped(self, sender: str, code: int) -> None:
        """The provider will take nothing from this sender until somebody of ours mends it (SM-08, SM-16)."""
        if self._rests.stop(sender):
            log().error("sms.sender-stopped", channel="sms", name=self.name, code=code)

    def _tell(self, answer: Answer, communication: int, *, opted_out: bool = False, address_bad: bool = False) -> None:
        """An opt-out or a dead number that the provider answers with is recorded at once (SM-08, SM-14)."""
        receipt = Receipt(
            channel=ChannelKind.SMS,
            event=f"send:{communication}:{answer.code}",
            status=ReceiptStatus.FAILED,
            at=self._clock.now(),
            communication=communication,
            code=str(answer.code),
            opted_out=opted_out,
            address_bad=address_bad,
        )
        try:
            if self._inbox is not None:
                self._inbox.receipt(receipt)
        except CaregateError as error:  # the next send meets the same answer
            log().error("sms.answer-not-recorded", communication=communication, error=type(error).__name__)


_Known = Callable[[SmsChannel, Answer, int, str, str], DeliveryError]
_KNOWN: dict[Meaning, _Known] = {
    Meaning.OPTED_OUT: SmsChannel._opted_out,  # noqa: SLF001 - the class's own table
    Meaning.ADDRESS_BAD: SmsChannel._address_bad,  # noqa: SLF001
    Meaning.SENDER: SmsChannel._sender_stopped,  # noqa: SLF001
    Meaning.LATER: SmsChannel._later,  # noqa: SLF001
}
