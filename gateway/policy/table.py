"""The gates as a table for people, made from the gates themselves, so that it cannot say something else."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.policy.gates import PLANNING, RELEASED_BY
from gateway.policy.sending import SENDING


def gate_table() -> str:
    """A Markdown table of every gate in the order it is asked, one line a reason; README.md holds exactly this."""
    head = "| # | gate | asked | reason | answer | released by | citation |\n|---|---|---|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in _rows())


def _rows() -> Iterator[tuple[str, ...]]:
    planning = {gate.name: gate for gate in PLANNING}
    sending = {gate.name: gate for gate in SENDING}
    order = [name for name in planning if name not in sending] + list(sending)
    for number, name in enumerate(order, start=1):
        gate = planning.get(name) or sending[name]
        asked = "both" if name in planning and name in sending else "planning" if name in planning else "sending"
        head = (str(number), f"`{name}`", asked)
        yield from ((*head, f"`{reason}`", "deny", "–", gate.cites) for reason in gate.denies)
        yield from ((*head, f"`{reason}`", "hold", RELEASED_BY[reason], gate.cites) for reason in gate.holds)
