"""What Snowflake's refusals mean: who may not is never tried again, what is away is; not a word of theirs is kept (SN-35)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gateway.model.errors import Busy, Denied, Missing, ServerError, Unusable


class Expired(Busy):
    """The session has ended: once a new one is opened, and what was begun goes on."""


class Stale(Unusable):
    """The changes since last time cannot be had any more, or never could: all of the table must be read (SN-16, SN-19)."""


_Fault = Callable[[], ServerError]


def _denied(text: str, status: int = 401) -> _Fault:
    return lambda: Denied(text, status)


_TOKEN = "Snowflake does not believe our key"  # noqa: S105 - words
_KNOWN: Final[Mapping[int, _Fault]] = {
    390144: _denied(f"{_TOKEN}: the user has no such public key, or `account` or `user` is wrong"),
    394300: _denied(f"{_TOKEN}: the user has no such public key, or `account` or `user` is wrong"),
    394301: _denied(f"{_TOKEN}: the proof came too late; look at the clock of this machine"),
    394302: _denied(f"{_TOKEN}: the clock of this machine is ahead"),
    394303: _denied(f"{_TOKEN}: the clock of this machine is wrong"),
    394304: _denied(f"{_TOKEN}: the public key of the user is another one"),
    394305: _denied(f"{_TOKEN}: it takes no keys of this kind"),
    394306: _denied(f"{_TOKEN}: it cannot read the proof"),
    390100: _denied("Snowflake does not know this user, or not by this key"),
    390186: _denied("the user does not have the role", 403),
    390189: _denied("there is no such role, or the user does not have it", 403),
    390201: _denied("there is no such warehouse or database, or the role may not use it", 403),
    390422: _denied("Snowflake's network policy does not let this address in", 403),
    3001: _denied("the role lacks a privilege: it needs SELECT, and what `mode` needs beside it", 403),
    606: _denied("there is no such warehouse, or the role may not use it", 403),
    2003: lambda: Missing("the table or schema is not there, or the role may not see it"),
    2043: lambda: Missing("the table or schema is not there, or the role may not see it"),
    707: lambda: Stale("the changes since last time are outside Time Travel"),
    604: lambda: Busy("the statement was cancelled"),
    630: lambda: Busy("the statement took longer than `statement_timeout`"),
    904: lambda: Unusable("a column that was there is gone"),
    2057: lambda: Unusable("the view no longer fits the tables it is made of"),
}
_ENDED = frozenset({390104, 390110, 390111, 390112, 390113, 390114, 390115, 390195, 250002})
_LOGIN = range(390_000, 395_000)  # who may come in: what is not known here is not tried again either
_TELLING: Final[Mapping[str, _Fault]] = {  # words of refusals whose numbers are documented nowhere; the longest first
    "change tracking is not enabled": lambda: Unusable(
        "the table's changes are not tracked: its owner must switch CHANGE_TRACKING on; or choose `mode` watermark or snapshot"
    ),
    "time travel data is not available": lambda: Stale("the changes since last time are outside Time Travel"),
    "base table": lambda: Stale("the table the stream was made on was replaced or dropped"),
    "stale": lambda: Stale("the stream is stale: its changes are outside the retention"),
}


def fault_of(error: Exception) -> ServerError:
    """Ours for one of the connector's errors. Its words are looked into and forgotten."""
    number = _number(error)
    if number in _ENDED:
        return Expired("the session has ended")
    if number in _KNOWN:
        return _KNOWN[number]()
    words = str(error).casefold()
    for told, fault in _TELLING.items():
        if told in words and _compiled(error):
            return fault()
    if number in _LOGIN:
        return Denied(f"Snowflake refuses the login ({number})", 401)
    if type(error).__name__ in {"ForbiddenError", "UnauthorizedError"}:
        return Denied("Snowflake refuses us before the login: look at `account`, and at its network policy", 403)
    if _compiled(error):
        return Unusable(
            f"Snowflake cannot run the statement ({number}): the table is not what it was, or not what `mode` needs"
        )
    return Busy(f"Snowflake cannot be reached ({number})")


def _number(error: Exception) -> int:
    """Of the refusal itself; a login that failed may carry it in words alone."""
    told = getattr(error, "errno", None)
    number = int(told) if isinstance(told, int) else -1
    if number == _NO_LOGIN:
        return next((one for one in (*_KNOWN, *_ENDED) if one > 390_000 and str(one) in str(error)), number)
    return number


_NO_LOGIN = 250_001


def _compiled(error: Exception) -> bool:
    """Whether it is the statement that was refused, and not the way to it: PEP 249's classes, numbers below those of clients."""
    return (
        type(error).__name__ in {"ProgrammingError", "NotSupportedError", "DataError"} and 0 < _number(error) < 250_000
    )
