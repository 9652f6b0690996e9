"""Other systems are told what became of things: a cursor over the audit log below the watermark, nothing stored beside it (SN-39)."""

from gateway.pipeline.outcomes.rounds import Publishing

__all__ = ["Publishing"]
