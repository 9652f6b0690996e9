"""Parts of an assembled gateway for looking under other rules than those in force; nothing is recorded by it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.app.assembly import Gateway, readers_of
from gateway.pipeline.rules import Active, in_force
from gateway.ports import Reader
from gateway.ruleset.load import load


def under(gateway: Gateway, folder: Path | None) -> tuple[Active, Mapping[str, Reader]]:
    """A draft rule folder (None: the rules the gateway has), and readers that tell every fact it asks for.

    Raises ConfigError, StoreError.
    """
    active = gateway.rules.current()
    if folder is None:
        return active, gateway.readers
    draft = in_force(gateway.store, load(folder))
    wanted = active.ruleset.facts_used | draft.ruleset.facts_used
    if wanted == active.ruleset.facts_used:
        return draft, gateway.readers
    return draft, readers_of(gateway.pack, gateway.feeds, wanted)
