"""Caregate: a gateway that turns clinical feeds into consented, audited patient messages."""

__version__ = "0.1.0"
