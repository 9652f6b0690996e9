"""The rule language: files become typed rules that are matched and scheduled purely, with every refusal naming its line."""

from gateway.ruleset.across import alike, cancels, in_effect
from gateway.ruleset.index import RuleSet
from gateway.ruleset.load import load
from gateway.ruleset.match import Facts, deciding, holding, undecided, unmapped
from gateway.ruleset.schedule import Planned, anchor_of, certain, planned

__all__ = [
    "Facts",
    "Planned",
    "RuleSet",
    "alike",
    "anchor_of",
    "cancels",
    "certain",
    "deciding",
    "holding",
    "in_effect",
    "load",
    "planned",
    "undecided",
    "unmapped",
]
