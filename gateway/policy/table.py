"""The gates as a table for people, made from the gates themselves, so that it cannot say something else."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.model.request import RequestKind
from gateway.policy.gates import PLANNING, RELEASED_BY
from gateway.policy.kinds import GATES
from gateway.policy.sending import SENDING


def gate_table() -> str:
    """A Markdown table of every gate in the order it is asked, one line a reason; README.md holds exactly this."""
    head = "| # | gate | asked | reason | answer | released by | citation | test |\n|---|---|---|---|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in _rows())


def _rows() -> Iterator[tuple[str, ...]]:
    planning = {gate.name: gate for gate in PLANNING}
    sending = {gate.name: gate for gate in SENDING}
    order = [name for name in planning if name not in sending] + list(sending)
    for number, name in enumerate(order, start=1):
        gate = planning.get(name) or sending[name]
        asked = "both" if name in planning and name in sending else "planning" if name in planning else "sending"
        head = (str(number), f"`{name}`", asked)
        yield from ((*head, f"`{reason}`", "deny", "–", gate.cites, f"`{gate.test}`") for reason in gate.denies)
        yield from (
            (*head, f"`{reason}`", "hold", RELEASED_BY[reason], gate.cites, f"`{gate.test}`") for reason in gate.holds
        )


def kind_table() -> str:
    """A Markdown table of which of those gates each thing passes that the gateway says of its own accord; README.md holds it."""
    kinds = [kind for kind in GATES if kind is not RequestKind.RULE]
    head = f"| gate | {' | '.join(f'`{kind}`' for kind in kinds)} |\n|---|{'---|' * len(kinds)}\n"
    names = {kind: {gate.name for gate in GATES[kind]} for kind in kinds}
    rows = [(gate.name, ["asked" if gate.name in names[kind] else "" for kind in kinds]) for gate in SENDING]
    return head + "".join(f"| `{name}` | {' | '.join(asked)} |\n" for name, asked in rows if any(asked))
