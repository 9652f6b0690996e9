"""The pages patients see: messages to pick up, preferences, unsubscribe. Rendered here, without a script, asking nobody else."""

from gateway.api.portal.pages import Pages
from gateway.api.portal.routes import routes_of

__all__ = ["Pages", "routes_of"]
