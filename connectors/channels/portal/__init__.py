"""The portal as a channel: nothing leaves, the sealed body lies in the database until its reader proves who they are."""

from connectors.channels.portal.channel import PortalChannel

__all__ = ["PortalChannel"]
