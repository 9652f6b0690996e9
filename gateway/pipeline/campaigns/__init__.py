"""Rules that write to an audience: what a dry run showed, what a person said to it, how many left, and what stops them."""

from gateway.pipeline.campaigns.standing import InForce, count_planned, digest_of, in_force, is_off, standing
from gateway.pipeline.campaigns.volume import count, locked, queue

__all__ = ["InForce", "count", "count_planned", "digest_of", "in_force", "is_off", "locked", "queue", "standing"]
