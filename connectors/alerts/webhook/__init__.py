"""Alerts as signed JSON over HTTPS; entry point `gateway.alerts: webhook`."""

from connectors.alerts.webhook.sink import WebhookAlerts

__all__ = ["WebhookAlerts"]
