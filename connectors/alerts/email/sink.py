"""Writes alerts to staff: closed words only, one message to each address, over the same verified conversation as patients' mail."""

from __future__ import annotations

from email.utils import format_datetime

from connectors.alerts.email.options import EmailAlertOptions, read_options
from connectors.channels.email.compose import Composed
from connectors.channels.email.mime import part, written
from connectors.channels.email.way import way
from connectors.channels.email.words import unstructured
from gateway.model.alert import Alert, AlertWord
from gateway.model.errors import DeliveryError
from gateway.model.when import to_datetime
from gateway.ports import Clock, Options
from gateway.telemetry import log


class EmailAlerts:
    """`ports.AlertSink` over SMTP. Raises ConfigError for bad options."""

    section = EmailAlertOptions

    def __init__(self, name: str, options: Options, clock: Clock) -> None:
        self.name = name
        del clock  # an alert brings its own time
        self._options = read_options(name, options)
        self._way = way(self._options)

    def tell(self, alert: Alert) -> None:
        """One message to each address. Raises the DeliveryError of the last one when nobody was reached.

        Whoever was not reached, while others were, is only logged: they would get the alert twice.
        """
        failures: list[DeliveryError] = []
        for recipient in self._options.to:
            try:
                self._way.carry(
                    compose(alert, sender=self._options.sender, recipient=recipient), open_allowed=True
                )  # no PHI
            except DeliveryError as error:
                failures.append(error)
        if len(failures) == len(self._options.to):
            raise failures[-1]
        if failures:
            log().warning("alert.partly-told", name=self.name, alert=alert.kind, lost=len(failures))

    def close(self) -> None:
        """Give back connections."""
        self._way.close()


def compose(alert: Alert, *, sender: str, recipient: str) -> Composed:
    """The message for one address. Repeats of one condition form a thread (RFC 5322 §3.6.4)."""
    domain = sender.rpartition("@")[2]
    first = f"<{_token(alert.id)}@{domain}>"
    fields = [f"Message-ID: {first}"]
    if alert.word is not AlertWord.RAISED:
        again = f"<{_token(alert.id)}.{alert.word.value}.{alert.at}@{domain}>"
        fields = [f"Message-ID: {again}", f"In-Reply-To: {first}", f"References: {first}"]
    fields += [
        f"Date: {format_datetime(to_datetime(alert.at))}",
        f'From: "Caregate" <{sender}>',
        f"To: {recipient}",
        f"Subject: {unstructured(f'[caregate] {alert.subject}')}",
        "Auto-Submitted: auto-generated",  # RFC 3834
    ]
    content = written(fields, part("plain", f"{alert.text}\n\n{_HINT}\n"))
    return Composed(sender=sender, recipient=recipient, content=content, utf8=False)


_HINT = "`caregate status` and `caregate feeds list` tell more. This message holds no patient's data."


def _token(text: str) -> str:
    """A source's name may hold an underscore, nothing else that RFC 5322's atoms lack; what separates becomes a dot."""
    return text.replace(":", ".")
