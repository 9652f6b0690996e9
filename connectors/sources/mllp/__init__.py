"""HL7 v2 over MLLP release 1: an acknowledgement is written only for an outcome the intake has committed (law 1)."""

from connectors.sources.mllp.source import MllpSource

__all__ = ["MllpSource"]
