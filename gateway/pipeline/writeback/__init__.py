"""A FHIR server is told what became of the messages that its resources led to (W-01); no send ever waits for it."""

from gateway.pipeline.writeback.rounds import WritingBack

__all__ = ["WritingBack"]
