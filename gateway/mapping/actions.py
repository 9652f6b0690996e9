"""Resources of an appointment that the sender takes off count no more: by segment action code or by status (N-05, SI-24)."""

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
_STATUS = {"AIS": 10, "AIG": 14, "AIL": 12, "AIP": 12}  # filler status of the resource (table 0278; SI-24)
_NONE: frozenset[str] = frozenset()
_OFF = frozenset({"CANCELLED", "CANCELED", "DELETED", "DC", "DISCONTINUED"})


def without_deleted(message: Message) -> Message:
    """The message without the resources it deletes; where none of a kind is left, one whose fields are all `""`.

    So a place or service that was taken off is removed from what we hold (N-04), and one of several goes alone.
    """
    mark = message.separators.field
    acting = [line for line in message.lines if line[:3] in _ACTING]
    kept: Sequence[str] = message.lines
    if any(_action(line, mark) == _DELETE for line in acting):
        kept = list(_kept(message.lines, mark))
    off = _replaced(message, kept) if len(acting) > 1 else _NONE
    if len(kept) == len(message.lines) and not off:
        return message
    left = {line[:3] for line in kept}
    gone = sorted({line[:3] for line in message.lines} & _CODED - left)
    empty = [mark.join((name, "1", "D", *[NULL] * _LAST)) for name in gone]
    return Message(message.header, [*(line for line in kept if line not in off), *empty], message.codec)


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


def _replaced(message: Message, kept: Sequence[str]) -> frozenset[str]:
    """The resources that are called off and have another of their kind beside them, in whose place they were.

    Where all of a kind are called off the whole appointment is, and what was known of it goes on to be known.
    """
    coded = [line for line in kept if line[:3] in _CODED]
    off = {line for line in coded if _called_off(message, line)}
    stay = {line[:3] for line in coded if line not in off}
    return frozenset(line for line in off if line[:3] in stay)


def _called_off(message: Message, line: str) -> bool:
    fields = line.split(message.separators.field)
    number = _STATUS[line[:3]]
    told = fields[number].split(message.separators.component, 1)[0] if number < len(fields) else ""
    return told.strip(" ").upper() in _OFF


def _action(line: str, mark: str) -> str:
    fields = line.split(mark, 3)
    return fields[2].strip(" ").upper() if len(fields) > 2 else ""
