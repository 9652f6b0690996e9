"""HL7 v2 over HTTP: every acknowledgement is a 200, and it is written only for an outcome that was committed (law 1, H-02)."""

from connectors.sources.http.source import HttpSource

__all__ = ["HttpSource"]
