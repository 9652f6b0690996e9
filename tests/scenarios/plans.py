"""What a world is to be like, from its seed alone."""

from __future__ import annotations

import random
from dataclasses import dataclass

BEGINS = (1_772_200_800_000, 1_792_677_600_000)
"""2026-02-27 and 2026-10-22, 14:00Z: nine days before each change of clocks in Chicago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a world is to be like. `rate`: of commits at which a process dies; 0: nothing fails at all."""

    seed: int
    patients: int
    rate: float
    threads: bool
    restores: bool

    @classmethod
    def drawn(cls, seed: int, patients: int) -> Plan:
        """From its seed alone: one in eight is calm, one in six has two workers at once, one in four is restored."""
        chance = random.Random(f"plan {seed}")
        calm = seed % 8 == 0
        return cls(
            seed=seed, patients=patients, rate=0.0 if calm else chance.choice((0.0005, 0.002, 0.005)),
            threads=not calm and seed % 6 == 1, restores=not calm and seed % 4 == 3,
        )  # fmt: skip
