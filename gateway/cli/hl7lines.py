"""How a message at hand is told: a table or a sentence a line for people, an object a line for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.cli.hl7bench import Bench, readable
from gateway.cli.terminal import emit, say, table
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.analyst.hl7v2.checked import Deviation
    from gateway.analyst.hl7v2.shown import Row
    from gateway.er7.reader import Message
    from gateway.model.event import Reading

_LONGEST = 160  # characters of a value on one line; --all and --json give the whole
_HIDDEN = "•••"
_PLAIN = frozenset({"MSH-1", "MSH-2", "MSH-9", "MSH-11", "MSH-12", "MSH-15", "MSH-16", "MSH-18", "EVN-1"})


class Showing:
    """Prints one message after the other."""

    def __init__(self, bench: Bench, segments: frozenset[str], *, every: bool, revealed: bool, json: bool) -> None:
        from gateway.analyst.hl7v2 import shown
        from gateway.mapping.trace import TracedReader

        pack, feed, facts = bench.deployment.pack, bench.deployment.feed, bench.deployment.facts
        self._showing = shown.Showing(TracedReader(pack, feed, facts=facts), TracedReader(pack, feed))
        self._bench, self._segments = bench, segments
        self._every, self._revealed, self._json = every, revealed, json
        self.unreadable = 0

    def message(self, file: str, number: int, body: bytes | None, problem: str | None) -> None:
        """One message, or why it is none."""
        from gateway.analyst.hl7v2.lineage import Lineage
        from gateway.analyst.hl7v2.standard import nearest
        from gateway.mapping.envelope import type_of

        try:
            message = readable(self._bench, body, problem)
        except CommandError as trouble:
            self.unreadable += 1
            if self._json:
                emit({"file": file, "index": number, "unreadable": str(trouble)})
            else:
                say(f"{file}:{number}  {trouble}")
            return
        assert body is not None
        catalogue = self._bench.standard.catalogue(nearest(message.header.version))
        pack, facts = self._bench.deployment.pack, self._bench.deployment.facts
        lineage = Lineage(pack, type_of(message.header.raw(9), message.separators.encoding), facts)
        shown = self._showing.shown(body, message, catalogue, lineage, deep=self._every)
        rows = [row for row in shown.rows if not self._segments or row.segment in self._segments]
        if self._json:
            emit({**_head(file, number, message, shown.reading), "fields": [self._plain(row) for row in rows]})
        else:
            self._print(_head(file, number, message, shown.reading), rows)

    def _print(self, head: dict[str, object], rows: list[Row]) -> None:
        say(f"{head['file']}:{head['index']}  {head['type']}  {head['version'] or '-'}  {head['outcome']}")
        lines: list[tuple[str, str, str, str]] = []
        segment: tuple[str, int] | None = None
        for row in rows:
            if segment != (row.segment, row.sequence):
                segment = row.segment, row.sequence
                lines.append((f"{row.segment} {row.sequence}", row.title, "", ""))
            lines.append((row.place, row.name, self._value(row), self._taken(row)))
        table(("place", "name", "value", "taken"), lines)
        say()

    def _hidden(self, row: Row) -> bool:
        return not (self._revealed or row.place in _PLAIN or row.type == "SI")

    def _value(self, row: Row) -> str:
        if self._hidden(row):
            return _HIDDEN
        if self._every or len(row.value) <= _LONGEST:
            return row.value
        return f"{row.value[:_LONGEST]}… ({len(row.value)} characters)"

    def _taken(self, row: Row) -> str:
        if row.part:
            return ""
        if row.repetition > 1:
            return "as the first"
        told = [_used(use.name, use.value if self._revealed else use.value and _HIDDEN) for use in row.took]
        told += [f"{name}: no rule uses it" for name in row.unused]
        return "; ".join(told if not row.dropped else [*told, "dropped"])

    def _plain(self, row: Row) -> dict[str, object]:
        took = [{"name": use.name, "value": use.value if self._revealed else use.value and _HIDDEN} for use in row.took]
        return {
            "place": row.place,
            "segment": row.segment,
            "sequence": row.sequence,
            "name": row.name,
            "type": row.type,
            "value": _HIDDEN if self._hidden(row) else row.value,
            "took": took,
            "unused": list(row.unused),
            "dropped": row.dropped,
        }


def _used(name: str, value: str | None) -> str:
    if value is None:
        return f"{name}: looked at, taken elsewhere"
    return f"{name} = {value}" if value else name


def _head(file: str, number: int, message: Message, reading: Reading) -> dict[str, object]:
    faults = [
        {"code": fault.code, "severity": fault.severity.value, "place": str(fault.place or ""), "rule": fault.rule}
        for fault in reading.faults
    ]
    return {
        "file": file,
        "index": number,
        "type": reading.type,
        "version": message.header.version,
        "charset": message.codec,
        "outcome": _outcome(reading),
        "events": [event.kind.value for event in reading.events],
        "faults": faults,
    }


def _outcome(reading: Reading) -> str:
    """What becomes of it when it is received, in a sentence."""
    if reading.events:
        return ", ".join(event.kind.value for event in reading.events)
    if reading.ignored is not None:
        return f"ignored: {reading.ignored}"
    if reading.ack == "AA":
        return "a part of a message that goes on: kept until the whole is there"
    fault = next(one for one in reading.faults if one.severity == "E")
    return f"refused: {reading.ack} {fault.code} {fault.place or ''}: {fault.rule}"


class Checking:
    """Judges one message after the other and counts."""

    def __init__(self, bench: Bench, *, json: bool) -> None:
        from gateway.mapping.trace import TracedReader

        one = bench.deployment
        self._bench, self._json = bench, json
        self._reader = TracedReader(one.pack, one.feed, facts=one.facts)
        self._messages = self._deviations = self.mattering = self.unreadable = 0

    def message(self, file: str, number: int, body: bytes | None, problem: str | None) -> None:
        """One message, or why it is none."""
        from gateway.analyst.hl7v2.checked import Subject, check
        from gateway.analyst.hl7v2.lineage import Lineage
        from gateway.analyst.hl7v2.shown import raw

        self._messages += 1
        try:
            message = readable(self._bench, body, problem)
        except CommandError as trouble:
            self.unreadable += 1
            self._tell(file, number, {"unreadable": str(trouble)}, str(trouble))
            return
        assert body is not None
        one, traced = self._bench.deployment, self._reader.trace(raw(body))
        subject = Subject(
            message=message,
            traced=traced,
            lineage=Lineage(one.pack, traced.reading.type, one.facts),
            feed=one.feed,
            configured=one.configured,
        )
        for deviation in check(subject, self._bench.child):
            self._deviation(file, number, deviation)

    def _deviation(self, file: str, number: int, one: Deviation) -> None:
        self._deviations += 1
        self.mattering += one.matters
        words = f"{one.place}  {one.rule}; {'matters' if one.matters else 'does not matter'}: {one.why}"
        fields = {"place": one.place, "rule": one.rule, "by": one.by, "matters": one.matters, "why": one.why}
        self._tell(file, number, fields, words)

    def _tell(self, file: str, number: int, fields: dict[str, object], words: str) -> None:
        if self._json:
            emit({"file": file, "index": number, **fields})
        else:
            say(f"{file}:{number}  {words}")

    def summary(self) -> None:
        """How much of it matters."""
        counts = {
            "messages": self._messages,
            "deviations": self._deviations,
            "mattering": self.mattering,
            "unreadable": self.unreadable,
        }
        if self._json:
            emit({"summary": counts})
            return
        unreadable = f", {self.unreadable} cannot be read" if self.unreadable else ""
        say(
            f"{self._messages} messages, {self._deviations} deviations, {self.mattering} of them matter here{unreadable}"
        )
