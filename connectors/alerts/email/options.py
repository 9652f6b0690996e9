"""The options of alerts by e-mail: who writes to whom, and the relay's as the e-mail channel has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from connectors.channels.email.options import EmailOptions
from gateway.model.errors import ConfigError

# one plain ASCII mailbox (RFC 5321 §4.1.2), nothing a header could be smuggled in with
_MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def _mailbox(text: str) -> str:
    if _MAILBOX.fullmatch(text) is None:
        raise ValueError("must be one e-mail address like interfaces@lakeside.example")
    return text


Mailbox = Annotated[str, AfterValidator(_mailbox)]


class EmailAlertOptions(EmailOptions):
    """`to`: staff. `sender`: the address it comes from. The rest is the relay's."""

    to: tuple[Mailbox, ...] = Field(min_length=1, max_length=20)
    sender: Mailbox


def read_options(name: str, options: Mapping[str, object]) -> EmailAlertOptions:
    """The validated options of sink `name`; raises ConfigError with every problem and none of the values."""
    try:
        return EmailAlertOptions.model_validate(dict(options))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        raise ConfigError(*(_problem(name, one["loc"], one["msg"]) for one in found)) from None


def _problem(name: str, place: tuple[int | str, ...], said: str) -> str:
    return f"{'.'.join(('alerts', name, *map(str, place)))}: {said.removeprefix('Value error, ')}"
