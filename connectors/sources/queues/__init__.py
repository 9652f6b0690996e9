"""What every source that reads from a message broker shares: settled there only what is committed here (law 1)."""

from connectors.sources.queues.link import Delivery, Link, Waiting
from connectors.sources.queues.options import QueueOptions
from connectors.sources.queues.source import QueueSource

__all__ = ["Delivery", "Link", "QueueOptions", "QueueSource", "Waiting"]
