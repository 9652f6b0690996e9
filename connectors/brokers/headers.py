"""A table of headers that cannot be read costs its message nothing: it is left out.

Pika would give up the connection, and RabbitMQ would send the message again for ever: the queue would never move.
"""

from __future__ import annotations

import struct
from typing import Any, Final

_LENGTH: Final = struct.Struct(">I")  # of a table, ahead of it (AMQP 0-9-1 §4.2.5.5)


def forgiving() -> None:
    """From now on, in this process. Pika has no seam for it but its own function's name.

    A time that no calendar has (a sender that tells milliseconds is in the year 58000), tables within tables deeper than
    Python goes, a type that pika does not know.
    """
    from pika import data
    from pika.exceptions import AMQPError

    strict = data.decode_table
    if getattr(strict, "forgives", False):
        return

    def decode_table(encoded: bytes, offset: int) -> tuple[dict[Any, Any], int]:
        try:
            found: tuple[dict[Any, Any], int] = strict(encoded, offset)
        except (ValueError, ArithmeticError, OSError, RecursionError, struct.error, AMQPError):
            return {}, offset + _LENGTH.size + int(_LENGTH.unpack_from(encoded, offset)[0])
        return found

    decode_table.forgives = True  # type: ignore[attr-defined]
    data.decode_table = decode_table
