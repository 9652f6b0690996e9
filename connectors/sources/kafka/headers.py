"""What a message's headers say of its payload; headers that cannot be read cost it nothing but them."""

from __future__ import annotations

from operator import methodcaller
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from confluent_kafka import Message

_NAMES: Final = {"content-type": "content_type", "content-encoding": "encoding"}

_call = methodcaller("headers")


def told_of(message: Message) -> dict[str, str]:
    """`content_type` and `encoding`, where they are told; CloudEvents' Kafka binding calls it content-type too."""
    told = {}
    for name, value in _headers(message):
        word = _NAMES.get(name.lower())
        if word is not None and value:
            told[word] = value.decode("ascii", "replace").strip().lower()
    return told


def _headers(message: Message) -> list[tuple[str, bytes | None]]:
    """None of them where one has a name that is no UTF-8: raised, it would bring the message again for ever.

    confluent_kafka then returns a list with holes and an error beside it. Only a call from C looks for that error; the
    interpreter's own quick call goes on with the list, and falls into a hole (a segmentation fault).
    """
    try:
        return cast("list[tuple[str, bytes | None]]", _call(message) or [])
    except (UnicodeDecodeError, SystemError):
        return []
