"""Resources of an appointment that the sender takes off count no more: segment action codes (table 0206; N-05)."""

from __future__ import annotations

from gateway.er7.reader import NULL, Message

# RGS-2, AIS-2, AIG-2, AIL-2 and AIP-2 tell the segment's action (C10): A add, D delete, U update, X no change.
_CODED = frozenset({"AIS", "AIG", "AIL", "AIP"})
_LAST = 13  # no field of theirs beyond this one is a fact


def without_deleted(message: Message) -> Message:
    """The message without the resources it deletes; where none of a kind is left, one whose fields are all `""`.

    So a place or service that was taken off is removed from what we hold (N-04), and one of several goes alone.
    """
    mark = message.separators.field
    coded = [line for line in message.lines if line[:3] in _CODED]
    if not any(_deleted(line, mark) for line in coded):
        return message
    kept = [line for line in message.lines if line[:3] not in _CODED or not _deleted(line, mark)]
    left = {line[:3] for line in kept}
    gone = sorted({line[:3] for line in message.lines} & _CODED - left)
    empty = [mark.join((name, "1", "D", *[NULL] * _LAST)) for name in gone]
    return Message(message.header, [*kept, *empty], message.codec)


def _deleted(line: str, mark: str) -> bool:
    fields = line.split(mark, 3)
    return len(fields) > 2 and fields[2].strip(" ").upper() == "D"
