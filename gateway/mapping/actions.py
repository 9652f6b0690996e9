"""Resources of an appointment that the sender takes off count no more: segment action codes (table 0206; N-05)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.er7.reader import NULL, Message

# RGS-2, AIS-2, AIG-2, AIL-2 and AIP-2 tell the segment's action (C10): A add, D delete, U update, X no change.
# What tells none of its own goes the way of its group.
_GROUP = "RGS"
_CODED = frozenset({"AIS", "AIG", "AIL", "AIP"})
_ACTING = _CODED | {_GROUP}
_DELETE = "D"
_LAST = 13  # no field of theirs beyond this one is a fact


def without_deleted(message: Message) -> Message:
    """The message without the resources it deletes; where none of a kind is left, one whose fields are all `""`.

    So a place or service that was taken off is removed from what we hold (N-04), and one of several goes alone.
    """
    mark = message.separators.field
    if not any(line[:3] in _ACTING and _action(line, mark) == _DELETE for line in message.lines):
        return message
    kept = list(_kept(message.lines, mark))
    left = {line[:3] for line in kept}
    gone = sorted({line[:3] for line in message.lines} & _CODED - left)
    empty = [mark.join((name, "1", "D", *[NULL] * _LAST)) for name in gone]
    return Message(message.header, [*kept, *empty], message.codec)


def _kept(lines: Sequence[str], mark: str) -> Iterator[str]:
    group = ""
    for line in lines:
        if line[:3] in _ACTING:
            action = _action(line, mark)
            if line[:3] == _GROUP:
                group = action
            elif (action or group) == _DELETE:
                continue
        yield line


def _action(line: str, mark: str) -> str:
    fields = line.split(mark, 3)
    return fields[2].strip(" ").upper() if len(fields) > 2 else ""
