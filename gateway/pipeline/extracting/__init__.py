"""Rows of tables are taken in extracts: each chunk with what it came to and its cursor in one transaction, or not at all."""

from gateway.pipeline.extracting.book import RowBook
from gateway.pipeline.extracting.extracts import meaning_of
from gateway.pipeline.extracting.guards import Guards
from gateway.pipeline.extracting.trial import TrialBook

__all__ = ["Guards", "RowBook", "TrialBook", "meaning_of"]
