"""Stored messages played again under a rule set, by the very code that receives and sends, into a database thrown away."""

from gateway.app.replay.asked import NOTES, Asked, Here, replay
from gateway.app.replay.report import Report

__all__ = ["NOTES", "Asked", "Here", "Report", "replay"]
