"""The rule language: files become typed rules that are matched and scheduled purely, with every refusal naming its line."""

from gateway.ruleset.index import RuleSet
from gateway.ruleset.load import load
from gateway.ruleset.match import Facts, deciding, holding, undecided, unmapped
from gateway.ruleset.schedule import Planned, planned

__all__ = ["Facts", "Planned", "RuleSet", "deciding", "holding", "load", "planned", "undecided", "unmapped"]
